"""Fifty-five plugins are installed: looking at them imports none, and what changes shows at once.

Each plugin writes its name into a file when it is imported, so a test sees who was. All of it is
the real ``hermes`` in a process of its own, with nothing else installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MANY = 55
KINDS = ("tools", "commands", "middleware", "memory", "prompts")


class Crowd:
    """A site with many plugins, and who of them was imported."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.trace = site.folder.parent / "imported"
        for number in range(MANY):
            self.install(f"many{number:02}", KINDS[number % len(KINDS)])
        self.run("version")
        self.imported()

    def install(self, name: str, kind: str = "tools", **more: Any) -> Path:
        init = f"open({str(self.trace)!r}, 'a').write('{name}\\n')\n"
        offer = f"Offer('{name}', 'hermes_plugin_{name}.it:it', 'The one called {name}')"
        init += f"@hookimpl\ndef hermes_{kind}(): return [{offer}]\n"
        made: Path = self.site.install(name, init, it="raise RuntimeError('imported')", **more)
        return made

    def run(self, *arguments: str) -> str:
        done = self.site.run(*arguments)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def imported(self) -> list[str]:
        """Name who was imported since the last time."""
        names = self.trace.read_text().split() if self.trace.exists() else []
        self.trace.unlink(missing_ok=True)
        return sorted(names)

    def listed(self) -> dict[str, str]:
        """Give what `hermes plugins list` says: name to version."""
        return {p["name"]: p["version"] for p in json.loads(self.run("plugins", "list", "--json"))}


@pytest.fixture(scope="module")
def crowd(shared_site: Any) -> Crowd:
    return Crowd(shared_site)


def test_a_warm_look_at_fifty_five_imports_none(crowd: Crowd) -> None:
    for arguments in (("--help",), ("plugins", "list"), ("plugins",), ("version",)):
        said = crowd.run(*arguments)
        assert crowd.imported() == [], arguments
        assert "Traceback" not in said
    assert len(crowd.listed()) == MANY
    shown = crowd.run("--help")
    assert shown.count("The one called many") == MANY // len(KINDS)


def test_a_list_says_state_offers_and_whose_they_are(crowd: Crowd) -> None:
    line = next(x for x in crowd.run("plugins", "list").splitlines() if x.startswith("many00"))
    assert line.split() == ["many00", "1.0.0", "active", "hermes-plugin-many00:", "tools", "many00"]


def test_each_change_shows_at_once_and_imports_only_what_changed(crowd: Crowd) -> None:
    package = crowd.install("late")
    assert "late" in crowd.listed()
    assert crowd.imported() == ["late"]

    (crowd.site.folder / "hermes_plugin_late-1.0.0.dist-info").rename(
        crowd.site.folder / "hermes_plugin_late-1.1.0.dist-info"
    )
    crowd.install("late", version="1.1.0")
    assert crowd.listed()["late"] == "1.1.0"
    assert crowd.imported() == ["late"]

    init = package / "__init__.py"  # as one edits a plugin that is installed editable
    init.write_text(init.read_text().replace("'late', 'hermes", "'later', 'hermes"))
    assert "tools later" in crowd.run("plugins", "list")
    assert crowd.imported() == ["late"]

    crowd.site.remove("late")
    assert "late" not in crowd.listed()
    assert crowd.imported() == []


def test_what_is_disabled_is_never_imported(crowd: Crowd) -> None:
    crowd.run("plugins", "disable", "many07")
    crowd.install("late")
    assert crowd.listed()
    assert crowd.imported() == ["late"]
    crowd.run("plugins", "enable", "many07")
    crowd.site.remove("late")
    crowd.listed()
    assert "many07" not in crowd.imported()


def without_rights() -> list[str]:
    """Give what starts a program whose user cannot write where the bits say no: root can else."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("needs setpriv (apt-get install util-linux)")
    return [setpriv, "--inh-caps=-all", "--bounding-set=-all"]


@pytest.fixture
def sealed(crowd: Crowd) -> Iterator[Path]:
    """A home that can be read and not written, cache and all."""
    home: Path = crowd.site.home
    folders = [home, *(each for each in home.rglob("*") if each.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    yield home
    for folder in folders:
        folder.chmod(0o700)


def test_a_home_that_is_read_only_is_right_too(crowd: Crowd, sealed: Path) -> None:
    def run(*arguments: str) -> str:
        program = "import sys; from hermes.cli import main; sys.exit(main())"
        done = subprocess.run(
            [*without_rights(), sys.executable, "-S", "-c", program, *arguments],
            env=crowd.site.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    before = sorted(each.name for each in sealed.rglob("*"))
    probe = [*without_rights(), "touch", str(sealed / "probe")]
    assert subprocess.run(probe, capture_output=True, check=False).returncode != 0, "not sealed"

    assert len(json.loads(run("plugins", "--json"))) == MANY
    assert crowd.imported() == [], "what is cached is used"
    crowd.install("late")
    try:
        for _ in range(2):  # made anew each time, in memory
            assert "late" in {p["name"] for p in json.loads(run("plugins", "--json"))}
            assert crowd.imported() == ["late"]
    finally:
        crowd.site.remove("late")
    assert len(json.loads(run("plugins", "--json"))) == MANY
    assert sorted(each.name for each in sealed.rglob("*")) == before
