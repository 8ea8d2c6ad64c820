"""A policy at its place, with a person to ask and a terminal that really resolves paths."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermes import (
    CommandResult,
    SessionInfo,
    Terminal,
    TerminalState,
    Tool,
    ToolCall,
    ToolResult,
)
from hermes.testing import Asker, FakeContext, MemoryState, make_authority, make_call, make_session
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_approvals.policy import Approvals
from hermes_plugin_approvals.settings import Settings


class Bash(Terminal):
    """Runs commands here, as the contract's defaults need it."""

    backend = "local"

    def __init__(self, folder: Path, *, isolated: bool = False, before: str = "") -> None:
        """*before* is what the session did until now: it sets variables, functions, aliases."""
        self.state = TerminalState(str(folder))
        self.before = before
        self.isolated = isolated

    async def run(self, command: str, **options: Any) -> CommandResult:
        state = options.get("state") or self.state
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", f"{self.before}\n{command}",
            cwd=state.directory,
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await process.communicate()
        return CommandResult(output, process.returncode or 0, self.state)


class Gate:
    """Sends calls through the policy to a gate that runs only what was granted to the byte."""

    def __init__(self, context: FakeContext, folder: Path, clock: Callable[[], float]) -> None:
        self.context = context
        self.policy = Approvals(context, clock)
        self.folder = folder
        self.person = Asker()
        self.terminal: Terminal | None = Bash(folder)
        self.session: SessionInfo = make_session("session-1", directory=folder)
        self.ran: list[ToolCall] = []

    async def __call__(
        self, tool: Tool, arguments: dict[str, Any] | None = None, **parts: Any
    ) -> ToolResult:
        authority = {k: parts.pop(k) for k in list(parts) if k in AUTHORITY}
        call = make_call(
            tool,
            arguments,
            context=self.context,
            authority=make_authority(**authority),
            ask=self.person,
            terminal=self.terminal,
            **{"session": self.session, **parts},
        )
        return await self.policy.tool(call, self._run)

    async def through(self, tool: Tool, arguments: dict[str, Any], authority: Any) -> ToolResult:
        """Send a call of just this *authority*."""
        call = make_call(
            tool,
            arguments,
            context=self.context,
            authority=authority,
            ask=self.person,
            terminal=self.terminal,
            session=self.session,
        )
        return await self.policy.tool(call, self._run)

    async def _run(self, call: ToolCall) -> ToolResult:
        grant = call.request.grant
        assert grant is not None
        assert grant.digest == call.digest
        assert grant.by == "approvals"
        assert grant.why
        self.ran.append(call)
        return ToolResult("ran")

    @property
    def asked(self) -> list[str]:
        return [question.text for question in self.person.questions]


AUTHORITY = {"allowances", "yolo", "can_ask", "role", "person", "surface"}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


MakeGate = Callable[..., Gate]


@pytest.fixture
def make_gate(plugin_context: MakeContext, workspace: Path) -> MakeGate:
    def make(
        settings: Settings | None = None,
        *,
        state: MemoryState | None = None,
        secrets: dict[str, str] | None = None,
        clock: Callable[[], float] = lambda: 1_750_000_000.0,
    ) -> Gate:
        context = plugin_context(
            "approvals", settings=settings or Settings(), state=state, secrets=secrets
        )
        return Gate(context, workspace, clock)

    return make


@pytest.fixture
def gate(make_gate: MakeGate) -> Gate:
    return make_gate()
