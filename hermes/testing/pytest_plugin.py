"""The pytest plugin of Hermes, there wherever the kernel is installed beside pytest.

Every test gets a home of its own, an environment without keys, no network past this machine, and
fails when it leaves a child process behind. A project that wants none of it says
``-p no:hermes`` in its ``addopts``. Tests marked ``live`` keep the keys and the network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from hermes.testing import processes
from hermes.testing.context import FakeContext, make_context
from hermes.testing.make import Events
from hermes.testing.network import NetworkGuard
from hermes.testing.servers import Server

pytest.register_assert_rewrite("hermes.testing.contracts")

KEY_LIKE = re.compile(
    r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|BASE_URL)($|_)", re.IGNORECASE
)
"""Names of variables that hold a key, or point a client at somebody's endpoint."""
OURS = re.compile(r"^(HERMES_|HTTPS?_PROXY$|ALL_PROXY$)", re.IGNORECASE)

_guard = pytest.StashKey[NetworkGuard]()
_kept = pytest.StashKey[set[int]]()


class MakeContext(Protocol):
    """What the fixture `plugin_context` gives; see `hermes.testing.make_context`."""

    def __call__(self, plugin: str = "test", **parts: Any) -> FakeContext: ...


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and prepare the guard."""
    config.addinivalue_line("markers", "live: needs a key or an account; keeps keys and network")
    config.stash[_guard] = NetworkGuard()
    config.stash[_kept] = set()


@pytest.fixture(scope="session", autouse=True)
def hermes_network(pytestconfig: pytest.Config) -> Iterator[NetworkGuard]:
    """Guard the sockets for as long as tests run."""
    guard = pytestconfig.stash[_guard]
    with pytest.MonkeyPatch.context() as patch:
        guard.install(patch)
        yield guard


@pytest.fixture
def off_loopback(hermes_network: NetworkGuard) -> list[str]:
    """Give what this test tried to reach outside. A test that means to try clears the list."""
    return hermes_network.attempts


@pytest.fixture(autouse=True)
def hermes_isolation(
    request: pytest.FixtureRequest,
    hermes_network: NetworkGuard,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """Give the test its home, and fail it for what it reached or left behind."""
    live = request.node.get_closest_marker("live") is not None
    home = tmp_path_factory.mktemp("hermes-home")
    home.chmod(0o700)
    for name in list(os.environ):
        if OURS.match(name) or (not live and KEY_LIKE.search(name)):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HERMES_HOME", str(home))
    hermes_network.attempts.clear()
    hermes_network.open = live
    ours = tmp_path_factory.getbasetemp()  # this worker's alone, under xdist too
    kept = request.config.stash[_kept]
    before = processes.snapshot()

    yield home

    hermes_network.open = False
    reached = list(hermes_network.attempts)
    left = processes.left_behind(ours, since=before, besides=kept, seconds=1.0)
    named = [f"{p.pid} ({processes.command(p.pid)[:120].strip()})" for p in left]
    processes.kill(process.pid for process in left)
    if reached:
        pytest.fail("reached for the network: " + "; ".join(reached), pytrace=False)
    if left:
        pytest.fail("left child processes behind: " + "; ".join(named), pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the log of each server that a failed test used."""
    report = yield
    if report.failed:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Server):
                report.sections.append((f"log of {value.name}", value.log[-4000:]))
    return report


@pytest.fixture(scope="session")
def keep_child(pytestconfig: pytest.Config) -> set[int]:
    """Add the pid of a process here that outlives a test on purpose (a server of the session)."""
    return pytestconfig.stash[_kept]


@pytest.fixture
def home(hermes_isolation: Path) -> Path:
    """Give the folder that HERMES_HOME names in this test."""
    return hermes_isolation


@pytest.fixture
def plugin_context(home: Path) -> MakeContext:
    """Give the maker of plugin contexts beneath this test's home."""

    def make(plugin: str = "test", **parts: Any) -> FakeContext:
        return make_context(plugin, **{"home": home, **parts})

    return make


@pytest.fixture
def capture() -> Events:
    """Give a listener to pass as ``emit``."""
    return Events()
