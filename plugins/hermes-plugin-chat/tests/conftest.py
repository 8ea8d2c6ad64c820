"""The whole program at a real pseudo-terminal, against a model that follows a script.

A plugin that exists only here brings the tools and the policy: this is about the chat, whatever
else is installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hermes.testing import PseudoTerminal, Server
from hermes.testing.servers import serve

PROBE = """
from hermes import Offer, hookimpl

@hookimpl
def hermes_tools():
    return [Offer("probe", "hermes_plugin_probe.parts:TOOLS", "Tools of a test")]

@hookimpl
def hermes_middleware():
    return [Offer("probe", "hermes_plugin_probe.parts:Policy", "Asks for what is not read")]
"""

PARTS = '''
from __future__ import annotations
import asyncio
from hermes import ONCE, READ, Middleware, Question, Stage, ToolCall, ToolResult, tool

@tool(effect=READ, needs={"read"})
async def look(path: str, *, call: ToolCall) -> str:
    """Look at a file."""
    return f"{path} is empty"

@tool(effect=ONCE, needs={"run"})
async def run(command: str, *, call: ToolCall) -> str:
    """Run a command."""
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", "exec " + command, start_new_session=True
    )
    try:
        return f"exit code {await process.wait()}"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

@tool(effect=READ, needs={"read"})
async def inquire(question: str, *, call: ToolCall) -> str:
    """Ask the person."""
    return (await call.ask(Question(question))).text

TOOLS = [look, run, inquire]

class Policy(Middleware):
    stage = Stage.GUARD

    def __init__(self, context):
        pass

    async def tool(self, call, call_next):
        if "run" in call.tool.needs and not call.authority.yolo:
            text = f"{call.request.tool} wants to run:\\n{call.request.arguments['command']}"
            reply = await call.ask(
                Question(text, ("once", "session", "always", "deny"), "approval", call.request.id)
            )
            if reply.denied:
                return ToolResult.error(f"Denied by the person. {reply.text}".strip())
        return await call_next(call.granted("probe", "a test"))
'''


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    """Give a folder for PYTHONPATH that has the plugin of these tests installed in it."""
    site = tmp_path / "site"
    package, info = site / "hermes_plugin_probe", site / "hermes_plugin_probe-1.0.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text(PROBE)
    (package / "parts.py").write_text(PARTS)
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: hermes-plugin-probe\nVersion: 1.0.0\n"
        "Requires-Dist: hermes-kernel>=1,<2\n"
    )
    (info / "entry_points.txt").write_text("[hermes.plugins]\nprobe = hermes_plugin_probe\n")
    (info / "RECORD").write_text("")
    return site


@pytest.fixture
def model(tmp_path: Path, home: Path, keep_child: set[int]) -> Iterator[Callable[..., Server]]:
    """Give what starts the model: its answers are the fields of `Say` or `Fail`, or strings."""
    running: list[Any] = []

    def start(*answers: str | dict[str, Any], **options: str) -> Server:
        folder = tmp_path / f"model{len(running)}"
        folder.mkdir()
        command = [sys.executable, "-m", "hermes.testing.openai_server"]
        if answers:
            said = [{"text": each} if isinstance(each, str) else each for each in answers]
            (folder / "script").write_text("".join(json.dumps(each) + "\n" for each in said))
            command += ["--script", str(folder / "script")]
        command += [word for name, value in options.items() for word in (f"--{name}", value)]
        log = folder / "model.log"
        context = serve(
            "model",
            command,
            folder=folder,
            ready=lambda: "http" in log.read_text(),
            kept=keep_child,
        )
        server = context.__enter__()
        running.append(context)
        address = server.log.split()[0]
        others = ["approvals", "shell", "files", "todo", "mcp", "context-files", "local"]
        (home / "config.yaml").write_text(
            f"model: openai:test\nopenai:\n  base_url: {address}\n"
            f"plugins:\n  disabled: [{', '.join(others)}]\n"
        )
        return server

    yield start
    for context in reversed(running):
        context.__exit__(None, None, None)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give the folder in which Hermes is started."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(probe: Path, home: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "HERMES_HOME": str(home),
        "PYTHONPATH": str(probe),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
    }


def program() -> str:
    return shutil.which("hermes", path=str(Path(sys.executable).parent)) or "hermes"


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(environment: dict[str, str], place: Path) -> Run:
    """Give what runs ``hermes`` without a terminal."""

    def run(
        *arguments: str, stdin: str | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program(), *arguments],
            cwd=place,
            env={**environment, **(env or {})},
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.fixture
def terminal(environment: dict[str, str], place: Path) -> Iterator[Callable[..., PseudoTerminal]]:
    """Give what starts ``hermes`` at a terminal."""
    opened: list[PseudoTerminal] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> PseudoTerminal:
        term = PseudoTerminal([program(), *arguments], {**environment, **(env or {})}, place)
        opened.append(term)
        return term

    yield start
    for term in opened:
        term.close()
