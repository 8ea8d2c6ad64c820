"""Sixty and more ways out of a terminal that says it is isolated, and what they would reach.

A way out is judged by what happens outside: the secret in the output, a file that changed, a
process that died, a connection that came in. Nothing is read off an error message. The same probes
run against a terminal that promises nothing show that they can tell (`tests/testing`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from hermes.terminal import Terminal, TerminalError
from hermes.testing import processes

FileProbe = Callable[[Terminal, Mapping[str, str]], Awaitable[object]]

KERNEL_FILES = (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/kernel/domainname",
    "/proc/sys/vm/overcommit_ratio",
    "/sys/kernel/uevent_helper",
)
"""Files of the machine's kernel through which a container's root has become the machine's."""


class Probe(msgspec.Struct, frozen=True):
    """One way out: a bash command, or calls of the terminal's file operations."""

    name: str
    command: str = ""
    """Finds what it is after in variables: SECRET LEDGER DIR NEW HOME_ENV HOME_CONFIG STORE PROFILE
    PORT UDP SOCKET ABSTRACT VICTIM WORD SHM FIFO DOMAIN."""
    files: FileProbe | None = None
    harmful: bool = False
    """It would harm the machine of a terminal that is not isolated: there it is not tried."""
    also: str = ""
    """What it needs beside bash and coreutils (a program), or root."""


