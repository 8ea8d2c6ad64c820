"""A conversation's records as people and programs read them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from hermes import (
    Answer,
    Compacted,
    Finished,
    Record,
    Rewound,
    SessionInfo,
    Steered,
    Text,
    ToolUse,
    Unknown,
    UserSaid,
)
from hermes_plugin_commands.words import line

if TYPE_CHECKING:
    from hermes.store import Store

FIRST = 4
"""Records among which the first message is."""


async def named(store: Store, info: SessionInfo) -> str:
    """Give the title, else the first words that were said."""
    if info.title:
        return line(info.title)
    for record in await store.records(info.id, limit=FIRST):
        if isinstance(record.body, UserSaid):
            return line(record.body.text)
    return ""


def said(record: Record) -> Iterator[tuple[str, str]]:
    """Give what a record says, as pairs of who and text; tools are ``call`` and ``result``."""
    body = record.body
    if isinstance(body, (UserSaid, Steered)):
        yield body.sender or "you", body.text
    elif isinstance(body, Answer):
        text = "".join(part.text for part in body.parts if isinstance(part, Text))
        if text.strip():
            yield body.model, text
        for part in body.parts:
            if isinstance(part, ToolUse):
                yield "call", f"{part.name} {part.arguments}"
    elif isinstance(body, Finished):
        yield "result", body.text
    elif isinstance(body, Rewound):
        yield "note", "the last turns were taken back"
    elif isinstance(body, Compacted):
        yield "note", "what came before was summed up for the model"


def plain(records: Iterable[Record], *, whole: bool) -> Iterator[str]:
    """Write records for reading in a terminal. *whole* False cuts what tools gave to a line."""
    for record in records:
        for who, text in said(record):
            if who in ("call", "result", "note"):
                shown = text if whole and who == "result" else line(text, 100)
                yield f"  [{who}] {shown}"
            else:
                yield f"\n{who}: {text.strip()}"


def markdown(info: SessionInfo, records: Iterable[Record]) -> Iterator[str]:
    """Write a conversation as Markdown."""
    yield f"# {line(info.title or f'Conversation {info.id}', 200)}\n"
    for record in records:
        for who, text in said(record):
            if who == "note":
                yield f"*{text}*\n"
            elif who in ("call", "result"):
                fence = fence_for(text)
                yield f"{who.capitalize()}:\n\n{fence}\n{text}\n{fence}\n"
            else:
                yield f"## {who}\n\n{text.strip()}\n"


def fence_for(text: str) -> str:
    """Give a code fence that *text* does not end."""
    fence = "```"
    while fence in text:
        fence += "`"
    return fence


def json_lines(info: SessionInfo, records: Iterable[Record]) -> Iterator[str]:
    """Write a conversation as JSON lines: first what is known of it, then each record."""
    yield json.dumps({"session": plain_data(info)}, ensure_ascii=False)
    for record in records:
        yield json.dumps(record_data(record), ensure_ascii=False)


def record_data(record: Record) -> dict[str, Any]:
    """Give a record as plain data."""
    body = record.body
    if isinstance(body, Unknown):
        kind, version, data = body.of, body.of_version, _payload(body.payload)
    else:
        kind, version, data = body.kind, body.version, plain_data(body)
    envelope = {"seq": record.seq, "time": record.time, "turn": record.turn}
    return {**envelope, "kind": kind, "version": version, "data": data}


def _payload(payload: bytes) -> Any:
    """Give what a record holds that this program does not know; as text where it is no JSON."""
    try:
        return msgspec.json.decode(payload)
    except ValueError:
        return payload.decode("utf-8", "replace")


def plain_data(value: Any) -> Any:
    """Give a struct as what JSON can hold."""
    return msgspec.to_builtins(value, str_keys=True)
