"""Changes to memories, as the model or a person asks for them: all of a batch, or none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

from hermes import HermesError, clean
from hermes_plugin_memory_files import document, scan
from hermes_plugin_memory_files.book import Book, Draft, Place, Target
from hermes_plugin_memory_files.project import Project
from hermes_plugin_memory_files.sidecar import Confidence, Facts

Action = Literal["add", "replace", "remove"]
PREVIEW = 60


class Operation(msgspec.Struct, frozen=True):
    """One change."""

    action: Action
    target: Annotated[
        Target, "user: who the person is. project: this folder's. memory: all else"
    ] = "memory"
    content: str = ""
    old_text: Annotated[str, "For replace, remove: part of the entry, or its label"] = ""
    always: Annotated[bool | None, "Keep it in every prompt"] = None
    expires: Annotated[str, "Date after which it no longer holds: YYYY-MM-DD"] = ""
    confidence: Confidence = "high"


class Source(msgspec.Struct, frozen=True):
    """Who asks for a change, and where."""

    by: str
    session: str = ""
    turn: str = ""
    surface: str = ""


class NeedsConsent(HermesError):
    """A change would touch what a person wrote. *entries* are their texts."""

    def __init__(self, entries: Sequence[str]) -> None:
        super().__init__("not changed: the person wrote this, and nobody can be asked here")
        self.entries = list(entries)


def apply(
    book: Book,
    operations: Sequence[Operation],
    source: Source,
    project: Project | None,
    *,
    consent: bool = False,
) -> str:
    """Make all *operations*, or none; give what to say of it.

    Raises HermesError, in words that its caller can act on, for one that cannot be made, and
    NeedsConsent where the model would change what a person wrote and *consent* was not given.
    """
    with book.changing() as draft:
        if source.by == "model" and not consent:
            _check_writer(book, draft, operations, project)
        said = [_one(book, draft, operation, source, project) for operation in operations]
        places = {
            operation.target: book.place(operation.target, project) for operation in operations
        }
        for place in places.values():
            said += [f"[-m:{label}] had expired." for label in draft.drop_expired(place)]
        for place in places.values():
            _check_size(draft, place)
        if project is not None and "project" in places:
            draft.known.projects[project.key] = project.folder
        usage = [usage_of(draft, place) for place in places.values()]
    return "\n".join([*said, *usage])


def _check_writer(
    book: Book, draft: Draft, operations: Sequence[Operation], project: Project | None
) -> None:
    """Raise NeedsConsent where an entry that a person wrote would be replaced or removed."""
    written: list[str] = []
    for operation in operations:
        if operation.action == "add":
            continue
        place = book.place(operation.target, project)
        try:
            place, number = _find(book, draft, place, operation.old_text)
        except HermesError:
            continue  # an earlier operation of the batch may add it; else it is said below
        text = draft.entries(place)[number]
        facts = draft.known.entries.get(document.label(text))
        if (facts is None or facts.by != "model") and text != operation.content:
            written.append(text)
    if written:
        raise NeedsConsent(written)


def _one(
    book: Book, draft: Draft, operation: Operation, source: Source, project: Project | None
) -> str:
    place = book.place(operation.target, project)
    if operation.action == "remove":
        place, number = _find(book, draft, place, operation.old_text)
        return f"[-m:{draft.remove(place, number)}] removed from {place.title}."
    content = _checked(operation.content)
    facts = Facts(
        book.clock(),
        source.by,
        source.session,
        source.turn,
        source.surface,
        expires=expiry(operation.expires, book.clock()),
        confidence=operation.confidence,
        always=operation.always,
    )
    if operation.action == "add":
        label = draft.add(place, content, facts)
        return f"[m:{label}] is in {place.title}."
    place, number = _find(book, draft, place, operation.old_text)
    old, label = draft.replace(place, number, content, facts)
    return f"[-m:{old}] is now [m:{label}] in {place.title}."


def _checked(content: str) -> str:
    content = clean(content).strip()
    if not content:
        raise HermesError("content is empty: say what to remember")
    if len(document.entries(content)) != 1 or document.entries(content)[0] != content:
        raise HermesError("content has a line of only §, which separates entries: leave it out")
    if why := scan.threat(content):
        raise HermesError(f"not kept: it {why}. Say it as a plain fact, without that")
    return content


def _find(book: Book, draft: Draft, place: Place, old_text: str) -> tuple[Place, int]:
    """Find the entry that *old_text* is part of, or is the label of."""
    old_text = clean(old_text).strip()
    if not old_text:
        raise HermesError("old_text is empty: give a part of the entry, or its label")
    label = old_text.strip("[]").removeprefix("m:")
    if len(label) == document.LABEL:
        for each in [place, *book.places()]:
            for number, entry in enumerate(draft.entries(each)):
                if document.label(entry) == label:
                    return each, number
    entries = draft.entries(place)
    found = [number for number, entry in enumerate(entries) if old_text in entry]
    if not found:
        listed = "\n".join(f"[m:{document.label(e)}] {preview(e)}" for e in entries) or "(none)"
        raise HermesError(f"no entry of {place.title} has {old_text!r}. There are:\n{listed}")
    if len({entries[number] for number in found}) > 1:
        listed = "\n".join(f"[m:{document.label(entries[n])}] {preview(entries[n])}" for n in found)
        raise HermesError(f"several entries have {old_text!r}; say more of one:\n{listed}")
    return place, found[0]


def _check_size(draft: Draft, place: Place) -> None:
    size = draft.size(place)
    if size <= place.limit or place.file not in draft.touched():
        return
    listed = "\n".join(f"[m:{document.label(e)}] {e}" for e in draft.entries(place))
    raise HermesError(
        f"{place.title} would have {size:,} of at most {place.limit:,} characters; nothing was"
        f" changed. Merge, shorten or remove entries in the same batch. With the change it holds:\n"
        f"{listed}"
    )


def usage_of(draft: Draft, place: Place) -> str:
    """Say how full a file is, as Hermes Agent does."""
    return usage(place, draft.size(place), len(draft.entries(place)))


def usage(place: Place, size: int, count: int) -> str:
    share = round(100 * size / place.limit)
    entries = "1 entry" if count == 1 else f"{count} entries"
    return f"{place.title}: {share}% — {size:,}/{place.limit:,} chars, {entries}"


def expiry(text: str, now: int) -> int:
    """Read a date (the end of that day, UTC) or a time like ``30d``; 0 for none."""
    text = text.strip()
    if not text:
        return 0
    if match := re.fullmatch(r"(\d{1,5})\s*d(?:ays?)?", text):
        return now + int(match[1]) * 86_400_000_000
    try:
        day = datetime.fromisoformat(text).replace(hour=0, minute=0, second=0, tzinfo=UTC)
    except ValueError:
        raise HermesError(f"expires {text!r} is no date: write YYYY-MM-DD") from None
    return int((day + timedelta(days=1)).timestamp() * 1e6)


def preview(entry: str) -> str:
    line = " ".join(entry.split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1] + "…"
