"""Handing the person a file: what the tool `send_file` does once it may read it."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import posixpath
from pathlib import Path

from hermes import Attachment, FileInfo, Outgoing, Terminal, ToolCall, ToolResult

LARGEST = 50_000_000
"""Bytes; what Telegram takes from a bot."""

SPOKEN = ("audio/ogg", "audio/opus")
"""Messengers play these in the chat; of other sounds they make a file."""


async def send(terminal: Terminal, info: FileInfo, caption: str, call: ToolCall) -> ToolResult:
    """Put a file into the outbox, for the chat that the call comes from.

    The call's key is the message's: after a crash it is not sent twice.
    """
    place = call.authority.place
    if place is None:
        return ToolResult(f"The person is at this machine: tell them where it lies ({info.path}).")
    if info.size > LARGEST:
        said = f"{info.path} has {info.size:,} bytes; at most {LARGEST:,} can be sent."
        return ToolResult.error(said)
    name = posixpath.basename(info.path)
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    data = await terminal.read(info.path)
    digest = hashlib.sha256(call.request.key.encode()).hexdigest()[:32]
    copy = call.context.paths.cache / f"send-{digest}"
    try:
        await asyncio.to_thread(_write, copy, data)
        file = Attachment(str(copy), kind, name, voice=kind in SPOKEN)
        outgoing = Outgoing(place, caption, attachments=(file,))
        await call.context.runtime.outbox.put(outgoing, key=call.request.key)
    finally:
        copy.unlink(missing_ok=True)
    return ToolResult(f"{name} is on its way to the person ({len(data):,} bytes).")


def _write(path: Path, data: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(data)
