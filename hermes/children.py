"""The registry of what Hermes started, so that nothing outlives its use unless it should (§9).

The mark is ``HERMES_CHILD``: ``owner:token`` for each Hermes above, so one that a tool started
belongs to that tool's tree too. An owner is one process of ours; a file in the home's ``run`` says
which (pid, start time, boot, pid namespace) and what it started, so that the next Hermes can end
what a killed one left, and nothing else. What runs where no mark is seen (a container, another
host) is in it with its backend's own handle.
"""

from __future__ import annotations

import os
import secrets as random
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec

from hermes.context import Children
from hermes.files import replace_file
from hermes.paths import private
from hermes.secrets import SecretStore
from hermes.trees import MARK, carried, end, identity, lives, marked, seal

_INHERITED = """
PATH HOME USER LOGNAME SHELL LANG LANGUAGE TERM COLORTERM TZ TMPDIR
SYSTEMROOT COMSPEC PATHEXT TEMP TMP USERPROFILE
"""
INHERITED = frozenset(_INHERITED.split())
"""What a child gets of our environment, with ``LC_*``."""


class Started(msgspec.Struct, frozen=True):
    """Something that was started, as the registry keeps it."""

    what: str
    started: float
    """Unix seconds."""
    owner: str = ""
    """Who it was started for: the scope of a terminal."""
    keep: bool = False
    backend: str = ""
    """Where it runs, if not among this machine's processes."""
    handle: str = ""


class Listed(msgspec.Struct, frozen=True):
    """A line of ``hermes ps``."""

    id: str
    started: Started
    pids: tuple[int, ...]
    """Of this machine; none for what runs elsewhere."""
    hermes: int
    """Pid of the Hermes that started it."""
    orphan: bool
    """That Hermes is gone."""


class Record(msgspec.Struct):
    """A file of the registry: one process of ours and what it started."""

    owner: str
    pid: int
    start: str
    boot: str
    namespace: str
    tokens: dict[str, Started]


PAGE = 4096
"""Bytes that are written whole or not at all, whenever this process is killed."""


