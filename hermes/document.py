"""A YAML file with the place of each value, so that one can be changed and no other byte is.

PyYAML says where every node begins and ends; the new text is put there. What comes out is read
back and compared before anyone writes it.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import yaml

from hermes.errors import ConfigError

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
KeyPath: TypeAlias = tuple[str, ...]
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


class _Spot(NamedTuple):
    """A key of a mapping and its value, as places in the text."""

    key: int
    colon: int
    """After the colon."""
    value: int
    """The same where there is none."""
    end: int
    node: Any


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
            place = _place(node, name)
            if place is None:
                break
            key, node = node.value[place]
            line = key.start_mark.line + 1
        return line

    def setting(self, path: KeyPath, value: Any) -> str:
        """Give the text with *value* at *path*. Raises ConfigError where that is not safe."""
        return self._verified(self._put(path, value), path, value)

    def unsetting(self, path: KeyPath) -> str:
        """Give the text without *path*; the same text where it is not there."""
        mapping = self.root
        for name in path[:-1]:
            above = _place(mapping, name)
            mapping = None if above is None else mapping.value[above][1]
        place = _place(mapping, path[-1])
        if place is None:
            return self.text
        spot = self._spot(mapping, place)
        text, start, end = self._text, spot.key, spot.end
        if mapping.flow_style:
            after = re.compile(r"\s*,[ \t]*").match(text, end)
            before = re.compile(r",\s*$").search(text, 0, start)
            end = after.end() if after else end
            start = before.start() if before and not after else start
        else:
            start = text.rfind("\n", 0, start) + 1
            end = _next_line(text, end)
        return self._verified(text[:start] + text[end:], path, None)

    @property
    def _text(self) -> str:
        """What the marks count in."""
        return self.text.removeprefix("\ufeff")

    @functools.cached_property
    def _tokens(self) -> list[Any]:
        """The words of the file: nodes reach over comments to the next word, these do not."""
        words = yaml.scan(self._text, Loader)
        empty = (yaml.FlowEntryToken, yaml.KeyToken)
        return [w for w in words if _start(w) < _end(w) and not isinstance(w, empty)]

    def _spot(self, mapping: Any, place: int) -> _Spot:
        """Say where in the text a key of a mapping and its value stand."""
        key, node = mapping.value[place]
        later = mapping.value[place + 1 :]
        limit = _start(later[0][0]) if later else _end(mapping) - bool(mapping.flow_style)
        words = [word for word in self._tokens if _end(key) <= _start(word) < limit]
        if not words or not isinstance(words[0], yaml.ValueToken):
            raise ConfigError(f"{self.name}:{key.start_mark.line + 1}: change it by hand")
        colon = _end(words[0])
        end = len(self._text[: _end(words[-1])].rstrip())  # text in a block takes blank lines along
        return _Spot(_start(key), colon, _start(words[1]) if words[1:] else colon, end, node)

    def _put(self, path: KeyPath, value: Any) -> str:
        mapping, rest = self.root, path
        while True:
            place = _place(mapping, rest[0])
            if place is None:
                return self._add(mapping, rest, value)
            spot = self._spot(mapping, place)
            rest = rest[1:]
            if not rest or not isinstance(spot.node, yaml.MappingNode):
                break
            mapping = spot.node
        if rest and spot.node.value not in ("", "null", "~"):
            there = path[: -len(rest)]
            where = f"{self.name}:{self.line(there)}: {'.'.join(there)}"
            raise ConfigError(f"{where} is a value, not a section")
        if rest and spot.value == spot.colon and not mapping.flow_style:
            column = mapping.value[0][0].start_mark.column + 2
            return self._with_lines(spot.colon, column, rest, value)
        text, new = self._text, _written(_nested(rest, value))
        gap, broken, _ = text[spot.colon : spot.value].partition("\n")
        new = f" {new}{gap.rstrip()}" if broken else f"{gap or ' '}{new}"
        return text[: spot.colon] + new + text[spot.end :]

    def _add(self, mapping: Any, path: KeyPath, value: Any) -> str:
        """Put a key into a mapping that lacks it, or into an empty file."""
        text = self._text
        if mapping is None:
            return self._with_lines(len(text.rstrip()), 0, path, value)
        if mapping.flow_style:
            at = _start(mapping) + 1
            more = _written(_nested(path, value))[1:-1] + (", " if mapping.value else "")
            return text[:at] + more + text[at:]
        end = self._spot(mapping, len(mapping.value) - 1).end
        return self._with_lines(end, mapping.value[0][0].start_mark.column, path, value)

    def _with_lines(self, at: int, column: int, path: KeyPath, value: Any) -> str:
        """Add lines after the one that *at* lies in."""
        text = self._text
        newline = "\r\n" if "\r\n" in text else "\n"
        at = _next_line(text, at)
        before = newline if at and text[at - 1] != "\n" else ""
        lines = [" " * (column + 2 * i) + _written(name) + ":" for i, name in enumerate(path)]
        added = newline.join(lines) + f" {_written(value)}{newline}"
        return text[:at] + before + added + text[at:]

    def _verified(self, text: str, path: KeyPath, value: Any) -> str:
        """Read back what was made. Empty sections count as absent."""
        try:
            made = Document(text, self.name).data
        except ConfigError:
            made = None
        if _bare(made) != _bare(_changed(self.data, path, value)):
            where = ".".join(path)
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


def _place(mapping: Any, name: str) -> int | None:
    """Give the place of a key among the pairs of a mapping, the last where it is repeated."""
    pairs = mapping.value if isinstance(mapping, yaml.MappingNode) else ()
    return max((place for place, (key, _) in enumerate(pairs) if key.value == name), default=None)


def _start(thing: Any) -> int:
    return int(thing.start_mark.index)


def _end(thing: Any) -> int:
    return int(thing.end_mark.index)


def _next_line(text: str, at: int) -> int:
    return text.find("\n", at) + 1 or len(text)


def _written(value: Any) -> str:
    """Write a value on one line: as JSON, or plain where that reads back the same."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_/~.][\w./:@+-]*(?<!:)", value):
        if yaml.load(f"a: {value}", Loader) == {"a": value}:
            return value
    quoted = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)


def _nested(path: KeyPath, value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _changed(data: Any, path: KeyPath, value: Any) -> dict[str, Any]:
    """Copy what lies on the way; an alias shares the value with its anchor."""
    copy = dict(data) if isinstance(data, dict) else {}
    copy[path[0]] = _changed(copy.get(path[0]), path[1:], value) if path[1:] else value
    return copy


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: bare for key, each in value.items() if (bare := _bare(each)) not in (None, {})}
    return value
