"""Fetch the files that come with messages into the cache folder."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from pathlib import Path

import msgspec
from telegram import Bot, Message
from telegram.error import BadRequest, InvalidToken, TelegramError

from hermes import Attachment, Image, Inbound, Log, clean
from hermes_plugin_telegram.settings import TelegramSettings

SEEN = ("image/jpeg", "image/png", "image/webp", "image/gif")
"""What a model can look at."""
SEEN_BYTES = 5_000_000
FETCH_SECONDS = 60.0
"""For all attempts at one file: what else is said in its chat waits for this too."""
ATTEMPTS = 3
AT_ONCE = 4


class Gone(Exception):
    """A file that cannot be had, and why."""


def find(message: Message) -> Attachment | None:
    """Name the file of a message, where it carries one."""
    if message.photo:
        best = max(message.photo, key=lambda size: size.width * size.height)
        return _named(best.file_id, best.file_size, "photo.jpg", "image/jpeg")
    if (voice := message.voice) is not None:
        kind = voice.mime_type or "audio/ogg"
        return _named(voice.file_id, voice.file_size, "voice.ogg", kind, voice=True)
    if (note := message.video_note) is not None:
        return _named(note.file_id, note.file_size, "video.mp4", "video/mp4")
    for file, name in (
        (message.animation, "animation.mp4"),  # before the document that says the same
        (message.document, "document"),
        (message.video, "video.mp4"),
        (message.audio, "audio.mp3"),
    ):
        if file is not None:
            kind = file.mime_type or "application/octet-stream"
            return _named(file.file_id, file.file_size, file.file_name or name, kind)
    return None


def _named(id: str, size: int | None, name: str, kind: str, *, voice: bool = False) -> Attachment:
    return Attachment("", kind, clean(name), voice, remote=id, size=size or 0)


class Fetcher:
    """Fetches files, a few at once."""

    def __init__(self, bot: Bot, folder: Path, settings: TelegramSettings, log: Log) -> None:
        self._bot = bot
        self._folder = folder
        self._limit = settings.max_file_mb * 1_000_000
        self._log = log
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, inbound: Inbound) -> Inbound:
        """Bring the files that *inbound* names; a line of its text says which cannot be had."""
        named = [file for file in inbound.attachments if file.remote]
        brought = await asyncio.gather(
            *(self._bring(file, inbound.id, number) for number, file in enumerate(named)),
            return_exceptions=True,
        )
        lines, files, images = [inbound.text] if inbound.text else [], [], list(inbound.images)
        for each in brought:
            if isinstance(each, Gone):
                lines.append(str(each))
            elif isinstance(each, BaseException):
                raise each
            else:
                files.append(each[0])
                images += each[1]
        return msgspec.structs.replace(
            inbound, text="\n".join(lines), attachments=tuple(files), images=tuple(images)
        )

    async def _bring(
        self, file: Attachment, id: str, number: int
    ) -> tuple[Attachment, list[Image]]:
        """Fetch a file of message *id*; give it, and the picture that it may be. Raises `Gone`."""
        if file.size > self._limit:
            size = file.size / 1_000_000
            raise Gone(f"[{file.name} ({size:.0f} MB) is too large to be fetched]")
        path = self._folder / safe_name(f"{id}:{number}" if number else id, file.name)
        try:
            async with self._slots, asyncio.timeout(FETCH_SECONDS):
                data = await self._download(file)
                await asyncio.to_thread(_write, path, data)
        except (TelegramError, OSError) as error:  # TimeoutError is one
            why = str(error) or "Telegram did not answer in time"
            self._log.warning("a file could not be fetched", message=id, why=why)
            raise Gone(f"[{file.name} could not be fetched: {why}]") from None
        here = msgspec.structs.replace(file, path=str(path), remote="", size=len(data))
        if file.media_type not in SEEN or len(data) > SEEN_BYTES:
            return here, []
        return here, [Image(file.media_type, base64.b64encode(data).decode())]

    async def _download(self, named: Attachment) -> bytes:
        """Give the bytes, trying again where that may help. Raises TelegramError and OSError."""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(0.5 * 2 ** (attempt - 1))
            try:
                file = await self._bot.get_file(named.remote)
                if (file.file_size or 0) > self._limit:
                    raise OSError("it is too large")
                return bytes(await file.download_as_bytearray())
            except (BadRequest, InvalidToken):  # a download that is not found says the latter
                raise
            except TelegramError as error:
                last = error
        raise last


def safe_name(id: str, name: str) -> str:
    """Make a file name that stays in its folder and is the same for a repeat of the message."""
    stem = re.sub(r"[^\w.-]+", "_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip("._")
    return f"{re.sub(r'[^0-9-]+', '_', id)}_{stem[-100:] or 'file'}"


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    partial.touch(mode=0o600)
    partial.write_bytes(data)
    partial.replace(path)


def sweep(folder: Path, days: float) -> None:
    """Remove the files that are older than *days*."""
    oldest = time.time() - days * 86_400
    for path in folder.glob("*"):
        if path.stat().st_mtime < oldest:
            path.unlink(missing_ok=True)
