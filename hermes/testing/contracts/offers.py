"""Look at a plugin's hooks and offers as the host does, and say all that is wrong at once."""

from __future__ import annotations

import ast
import difflib
import inspect
import itertools
import re
import textwrap
from collections.abc import Callable, Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, get_args, get_origin

import msgspec

from hermes import hookspecs
from hermes.cli import OWN
from hermes.commands import Command, CommandFamily, Group
from hermes.memory import Memory
from hermes.middleware import Middleware
from hermes.offers import Offer
from hermes.platform import Platform
from hermes.prompt import PromptSection
from hermes.provider import Provider
from hermes.service import Check, Observer, Service
from hermes.settings import decode_hook
from hermes.store import Store
from hermes.terminal import TerminalBackend
from hermes.tools import Tool, Toolset, ToolsetFamily

HOOKS = frozenset(name for name in vars(hookspecs) if name.startswith("hermes_"))
KINDS: dict[str, type] = {
    "providers": Provider,
    "platforms": Platform,
    "terminals": TerminalBackend,
    "memory": Memory,
    "stores": Store,
    "middleware": Middleware,
    "prompts": PromptSection,
    "services": Service,
    "observers": Observer,
    "checks": Check,
}
"""Kinds whose targets are classes or factories that take a `PluginContext`."""
NAME = re.compile(r"[a-z][a-z0-9_-]*\Z")
TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")
SUMMARY_LIMIT = 100