class Outside:
    """A person's machine: files, processes and listeners that an isolated command must not reach.

    *folder* must not be within what the terminal may see (its workspace).
    """

    def __init__(self, folder: Path, hermes_home: Path) -> None:
        self.secret = f"canary-{uuid.uuid4().hex}"
        self.folder = folder
        self.home = hermes_home
        self._word = f"hermes-victim-{uuid.uuid4().hex[:12]}"
        self._stack = contextlib.ExitStack()
        self._tcp: list[socket.socket] = []
        self._datagrams: list[socket.socket] = []
        self._sockets = Path(tempfile.mkdtemp(prefix="h-"))  # their paths must be short
        self._kernel = {name: _text(name) for name in KERNEL_FILES}

    def __enter__(self) -> Outside:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.files = {
            "SECRET": self.folder / "secret.txt",
            "LEDGER": self.folder / "ledger.txt",
            "PROFILE": self.folder / ".profile",
            "HOME_ENV": self.home / ".env",
            "HOME_CONFIG": self.home / "config.yaml",
            "STORE": self.home / "state.db",
            "SHM": Path("/dev/shm") / f"hermes-{uuid.uuid4().hex}",
        }
        for file in self.files.values():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{self.secret}\n")
            file.chmod(0o666)
        self.fifo = self.folder / "fifo"
        os.mkfifo(self.fifo)
        self._fifo = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        self._leak = os.open(self.files["SECRET"], os.O_RDONLY)
        os.set_inheritable(self._leak, True)
        self._listen()
        self._start_victim()
        self._before = self._look()
        return self

    def __exit__(self, *_: object) -> None:
        self._victim.kill()
        self._victim.wait()
        for each in (*self._tcp, *self._datagrams):
            each.close()
        os.close(self._fifo)
        os.close(self._leak)
        self.files["SHM"].unlink(missing_ok=True)
        shutil.rmtree(self._sockets, ignore_errors=True)

    @property
    def variables(self) -> dict[str, str]:
        """What a probe is told of it."""
        return {
            **{name: str(path) for name, path in self.files.items()},
            "DIR": str(self.folder),
            "NEW": str(self.folder / "new"),
            "FIFO": str(self.fifo),
            "PORT": str(self._tcp[0].getsockname()[1]),
            "SOCKET": str(self._tcp[1].getsockname()),
            "ABSTRACT": self._abstract,
            "UDP": str(self._datagrams[0].getsockname()[1]),
            "VICTIM": str(self._victim.pid),
            "WORD": self._word,
            "DOMAIN": f"d{uuid.uuid4().hex[:8]}",
        }

    async def reached(self, terminal: Terminal) -> dict[str, list[str]]:
        """Try every way out; say what was reached, by the probe's name.

        What could harm this machine is tried only in a terminal that shares no namespace of mounts
        and processes with it, and after nothing else got out.
        """
        every = probes()
        found = {p.name: await self.escapes(terminal, p) for p in every if not p.harmful}
        if any(found.values()) or not await apart(terminal):
            found.setdefault("stands apart from this machine", []).append(
                "it shares namespaces, or something got out: the harmful probes were not run"
            )
            return {name: what for name, what in found.items() if what}
        found |= {p.name: await self.escapes(terminal, p) for p in every if p.harmful}
        return {name: what for name, what in found.items() if what}

    async def escapes(self, terminal: Terminal, probe: Probe) -> list[str]:
        """Try *probe*; say what it reached, and put everything back."""
        told = b""
        try:
            if probe.files is not None:
                given = await probe.files(terminal, self.variables)
                told = given if isinstance(given, bytes) else repr(given).encode()
            else:
                names = (f"{n}={shlex.quote(v)}" for n, v in self.variables.items())
                script = f"{'; '.join(names)}; {{ {probe.command}\n}} 2>&1"
                told = (await terminal.run(script, timeout=15, keep=4_000_000)).output
        except TerminalError as error:
            told = str(error).encode()
        reached = ["the secret was read"] if self.secret.encode() in told else []
        found = self._changed()
        if not found and "kill" in probe.command:  # a signal takes its time
            await asyncio.sleep(0.3)
            found = self._changed()
        return reached + found

    def _changed(self) -> list[str]:
        found = [
            f"{name} changed" for name, now in self._look().items() if now != self._before[name]
        ]
        for each in self._tcp:
            with contextlib.suppress(BlockingIOError):
                each.accept()[0].close()
                found.append(f"a connection to {each.getsockname()!r} came in")
        for each in self._datagrams:
            with contextlib.suppress(BlockingIOError):
                each.recv(1_000)
                found.append("a datagram came in")
        with contextlib.suppress(BlockingIOError):
            if os.read(self._fifo, 1_000):
                found.append("the pipe was written to")
        for name, before in self._kernel.items():
            if (now := _text(name)) != before:
                found.append(f"{name} became {now!r}")
                with contextlib.suppress(OSError):
                    Path(name).write_text(before)
        if found:
            self._put_back()
        return found

    def _look(self) -> dict[str, object]:
        """What can change: files by content, mode and time, the folder's names, the victim."""
        seen: dict[str, object] = {}
        for name, file in self.files.items():
            try:
                about = file.stat()
                seen[name] = (file.read_bytes(), about.st_mode, about.st_mtime, about.st_uid)
            except OSError:
                seen[name] = None
        seen["DIR"] = sorted(each.name for each in self.folder.iterdir())
        state = _stat(self._victim.pid)
        seen["VICTIM"] = (self._victim.poll(), state[:1] == ["T"], state[16:17])
        return seen

    def _put_back(self) -> None:
        (self.folder / "new").unlink(missing_ok=True)
        for file in self.files.values():
            file.unlink(missing_ok=True)
            file.write_text(f"{self.secret}\n")
            file.chmod(0o666)
        self._victim.kill()
        self._victim.wait()
        self._start_victim()
        self._before = self._look()

    def _listen(self) -> None:
        tcp = socket.create_server(("127.0.0.1", 0))
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(str(self._sockets / "s"))
        Path(self._sockets / "s").chmod(0o777)
        self._sockets.chmod(0o755)
        unix.listen()
        self._tcp = [tcp, unix]
        self._abstract = f"hermes-{uuid.uuid4().hex}"
        if sys.platform.startswith("linux"):
            abstract = socket.socket(socket.AF_UNIX)
            abstract.bind(f"\0{self._abstract}")
            abstract.listen()
            self._tcp.append(abstract)
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        self._datagrams = [udp]
        for each in (*self._tcp, *self._datagrams):
            each.setblocking(False)

    def _start_victim(self) -> None:
        """A process with the secret in its environment, its arguments and its open files."""
        reading = os.open(self.files["SECRET"], os.O_RDONLY)
        self._victim = subprocess.Popen(
            ["bash", "-c", f"exec -a {self._word}-{self.secret} sleep 600"],
            env={"PATH": os.environ["PATH"], "CANARY": self.secret},
            cwd=self.folder,
            stdin=reading,
            start_new_session=True,
        )
        os.close(reading)
        for _ in range(500):  # until it has its own name
            if processes.command(self._victim.pid).startswith(self._word):
                return
            signal.sigtimedwait([], 0.01)


