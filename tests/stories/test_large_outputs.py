"""An output of any size costs the model at most 8 KB, and every byte can still be read (AT-23)."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from hermes.session import SessionKey
from hermes.testing import Exchange

HERE = Path(__file__).parent
LIMIT = 8 * 1024
"""Bytes that one result may cost."""
MB = 1_000_000
HUGE = int(os.environ.get("HERMES_OUTPUT_MB", "1000"))
MCP_MB = 10

FLOODING = """
@hookimpl
def hermes_tools():
    return [Offer("flooding", "hermes_plugin_flooding.parts:flood", "A tool of somebody else")]
"""
PARTS = '''
from hermes import READ, TOGETHER, ToolCall, tool

@tool(effect=READ, needs=set(), lane=TOGETHER)
async def flood(lines: int, *, call: ToolCall) -> str:
    """Say a lot."""
    return "".join(f"line {number} \\u00e9\\n" for number in range(1, lines + 1))
'''


class Outputs:
    """A conversation in which tools give a lot."""

    def __init__(self, system: Any, runtime: Any, asks: Any, owner: Any, turn: Any) -> None:
        self.system, self.runtime, self.asks, self.turn = system, runtime, asks, turn
        self.authority = owner(yolo=True)
        self.conversation = runtime.session(
            SessionKey("cli", str(system.place)), directory=str(system.place)
        )

    async def call(self, tool: str, **arguments: Any) -> str:
        """Have the model call *tool*; give what it got to see."""
        self.system.model.answers[:] = [self.asks((tool, arguments)), "I see."]
        events = await self.turn(self.conversation.send("go", authority=self.authority))
        assert events.end.status == "ok", events.end
        return told(self.system.model.requests[-1])

    async def line(self, address: str, number: int) -> str:
        """Read one line of a kept output, with nobody to ask."""
        self.system.model.answers[:] = [
            self.asks(("read_file", {"path": address, "offset": number, "limit": 1})),
            "I see.",
        ]
        await self.turn(self.conversation.send("read on"))
        text = told(self.system.model.requests[-1])
        first = text.splitlines()[0]
        assert first.startswith(f"{number}|"), text[:200]
        return first.partition("|")[2]

    def kept(self, seen: str) -> tuple[str, Path]:
        """Find the address that the model was given, and the file behind it."""
        address = re.search(r"read_file path=(output:\S+?) reads all of it", seen)
        assert address, seen[:500]
        file = self.system.home / "outputs" / address[1].removeprefix("output:")
        assert file.parent.stat().st_mode & 0o077 == 0, "others could read it"
        return address[1], file


def told(exchange: Exchange) -> str:
    """Give the last result, without the line that says whose text it is."""
    (text,) = [m["content"] for m in exchange.json["messages"] if m["role"] == "tool"][-1:]
    assert isinstance(text, str)
    return re.sub(r"\A\[From [^\n]+\]\n", "", text)


def memory() -> int:
    """Bytes of memory of this process."""
    text = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found
    return int(found[1]) * 1024


def peak() -> int:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


@pytest.fixture
async def outputs(system: Any, beside: Any, asks: Any, owner: Any, turn: Any) -> Any:
    beside.install("flooding", FLOODING, parts=PARTS)
    server = {"command": sys.executable, "args": [str(HERE / "mcp_server.py")]}
    system.configure(mcp_servers={"real": server})
    await system.connect("mcp__real__pour")
    async with system.runtime() as runtime:
        yield Outputs(system, runtime, asks, owner, turn)


def lines_of(size: int) -> str:
    """A command that gives *size* bytes in numbered lines of 20."""
    return f"seq -f 'line %014.0f' 1 {size // 20}"


async def test_a_small_output_is_seen_whole(outputs: Outputs) -> None:
    seen = await outputs.call("terminal", command=lines_of(1_000))
    assert seen.startswith("line 00000000000001\n")
    assert seen.count("\n") == 50 and "left out" not in seen
    seen = await outputs.call("mcp__real__pour", size=1_000, width=50)
    assert "left out" not in seen and seen.count("x") >= 900
    assert not list((outputs.system.home / "outputs").glob("*"))


@pytest.mark.parametrize("size", [100_000, 10 * MB])
async def test_a_large_output_costs_little_and_is_kept_whole(size: int, outputs: Outputs) -> None:
    await outputs.call("terminal", command=lines_of(100_000))  # what a first time costs
    forget_peak()
    before = memory()
    seen = await outputs.call("terminal", command=lines_of(size))
    assert peak() - before < 8 * MB, f"{(peak() - before) / MB:.1f} MB for {size / MB} MB"
    assert len(seen.encode()) <= LIMIT
    assert seen.startswith("line 00000000000001\n")
    assert f"line {size // 20:014}\n" in seen  # the end, too
    address, file = outputs.kept(seen)
    assert file.read_text() == "".join(f"line {n:014}\n" for n in range(1, size // 20 + 1))
    for number in (1, 777, size // 20 // 2, size // 20):
        assert await outputs.line(address, number) == f"line {number:014}"
    forget_peak()
    before = memory()
    await outputs.line(address, size // 20)
    assert peak() - before < 40 * MB


async def test_one_line_of_fifty_megabytes(outputs: Outputs) -> None:
    size = 50 * MB
    await outputs.call("terminal", command=lines_of(100_000))
    forget_peak()
    before = memory()
    seen = await outputs.call(
        "terminal", command=f"printf first; head -c {size} /dev/zero | tr '\\0' x; printf last"
    )
    assert peak() - before < 8 * MB
    assert len(seen.encode()) <= LIMIT
    assert seen.startswith("firstxxx") and "xxxlast" in seen
    address, file = outputs.kept(seen)
    assert file.stat().st_size == size + 9
    forget_peak()
    before = memory()
    line = await outputs.line(address, 1)
    assert line.startswith("firstxxx") and f"the line has {size + 9} bytes" in line
    assert len(line) < LIMIT
    assert peak() - before < 60 * MB


async def test_binary_output_is_said_to_be_and_kept_to_the_byte(outputs: Outputs) -> None:
    data = bytes(range(256)) * 1_000
    (outputs.system.place / "picture").write_bytes(data)
    seen = await outputs.call("terminal", command="cat picture")
    assert "binary output" in seen and str(len(data)) in seen
    assert len(seen) < 500
    _, file = outputs.kept(seen)
    assert file.read_bytes() == data


async def test_output_of_a_server_and_of_anybody_s_tool(outputs: Outputs) -> None:
    size = MCP_MB * MB
    seen = await outputs.call("mcp__real__pour", size=size, width=100)
    assert len(seen.encode()) <= LIMIT
    address, file = outputs.kept(seen)
    assert file.read_text().count("x" * 99 + "\n") == size // 100
    assert await outputs.line(address, size // 100) == "x" * 99
    seen = await outputs.call("mcp__real__pour", size=size, width=0)  # one line
    assert len(seen.encode()) <= LIMIT
    _, file = outputs.kept(seen)
    assert file.stat().st_size == size

    seen = await outputs.call("flood", lines=100_000)
    assert len(seen.encode()) <= LIMIT
    assert seen.startswith("line 1 é\n") and "line 100000 é" in seen
    address, file = outputs.kept(seen)
    assert file.read_text() == "".join(f"line {n} é\n" for n in range(1, 100_001))
    assert await outputs.line(address, 54_321) == "line 54321 é"


def state(home: Path) -> dict[str, str]:
    """What is kept: each output by its hash."""
    return {
        f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in (home / "outputs").iterdir()
    }


async def test_reading_a_session_stores_nothing_again(outputs: Outputs) -> None:
    system = outputs.system
    seen = await outputs.call("flood", lines=50_000)
    address, _ = outputs.kept(seen)
    id = outputs.conversation.info.id
    before, stats = state(system.home), await outputs.runtime.store.stats()
    assert stats.size < 2 * MB, "the journal holds what the model saw, not the whole"
    for arguments in (
        ("sessions", "show", id, "--whole"),
        ("sessions", "export", id),
        ("sessions", "list", "--json"),
    ):
        done = await system.run(*arguments)
        assert (done.status, done.errors) == (0, "")
        assert len(done.raw) < 100_000
    async with system.runtime() as again:  # opened and folded by another runtime
        conversation = await again.conversation(id=id)
        await conversation.messages()
        assert state(system.home) == before
        assert (await again.store.stats()).records == stats.records
    # A reading is a record of its own; it holds what was read, and no further copy of the whole.
    for _ in range(3):
        assert await outputs.line(address, 40_000) == "line 40000 é"
    assert state(system.home) == before
    for _ in range(3):  # read large windows of it, as a model does that wants everything
        text = await outputs.call("read_file", path=address, limit=2000)
        assert len(text) <= 120_000
    assert state(system.home) == before, "a window of a kept output was kept again"
    assert (await outputs.runtime.store.stats()).size < 4 * MB
    assert len(json.dumps(system.model.requests[-1].json)) < 1 * MB


async def test_an_output_is_read_by_its_own_conversation_only_and_goes_with_it(
    outputs: Outputs,
) -> None:
    system = outputs.system
    seen = await outputs.call("terminal", command=lines_of(100_000))
    address, file = outputs.kept(seen)
    system.model.answers[:] = [outputs.asks(("read_file", {"path": address})), "I see."]
    other = await outputs.runtime.conversation(directory=str(system.place), new=True)
    await outputs.turn(other.send("read it"))
    assert "nobody can be asked" in told(system.model.requests[-1])
    id = outputs.conversation.info.id
    assert file.exists()
    done = await system.run("sessions", "delete", id, "--yes")
    assert done.status == 0, done.errors
    assert not file.exists()


async def test_a_result_that_cannot_be_kept_is_still_a_result(outputs: Outputs) -> None:
    """The disk is full, or nearly: the call did run, and the model is not told otherwise."""
    folder = outputs.system.home / "outputs"
    if folder.exists():
        folder.rmdir()
    folder.write_text("no folder")
    for seen in (
        await outputs.call("flood", lines=10_000),
        await outputs.call("terminal", command="seq 10000"),
    ):
        assert len(seen.encode()) <= LIMIT
        assert "10000" in seen and "left out" in seen
        assert "read_file" not in seen and "Not run" not in seen


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_a_gigabyte(outputs: Outputs) -> None:
    size = HUGE * MB
    await outputs.call("terminal", command=lines_of(100_000))
    forget_peak()
    before = memory()
    seen = await outputs.call("terminal", command=lines_of(size), timeout=600)
    assert peak() - before < 16 * MB
    assert len(seen.encode()) <= LIMIT
    address, file = outputs.kept(seen)
    cap = outputs.runtime.host.config.get("local-terminal.spool_limit")
    assert file.stat().st_size >= min(size // 20 * 20, cap)
    for number in (1, 1_000_000, min(size, cap) // 20 - 1):
        assert await outputs.line(address, number) == f"line {number:014}"