def resolve(target: str) -> Any:
    """Import what ``module:attribute`` names."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


def hooks(module: ModuleType) -> dict[str, Callable[[], Any]]:
    """Give the functions of *module* that answer a hook, marked or named as one."""
    return {
        name: value
        for name, value in vars(module).items()
        if inspect.isroutine(value)
        and (name.startswith("hermes_") or hasattr(value, "hermes_impl"))
    }


def offered(module: ModuleType) -> dict[str, list[Offer]]:
    """Call every known hook of *module*; kind (``tools``) to offers."""
    return {
        name.removeprefix("hermes_"): list(function())
        for name, function in hooks(module).items()
        if name in HOOKS
    }


def hook_problems(module: ModuleType) -> list[str]:
    """List hooks that are unknown, unmarked, or not called as hooks are."""
    return [
        f"{module.__name__}.{name} {said}"
        for name, function in hooks(module).items()
        for said in _hook_problems(name, function)
    ] or ([] if hooks(module) else [f"{module.__name__} answers no hook: it offers nothing"])


def _hook_problems(name: str, function: Callable[[], Any]) -> Iterator[str]:
    if name not in HOOKS:
        near = difflib.get_close_matches(name, HOOKS, 1)
        yield "is no hook" + (f"; did you mean {near[0]}?" if near else "")
    mark = getattr(function, "hermes_impl", None)
    if mark is None:
        yield "is not marked: write @hookimpl above it"
    elif any(mark.values()):
        yield "has an order of call or wraps: hooks of plugins only list offers"
    if inspect.iscoroutinefunction(function):
        yield "must not be async"
    if inspect.signature(function).parameters:
        yield "must take no arguments"


def listing_problems(module: ModuleType) -> list[str]:
    """List what is wrong with the offers as data, before anything of them is imported."""
    return [
        f"{name.removeprefix('hermes_')}: {said}"
        for name, function in hooks(module).items()
        if name in HOOKS
        for said in _listing_problems(name, function())
    ]


def _listing_problems(hook: str, listed: Any) -> Iterator[str]:
    if not isinstance(listed, list) or not all(isinstance(offer, Offer) for offer in listed):
        yield f"must return a list of Offer, not {listed!r}"
        return
    names = [offer.name for offer in listed]
    for offer in listed:
        named = offer.name
        if hook == "hermes_commands" and named.partition(" ")[0] in OWN:
            named = named.partition(" ")[2]  # a sub-command of a group of the kernel's
        if not NAME.match(named):
            yield f"{offer.name!r}: names are lower case letters, digits, - and _"
        if names.count(offer.name) > 1:
            yield f"{offer.name!r} is offered twice"
        if not TARGET.match(offer.target):
            yield f"{offer.name!r}: target {offer.target!r} is not module:attribute"
        if not 0 < len(offer.summary) <= SUMMARY_LIMIT or "\n" in offer.summary:
            yield f"{offer.name!r}: its summary must be one line of at most {SUMMARY_LIMIT}"


def target_problems(kind: str, offer: Offer, module: ModuleType) -> list[str]:
    """List why the target of *offer* could not be used; imports it."""
    where = f"{kind} {offer.name!r}: {offer.target}"
    package = offer.target.partition(":")[0].partition(".")[0]
    if package != module.__name__.partition(".")[0]:
        return [f"{where} lies outside the plugin's own distribution"]
    try:
        target = resolve(offer.target)
    except Exception as error:  # noqa: BLE001 - whatever the import raised is the finding
        return [f"{where} cannot be imported: {type(error).__name__}: {error}"]
    contract = KINDS.get(kind)
    if contract is None or offer.family:
        return []
    if inspect.isclass(target):
        missing = ", ".join(sorted(getattr(target, "__abstractmethods__", ())))
        if not issubclass(target, contract):
            return [f"{where} is no {contract.__name__}"]
        return [f"{where} lacks {missing}"] if missing else []
    return [] if callable(target) else [f"{where} is neither a class nor a factory"]


def make(offer: Offer, kind: str, context: Any) -> Any:
    """Create what *offer* names as the host does."""
    target = resolve(offer.target)
    if kind == "settings" or (kind == "commands" and not offer.family) or not callable(target):
        return target
    if inspect.isclass(target) or kind in KINDS:
        return target(context)
    return target


def made_problems(kind: str, offer: Offer, made: Any) -> list[str]:
    """List why *made*, what the host got of *offer*, is not what its kind asks for."""
    if kind == "commands" and isinstance(made, (Command, Group)):
        if set(offer.surfaces) != made.surfaces:
            said = f"says {', '.join(offer.surfaces)}, the command {', '.join(made.surfaces)}"
            return [f"commands {offer.name!r}: its offer {said}"]
    fits = _is_family(kind, made) if offer.family else _fits(kind, made)
    if fits:
        return []
    return [f"{kind} {offer.name!r}: {offer.target} gave {made!r}"]


def _is_family(kind: str, made: Any) -> bool:
    families: dict[str, type] = {"tools": ToolsetFamily, "commands": CommandFamily}
    return isinstance(made, families.get(kind, ()))


def _fits(kind: str, made: Any) -> bool:
    if kind == "settings":
        return is_section(made)
    if kind == "commands":
        return isinstance(made, (Command, Group))
    if kind == "tools":
        listed = made if isinstance(made, (list, tuple)) else [made]
        return bool(listed) and all(isinstance(each, (Tool, Toolset)) for each in listed)
    return isinstance(made, KINDS[kind])


def settings_problems(offer: Offer) -> list[str]:
    """List what keeps a settings struct from being checked, defaulted and explained."""
    target = resolve(offer.target)
    where = f"settings {offer.name!r}: {offer.target}"
    if not is_section(target):
        return [f"{where} is no msgspec.Struct, nor a list, mapping or choice of them"]
    problems = []
    for struct in structs_of(target):
        if not struct.__struct_config__.frozen:
            problems.append(f"{where} must be frozen")
        for field in msgspec.structs.fields(struct):
            if field.required and struct is target:
                problems.append(f"{where}.{field.name} has no default")
            if field.name not in documented(struct):
                problems.append(f"{where}.{field.name} has no docstring line beneath it")
    try:
        unwritten(target)
    except msgspec.ValidationError:
        problems.append(f"{where} admits neither an empty section nor none: it has no default")
    return problems


def is_section(target: Any) -> bool:
    """Whether a config section can be of this type: a struct, or made of types (``list[X]``)."""
    return get_origin(target) is not None or (
        inspect.isclass(target) and issubclass(target, msgspec.Struct)
    )


def structs_of(target: Any) -> Iterator[type[msgspec.Struct]]:
    """Give the structs that a section's type is made of."""
    if inspect.isclass(target) and issubclass(target, msgspec.Struct):
        yield target
    for argument in get_args(target):
        yield from structs_of(argument)


def unwritten(target: Any) -> Any:
    """Give what a section is where nothing is written. Raises msgspec.ValidationError."""
    nothing: Any
    for nothing in (None, []):
        try:
            return msgspec.convert(nothing, target, dec_hook=decode_hook)
        except msgspec.ValidationError:
            continue
    return msgspec.convert({}, target, dec_hook=decode_hook)


def documented(struct: type) -> set[str]:
    """Name the fields of *struct* (and its bases) that a string literal follows."""
    found: set[str] = set()
    for kind in struct.__mro__:
        if kind is object or kind.__module__.startswith("msgspec"):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
        lines = getattr(body, "body", [])
        for field, line in itertools.pairwise(lines):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(line, ast.Expr)
                and isinstance(line.value, ast.Constant)
                and isinstance(line.value.value, str)
                and line.value.value.strip()
            ):
                found.add(field.target.id)
    return found
