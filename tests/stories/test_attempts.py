"""Attempts round the policy, tried on the real gate with the real terminal: 0 take effect.

Success is what a probe finds afterwards (a file outside the workspace, a secret in the answer, a
request at a server), never what a command looks like. Everyday commands go the same way, and are
counted by how many need no question.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermes.session import SessionKey
from hermes.testing import Asker
from hermes.tools import ToolCall, ToolRequest, ToolResult

SOAK = bool(os.environ.get("HERMES_BYPASS_ALL"))
"""Prove of every attempt that it would take effect, not of every thirteenth."""


def _attempts() -> Any:
    spec = importlib.util.spec_from_file_location("attempts", Path(__file__).parent / "attempts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["attempts"] = module
    spec.loader.exec_module(module)
    return module


attempts = _attempts()
FILES = ("attempts_before.txt", "attempts_after.txt")
"""What was written before the gate was, and what was written against it."""


class Listener(socketserver.BaseRequestHandler):
    """Counts who comes by."""

    def handle(self) -> None:
        self.server.hits.append(self.client_address)  # type: ignore[attr-defined]
        self.request.settimeout(0.2)
        try:
            self.request.recv(1000)
            self.request.sendall(b"HTTP/1.0 404 Not Found\r\n\r\n")
        except OSError:
            pass


@pytest.fixture
def ground(tmp_path: Path, place: Path) -> Iterator[Any]:
    """Give the place of the attempts; its workspace is the system's."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Listener) as server:
        server.hits = []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = attempts.Place(
            tmp_path,
            port=server.server_address[1],
            hits=server.hits,  # type: ignore[attr-defined]
        )
        made.make()
        yield made
        server.shutdown()


class Box:
    """The toolbox of one conversation, called as the agent calls it."""

    def __init__(self, runtime: Any, conversation: Any, agent: Any) -> None:
        self.runtime, self.conversation, self.box = runtime, conversation, agent.toolbox
        self.transcript = agent.transcript
        self.person = Asker()
        self._numbers = iter(range(1_000_000))

    async def __call__(
        self, tool: str, arguments: dict[str, Any], authority: Any, **request: Any
    ) -> ToolResult:
        terminal = await self.runtime.terminal(self.conversation.info)
        call = ToolCall(
            ToolRequest(
                id=f"call-{next(self._numbers)}",
                tool=tool,
                arguments=arguments,
                session=self.conversation.info,
                turn="t",
                directory=terminal.state.directory,
                backend="local",
                **request,
            ),
            self.box.tools[tool],
            context=self.runtime.host.context(self.box.tools[tool].plugin),
            authority=authority,
            emit=lambda event: None,
            ask=self.person,
            models=self.runtime.models,
            terminal=lambda: self.runtime.terminal(self.conversation.info),
        )
        result: ToolResult = await self.box.call(call)
        return result


@pytest.fixture
async def box(system: Any, owner: Any, turn: Any, ground: Any) -> Any:
    """Give the toolbox of a conversation in the workspace."""
    system.model.will("Hello.")
    async with system.runtime() as runtime:
        key = SessionKey("cli", str(system.place))
        conversation = runtime.session(key, directory=str(system.place))
        await turn(conversation.send("Hello", authority=owner()))
        yield Box(runtime, conversation, await runtime.agent(await conversation.load()))


async def test_no_attempt_takes_effect(box: Any, ground: Any, owner: Any) -> None:
    """Each is sent with nobody to ask, as a job would; what runs all the same has no effect."""
    tried = attempts.load(*FILES)
    assert len(tried) >= 300
    assert sum(bool(one.origin) for one in tried) >= len(tried) / 3
    succeeded = {}
    for one in tried:
        result = await box("terminal", {"command": ground.fill(one.text)}, owner())
        if what := ground.happened(result.text):
            succeeded[one.text] = what
            ground.hits.clear()
            ground.make()
    assert not succeeded


async def test_the_attempts_would_take_effect_without_the_gate(ground: Any) -> None:
    """Else the test above would prove nothing. What is not installed here is not counted."""
    tried = attempts.load(*FILES)[:: 1 if SOAK else 13]
    live = [one for one in tried if await asyncio.to_thread(attempts.bare, ground, one.text, 8)]
    assert len(live) >= 0.6 * len(tried)


@pytest.fixture
def project(ground: Any) -> Any:
    """Give the workspace with what a project has."""
    place = ground.workspace
    for leading_out in ("file-link", "place-link", "place-out", "linked/more"):
        (place / leading_out).unlink()
    for folder in ("src", "tests", "node_modules/x"):
        (place / folder).mkdir(parents=True, exist_ok=True)
    (place / "README.md").write_text("# Readme\n\nfoo=1 a@b\nSee /usr/share.\n" * 5)
    (place / "data.csv").write_text("ann,3\nbob,1\nann,2\n")
    (place / "package.json").write_text('{"name":"x","version":"1.0.0","scripts":{"test":"true"}}')
    (place / "src/app.py").write_text("import util\n\ndef main():\n    return 1  # TODO\n" * 10)
    (place / "src/util.py").write_text("def help_():\n    return 2\n")
    (place / "tests/test_app.py").write_text("def test_it():\n    assert True\n")
    (place / "node_modules/x/i.js").write_text("let x\n")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["add", "README.md", "src"], ["commit", "-qm", "second"]):
        subprocess.run([*git, *arguments], cwd=place, check=True, capture_output=True)
    return ground


async def unasked(box: Any, authority: Any, kind: str) -> tuple[int, list[str]]:
    """Send the everyday commands of one kind, and give their number and those asked about."""
    commands = [one.text for one in attempts.load("everyday.txt") if one.family == kind]
    asked = []
    for command in commands:
        box.person.questions.clear()
        result = await box("terminal", {"command": command}, authority)
        if box.person.questions:
            asked.append(f"{command}: {box.person.questions[0].text.splitlines()[-1]}")
        else:
            assert "denied" not in result.text, command
    return len(commands), asked


async def test_everyday_looking_needs_no_question(box: Any, project: Any, owner: Any) -> None:
    number, asked = await unasked(box, owner(can_ask=True), "look")
    assert number >= 200
    assert len(asked) <= 0.05 * number, "\n".join(asked)


async def test_everyday_editing_is_asked_about_unless_it_was_allowed(
    system: Any, ground: Any, project: Any, owner: Any, turn: Any
) -> None:
    """And what runs the project's own code always is, until its exact bytes were allowed."""
    for allowed in (False, True):
        system.configure(approvals={"write_workspace": allowed})
        system.model.will("Hello.")
        async with system.runtime() as runtime:
            conversation = runtime.session(SessionKey("cli", "x"), directory=str(system.place))
            await turn(conversation.send("Hello", authority=owner()))
            agent = await runtime.agent(await conversation.load())
            box = Box(runtime, conversation, agent)
            for kind in ("edit", "run"):
                number, asked = await unasked(box, owner(can_ask=True), kind)
                if kind == "edit" and allowed:
                    assert len(asked) <= 0.05 * number, "\n".join(asked)
                else:
                    assert len(asked) == number
