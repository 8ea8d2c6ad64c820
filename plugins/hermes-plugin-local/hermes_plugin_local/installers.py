"""How a wheel is got from the package index: by uv, else by this Python's pip.

Both honour what the person configured for them (index, proxy, certificates). An environment that uv
made has no pip, and one that ``python -m venv`` made has no uv.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

PASSED = re.compile(
    r"(UV|PIP)_.+|(https?|all|no)_proxy|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|XDG_CONFIG_\w+"
    r"|PATH|HOME|USER|LANG|LC_.+",
    re.IGNORECASE,
)
"""Variables that an installer gets of our environment."""
MISMATCH = re.compile(r"hash(es)? (mismatch|do not match)|do not match the hashes", re.IGNORECASE)

LABEL = re.compile(r"^(error|warning|caused by):\s*", re.IGNORECASE)

PID = "pid"
"""File in the folder with the installer's process number."""


class Installer(msgspec.Struct, frozen=True):
    """A program that fetches wheels."""

    name: str
    command: tuple[str, ...]

    def arguments(self, requirements: Path, folder: Path) -> list[str]:
        """Make the command that gets what *requirements* pins by hash, all beneath *folder*."""
        common = [
            "--no-deps",
            "--require-hashes",
            "--only-binary",
            ":all:",
            "-r",
            f"{requirements}",
        ]
        if self.name == "uv":
            # uv has no `download`: the wheel is unpacked. With a cache of its own nothing of it
            # stays behind, and the folder's size says how far it is.
            own = [
                "--python",
                sys.executable,
                "--no-progress",
                "--cache-dir",
                f"{folder / 'cache'}",
            ]
            return [*self.command, "pip", "install", *own, "--target", f"{folder / 'got'}", *common]
        quiet = ["--no-input", "--no-cache-dir", "--progress-bar", "off", "-q"]
        return [*self.command, "download", *quiet, "--dest", f"{folder / 'got'}", *common]


def installers() -> Iterator[Installer]:
    """Give what there is, best first."""
    beside = Path(sys.executable).with_name("uv")
    uv = str(beside) if os.access(beside, os.X_OK) else shutil.which("uv")
    if uv:
        yield Installer("uv", (uv,))
    if importlib.util.find_spec("pip") is not None:
        yield Installer("pip", (sys.executable, "-m", "pip"))


def environment(folder: Path) -> dict[str, str]:
    """Make an installer's environment: what it is configured by, and no secret of Hermes."""
    env = {name: value for name, value in os.environ.items() if PASSED.fullmatch(name)}
    env |= {
        "TMPDIR": str(folder),
        "UV_PYTHON_DOWNLOADS": "never",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return env


def reason(said: str) -> str:
    """Give the line of an installer's output that says what went wrong, without passwords."""
    said = re.sub(r"(?<=://)[^/@\s]+@", "", said)
    lines = [re.sub(r"^[\s│├╰─▶×⎿]+", "", line) for line in said.splitlines()]
    lines = [LABEL.sub("", line) for line in lines]
    lines = [line for line in lines if line]
    return lines[-1][:300] if lines else "it gave no reason"


def end_orphan(folder: Path) -> None:
    """End the installer that works in *folder* for a Hermes that was killed.

    Its number may be another process's by now, so its command must name the folder, which no other
    does: each is made for one fetch.
    """
    with contextlib.suppress(OSError, ValueError):
        pid = int((folder / PID).read_text())
        for _ in range(100):
            if str(folder) not in _command(pid):
                return
            os.killpg(pid, signal.SIGKILL)
            time.sleep(0.02)


def _command(pid: int) -> str:
    """Give the command line of a process. Raises OSError or gives nothing where there is none."""
    if Path("/proc/self").exists():
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        return line.replace(b"\0", b" ").decode("utf-8", "replace")
    command = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout
