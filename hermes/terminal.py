"""The contract of a terminal backend: where commands run and files live (§5.6).

A backend is one object per process; it opens a `Terminal` for each scope (a conversation, a chat, a
person, or everybody). A terminal that can `run` a command can do everything: file operations have
defaults over `run`, so that file tools work on every backend. The kernel decides the scope. It
hibernates a terminal that nobody used for a while, and closes it when its conversation ends.
"""

from __future__ import annotations

import os
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

from hermes.errors import HermesError
from hermes.resource import Resource

Output: TypeAlias = Callable[[bytes], None]
"""Takes output as it comes. Never waits."""


class TerminalError(HermesError):
    """The command could not be run, or the file not be read or written: says why."""


class TerminalLimits(msgspec.Struct, frozen=True):
    """What a terminal may take of a machine, for backends that can bound it. 0: no bound."""

    cpu: float = 0
    """Processors."""
    memory: int = 0
    """Megabytes."""
    disk: int = 0
    """Megabytes."""
    processes: int = 0


class TerminalSpec(msgspec.Struct, frozen=True):
    """What is asked of a terminal when it is opened."""

    scope: str
    """Unique name of who shares it; safe as a file name."""
    directory: str = ""
    """Where it starts; empty means the backend's own default. It is a folder of this machine: a
    backend that has it nowhere (another host) starts in its default."""
    env: tuple[tuple[str, str], ...] = ()
    """Variables to add to the backend's allowlist."""
    limits: TerminalLimits = TerminalLimits()
    persistent: bool = True
    """Files outlive `Terminal.close`: the next terminal of the scope finds them. A backend whose
    files are those of a machine ignores it."""


class TerminalState(msgspec.Struct, frozen=True):
    """Directory and environment between two commands."""

    directory: str
    snapshot: str = ""
    """The backend's own handle of the environment."""


class CommandResult(msgspec.Struct, frozen=True):
    """How a command ended."""

    output: bytes
    """Standard output and error as they came. Where that is less than `total`, its first half is
    the beginning and the rest the end."""
    exit_code: int
    """124 after a timeout, 130 after an interrupt, as shells and coreutils have it."""
    state: TerminalState
    """What the next command would start from."""
    total: int = 0
    """Bytes there were."""
    file: str = ""
    """Path (in the backend) that holds all of them, where `output` does not."""
    timed_out: bool = False


class FileInfo(msgspec.Struct, frozen=True):
    """A file as `Terminal.stat` and `Terminal.list` see it."""

    path: str
    kind: Literal["file", "directory", "other"]
    size: int = 0
    modified: float = 0.0
    """Unix seconds."""


class Process(ABC):
    """A background process of a terminal."""

    id: str
    command: str
    started: float
    """Unix seconds."""
    keep: bool = False
    """It goes on when its terminal is closed and when Hermes ends; ``hermes ps`` lists it."""

    @property
    @abstractmethod
    def exit_code(self) -> int | None:
        """None while it runs."""

    @abstractmethod
    async def wait(self, timeout: float | None = None) -> int | None:  # noqa: ASYNC109
        """Wait until it ends; None when *timeout* seconds pass first."""

    @abstractmethod
    def output(self, offset: int = 0) -> tuple[bytes, int]:
        """Give the output from byte *offset* on (what is still kept of it), and the next offset."""

    @abstractmethod
    async def write(self, data: bytes, *, end: bool = False) -> None:
        """Write to its standard input; close it when *end*."""

    @abstractmethod
    async def kill(self) -> None:
        """End it and everything it started: SIGTERM, two seconds, SIGKILL."""


