"""Talking to the gateway that serves a home: one line of JSON each way, over a Unix socket.

The socket is its owner's alone (0600, in a folder of 0700). A system without such sockets has
none: there nothing but signals reaches a running gateway.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from hermes.context import Log
from hermes.errors import HermesError, one_line
from hermes.files import replace_file

ADDRESS = "gateway.address"
"""File in the run folder that says where the socket is."""
SOCKET = "gateway.sock"
LONGEST = 100
"""Bytes of a socket's path that every system takes (Linux 107, macOS 103)."""
LINE = 2**20
PATIENCE = 5.0

Answer = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@contextlib.asynccontextmanager
async def served(run: Path, answer: Answer, log: Log) -> AsyncIterator[None]:
    """Answer orders while the block lasts. Whoever calls holds the gateway's lease."""
    if not hasattr(asyncio, "start_unix_server"):
        yield
        return

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await asyncio.wait_for(reader.readline(), PATIENCE)
            writer.write(msgspec.json.encode(await _answered(answer, line, log)) + b"\n")
            await writer.drain()
        except (OSError, TimeoutError, ValueError):
            pass  # whoever asked has gone, or says nothing
        finally:
            writer.close()

    path = _place(run)
    server = await asyncio.start_unix_server(talk, path, limit=LINE)
    _announce(run, path)
    try:
        yield
    finally:
        server.close()
        _clear(run, path)


def _place(run: Path) -> Path:
    """Give the socket's path: in the run folder, or where that is too long in one of its own."""
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    short = len(os.fsencode(run / SOCKET)) < LONGEST
    path = (run if short else Path(tempfile.mkdtemp(prefix="hermes-"))) / SOCKET
    path.unlink(missing_ok=True)
    return path


def _announce(run: Path, path: Path) -> None:
    path.chmod(0o600)
    replace_file(run / ADDRESS, str(path), mode=0o600)


def _clear(run: Path, path: Path) -> None:
    (run / ADDRESS).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    if path.parent != run:
        path.parent.rmdir()


async def _answered(answer: Answer, line: bytes, log: Log) -> dict[str, Any]:
    try:
        return await answer(msgspec.json.decode(line, type=dict[str, Any]))
    except HermesError as error:
        return {"error": str(error)}
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        log.warning("an order was not understood", error=one_line(error))
        return {"error": f"the gateway does not understand that: {one_line(error)}"}


async def ask(
    run: Path, order: str, *, seconds: float = PATIENCE, **fields: Any
) -> dict[str, Any] | None:
    """Give an order to the gateway; None where none runs or answers within *seconds*.

    Raises HermesError where it says no.
    """
    try:
        path = (run / ADDRESS).read_text(encoding="utf-8")
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_unix_connection(path, limit=LINE)
            try:
                writer.write(msgspec.json.encode({"order": order, **fields}) + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, AttributeError):  # AttributeError: no such sockets here
        return None
    if not line:
        return None
    answer = msgspec.json.decode(line, type=dict[str, Any])
    if "error" in answer:
        raise HermesError(str(answer["error"]))
    return answer
