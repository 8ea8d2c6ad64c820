"""`hermes plugins install`, `update`, `remove`, `search`: the plan first, the index right after.

A real environment: the kernel's wheel and this plugin's, with what they need, and uv on the path.
What is installed comes from a folder of wheels; nothing reaches for the network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

import hermes
from hermes import HermesError, NotFound, UsageError
from hermes.testing import FakeCommandContext, give
from hermes_plugin_dev import catalogue, installer
from hermes_plugin_dev.building import build_wheel, uv
from hermes_plugin_dev.install import requirement, search
from hermes_plugin_dev.reading import read
from hermes_plugin_dev.rendering import render

ROOT = Path(__file__).parents[3]
NEEDED = ("click", "msgspec", "packaging", "pluggy", "pyyaml", "structlog")


class Environment:
    """An installation of Hermes, and a shop that plugins come from."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.shop = folder, folder / "shop"
        self.home = folder / "home"
        self.python = folder / "venv" / "bin" / "python"
        self.shop.mkdir()
        self._uv("venv", "-q", "--python", sys.executable, folder / "venv")
        self.site = next((folder / "venv" / "lib").glob("python*/site-packages"))
        for name in NEEDED:  # as installed here: no index is asked
            for file in metadata.distribution(name).files or ():
                if not file.parts[0].startswith(".."):
                    target = self.site / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file.locate(), target)  # type: ignore[arg-type]
        for project in (ROOT, ROOT / "plugins" / "hermes-plugin-dev"):
            wheel = build_wheel(project, folder / f"dist-{project.name}")
            self._uv("pip", "install", "-q", "--no-deps", "--python", self.python, wheel)

    def _uv(self, *arguments: str | Path) -> None:
        command = [uv() or "uv", *arguments, "--offline"]
        subprocess.run(command, check=True, capture_output=True, text=True)

    def sell(self, name: str, kind: str = "tool", version: str = "0.1.0", **changes: str) -> Path:
        """Put a plugin's wheel into the shop; *changes* are made to its pyproject.toml."""
        project = self.folder / f"{name}-{version}"
        render(name, kind, project, hermes.__version__, "Ann")
        file = project / "pyproject.toml"
        text = file.read_text().replace('version = "0.1.0"', f'version = "{version}"')
        for old, new in changes.items():
            text = text.replace(old.replace("_", "-"), new)
        file.write_text(text)
        wheel = build_wheel(project, project / "dist")
        return Path(shutil.copy(wheel, self.shop))

    def hermes(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        variables = {
            "PATH": f"{Path(uv() or 'uv').parent}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "HERMES_HOME": str(self.home),
            "UV_OFFLINE": "1",
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(self.shop),
            "UV_CACHE_DIR": str(self.folder / "cache"),
        }
        return subprocess.run(
            [self.python.with_name("hermes"), "plugins", *arguments],
            env=variables,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def states(self) -> dict[str, str]:
        """What `hermes plugins` says: name to version and state."""
        lines = self.hermes("list").stdout.splitlines()
        return {line.split()[0]: " ".join(line.split()[1:3]) for line in lines}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    return Environment(tmp_path_factory.mktemp("installed"))


@pytest.mark.xdist_group("install")
def test_a_plugin_is_installed_updated_and_removed(environment: Environment) -> None:
    environment.sell("weather", "platform")

    asked = environment.hermes("install", "hermes-plugin-weather")
    assert asked.returncode == 1, "nobody could be asked"
    assert "hermes-plugin-weather 0.1.0: Chats over a server" in asked.stdout
    assert "offers platforms weather: Chat over JSON lines" in asked.stdout
    assert "asks for the secrets env:WEATHER_TOKEN" in asked.stdout
    assert "listens on a port" in asked.stdout
    assert "This would be installed: hermes-plugin-weather 0.1.0" in asked.stdout
    assert "nothing was changed" in asked.stderr
    assert environment.states() == {"dev": "1.0.0 active"}

    done = environment.hermes("install", "hermes-plugin-weather", "--yes")
    assert done.returncode == 0, done.stderr
    assert "weather 0.1.0 is active: platforms weather, settings weather" in done.stdout
    assert environment.states() == {"dev": "1.0.0 active", "weather": "0.1.0 active"}
    again = environment.hermes("install", "hermes-plugin-weather", "--yes")
    assert "installed already" in again.stdout

    assert "All are current" in environment.hermes("update", "weather").stdout
    environment.sell("weather", "platform", "0.2.0")
    done = environment.hermes("update", "weather", "--yes")
    assert "hermes-plugin-weather 0.1.0 -> 0.2.0" in done.stdout, done.stderr
    assert environment.states()["weather"] == "0.2.0 active"

    checked = environment.hermes("check", "weather")  # where there is no pytest, and no source
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "ok     contracts" in checked.stdout

    (environment.home / "data" / "weather").mkdir(parents=True)
    kept = environment.hermes("remove", "weather")
    assert kept.returncode == 1
    assert "no more platforms weather" in kept.stdout
    done = environment.hermes("remove", "weather", "--yes")
    assert done.returncode == 0, done.stderr
    assert "data/weather stays" in done.stdout
    assert "weather is removed." in done.stdout
    assert environment.states() == {"dev": "1.0.0 active"}


@pytest.mark.xdist_group("install")
def test_what_would_not_fit_is_refused_before_anything_changes(environment: Environment) -> None:
    environment.sell("newer", "tool", "0.1.0", **{"hermes_kernel>=1.0,<2": "hermes-kernel>=2,<3"})
    (environment.shop / "thing-1-py3-none-any.whl").unlink(missing_ok=True)
    before = sorted(each.name for each in environment.site.iterdir())

    newer = environment.hermes("install", "hermes-plugin-newer", "--yes")
    none = environment.hermes("install", "packaging", "--yes")
    gone = environment.hermes("install", "hermes-plugin-of-nobody", "--yes")

    assert newer.returncode == none.returncode == gone.returncode == 1
    assert "hermes-plugin-newer 0.1.0 needs hermes-kernel <3,>=2, this is 1.0.0" in newer.stderr
    assert "hermes-plugin-of-nobody" in gone.stderr
    for done in (newer, none, gone):
        assert done.stderr.startswith("hermes: ")
        assert "Traceback" not in done.stderr
    assert sorted(each.name for each in environment.site.iterdir()) == before


@pytest.mark.xdist_group("install")
def test_what_another_needs_is_not_removed_alone(environment: Environment) -> None:
    needs = {'    "hermes_kernel': '    "hermes-plugin-base",\n    "hermes-kernel'}
    wheels = [environment.sell("base", "tool"), environment.sell("upon", "check", **needs)]
    done = environment.hermes("install", *map(str, wheels), "--yes")
    assert done.returncode == 0, done.stderr

    alone = environment.hermes("remove", "base", "--yes")
    assert "base is needed by upon; remove it as well" in alone.stderr
    assert environment.hermes("remove", "base", "upon", "--yes").returncode == 0
    assert environment.states() == {"dev": "1.0.0 active"}


@pytest.mark.xdist_group("install")
def test_a_plugin_that_breaks_when_it_is_listed_is_said_so_at_once(
    environment: Environment,
) -> None:
    project = environment.folder / "broken"
    render("broken", "tool", project, hermes.__version__, "Ann")
    init = project / "hermes_plugin_broken" / "__init__.py"
    init.write_text(init.read_text() + "\n1 / 0\n")

    done = environment.hermes("install", str(project), "--yes")

    assert done.returncode == 1
    assert "broken 0.1.0 is failed: ZeroDivisionError" in done.stdout
    assert done.stderr == "hermes: broken cannot take part\n"
    assert environment.hermes("remove", "broken", "--yes").returncode == 0


def test_a_place_that_cannot_be_written_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(HermesError, match="cannot be written by you; ask its owner"):
        installer.check_writable()
    monkeypatch.undo()

    (tmp_path / "EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(HermesError, match=r"belongs to the system .*python3 -m venv"):
        installer.check_writable()


def test_names_of_the_catalogue_are_distributions(tmp_path: Path) -> None:
    assert requirement("todo") == "hermes-plugin-todo"
    assert requirement("todo>=1") == "hermes-plugin-todo>=1"
    assert requirement("somebody-elses") == "somebody-elses"
    assert requirement("https://example.org/x.whl") == "https://example.org/x.whl"
    with pytest.raises(UsageError, match=r"there is no \./gone"):
        requirement("./gone")
    with pytest.raises(UsageError, match="neither a plugin's name nor a requirement"):
        requirement("not a name!")


async def test_the_catalogue_is_searched_by_name_summary_and_offers() -> None:
    context = await give(search, "list", "conversation", context=FakeCommandContext("cli"))
    assert context.text.startswith("todo  A task list that the model keeps")
    assert "(installed, 1.0.0)" in context.text
    with pytest.raises(NotFound, match="nothing in the catalogue is about zeppelins"):
        await give(search, "zeppelins", context=FakeCommandContext("cli"))


def test_the_catalogue_knows_every_plugin_of_this_repository() -> None:
    folders = {p.parent.name for p in ROOT.glob("plugins/*/pyproject.toml")}
    assert folders <= {entry.distribution for entry in catalogue.entries()}


def test_reading_runs_nothing(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text(
        "1 / 0\nfrom hermes import Offer\ndef hermes_tools():\n"
        "    return [Offer('a', 'b:c', 'One'), Offer(name, 'x:y', 'made up'),"
        " Offer(name='d', target='e:f', summary='Two')]\n"
    )
    (tmp_path / "broken.py").write_text("def (")
    (tmp_path / "more.py").write_text("key = Secret('env:A_KEY')\nclass S:\n    listen: str = ''\n")

    asked = read(tmp_path)

    assert asked.offers == (("tools", "a", "One"), ("tools", "d", "Two"))
    assert asked.secrets == ("env:A_KEY",)
    assert asked.listens
