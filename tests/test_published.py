"""Plugins that were written for a minor version go on working in the next ones.

tests/published/MINOR holds one of each kind as it was written then, with its own tests. They are
built and installed into a folder, listed and made by the kernel of today, by one that calls itself
the next minor, and their tests are run.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hermes
from hermes_plugin_dev.building import build_wheel, unpack

PUBLISHED = Path(__file__).parent / "published"
MAJOR, MINOR = map(int, hermes.__version__.split(".")[:2])
NOW = f"{MAJOR}.{MINOR}"
KEPT = sorted(each.name for each in PUBLISHED.iterdir())

LOAD = """
import sys
import hermes
hermes.__version__ = sys.argv[1]
from hermes.plugins import Host
host = Host.open(fresh=True)
for plugin in host.plugins():
    print(plugin.name, plugin.state, plugin.reason, *plugin.warnings)
    for offer in plugin.offers:
        host.create(offer.kind, offer.name)
        print(" made", offer.kind, offer.name)
"""


@pytest.fixture(scope="module", params=KEPT)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The plugins of a minor version, built and laid out: (their sources, where they lie)."""
    folder = tmp_path_factory.mktemp("published")
    for project in sorted((PUBLISHED / request.param).iterdir()):
        unpack(build_wheel(project, folder / "dist" / project.name), folder / "site")
    return PUBLISHED / request.param, folder / "site"


def test_the_version_before_is_kept() -> None:
    """Until there is one, what is written for this version is; `python .ci/published.py`."""
    assert (f"{MAJOR}.{MINOR - 1}" if MINOR else NOW) in KEPT


@pytest.mark.parametrize("minor", [0, 1])
def test_they_are_listed_and_made(installed: Any, home: Path, minor: int) -> None:
    sources, site = installed
    version = f"{MAJOR}.{MINOR + minor}.0"
    done = subprocess.run(
        [sys.executable, "-c", LOAD, version],
        env={**os.environ, "PYTHONPATH": str(site), "HERMES_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for kind in (each.name for each in sources.iterdir()):
        assert f"old-{kind} active" in done.stdout, done.stdout
        assert f"made {kind}" in done.stdout


@pytest.mark.slow
def test_their_own_tests_pass(installed: Any, tmp_path: Path) -> None:
    sources, site = installed
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )
    tests = [str(each / "tests") for each in sorted(sources.iterdir()) if (each / "tests").is_dir()]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
         "-c", tmp_path / "pytest.ini", "--import-mode=importlib", *tests],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]


def test_one_that_is_too_new_is_refused_before_it_is_imported(site: Any) -> None:
    trace = site.folder / "imported"
    needs = f"hermes-kernel>={MAJOR}.{MINOR + 1},<{MAJOR + 1}"
    site.install("newer", f"open({str(trace)!r}, 'w')", requires=needs)

    shown = site.run("plugins").stdout
    assert "newer" in shown
    assert "incompatible" in shown
    assert f"needs hermes-kernel >={MAJOR}.{MINOR + 1},<{MAJOR + 1}, this is" in shown
    assert not trace.exists()
