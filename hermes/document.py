"""A YAML file with the place of each value, so that one can be changed and no other byte is.

PyYAML says where every node begins and ends; the new text is put there. What comes out is read
back and compared before anyone writes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import yaml

from hermes.errors import ConfigError

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KeyPath: TypeAlias = tuple[str, ...]
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


class Document:
    """One mapping, parsed. *name* is what errors call it."""

    def __init__(self, text: str, name: str = "config.yaml") -> None:
        """Raises ConfigError with the line, for text that is not one YAML mapping."""
        self.text, self.name = text, name
        loader = Loader(text.removeprefix("\ufeff"))
        try:
            self.root = loader.get_single_node()
            self.repeated = list(_plain_keys(self.root))
            self.data: dict[str, Any] = (
                {} if self.root is None else loader.construct_document(self.root)
            )
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigError(f"{name}{line}: not valid YAML: {error.problem}") from None
        except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
            raise ConfigError(f"{name}: not valid YAML: {str(error).splitlines()[0]}") from None
        finally:
            loader.dispose()
        if self.data is None:
            self.data, self.root = {}, None
        if not isinstance(self.data, dict):
            raise ConfigError(f"{name}:1: expected `key: value` lines")

    def line(self, path: KeyPath) -> int:
        """Give the line of a key, or of the nearest one above it that is there; 0 for none."""
        node, line = self.root, 0
        for name in path:
            found = _pair(node, name)
            if found is None:
                break
            line, node = found[0].start_mark.line + 1, found[1]
        return line

    def setting(self, path: KeyPath, value: Any) -> str:
        """Give the text with *value* at *path*. Raises ConfigError where that is not safe."""
        wanted = _with(self.data, path, value)
        return self._verified(self._put(path, value), wanted, path)

    def unsetting(self, path: KeyPath) -> str:
        """Give the text without *path*; the same text where it is not there."""
        node = self.root
        for name in path[:-1]:
            pair = _pair(node, name)
            if pair is None:
                return self.text
            node = pair[1]
        pair = _pair(node, path[-1])
        if pair is None:
            return self.text
        text, (start, end) = self._text, (_start(pair[0]), self._end(*pair))
        if node.flow_style:
            after = re.compile(r"\s*,[ \t]*").match(text, end)
            before = re.compile(r",\s*$").search(text, 0, start)
            end = after.end() if after else end
            start = before.start() if before and not after else start
        else:
            start = text.rfind("\n", 0, start) + 1
            end = _line_end(text, end) + 1
        return self._verified(text[:start] + text[end:], _without(self.data, path), path)

    @property
    def _text(self) -> str:
        """What the marks count in."""
        return self.text.removeprefix("\ufeff")

    def _put(self, path: KeyPath, value: Any) -> str:
        text, node, depth = self._text, self.root, 0
        while depth < len(path) and (pair := _pair(node, path[depth])) is not None:
            node, depth = pair[1], depth + 1
            if depth < len(path) and not isinstance(node, yaml.MappingNode):
                return self._into_empty(path, depth, pair, value)
        if depth == len(path):
            key, old = pair
            return self._replace(key, old, value)
        rest = path[depth:]
        if node is None or not node.value:
            if node is not None:  # `{}`
                at = _start(node) + 1
                return text[:at] + _flow_pair(rest, value) + text[at:]
            gap = "" if not text or text.endswith("\n") else "\n"
            return text + gap + _block(rest, value, 0)
        if node.flow_style:
            at = _start(node) + 1
            return text[:at] + _flow_pair(rest, value) + ", " + text[at:]
        last = node.value[-1]
        at = _line_end(text, self._end(*last))
        column = node.value[0][0].start_mark.column
        lines = _block(rest, value, column).rstrip("\n")
        newline = "\r\n" if "\r\n" in text else "\n"
        at -= text[at - 1 : at] == "\r"
        return text[:at] + newline + lines.replace("\n", newline) + text[at:]

    def _into_empty(self, path: KeyPath, depth: int, pair: Any, value: Any) -> str:
        """Put a mapping where a key has none yet (``section:``)."""
        key, old = pair
        if old.value not in ("", "null", "~"):
            where = f"{self.name}:{key.start_mark.line + 1}"
            raise ConfigError(f"{where}: {'.'.join(path[:depth])} is a value, not a section")
        text, rest = self._text, path[depth:]
        if old.value or self._flow_around(path[:depth]):
            nested: Any = value
            for name in reversed(rest):
                nested = {name: nested}
            return self._replace(key, old, nested)
        at = _line_end(text, _start(key))
        lines = _block(rest, value, key.start_mark.column + 2).rstrip("\n")
        return text[:at] + "\n" + lines + text[at:]

    def _flow_around(self, path: KeyPath) -> bool:
        node = self.root
        for name in path[:-1]:
            node = _pair(node, name)[1]
        return bool(node.flow_style)

    def _replace(self, key: Any, old: Any, value: Any) -> str:
        text, new = self._text, _flow(value)
        colon = text.index(":", key.end_mark.index)
        if _start(old) < key.end_mark.index:  # an alias: its node is the anchor's
            alias = re.compile(r"\s*\*[^\s,\]}]+").match(text, colon + 1)
            if alias is None:
                raise ConfigError(f"{self.name}:{key.start_mark.line + 1}: change it by hand")
            return text[: colon + 1] + " " + new + text[alias.end() :]
        end = self._end(key, old)
        between = text[colon + 1 : _start(old)]
        if "\n" in between and isinstance(old, (yaml.MappingNode, yaml.SequenceNode)):
            comment = between.partition("\n")[0].rstrip()
            return text[: colon + 1] + " " + new + comment + text[end:]
        gap = "" if between else " "
        return text[: _start(old)] + gap + new + text[end:]

    def _end(self, key: Any, node: Any) -> int:
        """Where the value really ends: marks of blocks reach to the next token, over comments."""
        if _start(node) < key.end_mark.index:
            alias = re.compile(r"\s*:\s*\*[^\s,\]}]+").match(self._text, key.end_mark.index)
            return alias.end() if alias else int(key.end_mark.index)
        if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
            return self._end(*node.value[-1])
        if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
            return self._end(key, node.value[-1])
        end = int(node.end_mark.index)
        if isinstance(node, yaml.ScalarNode) and node.style in (
            "|",
            ">",
        ):  # block text: up to its last line's end
            end = len(self._text[:end].rstrip())
        return max(end, int(key.end_mark.index) + 1) if end == _start(node) else end

    def _verified(self, text: str, wanted: dict[str, Any], path: KeyPath) -> str:
        """Read back what was made. Empty sections count as absent."""
        where = ".".join(path)
        try:
            made = Document(text, self.name).data
        except ConfigError:
            made = None
        if _bare(made) != _bare(wanted):
            raise ConfigError(f"{self.name}: {where} cannot be changed safely: change it by hand")
        return "\ufeff" + text if self.text.startswith("\ufeff") else text


def _plain_keys(root: Any) -> Iterator[tuple[str, int]]:
    """Make every key text (YAML 1.1 reads ``on:`` as true, and a chat's id as a number), and give
    those that stand twice in one mapping, with the line of the later: it is the one that counts.
    """
    pending, met = [root], set()
    while pending:
        node = pending.pop()
        if id(node) in met or not isinstance(node, yaml.CollectionNode):
            continue
        met.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            pending += node.value
            continue
        seen: set[str] = set()
        for key, value in node.value:
            pending.append(value)
            if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:merge":
                continue
            key.tag = "tag:yaml.org,2002:str"
            if key.value in seen:
                yield key.value, key.start_mark.line + 1
            seen.add(key.value)


def _pair(node: Any, name: str) -> Any:
    """Give the (key, value) nodes of a name, the last where it is repeated."""
    if not isinstance(node, yaml.MappingNode):
        return None
    found = [pair for pair in node.value if pair[0].value == name]
    return found[-1] if found else None


def _start(node: Any) -> int:
    return int(node.start_mark.index)


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _flow(value: Any) -> str:
    """Write a value on one line, plain where that reads back the same."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_/~.][\w./:@+-]*", value):
        try:
            if yaml.safe_load(value) == value and yaml.safe_load(f"a: {value}") == {"a": value}:
                return value
        except yaml.YAMLError:
            pass
    if isinstance(value, list):
        return "[" + ", ".join(map(_in_flow, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_in_flow(k)}: {_in_flow(v)}" for k, v in value.items()) + "}"
    return _in_flow(value) if isinstance(value, str) else json.dumps(value)


def _in_flow(value: Any) -> str:
    if not isinstance(value, str):
        return _flow(value)
    quoted = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _flow_pair(path: KeyPath, value: Any) -> str:
    for name in reversed(path[1:]):
        value = {name: value}
    return f"{_in_flow(path[0])}: {_in_flow(value)}"


def _block(path: KeyPath, value: Any, column: int) -> str:
    lines = [" " * (column + 2 * i) + _flow(name) + ":" for i, name in enumerate(path)]
    return "\n".join(lines) + f" {_flow(value)}\n"


def _with(data: Any, path: KeyPath, value: Any) -> dict[str, Any]:
    copy = dict(data) if isinstance(data, dict) else {}
    copy[path[0]] = value if len(path) == 1 else _with(copy.get(path[0]), path[1:], value)
    return copy


def _without(data: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    copy = dict(data)
    if len(path) == 1:
        copy.pop(path[0], None)
    elif isinstance(copy.get(path[0]), dict):
        copy[path[0]] = _without(copy[path[0]], path[1:])
    return copy


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: bare for key, each in value.items() if (bare := _bare(each)) not in (None, {})}
    return value
