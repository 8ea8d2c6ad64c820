"""The namespaces of one scope, held by bubblewrap for as long as a pipe to it is open.

Each command joins them (``nsenter``) and drops every capability before bash begins. A pipe of this
process keeps them: however Hermes ends, SIGKILL included, the pipe closes, the first process of the
sandbox ends and the kernel ends all others in it.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hermes import Children, TerminalError
from hermes_plugin_sandbox.folders import Folders

STARTING = 20.0
"""Seconds that a sandbox has to start."""
PORT = 3128
"""Where the proxy listens inside."""

FIRST = "echo ready; read -r _"
"""The sandbox's first process: a bash, because it reaps what others leave. Bubblewrap's own would
wait for every process to end; with this one they are ended."""
_KERNEL_S = tuple(f"/proc/{name}" for name in ("sys", "sysrq-trigger", "irq", "bus", "fs"))
"""What of ``/proc`` changes this machine's kernel, as containers make it read-only."""
_SECRET = tuple(f"/proc/{name}" for name in ("kcore", "keys", "timer_list", "sched_debug"))

_LISTEN = (
    "import socket,sys; l=socket.create_server(('127.0.0.1',int(sys.argv[2])),backlog=64);"
    " socket.send_fds(socket.socket(fileno=int(sys.argv[1])),[b'l'],[l.fileno()])"
)


class Holder:
    """A running sandbox."""

    def __init__(self, process: subprocess.Popen[bytes], pid: int, token: str) -> None:
        self._process = process
        self._token = token
        self.pid = pid
        """Of the sandbox's first process, as this machine numbers it."""

    @property
    def lives(self) -> bool:
        return self._process.poll() is None

    @classmethod
    def start(cls, words: Sequence[str], children: Children, owner: str) -> Holder:
        """Start one. Blocks. Raise `TerminalError` with bubblewrap's own words when it cannot."""
        env = children.allowlist()
        token = children.mark(env, what="a sandbox", owner=owner)
        reading, writing = os.pipe()
        try:
            process = subprocess.Popen(
                [words[0], "--info-fd", str(writing), *words[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(writing,),
                env=env,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            os.close(reading)
            children.forget(token)
            raise TerminalError(f"sandbox: {error}. Nothing was run") from None
        finally:
            os.close(writing)
        try:
            pid = _ready(process, reading)
        except BaseException:
            process.kill()
            process.wait()
            children.forget(token)
            raise
        finally:
            os.close(reading)
        return cls(process, pid, token)

    def join(self, *what: str) -> list[str]:
        """Give the words that enter the sandbox's namespaces, *what* naming them (``--mount``)."""
        nsenter = shutil.which("nsenter") or "nsenter"
        user = ["--user", "--preserve-credentials"]
        return [nsenter, "--target", str(self.pid), *user, *what, "--"]

    def commanded(self) -> list[str]:
        """Give the words that run a program inside, without any capability."""
        drop = ["--inh-caps=-all", "--ambient-caps=-all"]
        if os.geteuid() == 0:  # anybody else's are gone with the next exec
            drop.append("--bounding-set=-all")
        inside = ["--mount", "--pid", "--net", "--ipc", "--uts"]
        return [*self.join(*inside), "setpriv", "--no-new-privs", *drop, "--"]

    def listener(self) -> socket.socket:
        """Give a socket that listens on the sandbox's own loopback; who accepts is this process.

        Blocks. A socket belongs to the network it was made in, whoever holds it.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            python = [sys.executable, "-I", "-S", "-c", _LISTEN, str(theirs.fileno()), str(PORT)]
            done = subprocess.run(
                [*self.join("--net"), *python],
                pass_fds=(theirs.fileno(),),
                capture_output=True,
                text=True,
                timeout=STARTING,
                check=False,
            )
            theirs.close()
            _, received, _, _ = socket.recv_fds(ours, 1, 1)
        if not received:
            said = done.stderr.strip().splitlines()
            raise TerminalError(f"sandbox: no proxy ({said[-1] if said else 'no reason'})")
        return socket.socket(fileno=received[0])

    async def close(self, children: Children) -> None:
        """End it and everything in it."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await asyncio.to_thread(self._end)
        children.forget(self._token)

    def _end(self) -> None:
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()


def words(
    program: str,
    shell: str,
    folders: Folders,
    read: Sequence[str],
    write: Sequence[str],
    *,
    network: bool,
) -> list[str]:
    """Give the words that hold a sandbox: what is not named is not there.

    Without bubblewrap's own ``--dev``: for its pseudo terminals it nests a second user namespace,
    which a person who is not root could not join to the rest.
    """
    made = [program, "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]
    made += ["--unshare-cgroup-try", "--hostname", "sandbox", "--cap-drop", "ALL"]
    made += [] if network else ["--unshare-net"]
    for path in read:
        made += ["--ro-bind", path, path]
    made += ["--proc", "/proc", "--tmpfs", "/dev", "--tmpfs", "/dev/shm"]
    for name in ("null", "zero", "full", "random", "urandom"):
        made += ["--dev-bind", f"/dev/{name}", f"/dev/{name}"]
    for place, name in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        made += ["--symlink", f"/proc/self/fd{name}", f"/dev/{place}"]
    for name in _KERNEL_S:  # a root without capabilities still owns these files
        if Path(name).exists():
            made += ["--ro-bind", name, name]
    for name in _SECRET:
        if Path(name).exists():
            made += ["--ro-bind", "/dev/null", name]
    made += ["--bind", str(folders.temporary), "/tmp"]
    for path in (str(folders.home), str(folders.workspace), *write):
        made += ["--bind", path, path]
    made += ["--remount-ro", "/", "--chdir", "/", "--as-pid-1", "--"]
    return [*made, shell, "--noprofile", "--norc", "-c", FIRST]


def _ready(process: subprocess.Popen[bytes], info: int) -> int:
    """Wait until the sandbox is whole; give the pid of its first process."""
    assert process.stdout is not None
    assert process.stderr is not None
    deadline = time.monotonic() + STARTING
    told = b""
    while not told.endswith(b"ready\n"):
        if not select.select([process.stdout], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise TerminalError("sandbox: bubblewrap did not start in time. Nothing was run")
        part = os.read(process.stdout.fileno(), 100)
        if not part:
            said = process.stderr.read(4_000).decode("utf-8", "replace").strip().splitlines()
            raise TerminalError(
                f"sandbox: cannot start ({said[-1] if said else 'bubblewrap said nothing'})."
                " Nothing was run; hermes doctor and the plugin's README say what is missing"
            )
        told += part
    return int(json.loads(os.read(info, 4_096))["child-pid"])


def found() -> str:
    """Give the path of bubblewrap; empty where what it needs is not installed."""
    program = shutil.which("bwrap")
    return program or "" if shutil.which("nsenter") and Path("/proc/self/ns/user").exists() else ""
