"""The chats and people of the Telegram that `hermes.testing.telegram` plays."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from hermes.splitting import measure
from hermes.testing.telegram_texts import Refusal, bad
from hermes.testing.telegram_wire import Upload

Json: TypeAlias = dict[str, Any]
"""An object as the Bot API writes it."""

_FOUND = re.compile(r"(?P<mention>(?<!\w)@\w{4,32})|(?P<bot_command>(?<!\S)/\w{1,64}(@\w+)?)"
                    r"|(?P<url>https?://\S+)")  # fmt: skip
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de"
    "0000000c4944415408d763f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
"""The smallest picture."""


class Person(msgspec.Struct, frozen=True):
    """Somebody on Telegram."""

    id: int
    name: str
    username: str = ""
    is_bot: bool = False

    @property
    def json(self) -> Json:
        said: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.name}
        if self.username:
            said["username"] = self.username
        return said


class Files:
    """What was uploaded, by file id."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, Upload]] = {}
        """File id to its path and itself."""

    def keep(self, upload: Upload, kind: str) -> Json:
        """Keep a file; give what a message says of it."""
        number = len(self.kept) + 1
        extension = re.search(r"\.\w{1,8}$", upload.name)
        path = f"{kind}s/file_{number}{extension[0] if extension else ''}"
        self.kept[f"file-id-{number}"] = (path, upload)
        said: Json = {
            "file_id": f"file-id-{number}",
            "file_unique_id": f"unique-{number}",
            "file_size": len(upload.data),
        }
        if kind == "photo":
            return {**said, "width": 90, "height": 90}
        said["mime_type"] = upload.media_type
        if kind != "voice":
            said["file_name"] = upload.name
        if kind in ("video", "animation"):
            said |= {"width": 320, "height": 240}
        if kind in ("video", "animation", "voice", "audio"):
            said["duration"] = 1
        return said

    def at(self, path: str) -> Upload | None:
        """Give the file that is downloaded from *path*."""
        return next((upload for where, upload in self.kept.values() if where == path), None)


def found_entities(text: str) -> list[Json]:
    """Find in what somebody typed what Telegram finds by itself."""
    return [
        {
            "type": match.lastgroup or next(k for k, v in match.groupdict().items() if v),
            "offset": measure(text[: match.start()], "utf16"),
            "length": measure(match[0], "utf16"),
        }
        for match in _FOUND.finditer(text)
    ]