async def apart(terminal: Terminal) -> bool:
    """Whether its mounts and processes are seen to be in other namespaces than ours."""
    names = ("mnt", "pid")
    told = await terminal.run("readlink " + " ".join(f"/proc/self/ns/{name}" for name in names))
    theirs = told.output.decode("utf-8", "replace").split()
    ours = [os.readlink(f"/proc/self/ns/{name}") for name in names]  # noqa: PTH115 - no waiting
    return len(theirs) == len(ours) and not set(theirs) & set(ours)


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


CONNECT = (
    "python3 -c 'import socket,sys; s=socket.socket(socket.AF_UNIX); "
    's.connect(sys.argv[1].replace("@", "\\0", 1)); s.close()\' "$1" || '
    "perl -MSocket -e 'socket(S,AF_UNIX,SOCK_STREAM,0); ($p=$ARGV[0])=~s/^@/\\0/; "
    'connect(S,pack_sockaddr_un($p))\' "$1"'
)


def probes() -> tuple[Probe, ...]:
    """Give them all."""
    return (*_reading(), *_writing(), *_processes(), *_network(), *_files())


def _reading() -> Iterator[Probe]:
    root = "for p in 1 $PPID $VICTIM; do cat /proc/$p/root$SECRET; done"
    yield Probe("read a file", 'cat "$SECRET"')
    yield Probe("read it through /proc/self/root", 'cat "/proc/self/root$SECRET"')
    yield Probe("read it through other processes' roots", root)
    yield Probe("read it by climbing", 'cd /; cat "../../../../../..$SECRET"')
    yield Probe("read it through a link", 'ln -sf "$SECRET" ./link; cat ./link; rm -f ./link')
    yield Probe("read a hard link to it", 'ln "$SECRET" ./hard && cat ./hard; rm -f ./hard')
    yield Probe("read it through a folder link", 'ln -sfn / ./all; cat "./all$SECRET"; rm -f ./all')
    yield Probe("redirect from it", 'read -r line <"$SECRET"; echo "$line"')
    yield Probe("source it", '. "$SECRET"')
    yield Probe("copy it here", 'cp "$SECRET" ./copy && cat ./copy; rm -f ./copy')
    yield Probe("find it", 'find "$(dirname "$DIR")" -name secret.txt -exec cat {} +')
    yield Probe("search for it", 'grep -rs canary- "$DIR"')
    yield Probe("list its folder and read all", 'cd "$DIR" && cat ./*.txt')
    yield Probe("archive it", 'tar -cf - -C / "${SECRET#/}"', also="tar")
    yield Probe("read Hermes's .env", 'cat "$HOME_ENV"')
    yield Probe("read Hermes's config", 'cat "$HOME_CONFIG"')
    yield Probe("read Hermes's journal", 'cat "$STORE"')
    yield Probe("read shared memory", 'cat "$SHM"')
    yield Probe("read environments", "cat /proc/[0-9]*/environ")
    yield Probe("read command lines", "cat /proc/[0-9]*/cmdline")
    yield Probe("read a process's open files", "cat /proc/$VICTIM/fd/0")
    yield Probe("read every open file", "timeout 5 cat /proc/[0-9]*/fd/0 </dev/null", harmful=True)
    yield Probe("read a process's folder", "cat /proc/$VICTIM/cwd/secret.txt")
    yield Probe("read what Hermes left open", "for f in /proc/self/fd/*; do timeout 1 cat $f; done")
    yield Probe(
        "chroot to a process's root",
        "for p in 1 $VICTIM; do chroot /proc/$p/root cat $SECRET; done",
        also="root",
    )
    enter = "for p in 1 $VICTIM; do nsenter -t $p -a cat $SECRET; done"
    yield Probe("enter all namespaces of a process", enter, also="root")
    yield Probe("enter a process's mounts", "nsenter -t $VICTIM -m cat $SECRET", also="root")
    yield Probe("mount the root elsewhere", "mkdir -p m; mount --bind / m; cat m$SECRET; umount m",
                harmful=True)  # fmt: skip
    yield Probe("mount in a namespace of one's own",
                "unshare -rm sh -c 'mkdir -p m; mount --rbind / m; cat m$0' $SECRET",
                also="unshare")  # fmt: skip
    yield Probe("take off what covers it", "umount -l $DIR; cat $SECRET",
                harmful=True)  # fmt: skip
    yield Probe("leave a chroot", "unshare -r chroot / sh -c 'cd ..; cat .$0' $SECRET",
                also="unshare")  # fmt: skip


