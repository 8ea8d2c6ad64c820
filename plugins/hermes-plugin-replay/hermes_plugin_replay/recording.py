"""A recording: JSON lines, one for each model call, in the order of their ends.

A person may write one by hand: a line needs a ``response`` (or a ``failure``) and nothing else.
Only what a request adds to the one before is kept, so a long conversation does not grow squared.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from hermes import Failed, Failure, Message, ModelResponse, ModelSpec, ToolOutput, ToolSpec
from hermes_plugin_replay.settings import Check

SOURCE = "replay"
Redact = Callable[[str], str]


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One model call."""

    response: ModelResponse | None = None
    failure: Failure | None = None
    """Why there was no response."""
    chunks: tuple[str, ...] = ()
    """The text in the pieces it came in."""
    thinking: tuple[str, ...] = ()
    conversation: str = ""
    """Whose call it was: calls of one conversation are played in order."""
    purpose: str = "turn"
    model: str = ""
    """``provider:name`` that was asked."""
    count: int = 0
    """Messages in the request."""
    added: tuple[Message, ...] = ()
    """Those since the call before, at least the last one."""
    prompt: str | None = None
    """The system prompt, where it is not that of the call before."""
    tools: tuple[ToolSpec, ...] | None = None
    """The tools, likewise."""


def redacted(value: Any, redact: Redact) -> Any:
    """Replace the secrets in every text of builtin *value*.

    Before it is written as JSON: a secret with a quote in it looks different there.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list | tuple):
        return [redacted(each, redact) for each in value]
    if isinstance(value, dict):
        return {key: redacted(each, redact) for key, each in value.items()}
    return value


def to_line(entry: Entry, redact: Redact) -> bytes:
    """Write *entry* as a line, without secrets."""
    return msgspec.json.encode(redacted(msgspec.to_builtins(entry), redact)) + b"\n"


def read(path: Path) -> list[Entry]:
    """Read a recording. Raises `Failed` with the line that cannot be read."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise Failed(_bad(f"No recording at {path}: {error.strerror}.")) from error
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entry = msgspec.json.decode(line, type=Entry)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Failed(_bad(f"{path}:{number} is no line of a recording: {error}")) from error
        if entry.response is None and entry.failure is None:
            raise Failed(_bad(f"{path}:{number} has neither a response nor a failure."))
        entries.append(entry)
    return entries


class Player:
    """Gives the answers of one recording in order, conversation by conversation."""

    def __init__(self, path: Path, entries: list[Entry], check: Check, redact: Redact) -> None:
        self._path = path
        self._check = check
        self._redact = redact
        self._recorded: dict[str, dict[str, list[Entry]]] = {}
        for entry in entries:
            purposes = self._recorded.setdefault(entry.conversation, {})
            purposes.setdefault(entry.purpose, []).append(entry)
        self._playing: dict[str, str] = {}
        """Conversation now to conversation then."""
        self._places: dict[tuple[str, str], int] = {}

    def next(self, spec: ModelSpec) -> Entry:
        """Give the answer to *spec*. Raises `Failed` where it is not what was recorded."""
        then = self._conversation(spec)
        entries = self._recorded.get(then, {}).get(spec.purpose, [])
        key = (spec.session, spec.purpose)
        place = self._places.get(key)
        if place is None:
            place = self._start(entries, spec)
        if place >= len(entries):
            what = "" if spec.purpose == "turn" else f" for {spec.purpose!r}"
            said = f"The recording {self._path} is through: it has {len(entries)} answers{what}."
            raise Failed(_bad(said))
        if why := self._difference(entries[place], spec):
            raise Failed(_bad(f"{self._path}, answer {place + 1}: {why}"))
        self._places[key] = place + 1
        return entries[place]

    def _conversation(self, spec: ModelSpec) -> str:
        """Choose the recorded conversation for one that begins: in order, the fitting one first."""
        if spec.session in self._playing:
            return self._playing[spec.session]
        taken = set(self._playing.values())
        free = [name for name in self._recorded if name not in taken] or list(self._recorded)
        fitting = [name for name in free if self._fits(name, spec)]
        chosen = (fitting or free or [""])[0]
        self._playing[spec.session] = chosen
        return chosen

    def _fits(self, name: str, spec: ModelSpec) -> bool:
        entries = self._recorded[name].get(spec.purpose, [])
        return any(not self._difference(entry, spec) for entry in entries[:1])

    def _start(self, entries: list[Entry], spec: ModelSpec) -> int:
        """Find where a conversation stands that another process began."""
        for place, entry in enumerate(entries):
            if entry.count == len(spec.messages) and not self._difference(entry, spec):
                return place
        # Lines written by hand have no count: go on after the answers that were given already.
        given = [message for message in spec.messages if message.role == "assistant"]
        for number in range(min(len(given), len(entries)), 0, -1):
            if all(map(_is_answer, given[-number:], entries)):
                return number
        return 0

    def _difference(self, entry: Entry, spec: ModelSpec) -> str:
        """Say how the last message is another than the recorded one; empty where it is not."""
        if self._check == "off" or not entry.added or not spec.messages:
            return ""
        then, now = _told(entry.added[-1]), _told(spec.messages[-1])
        now = [tuple(map(self._redact, line)) for line in now]
        if self._check == "shape":
            then, now = [line[:2] for line in then], [line[:2] for line in now]
        for before, after in zip(then, now, strict=False):
            if before != after:
                return (
                    f"the conversation went another way. Recorded: {_short(before)}; now:"
                    f" {_short(after)}. (replay.check: shape compares less.)"
                )
        if len(then) != len(now):
            return f"the last message has {len(now)} parts now, {len(then)} were recorded."
        return ""


def _told(message: Message) -> list[tuple[str, ...]]:
    """What of a message is compared: who says it, which tool, and what."""
    outputs = [part for part in message.parts if isinstance(part, ToolOutput)]
    return [
        (message.role, "", message.text),
        *((message.role, output.name, output.text) for output in outputs),
    ]


def _is_answer(message: Message, entry: Entry) -> bool:
    """Whether *message* is what *entry* answers."""
    said = entry.response
    if said is None or said.text != message.text:
        return False
    return [use.name for use in said.tool_uses] == [use.name for use in message.tool_uses]


def _short(line: tuple[str, ...]) -> str:
    who, tool, *text = line
    said = " ".join(text[0].split()) if text else ""
    said = said if len(said) <= 80 else said[:79] + "…"
    return " ".join(filter(None, (who, tool, f"«{said}»" if text else "")))


def _bad(message: str) -> Failure:
    return Failure("bad_request", " ".join(message.split()), SOURCE)
