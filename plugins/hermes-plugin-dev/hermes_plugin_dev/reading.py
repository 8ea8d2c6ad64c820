"""Read what a plugin offers and asks for from its text: nothing of it runs before a person agreed.

What a plugin makes up while it is listed (offers in a loop) is not seen here; what stands in its
source is.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec

LISTENING = {"start_server", "start_unix_server", "create_server", "TCPSite", "serve_forever"}
"""Calls that open a port, by their last word."""


class Asked(msgspec.Struct, frozen=True):
    """What a plugin's source says."""

    offers: tuple[tuple[str, str, str], ...] = ()
    """Kind, name and summary of each offer."""
    secrets: tuple[str, ...] = ()
    """References of the secrets that its settings name."""
    listens: bool = False
    """It opens a port, or has a setting that says where to."""


def read(package: Path) -> Asked:
    """Read every module of *package*."""
    offers: list[tuple[str, str, str]] = []
    secrets: set[str] = set()
    listens = False
    for file in sorted(package.rglob("*.py")):
        if "templates" in file.relative_to(package).parts:
            continue
        try:
            tree = ast.parse(file.read_text("utf-8"))
        except (SyntaxError, UnicodeDecodeError, OSError):
            continue
        if file.name == "__init__.py" and file.parent == package:
            offers += _offers(tree)
        for node in ast.walk(tree):
            secrets |= set(_secret(node))
            listens = listens or _listens(node)
    return Asked(tuple(offers), tuple(sorted(secrets)), listens)


def _offers(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    for function in tree.body:
        if isinstance(function, ast.FunctionDef) and function.name.startswith("hermes_"):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and _last(node.func) == "Offer":
                    name, summary = _text(node, 0, "name"), _text(node, 2, "summary")
                    if name:
                        yield function.name.removeprefix("hermes_"), name, summary


def _secret(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and _last(node.func) == "Secret":
        if reference := _text(node, 0, "reference"):
            yield reference


def _listens(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return _last(node.func) in LISTENING
    target = node.target if isinstance(node, ast.AnnAssign) else None
    return isinstance(target, ast.Name) and target.id in ("listen", "bind")


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _text(call: ast.Call, place: int, name: str) -> str:
    """Give the argument of a call that stands there as a text; empty where none does."""
    found = call.args[place] if place < len(call.args) else None
    found = next((word.value for word in call.keywords if word.arg == name), found)
    return found.value if isinstance(found, ast.Constant) and isinstance(found.value, str) else ""