class Terminal(Resource):
    """Commands and files of one scope. Only `run` must be written.

    `close` ends everything that runs here but what was started to be kept; after it every call is
    a `TerminalError`. Calls overlap; those that come during `hibernate` wait for it and wake.
    """

    backend: str = ""
    host: str = ""
    """As `TerminalBackend.host` says of its backend. Set by the kernel."""
    isolated: bool = False
    """As `TerminalBackend.isolated` says of its backend. Set by the kernel."""
    told: tuple[str, ...] = ()
    """What `tell` was told since it was opened."""
    state: TerminalState
    """What the next command starts from. `run` does not change it: whoever runs commands in
    parallel decides which state is kept."""

    @abstractmethod
    async def run(
        self,
        command: str,
        *,
        state: TerminalState | None = None,
        timeout: float = 180.0,  # noqa: ASYNC109
        stdin: bytes = b"",
        output: Output | None = None,
        keep: int = 65_536,
    ) -> CommandResult:
        """Run a bash command from *state* (default `self.state`) and wait for it.

        Raise `TerminalError` when it could not run at all: never run it anywhere else. When the
        task is cancelled or time is out, everything that it started dies. At most about *keep*
        bytes of output are held in memory and returned; the rest is in `CommandResult.file`.
        """

    async def start(
        self, command: str, *, state: TerminalState | None = None, keep: bool = False
    ) -> Process:
        """Run a command in the background. Raise `TerminalError` where the backend cannot.

        It ends with the terminal unless *keep*: then it has no input, goes on when Hermes ends, and
        is in the registry (`PluginContext.children`) until it has ended.
        """
        raise TerminalError(f"{self.backend}: no background processes here")

    def processes(self) -> tuple[Process, ...]:
        """Give those of `start` that still run. While there are any it is not hibernated."""
        return ()

    async def hibernate(self) -> None:
        """Give back what costs while nobody uses it: stop a container, a machine, a connection.

        Called after ``terminal.lifetime`` seconds without a call while nothing runs; may be called
        again. Files, directory and environment stay. The next call wakes it by itself.
        """

    async def status(self) -> str:
        """Say in one line, for a person, where this is, what it does and what it costs now.

        Wakes nothing.
        """
        return f"{self.backend} {self.host}".rstrip()

    def tell(self, text: str) -> None:
        """Have every conversation that uses this terminal told *text* with its next tool result.

        For what changes under a model's feet: a lost container that was made anew without its
        files, an environment that could not be restored.
        """
        self.told = (*self.told, text)[-32:]

    async def resolve(self, path: str) -> str:
        """Make *path* absolute, with links followed; it need not exist.

        It is relative to the terminal's directory; a leading ``~`` is the home folder there.
        """
        quoted = shlex.quote(path)
        if path == "~" or path.startswith("~/"):
            quoted = f'"$HOME"{shlex.quote(path[1:])}'
        found = await self._checked(f"realpath -zm -- {quoted}", path)
        return os.fsdecode(found).rstrip("\0")

    async def read(self, path: str, offset: int = 0, limit: int | None = None) -> bytes:
        """Read *limit* bytes of a file from byte *offset* on."""
        quoted = shlex.quote(path)
        cut = "" if limit is None else f" | head -c {limit}"
        skip = f"tail -c +{offset + 1} -- {quoted}" if offset else f"cat -- {quoted}"
        special = f"test -e {quoted} && ! test -f {quoted} && ! test -d {quoted}"
        regular = f"if {special}; then echo {quoted}: Not a regular file; exit 1; fi"
        size = (await self.stat(path)).size if limit is None else limit
        return await self._checked(f"{regular}; {skip}{cut}", path, keep=max(size, 1) * 2)

    async def write(self, path: str, data: bytes) -> None:
        """Write a file whole or not at all, making its folders.

        An existing one keeps its mode; of a link, the file that it leads to changes.
        """
        quoted = shlex.quote(path)
        await self._checked(
            f'set -e; p=$(realpath -m -- {quoted}); test ! -d "$p"; t="$p.hermes.$$"; '
            'mkdir -p -- "$(dirname -- "$p")"; '
            'if test -e "$p"; then cp -p -- "$p" "$t"; fi; cat > "$t"; mv -f -- "$t" "$p"',
            path,
            stdin=data,
        )

    async def stat(self, path: str) -> FileInfo:
        """Describe a file, links followed. Raise `TerminalError` when there is none."""
        line = await self._checked(f"stat -L -c '%F|%s|%Y' -- {shlex.quote(path)}", path)
        return _file_info(path, line.decode("utf-8", "replace").strip())

    async def list(self, path: str) -> tuple[FileInfo, ...]:
        """List a folder, by name."""
        quoted = shlex.quote(path)
        found = await self._checked(
            f"cd -- {quoted} && find . -mindepth 1 -maxdepth 1 -printf '%y|%s|%T@|%f\\0'",
            path,
            keep=4_194_304,
        )
        entries = []
        for entry in found.decode("utf-8", "replace").split("\0")[:-1]:
            kind, size, modified, name = entry.split("|", 3)
            full = f"{path.rstrip('/')}/{name}"
            word: Literal["file", "directory", "other"] = (
                "file" if kind == "f" else "directory" if kind == "d" else "other"
            )
            entries.append(FileInfo(full, word, int(size), float(modified)))
        return tuple(sorted(entries, key=lambda entry: entry.path))

    async def _checked(
        self, command: str, path: str, *, stdin: bytes = b"", keep: int = 65_536
    ) -> bytes:
        """Run *command* about *path*, an absolute one from a directory that is gone, too."""
        state = self.state
        if path.startswith(("/", "~")):
            state = TerminalState("/", state.snapshot)
        result = await self.run(command, state=state, stdin=stdin, keep=keep, timeout=60)
        if result.exit_code != 0:
            said = result.output.decode("utf-8", "replace").strip().splitlines()
            raise TerminalError(said[-1] if said else f"exit code {result.exit_code}")
        return result.output


class TerminalBackend(Resource):
    """Where commands run: this machine, a container, another host. One object per process.

    `host` and `isolated` are read before it is opened, by policy too: they follow from settings.
    """

    host: str = ""
    """Which machine, container or account its commands reach, as settings name it:
    ``me@build.example:22``, ``image python:3.13``. Permissions are bound to it: where it changes,
    what was allowed before is asked again."""
    isolated: bool = False
    """Commands cannot reach this machine's processes and listeners, nor any file of it but the
    workspace they were given; Hermes's own never. A fact about the settings in force, not a wish:
    False as soon as they open another way."""

    @abstractmethod
    async def terminal(self, spec: TerminalSpec) -> Terminal:
        """Make the terminal of a scope (the kernel opens and closes it).

        Raise `TerminalError` when it cannot be had; nothing falls back to another backend.
        """

    async def reap(self, handles: tuple[str, ...]) -> None:
        """End what a Hermes that died had running here, by its handles (`Children.remote`).

        Called once, at the next start, opened. Raising leaves them for the start after.
        """

    async def forget(self, scope: str) -> None:
        """Remove what is kept of a scope for good: its container, its files, its snapshot."""


def _file_info(path: str, line: str) -> FileInfo:
    kind, size, modified = line.rsplit("|", 2)
    word: Literal["file", "directory", "other"] = (
        "directory" if kind == "directory" else "file" if "regular" in kind else "other"
    )
    return FileInfo(path, word, int(size), float(modified))