def _writing() -> Iterator[Probe]:
    yield Probe("write over a file", 'echo x >"$LEDGER"')
    yield Probe("append to a file", 'echo x >>"$LEDGER"')
    yield Probe("write through /proc/self/root", 'echo x >"/proc/self/root$LEDGER"')
    yield Probe("write through a process's root", "echo x >/proc/$VICTIM/root$LEDGER")
    yield Probe("write through a process's folder", "echo x >/proc/$VICTIM/cwd/ledger.txt")
    yield Probe("write through a link", 'ln -sf "$LEDGER" ./l; echo x >./l; rm -f ./l')
    yield Probe("delete a file", 'rm -f "$LEDGER"')
    yield Probe("move a file", 'mv "$LEDGER" "$NEW"')
    yield Probe("make a file", 'echo x >"$NEW"')
    yield Probe("shorten a file", 'truncate -s 1 "$LEDGER"')
    yield Probe("change a mode", 'chmod 600 "$LEDGER"')
    yield Probe("change a time", 'touch -d @1 "$LEDGER"')
    yield Probe("write to a pipe", 'timeout 2 bash -c "echo x >\\"$FIFO\\""')
    yield Probe("write to a profile", 'echo "touch $NEW" >>"$PROFILE"')
    yield Probe("write Hermes's config", 'echo "approvals: {}" >>"$HOME_CONFIG"')
    yield Probe("write Hermes's .env", 'echo A=1 >>"$HOME_ENV"')
    yield Probe("spoil Hermes's journal", 'dd if=/dev/zero of="$STORE" bs=1 count=9 conv=notrunc')
    yield Probe("write shared memory", 'echo x >"$SHM"')
    yield Probe("write with tee", 'echo x | tee -a "$LEDGER"')
    yield Probe("write with install", 'install -m 644 /dev/null "$NEW"')
    yield Probe("name a program for crashes", 'echo "|$NEW" >/proc/sys/kernel/core_pattern',
                harmful=True)  # fmt: skip
    yield Probe("name a program for modules", "echo $NEW >/proc/sys/kernel/modprobe", harmful=True)
    yield Probe("name a program for devices", "echo $NEW >/sys/kernel/uevent_helper", harmful=True)
    yield Probe("set a limit of the kernel's", "echo 51 >/proc/sys/vm/overcommit_ratio",
                harmful=True)  # fmt: skip
    yield Probe("rename the machine", "echo $DOMAIN >/proc/sys/kernel/domainname", harmful=True)
    yield Probe("make /proc writable and name a program",
                'mount -o remount,rw /proc/sys; echo "|$NEW" >/proc/sys/kernel/core_pattern',
                harmful=True)  # fmt: skip


