"""Take secrets out of text: known values in the forms they commonly take, and rules of plugins.

A form is found by a plain search, which costs little for a text that has none. What a program broke
into lines or groups (``base64``, ``xxd -p``, ``fold``) is searched for with blanks left out.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, quote_plus

import msgspec

SHORTEST = 6
"""Shorter values are not redacted: they would take ordinary words with them."""
LONG = 12
"""From this length on a form is also found where blanks or colons break it."""
SHOWN = "[secret]"
WITHHELD = "[not shown: a rule of redaction failed]"
BLOCK = 1 << 20
"""Bytes of a file that are looked at together."""

Rule: TypeAlias = Callable[[str], str]
"""Gives a text without the secrets that it knows."""
T = TypeVar("T")


class Redactor:
    """What is hidden, and how. Values are only ever added."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._forms: tuple[str, ...] = ()
        self._rules: list[Rule] = []

    def conceal(self, value: str) -> None:
        """Hide this value from now on."""
        if len(value) >= SHORTEST and value not in self._values:
            self._values.add(value)
            both = dict.fromkeys((*self._forms, *forms(value)))
            self._forms = tuple(sorted(both, key=len, reverse=True))

    def holds(self, data: bytes) -> bool:
        """Whether a known value stands in *data* as it is."""
        return any(value.encode("utf-8", "surrogatepass") in data for value in self._values)

    def add_rule(self, rule: Rule) -> None:
        """Apply *rule* after the known values."""
        self._rules.append(rule)

    def redact(self, text: str) -> str:
        """Give *text* with ``[secret]`` in place of each secret."""
        text = self._hide_values(text)
        for rule in self._rules:
            try:
                text = rule(text)
            except Exception:  # noqa: BLE001  (isolation: a plugin's code; nothing leaks by it)
                return WITHHELD
        return text

    def redact_file(self, path: Path) -> None:
        """Hide known values in a file, in place, with as many bytes for each as it had.

        For files that a command wrote as it ran. A value is found across the blocks that are read.
        """
        found = [form.encode("utf-8", "surrogatepass") for form in self._forms]
        overlap = max(map(len, found), default=0)
        with path.open("r+b") as file:
            start = 0
            while found and (block := os.pread(file.fileno(), BLOCK + overlap, start)):
                hidden = block
                for form in found:
                    hidden = hidden.replace(form, b"*" * len(form))
                if hidden != block:
                    os.pwrite(file.fileno(), hidden, start)
                start += BLOCK

    def _hide_values(self, text: str) -> str:
        for form in self._forms:
            if form in text:
                text = text.replace(form, SHOWN)
        if len(text) > LONG and self._forms:
            text = self._hide_broken(text)
        return text

    def _hide_broken(self, text: str) -> str:
        joined = "".join(text.replace(":", " ").split())
        for form in self._forms:
            if len(form) >= LONG and form in joined:
                text = re.sub(r"[\s:]*".join(map(re.escape, form)), SHOWN, text)
        return text


def looks_random(value: str) -> bool:
    """Whether letters and digits mix as in a generated value, unlike in a name or an expression."""
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(value))
    return len(value) >= LONG and changes >= 3 and re.fullmatch(r"[\w+/.~=-]+", value) is not None


def forms(value: str) -> set[str]:
    """Give the ways in which programs commonly write *value*."""
    raw = value.encode("utf-8", "surrogatepass")
    text = {value, value[::-1], quote(value, safe=""), quote_plus(value)}
    text |= {json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    text |= {raw.hex(), raw.hex().upper()}
    for before in range(3):  # where base64 of a longer text may begin
        # The characters at its ends also hold bits of what stands around the value.
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        start = (before * 8 + 5) // 6
        whole = (before + len(raw)) * 8 // 6
        for written in (encoded[start:whole], encoded[start:]):
            text |= {written, written.replace("+", "-").replace("/", "_")}
    return {form for form in text if len(form) >= SHORTEST}


def redact_all(thing: T, redact: Rule) -> T:
    """Give a struct whose every text is redacted; the same object where nothing changes."""
    plain = msgspec.to_builtins(thing, builtin_types=(bytes,))
    hidden = _walk(plain, redact)
    if hidden == plain:
        return thing
    return msgspec.convert(hidden, type(thing), builtin_types=(bytes,))


def _walk(value: Any, redact: Rule) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list | tuple):
        return type(value)(_walk(each, redact) for each in value)
    if isinstance(value, dict):
        return {key: _walk(each, redact) for key, each in value.items()}
    return value
