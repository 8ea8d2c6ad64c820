"""Hermes's home folder and what lies where in it."""

from __future__ import annotations

import os
import shutil
import tempfile
from functools import cached_property
from pathlib import Path

from hermes.context import Paths
from hermes.index import home_folder


def private(folder: Path) -> Path:
    """Make *folder* and what is missing above it, readable by its owner only; give it back."""
    if not folder.is_dir():
        missing = [folder, *folder.parents]
        for one in reversed([each for each in missing if not each.exists()]):
            one.mkdir(mode=0o700, exist_ok=True)
    return folder


class HomePaths:
    """The folders of a home. Each is made when first asked for."""

    def __init__(self, home: Path | str | None = None) -> None:
        self.home = Path(home_folder(os.fspath(home) if home is not None else ""))
        self.config_file = self.home / "config.yaml"
        self.env_file = self.home / ".env"

    @cached_property
    def cache(self) -> Path:
        return private(self.home / "cache")

    @cached_property
    def data(self) -> Path:
        return private(self.home / "data")

    @cached_property
    def logs(self) -> Path:
        return private(self.home / "logs")

    @cached_property
    def run(self) -> Path:
        return private(self.home / "run")

    @cached_property
    def models(self) -> Path:
        return private(self.home / "models")

    @cached_property
    def outputs(self) -> Path:
        return private(self.home / "outputs")

    @cached_property
    def outgoing(self) -> Path:
        """Copies of files that wait to be sent."""
        return private(self.home / "outgoing")

    def of(self, plugin: str) -> Paths:
        """Give the folders of one plugin."""
        return PluginPaths(self, plugin)


class IncognitoPaths(HomePaths):
    """A home that is read and never written: what must lie somewhere lies in memory, where the
    system has a folder for that, and is gone at the end.

    What a killed process left there goes when the next one begins.
    """

    PREFIX = "hermes-incognito-"

    def __init__(self, home: Path | str | None = None) -> None:
        super().__init__(home)
        memory = Path("/dev/shm")
        top = memory if os.access(memory, os.W_OK | os.X_OK) else Path(tempfile.gettempdir())
        self._sweep(top)
        self._elsewhere = Path(tempfile.mkdtemp(prefix=f"{self.PREFIX}{os.getpid()}-", dir=top))
        for name in ("cache", "data", "logs", "run", "outputs"):
            self.__dict__[name] = private(self._elsewhere / name)

    def vanish(self) -> None:
        """Remove everything that was written."""
        shutil.rmtree(self._elsewhere, ignore_errors=True)

    def _sweep(self, top: Path) -> None:
        for left in top.glob(f"{self.PREFIX}*"):
            pid = left.name.removeprefix(self.PREFIX).partition("-")[0]
            if left.is_symlink() or left.stat().st_uid != os.getuid() or not pid.isdigit():
                continue
            if not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
                shutil.rmtree(left, ignore_errors=True)


class PluginPaths(Paths):
    """What a plugin sees of the home."""

    def __init__(self, paths: HomePaths, plugin: str) -> None:
        self._paths = paths
        self._plugin = plugin
        self.home = paths.home

    @cached_property
    def data(self) -> Path:  # type: ignore[override]
        return private(self._paths.data / self._plugin)

    @cached_property
    def cache(self) -> Path:  # type: ignore[override]
        return private(self._paths.cache / self._plugin)

    @cached_property
    def outputs(self) -> Path:  # type: ignore[override]
        return self._paths.outputs