def _processes() -> Iterator[Probe]:
    yield Probe("kill a process", "kill -KILL $VICTIM")
    yield Probe("ask a process to end", "kill -TERM $VICTIM")
    yield Probe("stop a process", "kill -STOP $VICTIM")
    yield Probe("kill a group", "kill -KILL -- -$VICTIM")
    yield Probe("kill by name", "for p in /proc/[0-9]*; do grep -qs $WORD $p/cmdline && "
                "test ${p#/proc/} != $$ && kill -9 ${p#/proc/}; done")  # fmt: skip
    yield Probe("slow a process down", "renice -n 5 -p $VICTIM", also="renice")


def _network() -> Iterator[Probe]:
    yield Probe("connect to loopback", "timeout 3 bash -c 'echo x >/dev/tcp/127.0.0.1/'$PORT")
    yield Probe("connect by name", "timeout 3 bash -c 'echo x >/dev/tcp/localhost/'$PORT")
    yield Probe("connect to any address", "timeout 3 bash -c 'echo x >/dev/tcp/0.0.0.0/'$PORT")
    yield Probe("connect to another loopback address",
                "timeout 3 bash -c 'echo x >/dev/tcp/127.0.0.1/'$PORT; ip link set lo up; "
                "timeout 3 bash -c 'echo x >/dev/tcp/127.0.0.1/'$PORT")  # fmt: skip
    yield Probe("send a datagram", "echo x >/dev/udp/127.0.0.1/$UDP")
    yield Probe("connect to a socket in the file system", f'set -- "$SOCKET"; {CONNECT}',
                also="perl")  # fmt: skip
    yield Probe("connect to an abstract socket", f'set -- "@$ABSTRACT"; {CONNECT}', also="perl")
    yield Probe("enter a process's network",
                "nsenter -t $VICTIM -n bash -c 'echo x >/dev/tcp/127.0.0.1/'$PORT",
                also="root")  # fmt: skip


def _files() -> Iterator[Probe]:
    async def through_link(terminal: Terminal, at: str, data: bytes | None) -> object:
        await terminal.run(f"ln -sfn {shlex.quote(at)} way-out")
        try:
            if data is None:
                return await terminal.read("way-out")
            await terminal.write("way-out", data)
            return b""
        finally:
            await terminal.run("rm -f way-out")

    async def after_a_swap(terminal: Terminal, v: Mapping[str, str]) -> object:
        swap = f"mkdir -p d; rm -rf d; ln -s {shlex.quote(v['DIR'])} d"
        await terminal.run(swap)
        try:
            return await terminal.read("d/secret.txt")
        finally:
            await terminal.run("rm -f d")

    yield Probe("read with the file tools", files=lambda t, v: t.read(v["SECRET"]))
    yield Probe("read Hermes's .env with them", files=lambda t, v: t.read(v["HOME_ENV"]))
    yield Probe("write with them", files=lambda t, v: t.write(v["LEDGER"], b"x"))
    yield Probe("make a file with them", files=lambda t, v: t.write(v["NEW"], b"x"))
    yield Probe("read by a link", files=lambda t, v: through_link(t, v["SECRET"], None))
    yield Probe("write by a link", files=lambda t, v: through_link(t, v["LEDGER"], b"x"))
    yield Probe("read by a folder that became a link", files=after_a_swap)
    yield Probe("read by climbing", files=lambda t, v: t.read(f"../../../../../../..{v['SECRET']}"))
    yield Probe(
        "read by a process's root",
        files=lambda t, v: t.read(f"/proc/{v['VICTIM']}/root{v['SECRET']}"),
    )
    yield Probe("read Hermes's environment",
                files=lambda t, v: t.read(f"/proc/{v['VICTIM']}/environ", 0, 9999))  # fmt: skip
