"""Every distribution in the repository is whole and of one shape, and the root file knows it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

import hermes

ROOT = Path(__file__).resolve().parent.parent
FILES = [*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("hermes-plugin-*/pyproject.toml")]
PLUGINS = sorted(file.parent for file in FILES)

each_plugin = pytest.mark.parametrize("folder", PLUGINS, ids=lambda folder: folder.name)


def pyproject(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def test_the_version_literal_is_the_distribution_s() -> None:
    assert hermes.__version__ == pyproject(ROOT)["project"]["version"]


@each_plugin
def test_a_plugin_is_a_whole_distribution_named_by_convention(folder: Path) -> None:
    name = folder.name.removeprefix("hermes-plugin-")
    module = "hermes_plugin_" + name.replace("-", "_")
    project = pyproject(folder)["project"]

    assert project["name"] == folder.name
    assert project["entry-points"]["hermes.plugins"] == {name: module}
    assert "hermes-kernel>=1,<2" in project["dependencies"]
    assert project["requires-python"] == pyproject(ROOT)["project"]["requires-python"]
    assert (folder / module / "py.typed").is_file()
    assert f"## {project['version']}" in (folder / "CHANGELOG.md").read_text()
    assert (folder / "README.md").read_text().startswith(f"# {folder.name}\n")
    assert (folder / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


@each_plugin
def test_the_root_file_names_each_plugin_as_a_source(folder: Path) -> None:
    assert pyproject(ROOT)["tool"]["uv"]["sources"][folder.name] == {"workspace": True}


def test_no_package_of_tests_hides_another() -> None:
    """Editable installs put every project's root on the path: a `tests` package would collide."""
    assert not [*ROOT.glob("tests/__init__.py"), *ROOT.glob("*plugin*/**/tests/__init__.py")]


def test_the_lock_holds_names_versions_and_hashes_only() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()

    assert lines
    assert not [line for line in lines if "://" in line or line.startswith(("-", "hermes-"))]
