"""Markdown as models write it into Telegram's text and entities.

Entities carry the marks apart from the text, so nothing needs escaping and nothing in a text can
make Telegram refuse it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush
from typing import Any
from urllib.parse import urlsplit

import msgspec
from telegramify_markdown import RenderConfig, convert

from hermes import Piece, cut_text, measure

LIMIT = 4096
"""UTF-16 units of a message."""
MOST_ENTITIES = 100
"""Telegram drops what is more, without a word."""
MOST_FORMULAS = 64
"""The search for a formula's end reads on to the end of the text each time."""


class Entity(msgspec.Struct, frozen=True, omit_defaults=True):
    """One mark; places count characters of the text, until it is sent."""

    type: str
    offset: int
    length: int
    url: str = ""
    language: str = ""
    custom_emoji_id: str = ""


def _config() -> RenderConfig:
    config = RenderConfig.isolated()
    symbols = config.markdown_symbol
    for level in range(1, 7):
        setattr(symbols, f"heading_level_{level}", "")  # bold says it; an emoji would add to it
    symbols.task_uncompleted = "☐"
    symbols.unordered_list_item = "•"
    return config


_CONFIG = _config()


def format_text(text: str, limit: int = LIMIT) -> tuple[Piece, ...]:
    """Give the messages that show Markdown *text*, each at most *limit* UTF-16 units."""
    formulas = text.count("\\(") + text.count("\\[")
    plain, found = convert(text, latex_escape=formulas <= MOST_FORMULAS, config=_CONFIG)
    entities = _in_characters(plain, [entity.to_dict() for entity in found])
    return tuple(_pieces(plain, _nested([e for e in entities if _will_do(e)]), limit))


def _pieces(text: str, entities: list[Entity], limit: int) -> Iterator[Piece]:
    keep = [(e.offset, e.offset + e.length) for e in entities]
    for start, end in cut_text(text, limit, "utf16", keep=keep):
        for first, last, inside in _few_entities(entities, start, end):
            first, last = _trimmed(text, first, last)
            if first < last:
                piece = text[first:last]
                yield Piece(piece, _markup(piece, _clipped(inside, first, last)))


def _few_entities(
    entities: Sequence[Entity], start: int, end: int
) -> Iterator[tuple[int, int, list[Entity]]]:
    """Cut a range further where it has more entities than Telegram keeps; give them with it."""
    inside = [e for e in entities if e.offset < end and e.offset + e.length > start]
    while len(inside) > MOST_ENTITIES and (place := inside[MOST_ENTITIES].offset) > start:
        yield start, place, inside[:MOST_ENTITIES]
        start = place
        inside = [e for e in inside if e.offset + e.length > start]
    yield start, end, inside


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """Leave out what Telegram would: blank lines before, white space after."""
    piece = text[start:end]
    end = start + len(piece.rstrip())
    blank = re.match(r"(?:[^\S\n]*\n)*", piece)
    return min(start + (blank.end() if blank else 0), end), end


def _clipped(entities: Sequence[Entity], start: int, end: int) -> list[Entity]:
    """Give the entities of a piece. One that is cut goes on in the next: so is a code block."""
    made = []
    for entity in entities:
        first = max(entity.offset, start)
        last = min(entity.offset + entity.length, end)
        if first < last:
            changed = {"offset": first - start, "length": last - first}
            made.append(msgspec.structs.replace(entity, **changed))
    return made


def _nested(entities: Sequence[Entity]) -> list[Entity]:
    """Cut entities that cross another in two: Telegram takes them only beside or in each other."""
    waiting = [(e.offset, -e.length, number, e) for number, e in enumerate(entities)]
    heapify(waiting)
    made: list[Entity] = []
    ends: list[int] = []
    while waiting:
        start, negative, number, entity = heappop(waiting)
        end = start - negative
        while ends and ends[-1] <= start:
            ends.pop()
        if ends and end > ends[-1]:
            rest = msgspec.structs.replace(entity, offset=ends[-1], length=end - ends[-1])
            heappush(waiting, (rest.offset, -rest.length, number, rest))
            end = ends[-1]
        made.append(msgspec.structs.replace(entity, offset=start, length=end - start))
        ends.append(end)
    return made


def _will_do(entity: Entity) -> bool:
    """Whether Telegram takes it: it refuses a whole message for a link that it cannot open."""
    if entity.type != "text_link":
        return True
    try:
        parts = urlsplit(entity.url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.scheme == "tg":
        return True
    known = parts.scheme in ("http", "https")
    return known and re.fullmatch(r"[\w-]+(\.[\w-]+)+", host) is not None


# -- units ------------------------------------------------------------------------------------


def _in_characters(text: str, entities: list[dict[str, Any]]) -> list[Entity]:
    """Turn UTF-16 places into places in *text*."""
    made = msgspec.convert(entities, list[Entity])
    if text.isascii() or not made:
        return made
    place = {}
    units = 0
    wanted = {edge for e in made for edge in (e.offset, e.offset + e.length)}
    for index, character in enumerate(text):
        if units in wanted:
            place[units] = index
        units += 2 if character > "\uffff" else 1
    place[units] = len(text)
    return [
        msgspec.structs.replace(
            e, offset=place[e.offset], length=place[e.offset + e.length] - place[e.offset]
        )
        for e in made
        if e.offset in place and e.offset + e.length in place
    ]


def _markup(text: str, entities: Sequence[Entity]) -> str:
    """Write entities as the JSON that goes into `Part.markup`."""
    if not entities:
        return ""
    made = [
        msgspec.structs.replace(
            e,
            offset=measure(text[: e.offset], "utf16"),
            length=measure(text[e.offset : e.offset + e.length], "utf16"),
        )
        for e in entities[:MOST_ENTITIES]
    ]
    return msgspec.json.encode(made).decode()