class Chat:
    """A chat, for a test to write in. What people do in it becomes an update for the bot."""

    def __init__(
        self,
        id: int,
        type: str,
        *,
        bot: Person,
        people: Iterable[Person],
        files: Files,
        tell: Callable[[str, Json], int],
        title: str = "",
        forum: bool = False,
    ) -> None:
        self.id = id
        self.type = type
        """``private``, ``group`` or ``supergroup``."""
        self.title = title
        self.forum = forum
        self.people = list(people)
        self.messages: dict[int, Json] = {}
        """Every message that is there, by its id, as the Bot API writes it."""
        self.reactions: dict[int, str] = {}
        """The bot's, by message."""
        self.actions: list[str] = []
        """What the bot showed itself doing: ``typing``."""
        self.topics: set[int] = set()
        self.blocked = ""
        """Why the bot may not write here, in Telegram's words."""
        self.moved_to = 0
        """The supergroup that this group became."""
        self._bot = bot
        self._files = files
        self._tell = tell
        self._last = 0

    @property
    def json(self) -> Json:
        said: Json = {"id": self.id, "type": self.type}
        if self.type != "private":
            return {**said, "title": self.title, **({"is_forum": True} if self.forum else {})}
        return {**said, "first_name": self.people[0].name}

    @property
    def shown(self) -> list[str]:
        """Texts and captions of the bot that the chat shows now, in order."""
        return [text_of(message) for message in self.of_bot]

    @property
    def of_bot(self) -> list[Json]:
        """The bot's messages that are there now, in order."""
        return [m for m in self.messages.values() if m["from"]["id"] == self._bot.id]

    def add(self, sender: Person, content: Json, *, topic: int = 0, reply_to: int = 0) -> Json:
        """Put a message there without telling the bot."""
        self._last += 1
        message: Json = {
            "message_id": self._last,
            "date": int(time.time()),
            "chat": self.json,
            "from": sender.json,
            **content,
        }
        if topic:
            message |= {"message_thread_id": topic, "is_topic_message": True}
        if answered := self.messages.get(reply_to):
            message["reply_to_message"] = {
                k: v for k, v in answered.items() if k != "reply_to_message"
            }
        self.messages[self._last] = message
        return message

    # -- what people do -----------------------------------------------------------------------

    def say(
        self, text: str, *, by: Person | None = None, topic: int = 0, reply_to: int = 0, **more: Any
    ) -> Json:
        """Write *text*. *more* are further fields of the message."""
        content: Json = {"text": text, **more}
        if entities := more.get("entities", found_entities(text)):
            content["entities"] = entities
        return self._said(content, by, topic, reply_to)

    def send(
        self,
        kind: str,
        data: bytes = PIXEL,
        *,
        name: str = "",
        media_type: str = "application/octet-stream",
        caption: str = "",
        by: Person | None = None,
        album: str = "",
        topic: int = 0,
        **more: Any,
    ) -> Json:
        """Send a ``photo``, ``document``, ``voice``, ``audio``, ``video`` or ``animation``.

        Files with the same *album* are one media group. *more* overrides what the message says of
        the file (``file_size``).
        """
        file = {**self._files.keep(Upload(name, media_type, data), kind), **more}
        content: Json = {kind: [file] if kind == "photo" else file}
        if caption:
            content |= {"caption": caption, "caption_entities": found_entities(caption)}
        if album:
            content["media_group_id"] = album
        return self._said(content, by, topic, 0)

    def share(self, *, by: Person | None = None, topic: int = 0, **content: Any) -> Json:
        """Send anything else (``location={...}``), as the Bot API writes it."""
        return self._said(content, by, topic, 0)

    def _said(self, content: Json, by: Person | None, topic: int, reply_to: int) -> Json:
        message = self.add(by or self.people[0], content, topic=topic, reply_to=reply_to)
        self._tell("message", message)
        return message

    def edit(self, message: Json, text: str) -> None:
        """Change a message of one's own."""
        message |= {"text": text, "edit_date": int(time.time())}
        self._tell("edited_message", dict(message))

    def press(self, label: str, *, message: int = 0, by: Person | None = None) -> str:
        """Press a button of the bot's (the last message that has it); give the query's id.

        Raises LookupError where nothing shows such a button.
        """
        for shown in reversed(self.of_bot):
            rows = shown.get("reply_markup", {}).get("inline_keyboard", ())
            for button in (button for row in rows for button in row):
                if button["text"] == label and message in (0, shown["message_id"]):
                    query: Json = {
                        "id": f"{self.id}{time.time_ns()}",
                        "from": (by or self.people[0]).json,
                        "message": shown,
                        "chat_instance": str(self.id),
                        "data": button.get("callback_data", ""),
                    }
                    self._tell("callback_query", query)
                    return str(query["id"])
        raise LookupError(f"no button {label!r} in chat {self.id}")

    def block(self) -> None:
        """Keep the bot from writing here."""
        why = "bot was blocked by the user"
        self.blocked = (
            why if self.type == "private" else f"bot was kicked from the {self.type} chat"
        )

    def check_open(self) -> None:
        """Raise `Refusal` where the bot cannot write."""
        if self.moved_to:
            said = "Bad Request: group chat was upgraded to a supergroup chat"
            raise Refusal(400, said, migrate_to_chat_id=self.moved_to)
        if self.blocked:
            raise Refusal(403, f"Forbidden: {self.blocked}")

    def check_topic(self, topic: int) -> None:
        """Raise `Refusal` for a topic that is not there."""
        if topic and topic not in self.topics:
            raise bad("message thread not found")


def text_of(message: Json) -> str:
    """Give the text or caption of a message."""
    return str(message.get("text", message.get("caption", "")))
