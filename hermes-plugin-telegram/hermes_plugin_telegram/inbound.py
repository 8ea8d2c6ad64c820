"""Updates of Telegram into messages for the inbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from telegram import Bot, CallbackQuery, Message, Update, User
from telegram.constants import ChatType

from hermes import Account, Inbound, Log, SessionKey, clean
from hermes_plugin_telegram.ids import message_id
from hermes_plugin_telegram.media import find
from hermes_plugin_telegram.settings import TelegramSettings

QUOTE = 300
"""Characters of the message that is replied to."""


class Batch(msgspec.Struct, frozen=True):
    """What some updates say."""

    messages: tuple[Inbound, ...]
    queries: tuple[str, ...] = ()
    """Presses of buttons to acknowledge."""


class Reader:
    """Reads updates. *me* is the bot, whose name in a group means us."""

    def __init__(self, bot: Bot, me: User, settings: TelegramSettings, log: Log) -> None:
        self._bot = bot
        self._me = me
        self._name = f"@{me.username or ''}".lower()
        self._edits = settings.edits == "note"
        self._log = log

    @property
    def kinds(self) -> list[str]:
        """The kinds of update that we read, for ``allowed_updates``."""
        edits = [Update.EDITED_MESSAGE] if self._edits else []
        return [Update.MESSAGE, Update.CALLBACK_QUERY, *edits]

    def read(self, updates: Sequence[dict[str, Any]]) -> Batch:
        """Read *updates* as the Bot API writes them."""
        made = [self._one(update) for update in updates]
        queries = [u["callback_query"]["id"] for u in updates if "callback_query" in u]
        return Batch(tuple(each for each in made if each is not None), tuple(queries))

    def _one(self, data: dict[str, Any]) -> Inbound | None:
        """Read one update. What cannot be read must not keep the rest from coming."""
        try:
            update = Update.de_json(data, self._bot)
            if update.callback_query:
                return self._press(update.callback_query)
            message = update.message or (update.edited_message if self._edits else None)
            return self._message(message) if message else None
        except Exception as error:  # noqa: BLE001 - see above
            number = data.get("update_id")
            self._log.error("an update could not be read", update=number, error=repr(error))
            return None

    def _press(self, query: CallbackQuery) -> Inbound | None:
        """A pressed button: the question it belongs to, and the label as the choice."""
        question, _, _ = (query.data or "").rpartition(":")
        if not isinstance(query.message, Message) or not question:
            return None  # older than Telegram remembers, or no button of ours
        keyboard = query.message.reply_markup
        rows = keyboard.inline_keyboard if keyboard else ()
        labels = [b.text for row in rows for b in row if b.callback_data == query.data]
        if not labels:
            return None
        return Inbound(
            _key(query.message),
            message_id(query.message.chat.id, query.message.message_id, "press", query.id),
            _account(query.from_user),
            labels[0],
            answers=question,
            group=query.message.chat.type != ChatType.PRIVATE,
            time=_time(query.message),
        )

    def _message(self, message: Message) -> Inbound | None:
        sender = _sender(message)
        mine = self._addressed(message)
        if sender is None or mine is None:
            return None
        id = message_id(message.chat.id, message.message_id)
        if message.edit_date:
            edited = int(message.edit_date.timestamp())
            id = message_id(message.chat.id, message.message_id, "edit", edited)
        file = find(message)
        text = self._text(message, "" if file else _described(message))
        if not (text or file):
            return None  # somebody joined, pinned, renamed: nothing was said
        replied = _replied(message)
        return Inbound(
            _key(message),
            id,
            sender,
            clean(text),
            attachments=(file,) if file else (),
            direct=mine,
            group=message.chat.type != ChatType.PRIVATE,
            reply_to=message_id(message.chat.id, replied.message_id) if replied else "",
            time=_time(message),
            album=message.media_group_id or "",
        )

    def _addressed(self, message: Message) -> bool | None:
        """Whether a message is for us; None for a command that names another bot."""
        if message.chat.type == ChatType.PRIVATE:
            return True
        direct = False
        for entity, text in _marked(message).items():
            if entity.type == "bot_command" and entity.offset == 0:
                _, at, name = text.partition("@")
                if at and f"@{name.lower()}" != self._name:
                    return None
                direct = True
            elif entity.user is not None:  # a mention of somebody without a user name
                direct = direct or entity.user.id == self._me.id
            else:
                direct = direct or text.lower() == self._name
        replied = _replied(message)
        author = replied.from_user if replied else None
        return direct or (author is not None and author.id == self._me.id)

    def _text(self, message: Message, note: str) -> str:
        """What was said, without our name, with what it answers and what it carries."""
        text = message.text or message.caption or ""
        if text.startswith("/"):
            command, _, rest = text.partition(" ")
            name = command.lower().removesuffix(self._name)
            return f"{command[: len(name)]} {rest}".strip()
        if text.lower().startswith(self._name) and text[len(self._name) :].strip():
            text = text[len(self._name) :].lstrip(" ,:\n")
        if message.edit_date:
            text = f"[edited] {text}"
        lines = [_quoted(message), text, note]
        return "\n".join(line for line in lines if line)


def _marked(message: Message) -> dict[Any, str]:
    kinds: list[str | None] = ["mention", "text_mention", "bot_command"]
    if message.text:
        return dict(message.parse_entities(kinds))
    return dict(message.parse_caption_entities(kinds)) if message.caption else {}


def _replied(message: Message) -> Message | None:
    """Give the message that it answers; what opened a topic is answered by nobody."""
    replied = message.reply_to_message
    return replied if replied and replied.forum_topic_created is None else None


def _quoted(message: Message) -> str:
    replied = _replied(message)
    if replied is None:
        return ""
    text = message.quote.text if message.quote else replied.text or replied.caption or ""
    text = " ".join(text.split())
    if not text:
        return ""
    who = replied.from_user.full_name if replied.from_user else "somebody"
    return f"[in reply to {who}: {text[:QUOTE]}{'…' if len(text) > QUOTE else ''}]"


def _described(message: Message) -> str:
    """Say in words what has none."""
    if message.sticker:
        return f"[sticker {message.sticker.emoji or ''}]".replace(" ]", "]")
    if place := message.venue:
        return f"[place: {place.title}, {place.address}]"
    if spot := message.location:
        return f"[location: {spot.latitude}, {spot.longitude}]"
    if contact := message.contact:
        return f"[contact: {contact.first_name} {contact.phone_number}]"
    if poll := message.poll:
        return f"[poll: {poll.question}]"
    if dice := message.dice:
        return f"[dice {dice.emoji}: {dice.value}]"
    return ""


def _key(message: Message) -> SessionKey:
    # Replies in a group without topics carry a thread too; only a topic is a place of its own.
    topic = message.message_thread_id if message.is_topic_message else None
    return SessionKey("telegram", str(message.chat.id), thread=str(topic or ""))


def _sender(message: Message) -> Account | None:
    """Who speaks; None for a channel's post that was passed on, and for other bots."""
    if message.is_automatic_forward:
        return None
    if message.sender_chat:  # a group's anonymous administrator, somebody in a channel's name
        return Account("telegram", str(message.sender_chat.id), message.sender_chat.title or "")
    user = message.from_user
    return None if user is None or user.is_bot else _account(user)


def _account(user: User) -> Account:
    return Account("telegram", str(user.id), clean(user.full_name))


def _time(message: Message) -> int:
    return int(message.date.timestamp() * 1_000_000)
