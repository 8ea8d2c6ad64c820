"""What Telegram refuses in a text, in its own words, for `hermes.testing.telegram`."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from hermes.splitting import measure

TEXT_LIMIT, CAPTION_LIMIT, ENTITY_LIMIT = 4096, 1024, 100
ENTITIES = frozenset(
    """
    mention hashtag cashtag bot_command url email phone_number bold italic underline strikethrough
    spoiler blockquote expandable_blockquote code pre text_link text_mention custom_emoji date_time
    """.split()  # noqa: SIM905
)


class Refusal(Exception):
    """An error answer of the Bot API."""

    def __init__(self, status: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters
        """``retry_after`` or ``migrate_to_chat_id``."""


def bad(description: str) -> Refusal:
    """Make the refusal of a request that is wrong."""
    return Refusal(400, f"Bad Request: {description}")


def check_text(
    text: str, entities: list[dict[str, Any]], *, caption: bool = False
) -> tuple[str, list[dict[str, Any]]]:
    """Give a text and its entities as Telegram keeps them: trimmed. Raises `Refusal`."""
    check_entities(text, entities)
    kept = text.strip()
    if not kept and not caption:
        raise bad("message text is empty" if not text else "text must be non-empty")
    if measure(kept, "utf16") > (CAPTION_LIMIT if caption else TEXT_LIMIT):
        raise bad("message caption is too long" if caption else "message is too long")
    cut = measure(text[: len(text) - len(text.lstrip())], "utf16")
    length = measure(kept, "utf16")
    made = []
    for entity in entities[:ENTITY_LIMIT]:  # what is more is dropped without a word
        start = max(entity["offset"] - cut, 0)
        end = min(entity["offset"] + entity["length"] - cut, length)
        if start < end:
            made.append({**entity, "offset": start, "length": end - start})
    return kept, made


def check_entities(text: str, entities: list[dict[str, Any]]) -> None:
    """Raise `Refusal` for entities that are unknown, out of the text, cut a character or cross."""
    units = text.encode("utf-16-le")
    length = len(units) // 2
    for entity in entities:
        if entity.get("type") not in ENTITIES:
            raise bad("can't parse MessageEntity: Unsupported type specified")
        start, size = entity.get("offset"), entity.get("length")
        if not isinstance(start, int) or not isinstance(size, int) or start < 0 or size < 0:
            raise bad('can\'t parse MessageEntity: Field "offset" must be of type Number')
        if start >= length and size:
            raise bad(f"entity begins after the end of the text at UTF-16 offset {start}")
        if start + size > length:
            raise _ends_late(start, start + size)
        for place, verb in ((start, "begins"), (start + size, "ends")):
            if place < length and units[2 * place + 1] & 0xFC == 0xDC:
                raise bad(f"entity {verb} in a middle of a UTF-16 symbol at offset {place}")
        if entity["type"] == "text_link":
            check_link(f"entity URL '{entity.get('url')}'", str(entity.get("url", "")))
    _check_nesting(entities)


def _ends_late(start: int, end: int) -> Refusal:
    return bad(
        f"entity beginning at UTF-16 offset {start} ends after the end of the text at UTF-16"
        f" offset {end}"
    )


def _check_nesting(entities: list[dict[str, Any]]) -> None:
    """Entities may lie in each other, but not cross."""
    open_ends: list[int] = []
    spans = sorted((e["offset"], -e["length"]) for e in entities)
    for start, negative in spans:
        end = start - negative
        while open_ends and open_ends[-1] <= start:
            open_ends.pop()
        if open_ends and end > open_ends[-1]:
            raise _ends_late(start, end)
        open_ends.append(end)


def check_link(what: str, url: str) -> None:
    """Raise `Refusal` for an address that Telegram would not open."""
    try:
        parts = urlsplit(url if "://" in url or ":" in url.split("/")[0] else f"http://{url}")
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise bad(f"{what} is invalid: Wrong HTTP URL") from None
    if parts.scheme in ("tg", "ton"):
        return
    if parts.scheme not in ("http", "https"):
        raise bad(f"{what} is invalid: Unsupported URL protocol")
    if not host or ("." not in host and ":" not in host) or re.search(r"\s", host):
        raise bad(f"{what} is invalid: Wrong HTTP URL")