class ProcessChildren(Children):
    """The registry of one process. *run* is the home's folder for what lives with processes;
    variables that *secrets* knows are passed to no child.
    """

    def __init__(self, run: Path, secrets: SecretStore | None = None) -> None:
        self._run, self._secrets = run, secrets
        self._owner = random.token_hex(8)
        self._tokens: dict[str, Started] = {}
        self._about: dict[str, Any] = {}
        self._file = -1
        """The record, open to be written in place while it is small."""

    def mark(self, env: dict[str, str], *, what: str, owner: str = "", keep: bool = False) -> str:
        token = self._add(Started(what, time.time(), owner, keep))
        above = os.environ.get(MARK)
        env[MARK] = f"{above},{self._owner}:{token}" if above else f"{self._owner}:{token}"
        return token

    def seal(self, pid: int) -> None:
        seal(pid)

    def remote(
        self, backend: str, handle: str, *, what: str, owner: str = "", keep: bool = False
    ) -> str:
        return self._add(Started(what, time.time(), owner, keep, backend, handle))

    def alive(self, token: str) -> tuple[int, ...]:
        return tuple(sorted(marked(f"{self._owner}:{token}")))

    def living(self, tokens: Collection[str]) -> set[str]:
        seen = carried()
        return {token for token in tokens if f"{self._owner}:{token}" in seen}

    async def kill(self, *tokens: str, grace: float = 2.0) -> None:
        if tokens:
            await end(grace, *(f"{self._owner}:{token}" for token in tokens))
        for token in tokens:
            self.forget(token)

    def forget(self, token: str) -> None:
        if self._tokens.pop(token, None) is not None:
            self._record()

    def allowlist(self, *more: str) -> dict[str, str]:
        denied = self._secrets.environment() if self._secrets is not None else frozenset()
        names = [*INHERITED, *(name for name in os.environ if name.startswith("LC_")), *more]
        return {n: os.environ[n] for n in names if n in os.environ and n not in denied}

    def listed(self) -> dict[str, str]:
        """Give the tokens in use and what they are for."""
        return {token: started.what for token, started in self._tokens.items()}

    def everything(self) -> list[Listed]:
        """List what every Hermes of this home started and still runs, oldest first."""
        found = []
        for _, record in self._records():
            orphan = not lives(msgspec.to_builtins(record))
            for token, started in record.tokens.items():
                pids = () if started.backend else marked(f"{record.owner}:{token}")
                if pids or started.backend:
                    found.append(Listed(token, started, tuple(sorted(pids)), record.pid, orphan))
        return sorted(found, key=lambda one: one.started.started)

    async def end(self, id: str, *, grace: float = 2.0) -> Started | None:
        """End one of `everything`, whoever started it. Of what runs elsewhere only the entry goes:
        the caller has its backend end it first. None where there is none.
        """
        for file, record in self._records():
            if (started := record.tokens.pop(id, None)) is None:
                continue
            if not started.backend:
                await end(grace, f"{record.owner}:{id}")
            if record.owner == self._owner:
                self.forget(id)
            elif not lives(msgspec.to_builtins(record)):  # a living one drops it by itself
                self._write(file, record)
            return started
        return None

    async def close(self) -> None:
        """End every tree of this machine that is left, but those to keep. What runs elsewhere its
        backend has ended and forgotten; what it could not end is left to the next Hermes, though
        this process may go on.
        """
        ending = {token: one for token, one in self._tokens.items() if not one.keep}
        left = any(one.backend for one in ending.values())
        going = [token for token, one in ending.items() if not one.backend]
        if going:
            await end(2.0, *(f"{self._owner}:{token}" for token in going))
        for token in going:
            self._tokens.pop(token, None)  # who owns it may have forgotten it meanwhile
        if left:
            self._about = {**identity(os.getpid()), "start": "closed"}  # nobody's any more
        if going or left:
            self._record()
        self._close()

    async def reap(self) -> list[str]:
        """End the trees of owners that died, and say what they were for."""
        ended: list[str] = []
        for file, record in self._records():
            if record.owner == self._owner or lives(msgspec.to_builtins(record)):
                continue
            here = {t: one for t, one in record.tokens.items() if not one.backend}
            going = [f"{record.owner}:{t}" for t, one in here.items() if not one.keep]
            if going and marked(*going):
                ended += [one.what for one in here.values() if not one.keep]
                await end(2.0, *going)
            for token, one in here.items():
                if not one.keep or not marked(f"{record.owner}:{token}"):
                    del record.tokens[token]
            self._write(file, record)
        return ended

    def left(self) -> dict[str, dict[str, Started]]:
        """Give what owners that died left elsewhere, to be ended there: backend -> id -> what."""
        found: dict[str, dict[str, Started]] = {}
        for _, record in self._records():
            if record.owner == self._owner or lives(msgspec.to_builtins(record)):
                continue
            for token, one in record.tokens.items():
                if one.backend and not one.keep:
                    found.setdefault(one.backend, {})[token] = one
        return found

    def _add(self, started: Started) -> str:
        token = random.token_hex(8)
        self._tokens[token] = started
        self._record()  # before the child is there: a kill in between leaves nothing behind
        return token

    def _records(self) -> Iterator[tuple[Path, Record]]:
        for file in sorted(self._run.glob("children-*.json")):
            try:
                yield file, msgspec.json.decode(file.read_bytes(), type=Record)
            except (OSError, msgspec.DecodeError):
                continue

    def _record(self) -> None:
        """Write down what is started: one page in place, which no kill cuts in two and costs a
        tenth of a rename; what is longer, runs elsewhere or is gone as a whole file.
        """
        self._about = self._about or identity(os.getpid())
        file = private(self._run) / f"children-{self._owner}.json"
        record = Record(self._owner, **self._about, tokens=self._tokens)
        data = msgspec.json.encode(record)
        if self._tokens and len(data) <= PAGE and not _elsewhere(record):
            if self._file < 0:
                self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if (size := os.fstat(self._file).st_size) <= PAGE:
                os.pwrite(self._file, data.ljust(size), 0)
                return
        self._close()
        self._write(file, record)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, file: Path, record: Record) -> None:
        if not record.tokens:
            file.unlink(missing_ok=True)
        elif _elsewhere(record):
            replace_file(file, msgspec.json.encode(record).decode(), mode=0o600)
        else:  # processes of this machine end with its power: nothing to wait for the disk for
            new = file.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_bytes(msgspec.json.encode(record))
            new.replace(file)


def _elsewhere(record: Record) -> bool:
    """Whether it names what outlives this machine's power, and so must be on the disk at once."""
    return any(started.backend for started in record.tokens.values())
