"""Hold the public surface: what `hermes` and `hermes.testing` offer is what docs/surface.txt says.

    make surface            compare, and check that every public name says what it is
    make surface WRITE=1    write the snapshot anew

One line an item, read from the source: names with their kind, signatures with types and defaults,
fields of structs with their place, abstract and optional methods, hooks. Within a major version a
line that goes or changes is a break for somebody's plugin (architecture, §4.2).
"""

from __future__ import annotations

import ast
import enum
import functools
import inspect
import os
import re
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import msgspec

import hermes
from hermes import deprecation

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "docs" / "surface.txt"
RUNTIME = (
    *("open", "session", "conversation", "find", "answer", "provider_models", "warm"),
    *("host", "store", "models"),
)
"""What a program may use of `hermes.runtime.Runtime`; its other members are the kernel's own."""
HOOKS = "hermes.hookspecs"
SPOKEN = ("__init__", "__call__", "__aenter__", "__enter__", "__iter__", "__aiter__")
"""Special methods that are part of how a thing is used."""

ORDER = (
    "break",
    "break, unless everything that fitted before fits still",
    "gone as announced",
    "addition",
)
"""What a difference may mean, worst first."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


# -- finding definitions ----------------------------------------------------------------------


@functools.cache
def parsed(module: str) -> ast.Module:
    """Parse a module's source."""
    return ast.parse(inspect.getsource(import_module(module)))


def definition(module: str, name: str) -> tuple[list[ast.stmt], str]:
    """Give what defines *name* (several statements for overloads) and its documentation."""
    body = parsed(module).body
    for place, node in enumerate(body):
        if isinstance(node, ast.ImportFrom) and any(a.name == name for a in node.names):
            return definition(node.module or "", name)
        if isinstance(node, ast.ClassDef) and node.name == name:
            return [node], ast.get_docstring(node) or ""
        if isinstance(node, Function) and node.name == name:
            every = [n for n in body if isinstance(n, Function) and n.name == name]
            return list(every), next(filter(None, map(ast.get_docstring, every)), "")
        if name in assigned(node):
            after = body[place + 1] if place + 1 < len(body) else node
            return [node], literal(after)
    raise LookupError(f"{module} does not define {name}")


def assigned(node: ast.stmt) -> list[str]:
    """Name what an assignment assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    flat = [each for t in targets for each in (t.elts if isinstance(t, ast.Tuple) else [t])]
    return [each.id for each in flat if isinstance(each, ast.Name)]


def literal(node: ast.stmt) -> str:
    """Give the text of a bare string, which documents the assignment above it."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return node.value.value if isinstance(node.value.value, str) else ""
    return ""


# -- describing -------------------------------------------------------------------------------


def describe(package: ModuleType) -> Iterator[str]:
    """Describe every name of a package that says in ``_WHERE`` where its names come from."""
    for name in sorted(package.__all__):
        yield from item(package.__name__, f"{package.__name__}.{package._WHERE[name]}", name)


def item(prefix: str, module: str, name: str) -> Iterator[str]:
    """Describe one name: a line for itself, and one for each of its members."""
    nodes, _ = definition(module, name)
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield from described_class(f"{prefix}.{name}", getattr(import_module(module), name))
        elif isinstance(node, Function):
            if len(nodes) == 1 or "overload" in decorators(node):
                yield f"{prefix}.{name}  {signature(node)}"
        elif isinstance(node, ast.AnnAssign):
            what = "alias" if ast.unparse(node.annotation) == "TypeAlias" else "constant"
            typed = "" if what == "alias" else f": {ast.unparse(node.annotation)}"
            yield f"{prefix}.{name}  {what}{typed} = {shown(node.value)}"
        elif isinstance(node, ast.Assign):
            value: ast.expr = node.value
            if isinstance(value, ast.Tuple) and isinstance(node.targets[0], ast.Tuple):
                value = value.elts[assigned(node).index(name)]
            yield f"{prefix}.{name}  constant = {shown(value)}"


def described_class(path: str, kind: type) -> Iterator[str]:
    """Describe a class, with what it has from bases that are not public themselves."""
    node = class_node(kind)
    heads = [*map(ast.unparse, node.bases), *map(ast.unparse, node.keywords)]
    yield f"{path}  {kind_of(kind)}" + (f"({', '.join(heads)})" if heads else "")
    lines: dict[str, list[str]] = {}
    for base in reversed(kind.__mro__):
        if base is kind or (base.__module__.startswith("hermes") and not is_public(base)):
            lines.update(members(path, kind, class_node(base)))
    yield from (line for _, several in sorted(lines.items()) for line in several)


