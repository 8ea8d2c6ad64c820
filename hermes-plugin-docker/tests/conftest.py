"""A real dockerd, and terminals in its containers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import TerminalLimits, TerminalSpec
from hermes.testing import make_context
from hermes.testing.dockerd import Dockerd, run_dockerd
from hermes_plugin_docker.backend import DockerBackend
from hermes_plugin_docker.settings import DockerSettings
from hermes_plugin_docker.terminal import DockerTerminal

Make = Callable[..., Awaitable[DockerTerminal]]
LIMITS = TerminalLimits(cpu=1, memory=256, processes=128)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One daemon serves them all."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("dockerd"))


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory, keep_child) -> Iterator[Dockerd]:
    with run_dockerd(tmp_path_factory.mktemp("docker"), keep_child) as docker:
        docker.image("hermes-test")
        yield docker


@pytest.fixture(scope="session")
def place(tmp_path_factory) -> Path:
    """Give one home to all: the container of a scope is made once and found again."""
    made: Path = tmp_path_factory.mktemp("home")
    return made


@pytest.fixture
def make_backend(place: Path, dockerd: Dockerd) -> Callable[..., DockerBackend]:
    def make(passed: tuple[str, ...] = (), **settings: Any) -> DockerBackend:
        kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=passed))
        given = {"image": "hermes-test", "host": dockerd.url, "network": False, **settings}
        return DockerBackend(
            make_context(
                "docker",
                home=place,
                settings=DockerSettings(**given),
                sections={"hermes": kernel},
            )
        )

    return make


@pytest.fixture
async def make_terminal(make_backend) -> AsyncIterator[Make]:
    opened: list[Any] = []

    async def make(*, spec: TerminalSpec | None = None, **settings: Any) -> DockerTerminal:
        backend = make_backend(**settings)
        await backend.open()
        opened.append(backend)
        terminal = await backend.terminal(spec or TerminalSpec("test", limits=LIMITS))
        await terminal.open()
        opened.append(terminal)
        return terminal

    yield make
    for each in reversed(opened):
        if isinstance(each, DockerTerminal):
            await each.close()
    for each in opened:
        if isinstance(each, DockerBackend):
            await each.close()


@pytest.fixture
async def terminal(make_terminal: Make) -> DockerTerminal:
    return await make_terminal()
