"""A real ``sshd`` on loopback for tests, and a proxy that cuts or delays what goes through it.

    with sshd(folder, kept=keep_child) as server:
        asyncssh.connect("127.0.0.1", server.port, client_keys=[str(server.key)], config=None, …)

It runs as whoever runs the tests and lets only that person in, with a key of its own. Their home
there is an empty folder, and nothing of their shell's own files is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import msgspec

from hermes.testing.servers import Server, free_port, need, serve

CONFIG = """\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile {folder}/sshd.pid
UsePAM no
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
SetEnv HOME={folder}/home SHLVL=2
Subsystem sftp internal-sftp
{more}
"""


class SSHServer(msgspec.Struct, frozen=True):
    """An sshd that answers."""

    server: Server
    port: int
    user: str
    key: Path
    """Private key that it lets in."""
    known_hosts: Path
    """Its own key, as a file of known hosts; none but its port."""

    @property
    def host_key(self) -> str:
        """Its public key: type and base64."""
        text = (self.server.folder / "host_key.pub").read_text()
        return " ".join(text.split()[:2])

    def sessions(self) -> list[int]:
        """Give the pids of the processes that serve a connection."""
        found = subprocess.run(
            ["pgrep", "-P", str(self.server.pid)], capture_output=True, text=True, check=False
        )
        return [int(line) for line in found.stdout.split()]


@contextmanager
def sshd(
    folder: Path,
    *,
    kept: set[int] | None = None,
    port: int = 0,
    more: str = "",
    ahead: Sequence[str] = (),
) -> Iterator[SSHServer]:
    """Start one in *folder*. *more* is put into its configuration, *ahead* before its command
    (``unshare -u …``, which makes it another machine). Keys that *folder* has already are kept.
    """
    program = need("sshd", "openssh-server") if shutil.which("sshd") else _sbin("sshd")
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / "home").mkdir(exist_ok=True)
    for name in ("host_key", "user_key"):
        if not (folder / name).exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    if os.geteuid() == 0:  # where it drops its rights before anybody has logged in
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    (folder / "config").write_text(CONFIG.format(port=port, folder=folder, more=more))
    host = " ".join((folder / "host_key.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}\n")
    command = [*ahead, program, "-D", "-e", "-f", str(folder / "config")]
    with serve("sshd", command, folder=folder, ready=lambda: _greets(port), kept=kept) as server:
        yield SSHServer(
            server, port, getpass.getuser(), folder / "user_key", folder / "known_hosts"
        )


class Proxy:
    """Passes connections on to a port, late by *delay* seconds each way, until it is cut."""

    def __init__(self, to: int, delay: float = 0.0) -> None:
        self.to = to
        """The port that new connections go to."""
        self.delay = delay
        self.flowing = asyncio.Event()
        """While it is not set nothing passes, and nobody is told: a cable that was pulled."""
        self.flowing.set()
        self.port = 0
        self.passed = 0
        """Connections so far."""
        self.turns = 0
        """How often something went there after something had come back: round trips."""
        self._came = True
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.passed += 1
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.to)
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(back)
        self._own(asyncio.create_task(self._pass(reader, back, out=True)))
        self._own(asyncio.create_task(self._pass(there, writer, out=False)))

    async def cut(self) -> None:
        """Reset every connection that there is."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await asyncio.sleep(0)

    async def close(self) -> None:
        """Cut, and end every task."""
        await self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, out: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._own(asyncio.create_task(self._write(late, writer)))
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                self.turns += out and self._came
                self._came = not out
                late.put_nowait((loop.time() + self.delay, data))
        late.put_nowait((loop.time() + self.delay, b""))

    async def _write(
        self, late: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        while True:
            when, data = await late.get()
            if (wait := when - loop.time()) > 0:
                await asyncio.sleep(wait)
            await self.flowing.wait()
            if not data:
                writer.close()
                return
            writer.write(data)
            with contextlib.suppress(OSError):
                await writer.drain()

    def _own(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@asynccontextmanager
async def proxy(to: int, delay: float = 0.0) -> AsyncIterator[Proxy]:
    """Listen on a free port of loopback and pass on to port *to*."""
    made = Proxy(to, delay)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        await made.close()


def _sbin(name: str) -> str:
    path = Path("/usr/sbin") / name
    return str(path) if path.exists() else need(name, "openssh-server")


def _greets(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1) as sock:
        return sock.recv(4) == b"SSH-"
