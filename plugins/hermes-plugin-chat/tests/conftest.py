"""The whole program at a real pseudo-terminal, against a model that follows a script.

A plugin that exists only here brings the tools and the policy: this is about the chat, whatever
else is installed.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hermes.testing import Server
from hermes.testing.servers import serve

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b[=>()][0-9A-B]?|[\x00-\x06\x0e\x0f]")

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


class Term:
    """A program at a terminal of its own; what it writes, without escape sequences."""

    def __init__(self, arguments: list[str], env: dict[str, str], cwd: Path) -> None:
        self._fd, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.process = subprocess.Popen(
            arguments,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env=env,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self._slave = slave
        self.raw = ""
        self._seen = 0

    @property
    def text(self) -> str:
        """Everything written so far."""
        return ESCAPES.sub("", self.raw).replace("\r\n", "\n")

    def send(self, keys: str) -> None:
        os.write(self._fd, keys.encode())

    def expect(self, wanted: str, seconds: float = 40.0) -> str:
        """Wait for *wanted* in what was not yet expected; give what came before it."""
        until = time.monotonic() + seconds
        while True:
            place = self.text.find(wanted, self._seen)
            if place >= 0:
                before = self.text[self._seen : place]
                self._seen = place + len(wanted)
                return before
            left = until - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{wanted!r} did not come; on the screen:\n{self.text}")

    def ends(self, seconds: float = 40.0) -> int:
        """Wait for the end of the program and give its exit status."""
        until = time.monotonic() + seconds
        while self.process.poll() is None:
            if time.monotonic() > until:
                raise AssertionError(f"it goes on; on the screen:\n{self.text}")
            self._read(0.05)
        while self._read(0.05):
            pass
        return self.process.returncode

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed: a program that ended must have left it so."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._fd)
        os.close(self._slave)

    def _read(self, seconds: float) -> bool:
        if not select.select([self._fd], [], [], seconds)[0]:
            return False
        try:
            self.raw += os.read(self._fd, 65_536).decode("utf-8", "replace")
        except OSError:
            return False
        return True


@pytest.fixture
def terminal(environment: dict[str, str], place: Path) -> Iterator[Callable[..., Term]]:
    """Give what starts ``hermes`` at a terminal."""
    opened: list[Term] = []

    def start(*arguments: str, env: dict[str, str] | None = None) -> Term:
        term = Term([program(), *arguments], {**environment, **(env or {})}, place)
        opened.append(term)
        return term

    yield start
    for term in opened:
        term.close()
