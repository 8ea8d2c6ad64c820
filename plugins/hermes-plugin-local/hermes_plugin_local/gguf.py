"""What a GGUF file says about its model, read without loading it.

The format is ggml's (docs/gguf.md in its repository): ``GGUF``, a version, two counts, the
metadata, what tensors there are, and then their data. The loader says no more of a file that it
cannot take than "check the input params", so a file is looked at here first.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import msgspec

MAGIC = b"GGUF"
VERSIONS = (2, 3)
SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
"""Type number -> letter of `struct`."""
STRING, ARRAY = 8, 9
CONTROL = 3
"""Token type of ``<|im_start|>`` and its like."""
LONG_ARRAY = 1_000_000
"""More entries than any vocabulary has: the file is damaged."""
WANTED = (
    "general.",
    "tokenizer.chat_template",
    "tokenizer.ggml.tokens",
    "tokenizer.ggml.token_type",
)


class GgufError(Exception):
    """The file is no model: one line that says why."""


class Gguf(msgspec.Struct, frozen=True):
    """What the metadata says. Unknown is empty or None."""

    architecture: str
    name: str = ""
    window: int | None = None
    """Tokens of context it was made for."""
    template: str = ""
    """Its chat template (Jinja)."""
    control: tuple[str, ...] = ()
    """Texts that the tokenizer takes for control tokens, as ``<|im_end|>``."""

    @property
    def tools(self) -> bool:
        """Whether the template shows tools to the model."""
        return "tools" in self.template


def read(file: Path) -> Gguf:
    """Read the metadata of *file*. Raises `GgufError` or OSError."""
    size = file.stat().st_size
    if size < 24:
        raise GgufError(f"{file} is no GGUF file: it has {size} bytes")
    with file.open("rb") as opened:
        if opened.read(4) != MAGIC:
            raise GgufError(f"{file} is no GGUF file")
        with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _Reader(data).model()
            except (struct.error, UnicodeDecodeError, OverflowError):
                raise GgufError(f"{file} is cut short or damaged") from None
            except GgufError as error:
                raise GgufError(f"{file} {error}") from None


class _Reader:
    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 4

    def model(self) -> Gguf:
        version = self._scalar("I")
        if version not in VERSIONS:
            raise GgufError(f"is of GGUF version {version}, and 2 and 3 are known")
        tensors, count = self._scalar("Q"), self._scalar("Q")
        if max(tensors, count) > LONG_ARRAY:
            raise GgufError("is damaged: it claims to hold more than any model does")
        found: dict[str, Any] = {}
        for _ in range(count):
            key = self._string()
            value = self._value(wanted=key.startswith(WANTED) or key.endswith(".context_length"))
            if value is not None:
                found[key] = value
        self._check_tensors(tensors, found.get("general.alignment", 32))
        return _described(found)

    def _check_tensors(self, count: int, alignment: int) -> None:
        """See that the last tensor begins inside the file."""
        last = 0
        for _ in range(count):
            self._string()
            dimensions = self._scalar("I")
            self._at += 8 * dimensions
            self._scalar("I")  # its type
            last = max(last, self._scalar("Q"))
        begin = -(-self._at // alignment) * alignment
        if begin + last >= len(self._data):
            raise GgufError("is cut short: the last of its data is missing")

    def _value(self, *, wanted: bool) -> Any:
        return self._typed(self._scalar("I"), wanted=wanted)

    def _typed(self, kind: int, *, wanted: bool) -> Any:
        if kind == STRING:
            return self._string()
        if kind == ARRAY:
            return self._array(wanted=wanted)
        if kind not in SCALARS:
            raise GgufError(f"is damaged: it has a value of type {kind}")
        return self._scalar(SCALARS[kind])

    def _array(self, *, wanted: bool) -> list[Any] | None:
        kind, count = self._scalar("I"), self._scalar("Q")
        if count > LONG_ARRAY:
            raise GgufError("is damaged: it has a list that is too long")
        if kind in SCALARS:
            letters = f"<{count}{SCALARS[kind]}"
            begin, self._at = self._at, self._at + struct.calcsize(letters)
            return list(struct.unpack_from(letters, self._data, begin)) if wanted else None
        values = [self._typed(kind, wanted=wanted) for _ in range(count)]
        return values if wanted else None

    def _scalar(self, letter: str) -> Any:
        (value,) = struct.unpack_from(f"<{letter}", self._data, self._at)
        self._at += struct.calcsize(f"<{letter}")
        return value

    def _string(self) -> str:
        length = self._scalar("Q")
        begin, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise struct.error("past the end")
        return self._data[begin : self._at].decode("utf-8", "surrogateescape")


def _described(found: dict[str, Any]) -> Gguf:
    architecture = str(found.get("general.architecture") or "")
    if not architecture:
        raise GgufError("names no architecture: it is no language model")
    tokens: list[str] = found.get("tokenizer.ggml.tokens") or []
    kinds: list[int] = found.get("tokenizer.ggml.token_type") or []
    return Gguf(
        architecture,
        str(found.get("general.name") or ""),
        found.get(f"{architecture}.context_length"),
        str(found.get("tokenizer.chat_template") or ""),
        tuple(t for t, kind in zip(tokens, kinds, strict=False) if kind == CONTROL and len(t) > 2),
    )