def class_node(kind: type) -> ast.ClassDef:
    (node,), _ = definition(kind.__module__, kind.__name__)
    assert isinstance(node, ast.ClassDef)
    return node


def is_public(kind: type) -> bool:
    return any(
        getattr(import_module(package), "_WHERE", {}).get(kind.__name__)
        for package in ("hermes", "hermes.testing")
    )


def kind_of(kind: type) -> str:
    if issubclass(kind, msgspec.Struct):
        return "struct"
    if issubclass(kind, enum.Enum):
        return "enum"
    if issubclass(kind, BaseException):
        return "exception"
    if getattr(kind, "_is_protocol", False):
        return "protocol"
    return "abstract class" if inspect.isabstract(kind) else "class"


def members(path: str, kind: type, node: ast.ClassDef) -> dict[str, list[str]]:
    """Describe what *node* defines: name to lines, struct fields named by their place."""
    found: dict[str, list[str]] = {}
    fields: tuple[str, ...] = getattr(kind, "__struct_fields__", ())
    keyword_only = getattr(getattr(kind, "__struct_config__", None), "kw_only", False)
    for each in node.body:
        for name in assigned(each):
            if name.startswith("_") or not isinstance(each, (ast.Assign, ast.AnnAssign)):
                continue
            typed = f": {ast.unparse(each.annotation)}" if isinstance(each, ast.AnnAssign) else ""
            value = f" = {shown(each.value)}" if each.value is not None else ""
            place = "member" if issubclass(kind, enum.Enum) else "attribute"
            if name in fields:
                place = "field" if keyword_only else f"field {fields.index(name) + 1}"
            key = f"{fields.index(name):03}" if name in fields else name
            found[key] = [f"{path}.{name}  {place}{typed}{value}"]
        if isinstance(each, Function) and is_spoken(each.name):
            found.setdefault(each.name, []).append(f"{path}.{each.name}  {signature(each, True)}")
        if isinstance(each, Function) and each.name == "__init__":
            for name, typed in attributes(each).items():
                found.setdefault(name, [f"{path}.{name}  attribute{typed}"])
    return found


def is_spoken(name: str) -> bool:
    """Whether a method is public. The tests of a contract suite are not: suites may grow."""
    return name in SPOKEN or not name.startswith(("_", "test_"))


def attributes(init: Function) -> dict[str, str]:
    """Name the public attributes that ``__init__`` sets, with their types where it says them."""
    arguments = [*init.args.posonlyargs, *init.args.args, *init.args.kwonlyargs]
    types = {a.arg: ast.unparse(a.annotation) for a in arguments if a.annotation is not None}
    found: dict[str, str] = {}
    for node in ast.walk(init):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
        flat = [each for t in targets for each in (t.elts if isinstance(t, ast.Tuple) else [t])]
        for target in flat:
            if not isinstance(target, ast.Attribute) or target.attr.startswith("_"):
                continue
            if not (isinstance(target.value, ast.Name) and target.value.id == "self"):
                continue
            value = getattr(node, "value", None)
            typed = types.get(value.id, "") if isinstance(value, ast.Name) else ""
            if isinstance(node, ast.AnnAssign):
                typed = ast.unparse(node.annotation)
            found.setdefault(target.attr, f": {typed}" if typed else "")
    return found


def decorators(node: Function) -> list[str]:
    return [ast.unparse(each).rpartition(".")[2] for each in node.decorator_list]


def signature(node: Function, method: bool = False) -> str:
    """Write a function's kind, parameters with types and defaults, and result."""
    marks = decorators(node)
    words: list[str] = [
        word for word in ("overload", "classmethod", "staticmethod", "property") if word in marks
    ]
    words += ["setter"] * ("setter" in marks) + ["abstract"] * ("abstractmethod" in marks)
    words += ["context"] * any(mark.endswith("contextmanager") for mark in marks)
    words += ["async"] * isinstance(node, ast.AsyncFunctionDef)
    arguments = ast.parse(ast.unparse(node)).body[0].args  # type: ignore[attr-defined]  # a copy
    if method and "staticmethod" not in marks:
        (arguments.posonlyargs or arguments.args).pop(0)
    result = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    given = "" if "property" in words else f"({ast.unparse(arguments)})"
    return " ".join([*words, f"{given}{result}".strip()])


def shown(value: ast.expr | None) -> str:
    return "?" if value is None else ast.unparse(value)


# -- comparing --------------------------------------------------------------------------------


