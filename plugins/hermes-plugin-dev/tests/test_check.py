"""`hermes plugins check`: it passes what is good, and names what is not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hermes
from hermes import HermesError, NotFound
from hermes.testing import FakeCommandContext, give
from hermes_plugin_dev.check import check
from hermes_plugin_dev.checking import Report, check_project
from hermes_plugin_dev.kinds import KINDS
from hermes_plugin_dev.rendering import render

INIT = "hermes_plugin_weather/__init__.py"
TOOLS = "hermes_plugin_weather/tools.py"
SETTINGS = "hermes_plugin_weather/settings.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A plugin with a tool, as `hermes plugins new` makes it."""
    render("weather", "tool", tmp_path / "weather", hermes.__version__, "Ann")
    return tmp_path / "weather"


def wrong(report: Report) -> dict[str, str]:
    return {result.name: "\n".join(result.wrong) for result in report.results if result.wrong}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_what_is_rendered_passes(tmp_path: Path, kind: str) -> None:
    render("weather", kind, tmp_path / "it", hermes.__version__, "Ann")

    report = check_project(tmp_path / "it")

    assert wrong(report) == {}
    assert (report.distribution, report.version) == ("hermes-plugin-weather", "0.1.0")


FAULTS: list[tuple[str, str, str, str, str, str]] = [
    ("misspelt hook", INIT, "def hermes_tools", "def hermes_tols", "hooks",
     "did you mean hermes_tools?"),
    ("hook with an argument", INIT, "def hermes_tools()", "def hermes_tools(app: object)", "hooks",
     "must take no arguments"),
    ("hook that raises", INIT, "    return [", "    1 / 0\n    return [", "offers",
     "ZeroDivisionError"),
    ("import that raises", INIT, "from hermes import", "1 / 0\nfrom hermes import", "import",
     "ZeroDivisionError"),
    ("import that exits", INIT, "from hermes import", "raise SystemExit(3)\nfrom hermes import",
     "import", "SystemExit: 3"),
    ("import that ends the process", INIT, "from hermes import",
     "import os\nos._exit(7)\nfrom hermes import", "import", "exit status 7"),
    ("heavy import", INIT, "from hermes import", "import asyncio, click\nfrom hermes import",
     "light", "listing it imports click"),
    ("missing target", INIT, "tools:convert", "tools:converts", "targets", "converts"),
    ("foreign target", INIT, "hermes_plugin_weather.tools:convert", "os:system", "targets",
     "lies outside"),
    ("undeclared requirement", TOOLS, "from typing import Annotated",
     "import hypothesis\nfrom typing import Annotated", "targets",
     "hypothesis comes with hypothesis, which it does not require"),
    ("undocumented setting", SETTINGS, '    """Digits after the point."""\n', "", "settings",
     "decimals has no docstring line"),
    ("setting without default", SETTINGS, "decimals: int = 3", "decimals: int", "settings",
     "decimals has no default"),
    ("unfit offer", TOOLS, "async def convert(", "async def convert_(", "targets", "convert"),
    ("no kernel range", "pyproject.toml", "hermes-kernel>=1.0,<2", "hermes-kernel", "metadata",
     "give a lower and an upper bound"),
    ("newer kernel", "pyproject.toml", "hermes-kernel>=1.0,<2", "hermes-kernel>=2,<3",
     "requirements", "1.0.0 is installed"),
    ("missing requirement", "pyproject.toml", '"msgspec', '"nothing-of-this-name>=1", "msgspec',
     "requirements", "nothing-of-this-name, which is not installed"),
    ("wrong version told", "CHANGELOG.md", "0.1.0", "0.0.9", "files", "does not mention 0.1.0"),
    ("broken pyproject", "pyproject.toml", 'module-root = ""', 'module-root = "src"', "wheel",
     "cannot be built"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "old", "new", "name", "said"),
    [fault[1:] for fault in FAULTS],
    ids=[fault[0] for fault in FAULTS],
)
def test_a_fault_is_named(
    project: Path, file: str, old: str, new: str, name: str, said: str
) -> None:
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))

    found = wrong(check_project(project))

    assert said in found.get(name, ""), found
    assert not any("Traceback" in each for each in found.values())


def test_a_plugin_that_hangs_is_given_up(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermes_plugin_dev.checking.PATIENCE", 1.0)
    init = project / INIT
    init.write_text(init.read_text() + "\n\nimport time\ntime.sleep(600)\n")

    assert "longer than 1 s" in wrong(check_project(project))["import"]


async def test_json_is_for_programs_and_the_status_says_it(project: Path) -> None:
    context = FakeCommandContext("cli")
    await give(check, str(project), "--json", context=context)
    good = json.loads(context.text)
    (project / "README.md").unlink()
    context = FakeCommandContext("cli")
    with pytest.raises(HermesError, match=r"hermes-plugin-weather: \d problem"):
        await give(check, str(project), "--json", context=context)
    bad = json.loads(context.text)

    assert good["ok"] is True
    assert good["plugin"] == "weather"
    assert {"wheel", "light", "hooks", "settings", "alone"} <= {r["name"] for r in good["results"]}
    assert bad["ok"] is False


async def test_an_installed_plugin_goes_by_its_name_or_distribution() -> None:
    for name in ("todo", "hermes-plugin-todo"):
        context = await give(check, name, context=FakeCommandContext("cli"))
        assert context.replies[0] == "hermes-plugin-todo 1.0.0"
        assert not [line for line in context.replies if "FAILED" in line]


async def test_what_is_neither_is_said_so() -> None:
    with pytest.raises(NotFound, match="neither a folder with a pyproject"):
        await give(check, "nothing-such", context=FakeCommandContext("cli"))
    with pytest.raises(NotFound, match="has no pyproject"):
        await give(check, "./nowhere", context=FakeCommandContext("cli"))


async def test_without_a_name_everything_installed_is_loaded() -> None:
    context = await give(check, context=FakeCommandContext("cli"))

    assert re.fullmatch(r"\d+ plugins, \d+ offers: all can be loaded", context.text)


def test_from_the_shell(project: Path) -> None:
    hermes_program = Path(sys.executable).with_name("hermes")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [hermes_program, "plugins", *arguments]
        return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)

    good = run("check", ".")
    (project / "LICENSE").unlink()
    bad = run("check", ".")

    assert good.returncode == 0, good.stderr
    assert "ok     contracts" in good.stdout
    assert bad.returncode == 1
    assert bad.stderr.strip().splitlines()[-1].startswith("hermes: hermes-plugin-weather: ")
