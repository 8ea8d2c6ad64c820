"""The file tools and the shell on every backend that runs here: the real runtime, real engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from hermes.events import ToolFinished
from hermes.session import Authority, SessionKey
from hermes.testing import Call, Say
from hermes.testing.dockerd import Dockerd, run_dockerd
from hermes.testing.servers import need

OWNER = Authority("cli", role="owner", yolo=True)
PATCH = {"mode": "replace", "path": "sub/a.txt", "old_string": "two", "new_string": "zwei"}
CALLS = (
    ("write_file", {"path": "sub/a.txt", "content": "one\ntwo\nthree\n"}),
    ("patch", PATCH),
    ("read_file", {"path": "sub/a.txt"}),
    ("search_files", {"pattern": "zw.i", "path": "."}),
    ("terminal", {"command": "cd sub && export SEEN=1"}),
    ("read_file", {"path": "a.txt", "offset": 2, "limit": 1}),
    ("terminal", {"command": "echo $SEEN; cat a.txt; seq 20000"}),
)


@pytest.fixture(scope="module")
def dockerd(tmp_path_factory, keep_child) -> Iterator[Dockerd]:
    with run_dockerd(tmp_path_factory.mktemp("docker"), keep_child) as docker:
        docker.image("hermes-test")
        yield docker


async def results(system: Any) -> list[str]:
    """Let the model make the calls one after the other; give what each gave."""
    for name, arguments in CALLS:
        system.model.will(Say(calls=(Call(name, json.dumps(arguments)),)))
    system.model.will(Say("done"))
    async with system.runtime() as runtime:
        conversation = runtime.session(SessionKey("cli", "here"), directory=str(system.place))
        events = [event async for event in conversation.send("go", authority=OWNER)]
        assert system.backend in await runtime.terminals.status(conversation.info)
    return [event.text for event in events if isinstance(event, ToolFinished)]


def check(told: list[str]) -> None:
    wrote, patched, read, found, moved, again, shell = told
    assert "3 lines" in wrote
    assert "+zwei" in patched
    assert "2|zwei" in read
    assert "a.txt" in found
    assert "zwei" in found
    assert "now in" in moved
    assert "2|zwei" in again
    assert shell.startswith("1\none\nzwei\nthree\n")
    assert "read_file path=output:" in shell


@pytest.mark.parametrize("backend", ["local", "sandbox"])
async def test_on_this_machine(system: Any, backend: str) -> None:
    if backend == "sandbox":
        need("bwrap", apt="bubblewrap")
    system.backend = backend
    system.configure(terminal={"backend": backend})
    check(await results(system))
    assert (system.place / "sub/a.txt").read_text() == "one\nzwei\nthree\n"


@pytest.mark.xdist_group("dockerd")
async def test_in_a_container(system: Any, dockerd: Dockerd) -> None:
    system.backend = "docker"
    keys = {"docker_image": "hermes-test", "docker_network": False, "container_memory": 256}
    system.configure(terminal={"backend": "docker", **keys}, docker={"host": dockerd.url})
    check(await results(system))
