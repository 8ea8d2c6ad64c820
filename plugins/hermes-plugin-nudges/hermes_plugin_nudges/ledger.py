"""What was learnt: one line for each thing that happened, never changed."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

Kind: TypeAlias = Literal["review", "memory", "written", "tried", "learnt", "waits", "archived"]
"""``review``: a conversation was looked back at. ``memory``: something was remembered. ``written``:
a skill or a change of one was put into quarantine. ``tried``: a check ran. ``learnt``: it came into
use. ``waits``: it needs a person's word. ``archived``: it went out of use."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line."""

    kind: Kind
    time: int = 0
    """UTC seconds."""
    name: str = ""
    """Of the skill."""
    change: bool = False
    """It was a repair of a skill that is in use."""
    detail: str = ""
    session: str = ""
    """The conversation that it comes from."""
    review: str = ""
    """The conversation in which it was looked back."""
    why: tuple[str, ...] = ()
    person: str = ""
    tokens: int = 0
    before: int = 0
    """Tokens that the task took when it was new."""
    cost: float = 0.0
    """US dollars, where somebody knows a price."""


class Ledger:
    """The file ``learning.jsonl`` in the plugin's data folder. Blocks."""

    def __init__(self, data: Path) -> None:
        self._file = data / "learning.jsonl"

    def add(self, event: Event) -> None:
        """Write a line."""
        event = msgspec.structs.replace(event, time=event.time or int(time.time()))
        line = msgspec.json.encode(event) + b"\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with os.fdopen(os.open(self._file, flags, 0o600), "ab") as file:
            file.write(line)

    def read(self) -> list[Event]:
        """Give every line, oldest first; what cannot be read (cut by a crash) is left out."""
        found = []
        try:
            lines = self._file.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        for line in lines:
            try:
                found.append(msgspec.json.decode(line, type=Event))
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        return found

    def spent(self, seconds: int = 86_400) -> int:
        """Count the tokens of the last *seconds*."""
        since = time.time() - seconds
        return sum(event.tokens for event in self.read() if event.time >= since)
