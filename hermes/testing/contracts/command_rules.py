"""What a command's definition must be, read from it and from its source. Needs no pytest."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

import click

from hermes.commands import EVERYWHERE, Command, Group, Rest
from hermes.session import ROLES

TERMINAL_ONLY = frozenset(
    {"echo", "secho", "echo_via_pager", "prompt", "confirm", "pause", "getchar", "edit", "launch",
     "clear", "progressbar", "open_file", "get_text_stream", "get_binary_stream",
     "get_current_context", "pass_context", "pass_obj"}
)  # fmt: skip
"""Names of click that speak to the process's terminal or to its current context."""
BUILTINS = frozenset({"print", "input"})


def command_problems(command: click.Command) -> list[str]:
    """List what is wrong with *command* and what is beneath it; empty where all is well."""
    return [f"{' '.join(path)}: {said}" for path, each in walk(command) for said in _problems(each)]


def walk(
    command: click.Command, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Give *command* and every sub-command, each with the words that call it."""
    path = (*path, command.name or "")
    yield path, command
    if isinstance(command, click.Group):
        for sub in command.commands.values():
            yield from walk(sub, path)


def _problems(command: click.Command) -> Iterator[str]:
    if not isinstance(command, (Command, Group)):
        yield "is click's own: make it with hermes.command or hermes.group"
        return
    if not (command.help or "").strip():
        yield "has no help: write a docstring"
    if not command.surfaces or command.surfaces - EVERYWHERE:
        yield f"surfaces {sorted(command.surfaces)}: expected some of {sorted(EVERYWHERE)}"
    if command.role not in ROLES:
        yield f"role {command.role!r}: expected one of {', '.join(ROLES)}"
    if command.callback is not None and not inspect.iscoroutinefunction(
        inspect.unwrap(command.callback)
    ):
        yield "must be `async def`"
    for parameter in command.params:
        yield from _parameter_problems(command, parameter)
    if "chat" in command.surfaces and command.callback is not None:
        for name in sorted(terminal_calls(command.callback)):
            yield f"calls {name}, which a chat never sees: use context.reply or context.ask"


def _parameter_problems(command: Command | Group, parameter: click.Parameter) -> Iterator[str]:
    name = parameter.human_readable_name
    if isinstance(parameter.type, Rest) and parameter is not command.params[-1]:
        yield f"{name} takes the rest of the line and must come last"
    if isinstance(parameter, click.Option) and not parameter.help and not parameter.hidden:
        yield f"{name} has no help"
    if "chat" not in command.surfaces:
        return
    if isinstance(parameter.type, (click.File, click.Path)):
        yield f"{name} is a file of this machine, which a chat has none of: take a string"
    if isinstance(parameter, click.Option) and (
        parameter.prompt or getattr(parameter, "confirmation_prompt", False)
    ):
        yield f"{name} prompts at the terminal: use context.ask"


def terminal_calls(callback: Any) -> set[str]:
    """Name what *callback* calls that works only at a terminal, through its module's functions."""
    function = inspect.unwrap(callback)
    module = inspect.getmodule(function)
    if module is None:
        return set()
    tree = ast.parse(textwrap.dedent(inspect.getsource(module)))
    functions = {
        node.name: node
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    modules, names = _click_names(tree)
    found: set[str] = set()
    waiting, seen = [function.__name__], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in functions:
            continue
        seen.add(name)
        for node in ast.walk(functions[name]):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                if node.value.id in modules and node.attr in TERMINAL_ONLY:
                    found.add(f"click.{node.attr}")
            elif isinstance(node, ast.Name):
                if node.id in BUILTINS:
                    found.add(node.id)
                elif names.get(node.id) in TERMINAL_ONLY:
                    found.add(f"click.{names[node.id]}")
                waiting.append(node.id)
    return found


def _click_names(tree: ast.Module) -> tuple[set[str], dict[str, str]]:
    """Give the names under which a module knows click, and those it took from click."""
    modules, names = set[str](), dict[str, str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {a.asname or a.name for a in node.names if a.name == "click"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("click"):
            names.update({a.asname or a.name: a.name for a in node.names})
    return modules, names
