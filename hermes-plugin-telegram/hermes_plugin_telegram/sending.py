"""One part of a reply into calls of the Bot API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from telegram import (
    Bot,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    LinkPreviewOptions,
    Message,
    MessageEntity,
    ReplyParameters,
)
from telegram.error import BadRequest, ChatMigrated

from hermes import Attachment, Failed, Failure, Log, Part, Receipt, SessionKey, measure
from hermes_plugin_telegram.ids import message_id, message_number
from hermes_plugin_telegram.settings import TelegramSettings

CAPTION = 1024
"""UTF-16 units of a caption."""
PHOTO_BYTES = 10_000_000
UPLOAD_BYTES = 50_000_000
"""What Telegram's own servers take from a bot."""
BUTTON_BYTES = 64
GENERAL = "1"
"""The topic of a forum that calls must not name."""


def chat_of(key: SessionKey) -> int:
    """Give Telegram's number of a chat. Raises `Failed` for a key of elsewhere."""
    try:
        return int(key.chat)
    except ValueError:
        raise _bad(f"{key.chat!r} is no chat of Telegram's: its chats are numbers") from None


def thread_of(key: SessionKey) -> int | None:
    """Give the topic, where there is one to name."""
    return int(key.thread) if key.thread.isdigit() and key.thread != GENERAL else None


async def send_part(bot: Bot, part: Part, settings: TelegramSettings, log: Log) -> Receipt:
    """Send *part*. Raises TelegramError, and `Failed` for what need not be tried."""
    options: dict[str, Any] = {"chat_id": chat_of(part.key)}
    if part.choices and (keyboard := _keyboard(part, log)):
        options["reply_markup"] = keyboard
    if part.edits and not part.attachment:
        edited = await _edit(bot, part, dict(options), settings, log)
        if edited:
            return edited
    options["message_thread_id"] = thread_of(part.key)
    if number := message_number(part.reply_to):
        options["reply_parameters"] = ReplyParameters(number, allow_sending_without_reply=True)
    if part.attachment:
        sent = await _send_file(bot, part, part.attachment, options, settings, log)
    else:
        sent = await _tolerant(bot.send_message, {**options, **_text(part, settings)}, log)
    return Receipt(message_id(sent.chat.id, sent.message_id))


async def _edit(
    bot: Bot, part: Part, options: dict[str, Any], settings: TelegramSettings, log: Log
) -> Receipt | None:
    """Edit the message that *part* replaces; None where it is gone, so that it is sent anew."""
    options |= {"message_id": message_number(part.edits), **_text(part, settings)}
    try:
        await _tolerant(bot.edit_message_text, options, log)
    except BadRequest as error:
        said = error.message.lower()
        if "not modified" in said:
            return Receipt(part.edits)
        if "not found" in said or "can't be edited" in said or "no text in the message" in said:
            return None
        raise
    return Receipt(part.edits)


async def _tolerant(
    call: Callable[..., Awaitable[Any]], options: dict[str, Any], log: Log
) -> Message:
    """Call, and again without what Telegram minds, so that a reply arrives in some form."""
    while True:
        try:
            made: Message = await call(**options)
            return made
        except ChatMigrated as error:
            if options["chat_id"] == error.new_chat_id:
                raise
            options["chat_id"] = error.new_chat_id
        except BadRequest as error:
            blamed = _blamed(error.message.lower(), options)
            if blamed is None:
                raise
            log.warning("sent to Telegram without a part of it", left_out=blamed, why=error.message)
            options[blamed] = None


def _blamed(said: str, options: dict[str, Any]) -> str | None:
    """Give the option that a refusal names and that can be left out."""
    if "thread not found" in said or "topic_closed" in said or "topic closed" in said:
        name = "message_thread_id"
    elif "entit" in said:
        name = "entities" if options.get("entities") else "caption_entities"
    else:
        return None
    return name if options.get(name) else None


def _text(part: Part, settings: TelegramSettings) -> dict[str, Any]:
    text: dict[str, Any] = {"text": part.text, "entities": _entities(part)}
    if not settings.link_previews:
        text["link_preview_options"] = LinkPreviewOptions(is_disabled=True)
    return text


def _entities(part: Part) -> list[MessageEntity] | None:
    if not part.markup:
        return None
    return [MessageEntity(**each) for each in msgspec.json.decode(part.markup)]


def _keyboard(part: Part, log: Log) -> InlineKeyboardMarkup | None:
    """Make a button for each choice; what a press says is ``question:number``."""
    data = [f"{part.question}:{number}" for number in range(len(part.choices))]
    if any(len(each.encode()) > BUTTON_BYTES for each in data):
        log.warning("a question without buttons: its id is too long", question=part.question)
        return None
    buttons = [
        InlineKeyboardButton(label, callback_data=each)
        for label, each in zip(part.choices, data, strict=True)
    ]
    wide = 3 if all(len(label) <= 12 for label in part.choices) else 1
    return InlineKeyboardMarkup([buttons[i : i + wide] for i in range(0, len(buttons), wide)])


# -- files ------------------------------------------------------------------------------------


async def _send_file(
    bot: Bot,
    part: Part,
    attachment: Attachment,
    options: dict[str, Any],
    settings: TelegramSettings,
    log: Log,
) -> Message:
    path = Path(attachment.path)
    try:
        data = await asyncio.to_thread(_read, path)
    except OSError as error:
        raise _bad(f"{path.name} cannot be sent: {error.strerror or error}") from None
    if measure(part.text, "utf16") > CAPTION:  # too long for a caption: it goes before the file
        await _tolerant(bot.send_message, {**options, **_text(part, settings)}, log)
        options = {k: v for k, v in options.items() if k != "reply_markup"}
    elif part.text:
        options |= {"caption": part.text, "caption_entities": _entities(part)}
    name = attachment.name or path.name
    kind = _kind(attachment, len(data))
    file = InputFile(data, filename=name)
    call: Callable[..., Awaitable[Message]] = getattr(bot, f"send_{kind}")
    try:
        return await _tolerant(call, {**options, kind: file}, log)
    except BadRequest:
        if kind == "document":
            raise
        file = InputFile(data, filename=name)  # Telegram could not show it: as it is, then
        return await _tolerant(bot.send_document, {**options, "document": file}, log)


def _read(path: Path) -> bytes:
    if path.stat().st_size > UPLOAD_BYTES:
        raise OSError(f"it has more than the {UPLOAD_BYTES // 10**6} MB that Telegram takes")
    return path.read_bytes()


def _kind(attachment: Attachment, size: int) -> str:
    """Give how Telegram shows such a file."""
    media_type = attachment.media_type
    if attachment.voice:
        return "voice"
    if media_type in ("image/jpeg", "image/png", "image/webp") and size <= PHOTO_BYTES:
        return "photo"
    if media_type == "video/mp4":
        return "video"
    if media_type == "image/gif":
        return "animation"
    if media_type in ("audio/mpeg", "audio/mp4", "audio/x-m4a"):
        return "audio"
    return "document"


def _bad(said: str) -> Failed:
    return Failed(Failure("bad_request", said, source="telegram"))
