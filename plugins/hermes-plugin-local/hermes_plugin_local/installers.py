"""How a wheel is got from the package index: by uv, else by this Python's pip.

Both honour what the person configured for them (index, proxy, certificates). An environment that uv
made has no pip, and one that ``python -m venv`` made has no uv.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
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
