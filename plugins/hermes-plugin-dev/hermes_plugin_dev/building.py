"""Build a plugin's wheel and lay it out as an installation would."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

from hermes import HermesError, NotFound

PATIENCE = 300.0
"""Seconds that a build may take: the first one may have to fetch its backend."""


def uv() -> str | None:
    """Give the uv of this environment, or the one on the PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None


def project_of(folder: Path) -> dict[str, Any]:
    """Read the pyproject.toml of *folder*. Raises NotFound, HermesError."""
    file = folder / "pyproject.toml"
    if not file.is_file():
        raise NotFound(f"{folder} is no project: it has no pyproject.toml")
    try:
        read = tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HermesError(f"{file}: {error}") from None
    if not isinstance(read.get("project"), dict) or "name" not in read["project"]:
        raise HermesError(f"{file}: there is no name under [project]")
    return read


def build_wheel(folder: Path, out: Path) -> Path:
    """Build the wheel of the project in *folder*. Raises HermesError with what the build said."""
    done = subprocess.run(
        build_command(folder, out),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE,
        env={**os.environ, "UV_NO_PROGRESS": "1", "NO_COLOR": "1"},
    )
    wheels = list(out.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stdout.splitlines() if line.strip()]
        raise HermesError("the wheel cannot be built: " + " / ".join(lines[-3:]))
    return wheels[0]


def build_command(folder: Path, out: Path) -> list[str]:
    """Give the command that builds a wheel here. Raises HermesError where nothing can."""
    # With its backend at hand a build needs no environment of its own, and so no network.
    backend = project_of(folder).get("build-system", {}).get("build-backend", "setuptools")
    try:
        here = importlib.util.find_spec(backend.partition(".")[0]) is not None
    except (ImportError, ValueError):
        here = False
    apart = ["--no-build-isolation"] if here else []
    if found := uv():
        options = ["--wheel", "--python", sys.executable, "--out-dir", str(out), *apart]
        return [found, "build", "-q", *options, str(folder)]
    if has_pip():
        options = ["--no-deps", "--disable-pip-version-check", "-w", str(out), *apart]
        return [sys.executable, "-m", "pip", "wheel", "-q", *options, str(folder)]
    raise HermesError("nothing here can build a wheel: pip install uv")


def unpack(wheel: Path, folder: Path) -> None:
    """Lay a wheel out as it would lie in site-packages."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
