"""A gateway for crash tests: a messenger made of two files, a scripted model, a real journal.

    python serving.py HOME COUNT [keyed] [edits]    serve until COUNT of HOME/updates are dealt with

``updates`` has a line a message (chat, text), as a platform's server would hold them; ``sent`` gets
a line for each part that the platform took. Neither knows anything of the process that dies.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from hermes.gateway import Gateway
from hermes.middleware import Middleware, Next, Stage
from hermes.platform import Admission, Inbound, Inbox, Part, Platform, PlatformLimits, Receipt
from hermes.session import Account, SessionKey
from hermes.testing import Say, make_context
from hermes.testing.provider import ScriptedProvider
from hermes.testing.runtime import AllowAll, open_runtime
from hermes_plugin_sqlite.store import SQLiteStore

HOME, COUNT = Path(sys.argv[1]), int(sys.argv[2])
KEYED = "keyed" in sys.argv[3:]
EDITS = "edits" in sys.argv[3:]


class Files(Platform):
    """The messenger."""

    limits = PlatformLimits(keyed=KEYED, edits=EDITS)

    async def run(self, inbox: Inbox) -> None:
        while True:
            done = int(await inbox.cursor() or 0)
            lines = (HOME / "updates").read_text().splitlines()[done : done + 3]
            messages = tuple(
                Inbound(SessionKey("files", chat), str(done + n), Account("files", "1"), text)
                for n, (chat, text) in enumerate(map(json.loads, lines))
            )
            if messages:
                await inbox.put(messages, cursor=str(done + len(messages)))
                (HOME / "confirmed").write_text(str(done + len(messages)))
            else:
                await asyncio.sleep(0.01)

    async def send(self, part: Part) -> Receipt:
        sent = self._sent()
        if KEYED and part.token and (before := await self.recall(part)):
            return Receipt(before)  # as a platform with idempotency keys does
        with (HOME / "sent").open("a") as file:
            line = {"chat": part.key.chat, "text": part.text, "token": part.token}
            file.write(json.dumps({**line, "edits": part.edits}) + "\n")
        if part.token.endswith(":draft"):
            await asyncio.sleep(0.05)  # it is shown, and its id is still on its way back
        return Receipt(part.edits or str(len(sent)))

    async def recall(self, part: Part) -> str:
        for number, line in enumerate(self._sent()):
            if line["token"] == part.token:
                return line["edits"] or str(number)
        return ""

    def _sent(self) -> list[dict[str, str]]:
        path = HOME / "sent"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class LetIn(Middleware):
    stage = Stage.GUARD

    async def receive(self, inbound: Inbound, call_next: Next[Inbound, Admission]) -> Admission:
        if inbound.text.startswith("stranger"):
            return Admission("refused", f"no: {inbound.text}")
        return await call_next(msgspec.structs.replace(inbound, role="user", person="p"))


def echo(request: Any) -> Say:
    """Answer; where drafts are shown, slowly enough for one."""
    shown = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1 if EDITS else 0.0, shown.set)
    return Say(chunks=("re: ", request.spec.messages[-1].text), hold=shown, hold_after=1)


async def main() -> None:
    store = SQLiteStore(make_context("sqlite", home=HOME))
    async with open_runtime(
        HOME,
        provider=ScriptedProvider(*[echo] * 1000),
        store=store,
        middleware=[AllowAll(), LetIn()],
        settings={"gateway": {"busy": "queue", "drain": 5}},
        offers={"platforms": {"files": Files()}},
        surface="gateway",
    ) as runtime:
        gateway = Gateway(runtime)
        task = asyncio.ensure_future(gateway.run())
        await gateway.ready.wait()
        while True:
            cursor = await store.state("process", "", "hermes/cursor/files")
            left = [*await store.pending("inbox"), *await store.pending("outbox")]
            if cursor == str(COUNT).encode() and not left:
                break
            await asyncio.sleep(0.02)
        gateway.stop()
        await task


asyncio.run(main())
