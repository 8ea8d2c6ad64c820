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

from hermes import Attachment, Image, Log
from hermes_plugin_telegram.settings import TelegramSettings

SEEN = ("image/jpeg", "image/png", "image/webp", "image/gif")
"""What a model can look at."""
SEEN_BYTES = 5_000_000
FETCH_SECONDS = 60.0
"""For all attempts: whoever waits for the next update waits for this too."""
ATTEMPTS = 3
AT_ONCE = 4


class Found(msgspec.Struct, frozen=True):
    """A file that a message carries, before it is fetched."""

    id: str
    size: int
    name: str
    media_type: str
    voice: bool = False


class Fetched(msgspec.Struct, frozen=True):
    """What became of it: a file and perhaps a picture, or a note in their place."""

    attachments: tuple[Attachment, ...] = ()
    images: tuple[Image, ...] = ()
    note: str = ""


def find(message: Message) -> Found | None:
    """Give the file of a message, where it carries one."""
    if message.photo:
        best = max(message.photo, key=lambda size: size.width * size.height)
        return Found(best.file_id, best.file_size or 0, "photo.jpg", "image/jpeg")
    if (voice := message.voice) is not None:
        kind = voice.mime_type or "audio/ogg"
        return Found(voice.file_id, voice.file_size or 0, "voice.ogg", kind, voice=True)
    if (note := message.video_note) is not None:
        return Found(note.file_id, note.file_size or 0, "video.mp4", "video/mp4")
    for file, name in (
        (message.animation, "animation.mp4"),  # before the document that says the same
        (message.document, "document"),
        (message.video, "video.mp4"),
        (message.audio, "audio.mp3"),
    ):
        if file is not None:
            kind = file.mime_type or "application/octet-stream"
            return Found(file.file_id, file.file_size or 0, file.file_name or name, kind)
    return None


class Fetcher:
    """Fetches files, a few at once."""

    def __init__(self, bot: Bot, folder: Path, settings: TelegramSettings, log: Log) -> None:
        self._bot = bot
        self._folder = folder
        self._limit = settings.max_file_mb * 1_000_000
        self._log = log
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def fetch(self, found: Found, id: str) -> Fetched:
        """Fetch the file of message *id*. Where the far side fails, a note says what is missing."""
        if found.size > self._limit:
            size = found.size / 1_000_000
            return Fetched(note=f"[{found.name} ({size:.0f} MB) is too large to be fetched]")
        path = self._folder / safe_name(id, found.name)
        try:
            async with self._slots, asyncio.timeout(FETCH_SECONDS):
                data = await self._download(found)
                await asyncio.to_thread(_write, path, data)
        except (TelegramError, OSError) as error:  # TimeoutError is one
            why = str(error) or "Telegram did not answer in time"
            self._log.warning("a file could not be fetched", message=id, why=why)
            return Fetched(note=f"[{found.name} could not be fetched: {why}]")
        attachment = Attachment(str(path), found.media_type, found.name, found.voice)
        if found.media_type not in SEEN or len(data) > SEEN_BYTES:
            return Fetched((attachment,))
        picture = Image(found.media_type, base64.b64encode(data).decode())
        return Fetched((attachment,), (picture,))

    async def _download(self, found: Found) -> bytes:
        """Give the bytes, trying again where that may help. Raises TelegramError and OSError."""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(0.5 * 2 ** (attempt - 1))
            try:
                file = await self._bot.get_file(found.id)
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
