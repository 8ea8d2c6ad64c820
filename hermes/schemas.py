"""Check plain data against the JSON schema of a settings struct, without importing the plugin.

The subset that msgspec writes. Text is taken for a number or a truth value where it reads as one,
as `hermes.config` does when it makes the struct.
"""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

KeyPath = tuple[str, ...]
SECRET = "secret-reference"
REFERENCE = re.compile(r"(env|keyring|command):.", re.DOTALL)
_NAMES = {
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "a section",
    "null": "nothing",
}

_BOUNDS: dict[str, tuple[str, Callable[[float, float], bool]]] = {
    "minimum": ("at least", operator.ge),
    "exclusiveMinimum": ("more than", operator.gt),
    "maximum": ("at most", operator.le),
    "exclusiveMaximum": ("less than", operator.lt),
}


class Issue(NamedTuple):
    """Something wrong at a key. An unknown key does no harm beyond itself; a wrong value does."""

    path: KeyPath
    text: str
    unknown: bool = False


def resolve(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Follow ``$ref``."""
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def at(root: dict[str, Any], path: KeyPath) -> dict[str, Any] | None:
    """Give the schema of a key, None where there is none. ``{}`` admits anything."""
    schema = resolve(root, root)
    for name in path:
        if schema == {}:
            return {}
        schema = next(
            (s for s in _alternatives(schema, root) if s.get("type") == "object"), {"-": 1}
        )
        inner = schema.get("properties", {}).get(name, schema.get("additionalProperties"))
        if inner is None and schema.get("type") == "object" and "properties" not in schema:
            inner = {}
        if inner is None or inner is False:
            return None
        schema = resolve({} if inner is True else inner, root)
    return schema


def declared(root: dict[str, Any], path: KeyPath) -> bool:
    """Whether the last name of *path* is one of a struct's, and not a key that a person chose."""
    above = at(root, path[:-1]) or {}
    return any(path[-1] in each.get("properties", {}) for each in _alternatives(above, root))


def defaults(schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Give what holds where nothing is written."""
    inner = resolve(schema, root)
    if "properties" in inner:
        made = {name: defaults(each, root) for name, each in inner["properties"].items()}
        return {**made, **(schema.get("default") or {})}
    return schema.get("default", {} if inner.get("type") == "object" else None)


def admits_nothing(schema: dict[str, Any], root: dict[str, Any]) -> bool:
    """Whether null is a value here. Where it is not, an empty key counts as not written."""
    return schema == {} or any(
        s == {} or s.get("type") == "null" for s in _alternatives(schema, root)
    )


def empty(schema: dict[str, Any]) -> Any:
    """Give what stands for a section that is not written: nothing, or one without keys."""
    kinds = {option.get("type") for option in _alternatives(schema, schema)}
    return None if "null" in kinds else [] if kinds == {"array"} else {}


def prune(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Leave out the empty keys of sections."""
    if not isinstance(value, dict):
        return value
    kept = {}
    for name, each in value.items():
        inner = at({**schema, "$defs": root.get("$defs", {})}, (str(name),)) or {}
        if each is not None or (inner and admits_nothing(inner, root)):
            kept[name] = prune(each, inner, root) if inner else each
    return kept


def reworded(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    """Put back words that YAML took for truth values: ``mode: off`` where only words fit."""
    if isinstance(value, dict):
        whole = {**schema, "$defs": root.get("$defs", {})}
        return {k: reworded(v, at(whole, (str(k),)) or {}, root) for k, v in value.items()}
    if not isinstance(value, bool):
        return value
    options = _alternatives(schema, root)
    if any(option.get("type") == "boolean" for option in options):
        return value
    choices = {str(choice) for option in options for choice in option.get("enum", ())}
    words = ("on", "yes", "true") if value else ("off", "no", "false")
    return next((word for word in words if word in choices), value)


def check(
    value: Any, schema: dict[str, Any], root: dict[str, Any], path: KeyPath
) -> Iterator[Issue]:
    """Give what is wrong with *value*."""
    options = _alternatives(schema, root)
    if {} in options:
        return
    found = [list(_check_one(value, option, root, path)) for option in options]
    if any(not issues for issues in found):
        return
    near = [f for f, option in zip(found, options, strict=True) if _fits(value, option)]
    if near:
        yield from near[0]
    else:
        names = [_called(option) for option in options if option.get("type") != "null"]
        hidden = any(option.get("format") == SECRET for option in options)
        got = "something else" if hidden else _shown(value)
        yield Issue(path, f"expected {' or '.join(dict.fromkeys(names))}, got {got}")


def _alternatives(schema: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    schema = resolve(schema, root)
    if "anyOf" in schema:
        return [one for option in schema["anyOf"] for one in _alternatives(option, root)]
    return [{} if not set(schema) - {"default", "description", "title", "$defs"} else schema]


def _check_one(
    value: Any, schema: dict[str, Any], root: dict[str, Any], path: KeyPath
) -> Iterator[Issue]:
    kind = schema.get("type")
    choices = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if choices is not None:
        if value not in choices:
            yield Issue(path, f"expected {_called(schema)}, got {_shown(value)}")
    elif not _fits(value, schema):
        yield Issue(path, f"expected {_called(schema)}, got {_shown(value)}")
    elif schema.get("format") == SECRET:
        if not REFERENCE.match(value):
            mend = f"`hermes config set {'.'.join(path)}` puts the secret into .env"
            yield Issue(path, f"expected a reference such as env:NAME, not a secret ({mend})")
    elif kind == "object":
        yield from _check_members(value, schema, root, path)
    elif kind == "array":
        first = schema.get("prefixItems", [])
        for i, each in enumerate(value):
            inner = first[i] if i < len(first) else schema.get("items", {})
            if isinstance(inner, dict):
                yield from check(each, inner, root, (*path, str(i)))
    else:
        yield from _check_bounds(value, schema, path)


def _check_members(
    value: dict[Any, Any], schema: dict[str, Any], root: dict[str, Any], path: KeyPath
) -> Iterator[Issue]:
    known, rest = schema.get("properties"), schema.get("additionalProperties")
    for name, each in value.items():
        inner = (known or {}).get(name, rest)
        if isinstance(inner, dict):
            if each is not None:
                yield from check(each, inner, root, (*path, str(name)))
        elif known is not None and inner is not True:
            yield Issue((*path, str(name)), "unknown key" + nearest(str(name), known), unknown=True)
    for name in schema.get("required", ()):
        if name not in value:
            yield Issue(path, f"lacks {name}")


def _check_bounds(value: Any, schema: dict[str, Any], path: KeyPath) -> Iterator[Issue]:
    if schema.get("type") in ("integer", "number"):
        for bound, (text, fits) in _BOUNDS.items():
            if bound in schema and not fits(float(value), schema[bound]):
                yield Issue(path, f"expected {text} {schema[bound]:g}, got {_shown(value)}")
    elif "pattern" in schema and not re.search(schema["pattern"], str(value)):
        yield Issue(path, f"expected text like {schema['pattern']}, got {_shown(value)}")


def _fits(value: Any, schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    if isinstance(value, str) and kind in ("integer", "number", "boolean"):
        pattern = {"integer": r"[+-]?\d+", "boolean": r"(?i:true|false|0|1)"}.get(
            kind, r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?"
        )
        return re.fullmatch(pattern, value.strip()) is not None
    if isinstance(value, bool):
        return kind == "boolean" or kind is None
    if kind == "number":
        return isinstance(value, (int, float))
    types: dict[str, type | tuple[type, ...]] = {
        "integer": int,
        "string": str,
        "array": (list, tuple),
        "object": dict,
        "null": type(None),
    }
    return isinstance(value, types[kind]) if kind in types else True


def _called(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    return _NAMES.get(schema.get("type", ""), "something else")


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "a section" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return str({None: "nothing", True: "true", False: "false"}[value])
    return f'"{value[:60]}"' if isinstance(value, str) else str(value)


def close(name: str, known: Any) -> list[str]:
    """Give the nearest known name, if one is near."""
    return difflib.get_close_matches(name, list(known), n=1)


def nearest(name: str, known: Any) -> str:
    """Suggest the nearest known name, in brackets, or nothing."""
    near = close(name, known)
    return f" (did you mean {near[0]}?)" if near else ""
