"""The whole system: a real home, every installed plugin, the real ``hermes``, a scripted model."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from hermes.events import Event, TurnFinished
from hermes.plugins import Host
from hermes.runtime import Runtime
from hermes.session import Authority
from hermes.testing import Call, OpenAIServer, PseudoTerminal, Say

PROGRAM = shutil.which("hermes", path=str(Path(sys.executable).parent)) or "hermes"


@dataclass(frozen=True)
class Done:
    """How a program ended."""

    status: int
    raw: bytes
    raw_errors: bytes

    @property
    def out(self) -> str:
        """Standard output. Raises UnicodeDecodeError: what is printed must be valid UTF-8."""
        return self.raw.decode()

    @property
    def errors(self) -> str:
        return self.raw_errors.decode()

    @property
    def lines(self) -> list[str]:
        """The lines of standard error."""
        return self.errors.splitlines()


class System:
    """A home with a model behind it, and the ways in."""

    def __init__(self, home: Path, place: Path, model: OpenAIServer) -> None:
        self.home, self.place, self.model = home, place, model
        self.path: list[str] = []
        """Folders with further plugins, for programs."""
        self._terminals: list[PseudoTerminal] = []
        self.configure()

    def configure(self, **sections: Any) -> None:
        """Write config.yaml: the model, and *sections*."""
        settings = {"model": "openai:test", "openai": {"base_url": self.model.url}, **sections}
        (self.home / "config.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "HERMES_HOME": str(self.home),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            **({"PYTHONPATH": os.pathsep.join(self.path)} if self.path else {}),
        }

    async def run(
        self, *arguments: str, stdin: str | None = None, seconds: float = 60, **variables: str
    ) -> Done:
        """Run ``hermes`` in the workspace, without a terminal, to its end."""
        process = await asyncio.create_subprocess_exec(
            PROGRAM,
            *arguments,
            cwd=self.place,
            env={**self.environment, **variables},
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said = None if stdin is None else stdin.encode()
        async with asyncio.timeout(seconds):
            out, errors = await process.communicate(said)
        assert process.returncode is not None
        return Done(process.returncode, out, errors)

    def terminal(self, *arguments: str) -> PseudoTerminal:
        """Start ``hermes`` at a terminal; closed with the test."""
        made = PseudoTerminal([PROGRAM, *arguments], self.environment, self.place)
        self._terminals.append(made)
        return made

    def runtime(
        self, surface: str = "cli", **overrides: Any
    ) -> AbstractAsyncContextManager[Runtime]:
        """Open the home in this process; double underscores in *overrides* stand for dots."""
        given = {name.replace("__", "."): value for name, value in overrides.items()}
        return Runtime.open(surface=surface, host=Host.open(self.home, overrides=given))

    async def connect(self, tool: str, seconds: float = 20) -> None:
        """Wait until a server's *tool* was seen once: a conversation begins without one that was
        never seen, when it does not answer at once.
        """
        async with self.runtime() as runtime, asyncio.timeout(seconds):
            while tool not in {each.name for each in await runtime.tools.gather()}:
                await asyncio.sleep(0.05)

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Give the workspace."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
async def model() -> AsyncIterator[OpenAIServer]:
    """Give the model's server; it refuses what OpenAI refuses."""
    async with OpenAIServer() as server:
        yield server


@pytest.fixture
async def system(home: Path, place: Path, model: OpenAIServer) -> AsyncIterator[System]:
    made = System(home, place, model)
    yield made
    made.close()


@pytest.fixture
def beside(system: System, site_beside: Any) -> Any:
    """Give a site of plugins beside the installed ones, for this process and for programs."""
    system.path = [str(site_beside.folder)]
    return site_beside


class Turn(list[Event]):
    """What a turn gave."""

    @property
    def end(self) -> TurnFinished:
        last = self[-1]
        assert isinstance(last, TurnFinished)
        return last

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self if isinstance(event, kind)]


@pytest.fixture(scope="session")
def turn() -> Any:
    """Give ``await turn(events)``, which listens to a turn's end."""

    async def heard(events: Any) -> Turn:
        return Turn([event async for event in events])

    return heard


@pytest.fixture(scope="session")
def asks() -> Any:
    """Give ``asks(("terminal", {"command": "true"}), …)``: an answer with these calls."""

    def made(*calls: tuple[str, dict[str, Any]]) -> Say:
        import json

        return Say(calls=tuple(Call(name, json.dumps(arguments)) for name, arguments in calls))

    return made


@pytest.fixture(scope="session")
def owner() -> Any:
    """Give ``owner(can_ask=…, yolo=…)``: the authority of the person at the terminal."""

    def made(**fields: Any) -> Authority:
        return Authority("cli", role="owner", **fields)

    return made
