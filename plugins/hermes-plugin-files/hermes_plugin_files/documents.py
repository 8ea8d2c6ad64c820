"""A text file as it is edited: with plain line breaks, and how to write it back the same."""

from __future__ import annotations

import difflib
from typing import NamedTuple

from hermes import HermesError

_BOM = "\ufeff"
LARGEST = 20_000_000
"""Bytes of a file that is edited or compared."""


class NotTextError(HermesError):
    """The file is binary or too large to be edited."""


class Document(NamedTuple):
    """Text of a file. Bytes that are no UTF-8 are carried through unchanged."""

    text: str
    crlf: bool = False
    bom: bool = False

    @classmethod
    def of(cls, data: bytes, path: str) -> Document:
        """Read *data*. Raise `NotTextError` for what is not text."""
        if b"\0" in data[:8192]:
            raise NotTextError(f"{path} is binary; it cannot be edited as text")
        text = data.decode("utf-8", "surrogateescape")
        bom = text.startswith(_BOM)
        crlf = text.count("\r\n") * 2 > text.count("\n")
        if crlf:
            text = text.replace("\r\n", "\n")
        return cls(text.removeprefix(_BOM), crlf, bom)

    def bytes(self, text: str) -> bytes:
        """Write *text* as this file is written."""
        if self.crlf:
            text = text.replace("\r\n", "\n").replace("\n", "\r\n")
        return (_BOM + text if self.bom else text).encode("utf-8", "surrogateescape")


def difference(before: str, after: str, path: str, limit: int = 5_000) -> str:
    """Show what changed as a unified diff of at most *limit* characters."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    if len(old) * len(new) > 400_000_000:
        return f"({len(old)} → {len(new)} lines; too many to compare)"
    lines = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", n=2)
    text = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= limit else f"{text[:limit]}\n[… {len(text) - limit} characters …]"
