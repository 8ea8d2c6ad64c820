"""`hermes plugins new`: what it writes is whole, whatever the kind and the name.

That what it writes works, installed beside the kernel and nothing else, shows `.ci/strangers.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import hermes
import hermes.hookspecs
from hermes import HermesError, UsageError
from hermes.testing import FakeCommandContext, give
from hermes_plugin_dev.kinds import KINDS
from hermes_plugin_dev.new import new
from hermes_plugin_dev.rendering import TEMPLATES, plugin_name, render

BIN = Path(sys.executable).parent
CACHE = Path(__file__).parents[3] / ".mypy_cache"
NAMES = ("my-weather-station", "x", "acorns2")
"""A long name, a short one, and one with the templates' own in it."""


def run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Every kind, under names of every length."""
    folder = tmp_path_factory.mktemp("rendered")
    made = []
    for place, kind in enumerate(sorted(KINDS)):
        name = f"{NAMES[place % len(NAMES)]}{place}"
        made.append(folder / f"hermes-plugin-{name}")
        render(name, kind, made[-1], hermes.__version__, "Ann Author")
    return made


def test_there_is_a_template_of_every_kind() -> None:
    folders = {each.name for each in TEMPLATES.iterdir() if each.name != "__pycache__"}

    assert folders == {*KINDS, "common"}
    assert {f"hermes_{kind}" for kind in KINDS} | {"hermes_settings"} == {
        hook if hook in ("hermes_memory", "hermes_middleware", "hermes_settings") else hook[:-1]
        for hook in vars(hermes.hookspecs)
        if hook.startswith("hermes_")
    }


def test_it_is_formatted_and_typed_and_lints(rendered: list[Path]) -> None:
    folder = rendered[0].parent
    run(BIN / "ruff", "check", "--no-cache", *rendered, cwd=folder)
    run(BIN / "ruff", "format", "--no-cache", "--check", *rendered, cwd=folder)
    packages = [next(each.glob("hermes_plugin_*")) for each in rendered]
    run(BIN / "mypy", "--strict", "--cache-dir", CACHE, *packages, cwd=folder)


def test_nothing_of_the_template_is_left(rendered: list[Path]) -> None:
    for file in (file for project in rendered for file in project.rglob("*") if file.is_file()):
        left = re.findall("acorn(?!s2)|@[A-Z]+@", file.read_text(), re.IGNORECASE)
        assert not left, file


def test_it_is_a_whole_distribution_for_this_kernel(tmp_path: Path) -> None:
    files = render("my-weather", "tool", tmp_path / "it", "1.4.2", "Ann Author")
    project = tomllib.loads((tmp_path / "it" / "pyproject.toml").read_text())["project"]

    assert project["name"] == "hermes-plugin-my-weather"
    assert project["entry-points"]["hermes.plugins"] == {"my-weather": "hermes_plugin_my_weather"}
    assert "hermes-kernel>=1.4,<2" in project["dependencies"]
    assert "Ann Author" in (tmp_path / "it" / "LICENSE").read_text()
    assert {".github/workflows/test.yml", ".gitignore", "CHANGELOG.md", "README.md"} <= set(files)
    assert "hermes_plugin_my_weather/py.typed" in files


async def test_the_command_says_what_it_wrote_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    context = await give(new, "hermes-plugin-weather", "--kind", "tool", "--author", "Ann")

    assert "hermes-plugin-weather/pyproject.toml" in context.replies
    assert "cd hermes-plugin-weather" in context.replies[-1]
    assert (tmp_path / "hermes-plugin-weather" / "hermes_plugin_weather" / "tools.py").is_file()


async def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    with pytest.raises(HermesError, match="is there already"):
        await give(new, "weather", "--kind", "tool", "--folder", str(tmp_path))
    assert [each.name for each in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("name", ["Weather", "my weather", "3d", "my--weather", "-x", "", "ümlaut"])
def test_a_name_that_no_index_takes_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a plugin"):
        plugin_name(name)


async def test_without_a_kind_the_kinds_are_told() -> None:
    with pytest.raises(UsageError) as caught:
        await give(new, "weather", context=FakeCommandContext("cli"))
    for kind, known in KINDS.items():
        assert f"{kind}" in str(caught.value)
        assert known.summary in str(caught.value)