def surface() -> list[str]:
    """Describe everything that is public."""
    lines: list[str] = []
    for package in ("hermes", "hermes.testing"):
        lines += describe(import_module(package))
    embedding = [
        *item("hermes.runtime", "hermes.runtime", "Runtime"),
        *item("hermes.conversation", "hermes.conversation", "Conversation"),
    ]
    inside = "hermes.runtime.Runtime."
    for line in embedding:
        path = line.partition("  ")[0]
        if not path.startswith(inside) or path.removeprefix(inside) in RUNTIME:
            lines.append(line)
    lines += [
        f"hermes.{name}  deprecated since {old.since}: {old.now}"
        for name, old in sorted(deprecation.RENAMED.items())
    ]
    hooks = [n for n in parsed(HOOKS).body if isinstance(n, Function)]
    return lines + [f"hook {node.name}  {signature(node)}" for node in hooks]


def undocumented(package: ModuleType) -> list[str]:
    """Name what is public and does not say what it is (a string beneath it, for an alias)."""
    prefix = package.__name__
    return [
        f"{prefix}.{name} says nowhere what it is"
        for name in package.__all__
        if not definition(f"{prefix}.{package._WHERE[name]}", name)[1].strip()
    ]


def differences(old: list[str], new: list[str]) -> list[str]:
    """Say what differs, a line each, with what that means to those who use it."""
    before, after = _by_path(old), _by_path(new)
    said = []
    for path in [*before, *(path for path in after if path not in before)]:
        if path not in after:
            said.append(gone(path, before[path]))
        elif path not in before:
            owner = path.rpartition(".")[0]
            text = " ".join(after[path])
            required = ("field" in text and "=" not in text) or text.startswith("abstract ")
            forced = owner in before and required
            said.append(f"{'break: required' if forced else 'addition'}: {path}")
        elif before[path] != after[path]:
            said.append(f"break, unless everything that fitted before fits still: {path}")
    return said


def gone(path: str, lines: list[str]) -> str:
    """Say whether what is gone was deprecated for long enough."""
    found = re.match(r"deprecated since (\d+\.\d+)", " ".join(lines))
    if found is None:
        return f"break: {path} is gone"
    if release(hermes.__version__) < release(deprecation.goes(found[1])):
        return f"break: {path} is gone, before {deprecation.goes(found[1])}"
    return f"gone as announced: {path}"


def release(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


def grouped(old: list[str], new: list[str]) -> list[str]:
    """Write the difference for a person: by what it means, then by whose it is, old above new."""
    before, after = _by_path(old), _by_path(new)
    groups: dict[str, dict[str, list[str]]] = {}
    for line in differences(old, new):
        meaning, _, rest = line.partition(": ")
        path = rest.split(" ")[-1] if rest.startswith("required") else rest.partition(" ")[0]
        path = path.rstrip(",")
        known = {**before, **after}
        owner = path.rpartition(".")[0]
        owner = owner if owner in known else path
        name = path.removeprefix(f"{owner}.")
        lines = groups.setdefault(meaning, {}).setdefault(owner, [])
        lines += [f"- {name}  {text}" for text in before.get(path, ()) if path not in after
                  or text not in after[path]]  # fmt: skip
        lines += [f"+ {name}  {text}" for text in after.get(path, ()) if path not in before
                  or text not in before[path]]  # fmt: skip
    said = []
    for meaning, owners in sorted(groups.items(), key=lambda item: ORDER.index(item[0])):
        said += ["", meaning.upper()]
        for owner, lines in owners.items():
            said += [f"  {owner}", *(f"    {line}" for line in lines)]
    return said


def _by_path(lines: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        path, _, text = line.partition("  ")
        found.setdefault(path, []).append(text)
    return found


def main(snapshot: Path = SNAPSHOT) -> int:
    wrong = [
        line for name in ("hermes", "hermes.testing") for line in undocumented(import_module(name))
    ]
    if wrong:
        print("\n".join(wrong))
        return 1
    new = surface()
    if os.environ.get("WRITE"):
        kept = snapshot.read_text().splitlines() if snapshot.exists() else []
        print("\n".join(grouped(kept, new)).lstrip("\n"))
        snapshot.write_text("\n".join(new) + "\n")
    old = snapshot.read_text().splitlines() if snapshot.exists() else []
    if differences(old, new):
        print("\n".join(grouped(old, new)))
        print("\nIf this is meant: `make surface WRITE=1`, and a line in CHANGELOG.md.")
        return 1
    print(f"surface: {len(new)} lines hold")
    return 0


if __name__ == "__main__":
    sys.exit(main())
