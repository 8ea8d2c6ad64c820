"""``hermes send``: a message to a chat, from a script, a job or a person at a shell."""

from __future__ import annotations

import json
import mimetypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermes import (
    Attachment,
    CommandContext,
    HermesError,
    Outgoing,
    SessionKey,
    UsageError,
    clean,
    command,
)

if TYPE_CHECKING:
    from hermes.outbox import Sent
    from hermes.runtime import Runtime

LONGEST = 1_000_000
"""Characters of a message; it is sent in as many parts as the platform wants."""


@command(surfaces={"cli"})
@click.argument("target", default="", metavar="PLATFORM[:CHAT[:THREAD]]")
@click.argument("text", default="")
@click.option("--file", "-f", "source", default="", metavar="FILE", help="Read the text from FILE; "
              "- is standard input.")  # fmt: skip
@click.option("--subject", "-s", default="", help="A line before the text.")
@click.option("--attach", "-a", "attached", multiple=True, metavar="FILE", help="Send FILE along, "
              "where the platform takes files. May be given again.")  # fmt: skip
@click.option("--wait", default=30.0, show_default=True, help="Seconds to wait until it is sent.")
@click.option("--list", "-l", "listing", is_flag=True, help="List the platforms and their homes.")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing where it went well.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
async def send(
    context: CommandContext,
    target: str,
    text: str,
    source: str,
    subject: str,
    attached: tuple[str, ...],
    wait: float,
    listing: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Send TEXT to a chat, through the gateway that runs.

    PLATFORM alone is its home chat, which /sethome makes. Without TEXT it is read from standard
    input. The message is kept before anything is sent: where it cannot be sent now, it goes out
    when the platform is back, and the exit status is 75.
    """
    runtime = await context.runtime()
    if listing:
        await _list(context, runtime, as_json)
        return
    key = _target(target, [*context.host.offers("platforms")])
    body = _text(text, source, bool(attached))
    if subject:
        body = f"{subject}\n\n{body}".strip()
    files = tuple(_attachment(each) for each in attached)
    if not body and not files:
        raise UsageError("say what: a text, --file, --attach or something on standard input")
    await _check_running(runtime, key.platform)
    id = await runtime.outbox.put(Outgoing(key, clean(body), attachments=files))
    sent = await runtime.outbox.wait(id, wait)
    said = _said(target, sent)
    if as_json:
        context.reply(json.dumps(_data(key, id, sent), ensure_ascii=False))
    if not sent.end:
        raise Waiting(said)
    if not sent.end.startswith("delivered"):
        raise HermesError(said)
    if not (quiet or as_json):
        context.reply(said)


class Waiting(HermesError):
    """It is kept, and goes out later: EX_TEMPFAIL."""

    exit_code = 75


async def _check_running(runtime: Runtime, platform: str) -> None:
    """Raise HermesError where nothing would send it: a message must not come hours later, when
    somebody happens to start the gateway.
    """
    if not await runtime.outbox.served():
        raise HermesError(
            f"nothing was sent: the gateway, which speaks to {platform}, does not run"
            " (hermes gateway start)"
        )


async def _list(context: CommandContext, runtime: Runtime, as_json: bool) -> None:
    homes = {name: await runtime.outbox.home(name) for name in context.host.offers("platforms")}
    if as_json:
        data = {name: home and {"chat_id": home.chat, "thread_id": home.thread}
                for name, home in homes.items()}  # fmt: skip
        context.reply(json.dumps(data))
        return
    for name, home in homes.items():
        where = f"home {':'.join(filter(None, (home.chat, home.thread)))}" if home else "no home"
        context.reply(f"{name}  {where}")


def _said(target: str, sent: Sent) -> str:
    """Say what became of the message."""
    if not sent.end:
        return f"kept, not sent yet ({sent.why}); it goes out when that is over"
    if sent.end.startswith("delivered"):
        return f"Sent to {target}."
    return f"{target} did not take it: {sent.why}"


def _data(key: SessionKey, id: str, sent: Sent) -> dict[str, Any]:
    return {
        "success": sent.end.startswith("delivered"),
        "status": sent.end or "waiting",
        "platform": key.platform,
        "chat_id": key.chat,
        "thread_id": key.thread,
        "message_ids": sent.ids,
        "id": id,
        "error": sent.why,
    }


def _target(target: str, platforms: list[str]) -> SessionKey:
    """Read a target. Raises UsageError."""
    platform, _, rest = target.partition(":")
    chat, _, thread = rest.partition(":")
    if not platform:
        raise UsageError("say where to: PLATFORM, PLATFORM:CHAT or PLATFORM:CHAT:THREAD")
    if platform not in platforms:
        some = ", ".join(platforms) or "none is installed"
        raise UsageError(f"there is no platform {platform!r}; installed: {some}")
    if target.endswith(":"):
        raise UsageError(f"{target}: nothing stands after the colon")
    return SessionKey(platform, chat, thread=thread)


def _text(text: str, source: str, may_be_empty: bool) -> str:
    if text and source:
        raise UsageError("give TEXT or --file, not both")
    if text and text != "-":
        return text
    if source in ("", "-"):
        if source or text or (not may_be_empty and not sys.stdin.isatty()):
            return _whole(sys.stdin.buffer.read(LONGEST * 4), "standard input")
        return ""
    try:
        return _whole(Path(source).read_bytes(), source)
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror}") from None


def _whole(data: bytes, name: str) -> str:
    try:
        text = data.decode().strip("\n")
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not text (UTF-8); --attach sends files as they are") from None
    if len(text) > LONGEST:
        raise UsageError(f"{name} has more than {LONGEST:,} characters; --attach sends it whole")
    return text


def _attachment(path: str) -> Attachment:
    found = Path(path).expanduser()
    if not found.is_file():
        raise UsageError(f"{path} is not a file")
    media_type = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    return Attachment(str(found.resolve()), media_type, found.name)
