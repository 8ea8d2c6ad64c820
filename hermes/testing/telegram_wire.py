"""HTTP for the server of `hermes.testing.telegram`: requests with forms and files, and answers."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import msgspec

from hermes.testing.telegram_texts import Refusal, bad

BODY_LIMIT = 50 * 2**20
"""Bytes that a bot may upload."""
REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 409: "Conflict", 413: "Request Entity Too Large",
           429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway"}  # fmt: skip


class Upload(msgspec.Struct, frozen=True):
    """A file as it was uploaded."""

    name: str
    media_type: str
    data: bytes


@dataclass
class Request:
    """One HTTP request."""

    verb: str
    path: str
    headers: dict[str, str]
    body: bytes
    query: str = ""
    files: dict[str, Upload] = field(default_factory=dict)
    """Filled by `fields`."""

    @property
    def keep_alive(self) -> bool:
        return self.headers.get("connection", "").lower() != "close"

    def fields(self) -> dict[str, Any]:
        """Read the parameters, wherever they are: query, form, multipart or JSON."""
        given: dict[str, Any] = dict(parse_qsl(self.query, keep_blank_values=True))
        kind, _, rest = self.headers.get("content-type", "").partition(";")
        if kind == "application/json":
            given |= _object(self.body)
        elif kind == "application/x-www-form-urlencoded":
            given |= dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        elif kind == "multipart/form-data":
            given |= self._multipart(rest)
        return given

    def _multipart(self, rest: str) -> dict[str, str]:
        found = re.search(r'boundary="?([^";]+)"?', rest)
        if not found:
            raise bad("can't parse multipart: boundary not found")
        given = {}
        for part in (b"\r\n" + self.body).split(b"\r\n--" + found[1].encode())[1:]:
            head, _, data = part.partition(b"\r\n\r\n")
            name = _disposition(head, "name")
            file_name = _disposition(head, "filename")
            if name is None:
                continue
            if file_name is None:
                given[name] = data.decode()
            else:
                kind = re.search(rb"content-type:\s*([^\r\n]+)", head, re.IGNORECASE)
                media_type = kind[1].decode() if kind else "application/octet-stream"
                self.files[name] = Upload(file_name, media_type, data)
        return given


def _disposition(head: bytes, key: str) -> str | None:
    found = re.search(rf'[;\s]{key}="([^"]*)"'.encode(), head, re.IGNORECASE)
    return unquote(found[1].decode()) if found else None


def _object(body: bytes) -> dict[str, Any]:
    try:
        made = msgspec.json.decode(body or b"{}")
    except msgspec.DecodeError:
        made = None
    if not isinstance(made, dict):
        raise bad("can't parse JSON object")
    return made


async def read_request(reader: asyncio.StreamReader) -> Request:
    """Read the next request of a connection. Raises IncompleteReadError at its end."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    verb, target, _ = first.split(" ", 2)
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = await _chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    path, _, query = target.partition("?")
    return Request(verb, unquote(path), headers, body, query)


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readuntil(b"\r\n")
    return body


def answer(status: int, body: bytes, content_type: str = "application/json") -> bytes:
    """Make an HTTP answer."""
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}",
        "server: nginx",
        f"content-type: {content_type}",
        f"content-length: {len(body)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def success(result: Any) -> bytes:
    """Make the answer to a call that went well."""
    return answer(200, msgspec.json.encode({"ok": True, "result": result}))


def failure(refusal: Refusal) -> bytes:
    """Make the answer to a call that was refused."""
    said: dict[str, Any] = {
        "ok": False,
        "error_code": refusal.status,
        "description": refusal.description,
    }
    if refusal.parameters:
        said["parameters"] = refusal.parameters
    return answer(refusal.status, msgspec.json.encode(said))


async def post(url: str, body: bytes, headers: dict[str, str], seconds: float) -> int:
    """Post *body* to a loopback *url* as Telegram does for a webhook, and give the status."""
    found = re.fullmatch(r"http://([^:/]+):(\d+)(/.*)?", url)
    if not found:
        raise ConnectionError(f"{url} is not on loopback")
    async with asyncio.timeout(seconds):
        reader, writer = await asyncio.open_connection(found[1], int(found[2]))
        try:
            lines = [
                f"POST {found[3] or '/'} HTTP/1.1",
                f"host: {found[1]}:{found[2]}",
                "content-type: application/json",
                f"content-length: {len(body)}",
                "connection: close",
                *(f"{name}: {value}" for name, value in headers.items()),
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
            await writer.drain()
            first = (await reader.readline()).split()
            if len(first) < 2:
                raise ConnectionError("no answer")
            return int(first[1])
        finally:
            writer.close()
