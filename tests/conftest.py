"""Plugins for tests: real distributions (dist-info and module) in a folder of the path."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes.plugins import Host, PluginInfo

NEEDED = ("hermes", "click", "msgspec", "pluggy", "yaml", "_yaml", "structlog")
STANDARD = [
    entry
    for entry in sys.path
    if entry.startswith(sys.base_prefix) and not entry.endswith(("site-packages", "dist-packages"))
]


class Site:
    """A folder of installed plugins, and the home of those who use them.

    Nothing else is installed but what the kernel needs, so that the plugins of the environment
    that runs the tests have no part in them.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        libraries = folder.with_name(f"{folder.name}-libraries")
        libraries.mkdir()
        for name in NEEDED:
            found = importlib.util.find_spec(name)
            if found is not None and found.origin is not None:
                (libraries / name).symlink_to(Path(found.origin).parent)
        self.path = [str(folder), str(libraries)]

    def install(
        self,
        name: str,
        init: str = "",
        *,
        requires: str = "hermes-kernel>=1,<2",
        version: str = "1.0.0",
        distribution: str = "",
        **modules: str,
    ) -> Path:
        """Install a plugin; *init* follows the usual imports, *modules* are its other files."""
        distribution = distribution or f"hermes-plugin-{name}"
        module = distribution.replace("-", "_")
        package = self.folder / module
        package.mkdir(exist_ok=True)
        start = "from hermes import Offer, hookimpl\n"
        (package / "__init__.py").write_text(start + textwrap.dedent(init))
        for file, text in modules.items():
            (package / f"{file}.py").write_text(textwrap.dedent(text))
        info = self.folder / f"{module}-{version}.dist-info"
        info.mkdir(exist_ok=True)
        needs = f"Requires-Dist: {requires}\n" if requires else ""
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n{needs}"
        )
        (info / "entry_points.txt").write_text(f"[hermes.plugins]\n{name} = {module}\n")
        return package

    def remove(self, name: str) -> None:
        for folder in self.folder.glob(f"hermes_plugin_{name}*"):
            shutil.rmtree(folder)

    def host(self, *, seconds: float = 5.0, **overrides: object) -> Host:
        """Open the host; double underscores in *overrides* stand for dots."""
        given = {name.replace("__", "."): value for name, value in overrides.items()}
        return Host.open(self.home, seconds=seconds, overrides=given)

    def plugin(self, name: str, *, seconds: float = 5.0) -> PluginInfo:
        return {p.name: p for p in self.host(seconds=seconds).plugins()}[name]

    def write(self, text: str) -> None:
        """Write config.yaml."""
        self.home.mkdir(exist_ok=True)
        (self.home / "config.yaml").write_text(textwrap.dedent(text))

    @property
    def environment(self) -> dict[str, str]:
        path = os.pathsep.join(self.path)
        return {**os.environ, "PYTHONPATH": path, "HERMES_HOME": str(self.home)}

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run ``hermes`` in a process of its own."""
        return self.python(
            "import sys; from hermes.cli import main; sys.exit(main())", *arguments, **variables
        )

    def python(
        self, program: str, *arguments: str, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-S", "-c", program, *arguments],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site for the tests of a module that only run ``hermes`` and change nothing."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "site").mkdir()
    return Site(folder / "site", folder / "home")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("HERMES_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = Site(folder, tmp_path / "home")
    monkeypatch.setattr(sys, "path", [*made.path, *STANDARD])
    yield made
    _forget(folder)


@pytest.fixture
def site_beside(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Give a site beside what is installed here: its plugins take part with all the others."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield Site(folder, home)
    _forget(folder)


def _forget(folder: Path) -> None:
    for name in [name for name in sys.modules if name.startswith("hermes_plugin_")]:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
