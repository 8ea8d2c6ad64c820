"""A small machine for stand-ins of cloud sandboxes: really isolated, with files that last.

    machine = Machine(folder, "sandbox-1")
    await machine.start()
    running = await machine.spawn(["bash", "-c", "hostname"])
    output, code = await running.output.read(), await running.wait()
    await machine.stop()

It is a bubblewrap container with its own processes, host name and network. It reads this machine's
programs; home, ``/tmp`` and ``/var/tmp`` are its own, beneath *folder*. What the folder holds is
its disk: copy it for a snapshot. Stopping ends every process in it.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hermes.testing.servers import need

HOME = "/home/user"
ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": HOME, "USER": "user", "LANG": "C.UTF-8"}

PYTHON = os.path.realpath(sys.executable)
"""Not that of a virtual environment, whose folder is not there."""
AGENT = r"""
import json, os, socket, subprocess, sys, threading
sock = socket.socket(fileno=int(sys.argv[1]))
lock = threading.Lock()
def say(**what):
    with lock:
        sock.send(json.dumps(what).encode())
def follow(id, process):
    say(id=id, code=process.wait())
while True:
    data, fds, _, _ = socket.recv_fds(sock, 1 << 20, 3)
    if not data:
        break
    asked = json.loads(data)
    with open(asked["file"]) as file:
        asked.update(json.load(file))
    os.unlink(asked["file"])
    try:
        process = subprocess.Popen(asked["words"], env=asked["env"], cwd=asked["cwd"],
            stdin=fds[0], stdout=fds[1], stderr=fds[2], start_new_session=True)
    except OSError as error:
        say(id=asked["id"], error=f"{asked['words'][0]}: {error.strerror}")
    else:
        say(id=asked["id"], pid=process.pid)
        threading.Thread(target=follow, args=(asked["id"], process), daemon=True).start()
    for fd in fds:
        os.close(fd)
"""
"""Runs inside, by this Python: spawns what it is asked to on descriptors that it is sent."""


class Running:
    """A process in a machine."""

    def __init__(self, input: int, output: asyncio.StreamReader, error: asyncio.StreamReader):
        self.output = output
        self.error = error
        self.pid: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Of the machine; or OSError where it could not be started."""
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Exit code; negative for a signal."""
        self._input = input

    async def write(self, data: bytes) -> None:
        """Write to its input; what it does not take is dropped."""
        await asyncio.to_thread(self._write, data)

    def end_input(self) -> None:
        """Close its input."""
        if self._input >= 0:
            os.close(self._input)
            self._input = -1

    async def wait(self) -> int:
        """Give the exit code as shells do."""
        code = await asyncio.shield(self.ended)
        return 128 - code if code < 0 else code

    def _write(self, data: bytes) -> None:
        try:
            while data and self._input >= 0:
                data = data[os.write(self._input, data) :]
        except OSError:
            return


class Machine:
    """See the module. *name* is its host name."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self._process: subprocess.Popen[bytes] | None = None
        self._sock: socket.socket | None = None
        self._running: dict[str, Running] = {}
        self._count = 0
        self._listening: asyncio.Task[None] | None = None

    @property
    def up(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Boot it."""
        for name in ("home", "tmp", "vartmp", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [*self._wrapped(), PYTHON, "-IS", "-c", AGENT, str(theirs.fileno())]
        self._process = subprocess.Popen(  # noqa: ASYNC220
            words, env=ENV, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
        )
        theirs.close()
        self._sock.setblocking(False)
        self._listening = asyncio.create_task(self._listen(self._sock))

    async def stop(self) -> None:
        """Switch it off: every process in it is gone, its files stay."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)
        if self._listening:
            await self._listening
        if self._sock:
            self._sock.close()
        self._process = self._sock = None

    def copy(self, folder: Path) -> None:
        """Copy its files to *folder*: a snapshot."""
        for name in ("home", "tmp", "vartmp"):
            source = self.folder / name
            if source.is_dir():
                shutil.copytree(source, folder / name, symlinks=True, ignore=_special)

    async def spawn(
        self,
        words: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: str = HOME,
    ) -> Running:
        """Start a process in it. Raises OSError with what the machine said."""
        assert self._sock is not None, "the machine is off"
        pipes = [os.pipe() for _ in range(3)]
        ours = [pipes[0][1], pipes[1][0], pipes[2][0]]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        running = Running(ours[0], await _reader(ours[1]), await _reader(ours[2]))
        self._count += 1
        id = str(self._count)
        self._running[id] = running
        asked = {"words": list(words), "env": {**ENV, **(env or {})}, "cwd": cwd}
        (self.folder / "run" / id).write_text(json.dumps(asked))
        message = json.dumps({"id": id, "file": f"/run/machine/{id}"}).encode()
        socket.send_fds(self._sock, [message], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        try:
            async with asyncio.timeout(20):
                await asyncio.shield(running.pid)
        except TimeoutError:
            raise AssertionError("no machine: does bubblewrap work here?") from None
        return running

    async def _listen(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while data := await loop.sock_recv(sock, 65_536):
            said = json.loads(data)
            running = self._running[said["id"]]
            if "error" in said:
                running.end_input()
                running.pid.set_exception(OSError(said["error"]))
            elif "pid" in said:
                running.pid.set_result(said["pid"])
            else:
                running.end_input()
                running.ended.set_result(said["code"])
        for running in self._running.values():
            running.end_input()
            for future in (running.pid, running.ended):
                if not future.done():
                    future.set_result(-9)
        self._running.clear()

    def _wrapped(self) -> list[str]:
        folder = str(self.folder)
        words = [*container(self.name), "--die-with-parent", "--bind", f"{folder}/home", HOME]
        words += ["--bind", f"{folder}/tmp", "/tmp", "--bind", f"{folder}/vartmp", "/var/tmp"]
        return [*words, "--bind", f"{folder}/run", "/run/machine"]


def container(name: str) -> list[str]:
    """Give the words that run others in a container of host name *name*, apart from all here.

    Its ``/tmp``, ``/var/tmp`` and home are for the caller to bind.
    """
    words = [need("bwrap", "bubblewrap"), "--unshare-all", "--unshare-user", "--disable-userns"]
    words += ["--new-session", "--cap-drop", "ALL"]
    words += ["--uid", "0", "--gid", "0", "--hostname", name, "--ro-bind", "/usr", "/usr"]
    for folder in ("bin", "sbin", "lib", "lib64", "lib32"):
        path = Path("/") / folder
        if path.is_symlink():
            words += ["--symlink", str(path.readlink()), str(path)]
        elif path.exists():
            words += ["--ro-bind", str(path), str(path)]
    for file in ("/etc/passwd", "/etc/group", "/etc/ld.so.cache", "/etc/alternatives"):
        words += ["--ro-bind-try", file, file]
    words += ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"]  # the tester may be root
    words += ["--dev", "/dev", "--dir", HOME, "--dir", "/tmp"]
    return [*words, "--ro-bind-try", sys.base_prefix, sys.base_prefix, "--chdir", HOME]


async def _reader(descriptor: int) -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    return reader


def _special(folder: str, names: list[str]) -> set[str]:
    """Leave pipes and sockets out of a copy."""
    paths = {name: Path(folder) / name for name in names}
    return {n for n, p in paths.items() if not (p.is_symlink() or p.is_dir() or p.is_file())}
