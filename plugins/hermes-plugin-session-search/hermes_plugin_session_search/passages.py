"""A conversation's messages, numbered, as a model reads them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec

from hermes import Record, SessionInfo, Store, searchable

FIRST, LAST = 20, 10
"""Messages that reading gives of a conversation."""
EDGE = 3
"""Messages of its beginning and its end that a hit shows."""
LONGEST = 700
"""Characters of a message that are shown."""


class Said(msgspec.Struct, frozen=True):
    """One message: its number in the journal, who, what."""

    seq: int
    role: str
    text: str
    time: int = 0

    def line(self, mark: str = "") -> str:
        text = " ".join(self.text.split())
        shown = text if len(text) <= LONGEST else f"{text[:LONGEST]}… (+{len(text) - LONGEST})"
        return f"{mark or ' '} [{self.seq}] {self.role}: {shown}"


def said(records: Iterable[Record], roles: Sequence[str]) -> list[Said]:
    """Give what people, models and tools said."""
    found = []
    for record in records:
        role, text = searchable(record.body)
        if role in roles and text.strip():
            found.append(Said(record.seq, role, text, record.time))
    return found


async def all_of(store: Store, info: SessionInfo, roles: Sequence[str]) -> list[Said]:
    """Give every message of a conversation."""
    return said(await store.records(info.id), roles)


def head(info: SessionInfo) -> str:
    """Name a conversation: id, title, when, where."""
    day = time.strftime("%Y-%m-%d %H:%M", time.localtime(info.updated / 1_000_000))
    title = f"“{' '.join(info.title.split())}” " if info.title else ""
    return f"{info.id} {title}({day}, {info.surface or 'somewhere'})"


def around(messages: Sequence[Said], seq: int, window: int) -> list[Said]:
    """Give *window* messages before and after the one numbered *seq*, and it."""
    if not messages:
        return []
    place = min(range(len(messages)), key=lambda n: abs(messages[n].seq - seq))
    return list(messages[max(0, place - window) : place + window + 1])


def with_edges(messages: Sequence[Said], seq: int, window: int) -> list[str]:
    """Write the beginning, what stands around *seq*, and the end; what lies between is counted."""
    inner = around(messages, seq, window)
    chosen = {each.seq for each in (*messages[:EDGE], *inner, *messages[-EDGE:])}
    return gaps(messages, chosen, seq)


def gaps(messages: Sequence[Said], chosen: set[int], seq: int = 0) -> list[str]:
    """Write the *chosen* messages in order, and how many are left out in between."""
    lines: list[str] = []
    missing = 0
    for each in messages:
        if each.seq not in chosen:
            missing += 1
            continue
        if missing:
            lines.append(f"  … {missing} more …")
        missing = 0
        lines.append(each.line(">" if each.seq == seq else ""))
    return lines + ([f"  … {missing} more …"] if missing else [])
