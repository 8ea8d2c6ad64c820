"""A Docker daemon of the tests' own, and an image made of this machine's programs.

It has no bridge and touches no firewall; its data lies in the tests' folder. It needs root.

    @pytest.fixture(scope="session")
    def dockerd(tmp_path_factory, keep_child):
        with run_dockerd(tmp_path_factory.mktemp("docker"), keep_child) as docker:
            docker.image("hermes-test")
            yield docker
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import socket
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from hermes.testing.servers import need, serve

_PROGRAMS = """
bash sh env cat head tail tr cut sort uniq wc tee seq yes printf echo test true false sleep date id
ls cp mv rm ln mkdir rmdir mktemp mkfifo mknod touch chmod chown stat readlink realpath dirname
basename pwd dd truncate install timeout nice nohup kill find xargs grep sed awk tar gzip ps setsid
setpriv unshare nsenter mount umount chroot renice perl md5sum sha256sum base64 du df uname hostname
"""
PROGRAMS = tuple(_PROGRAMS.split())
"""What an image has: bash, coreutils, findutils and what tries to get out."""


class Dockerd:
    """A daemon that answers at `url`."""

    def __init__(self, url: str, serving: Callable[[], AbstractContextManager[Any]]) -> None:
        self.url = url
        self._serving = serving
        self._running = contextlib.ExitStack()
        self._running.enter_context(serving())

    def restart(self) -> None:
        """Stop the daemon, and with it every container, and start it again with its data."""
        self._running.close()
        self._running.enter_context(self._serving())

    def close(self) -> None:
        """Stop it."""
        self._running.close()

    def cli(self, *words: str, stdin: bytes | None = None) -> str:
        """Run the docker program against it and give its output. Raises AssertionError."""
        done = subprocess.run(
            [need("docker", apt="docker.io"), "-H", self.url, *words],
            input=stdin,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise AssertionError(f"docker {' '.join(words)}: {done.stderr.decode()}")
        return done.stdout.decode()

    def image(self, name: str, programs: Sequence[str] = PROGRAMS) -> str:
        """Make an image of *programs* of this machine, and give its name."""
        data = rootfs(programs)
        self.cli("import", "--change", "ENV PATH=/usr/bin:/bin", "-", name, stdin=data)
        return name


@contextlib.contextmanager
def run_dockerd(folder: Path, kept: set[int]) -> Iterator[Dockerd]:
    """Run a daemon with its data in *folder*. Skips where this is not root, or Docker is not
    installed (which fails where CI=true).
    """
    program = need("dockerd", apt="docker.io")
    if os.geteuid() != 0:
        pytest.skip("dockerd needs root")
    place = Path(tempfile.mkdtemp(prefix="dockerd-"))  # the path of a socket must be short
    address = place / "docker.sock"
    command: list[str | Path] = [
        program, "--data-root", folder / "data", "--exec-root", place / "exec",
        "-H", f"unix://{address}", "-p", place / "docker.pid",
        "--iptables=false", "--ip6tables=false", "--bridge=none",
    ]  # fmt: skip
    groups = _groups()
    try:
        with contextlib.closing(
            Dockerd(
                f"unix://{address}",
                lambda: serve(
                    "dockerd", command, folder=folder, ready=lambda: _answers(address), kept=kept
                ),
            )
        ) as made:
            yield made
            for id in made.cli("ps", "-aq").split():
                made.cli("rm", "-f", id)
    finally:
        subprocess.run(["umount", place / "exec/netns/default"], capture_output=True, check=False)
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(folder / "data", ignore_errors=True)
        for group in _groups() - groups:
            with contextlib.suppress(OSError):
                group.rmdir()


def rootfs(programs: Sequence[str]) -> bytes:
    """Give a tar archive with *programs* of this machine, what they load, and few folders."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, mode in (("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700), ("etc", 0o755),
                           ("proc", 0o755), ("dev", 0o755), ("workspace", 0o755),
                           ("run", 0o755)):  # fmt: skip
            made = tarfile.TarInfo(name)
            made.type, made.mode = tarfile.DIRTYPE, mode
            tar.addfile(made)
        text = b"root:x:0:0:root:/root:/bin/bash\nnobody:x:65534:65534::/:/bin/false\n"
        made = tarfile.TarInfo("etc/passwd")
        made.size = len(text)
        tar.addfile(made, io.BytesIO(text))
        files: dict[str, str] = {}
        for program in programs:
            if (found := shutil.which(program)) is not None:
                files[f"usr/bin/{program}"] = os.path.realpath(found)
                files |= {library.lstrip("/"): library for library in _loaded(found)}
        for name, source in sorted(files.items()):
            tar.add(os.path.realpath(source), name, recursive=False)
        for base in Path("/usr/lib").glob("*/perl-base"):
            tar.add(base, str(base).lstrip("/"))
        link = tarfile.TarInfo("bin")
        link.type, link.linkname = tarfile.SYMTYPE, "usr/bin"
        tar.addfile(link)
    return out.getvalue()


def _loaded(program: str) -> list[str]:
    told = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return re.findall(r"(/\S+)(?= \(0x)", told)


def _answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(2)
        sock.connect(str(address))
        sock.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
        return b"200 OK" in sock.recv(200)


def _groups() -> set[Path]:
    """Folders of control groups that a daemon leaves behind."""
    return {*Path("/sys/fs/cgroup").glob("docker"), *Path("/sys/fs/cgroup").glob("*/docker")}
