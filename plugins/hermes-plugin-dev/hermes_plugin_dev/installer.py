"""pip or uv, whichever is here, on the environment that runs ``hermes``."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

import hermes
from hermes import HermesError
from hermes_plugin_dev.building import PATIENCE, has_pip, uv

CHANGED = re.compile(r"^\s*([+-])\s+([A-Za-z0-9._-]+)(?:==| @ )(\S+)")


class Change(msgspec.Struct, frozen=True):
    """A distribution that would come, go, or be another version."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        if self.before and self.after:
            return f"{self.name} {self.before} -> {self.after}"
        return f"{self.name} {self.after or self.before}"


def check_writable() -> None:
    """Raise HermesError, with the mend, where nothing may be installed."""
    place = Path(sysconfig.get_path("purelib"))
    mend = "install Hermes into an environment of its own: python3 -m venv ~/hermes"
    managed = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if sys.prefix == sys.base_prefix and managed.exists():
        raise HermesError(f"this Python belongs to the system ({managed}); {mend}")
    if not os.access(place, os.W_OK):
        raise HermesError(f"{place} cannot be written by you; ask its owner, or {mend}")
    if uv() is None and not has_pip():
        raise HermesError("neither uv nor pip is here: python -m ensurepip, or get uv")


def plan(requirements: Sequence[str], *, upgrade: bool = False) -> list[Change]:
    """Say what an installation would change, without changing it. Raises HermesError."""
    more = ("--upgrade",) if upgrade else ()
    with kernel_kept() as constraints:
        if uv() is not None:
            said = run("install", "--dry-run", *more, *constraints, *requirements)
            return list(_of_uv(said))
        with tempfile.TemporaryDirectory() as folder:
            report = str(Path(folder, "report.json"))
            options = ("--dry-run", "--report", report, *more, *constraints)
            run("install", *options, *requirements)
            return list(_of_pip(json.loads(Path(report).read_text("utf-8"))))


def fetch(requirement: str, folder: Path) -> None:
    """Lay one distribution out in *folder*, without what it requires. Raises HermesError."""
    run("install", "--target", str(folder), "--no-deps", requirement)


def install(requirements: Sequence[str], *, upgrade: bool = False) -> None:
    """Install; the kernel stays as it is. Raises HermesError."""
    with kernel_kept() as constraints:
        run("install", *(("--upgrade",) if upgrade else ()), *constraints, *requirements)


def uninstall(distributions: Sequence[str]) -> None:
    """Remove. Raises HermesError."""
    run("uninstall", *(() if uv() else ("-y",)), *distributions)


def run(verb: str, *arguments: str) -> str:
    """Run pip or uv, and give what it said. Raises HermesError with its last words."""
    if (program := uv()) is not None:
        command = [program, "pip", verb, "--python", sys.executable, *arguments]
    else:
        command = [sys.executable, "-m", "pip", verb, "--disable-pip-version-check", *arguments]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=PATIENCE,
            env={**os.environ, "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "VIRTUAL_ENV": sys.prefix},
        )
    except subprocess.TimeoutExpired:
        raise HermesError(f"{verb} took longer than {PATIENCE:.0f} s") from None
    if done.returncode:
        words = [line.strip(" ╰─▶│×") for line in done.stdout.splitlines() if line.strip(" ╰─▶│×")]
        raise HermesError(f"{verb} failed: " + " ".join(words)[:600])
    return done.stdout


@contextmanager
def kernel_kept() -> Iterator[tuple[str, ...]]:
    """Give options that keep the kernel as it is: a plugin must fit it, not the other way."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(f"hermes-kernel=={hermes.__version__}\n")
        file.flush()
        yield ("--constraint", file.name)


def _of_uv(said: str) -> Iterator[Change]:
    versions: dict[str, dict[str, str]] = {}
    for line in said.splitlines():
        if found := CHANGED.match(line):
            version = found[3].rpartition("/")[2]  # a wheel or a folder is named after itself
            versions.setdefault(found[2], {})[found[1]] = version
    for name, known in versions.items():
        yield Change(name, known.get("-", ""), known.get("+", ""))


def _of_pip(report: dict[str, list[dict[str, dict[str, str]]]]) -> Iterator[Change]:
    from importlib import metadata  # noqa: PLC0415

    for each in report.get("install", ()):
        name, version = each["metadata"]["name"], each["metadata"]["version"]
        try:
            before = metadata.version(name)
        except metadata.PackageNotFoundError:
            before = ""
        yield Change(name, before, version)
