"""What is remembered of one call: which files it changed, and how they were before and after."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import msgspec

from hermes_plugin_checkpoints.git import Kept, Snapshot


class Change(NamedTuple):
    """One file: how it was, and how the agent left it; None where there was none."""

    path: str
    before: Kept | None
    after: Kept | None


class Call(msgspec.Struct, frozen=True):
    """The call that changes files."""

    session: str
    turn: str
    tool: str
    directory: str


class Entry(msgspec.Struct, frozen=True):
    """What one call changed."""

    ref: str
    call: Call
    time: float
    changes: tuple[Change, ...]
    cut: bool = False
    """Hermes was killed while the call ran, and what is *after* was taken at the next start: it may
    hold changes of others."""
    shared: bool = False
    """Another conversation worked in the folder meanwhile: some of it may be its."""
    missed: str = ""
    """Why more may have changed than is remembered."""


class Watch(NamedTuple):
    """A call that runs: how things were before it."""

    call: Call
    paths: tuple[str, ...] | None
    before: Snapshot
    note: Path
    begun: int
    """Nanoseconds since 1970."""


class NotWatched(Exception):
    """What a command changes in this folder is not remembered; says why."""


def by_turn(entries: list[Entry]) -> list[list[Entry]]:
    """Group entries by turn, newest turn first; inside a turn, oldest first."""
    turns: dict[str, list[Entry]] = {}
    for entry in entries:
        turns.setdefault(entry.call.turn, []).append(entry)
    return list(reversed(turns.values()))


def beyond(entries: list[Entry], session: str, most: int) -> list[Entry]:
    """Give the entries of the turns of *session* that are more than *most*."""
    turns = by_turn([entry for entry in entries if entry.call.session == session])
    return [entry for turn in turns[most:] for entry in turn]


def read_entry(ref: str, message: bytes) -> Entry:
    return msgspec.convert({**json.loads(message), "ref": ref}, Entry)
