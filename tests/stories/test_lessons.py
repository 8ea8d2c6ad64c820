"""What memories learn: every turn, whatever comes at once, hangs, fails or dies."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hermes.events import TurnFinished
from hermes.memory import Memory
from hermes.runtime import Runtime
from hermes.session import Authority
from hermes.testing import make_context, make_key
from hermes.testing.provider import ScriptedProvider
from hermes.testing.runtime import open_runtime
from hermes.testing.store import MemoryStore
from hermes.turn import Turn, TurnResult
from hermes_plugin_sqlite.store import SQLiteStore

LEFT_BEHIND = """
import asyncio, os, signal, sys
from pathlib import Path
from hermes import Memory
from hermes.testing import make_context, make_key
from hermes.testing.provider import ScriptedProvider
from hermes.testing.runtime import open_runtime
from hermes_plugin_sqlite.store import SQLiteStore

home, learned = Path(sys.argv[1]), Path(sys.argv[2])

class Dies(Memory):
    async def recall(self, turn):
        return ""

    async def record(self, turn, result):
        if len(learned.read_text().split()) == 2:
            await asyncio.sleep(0.5)  # meanwhile the others end
            os.kill(os.getpid(), signal.SIGKILL)
        with learned.open("a") as file:
            file.write(turn.input.text + " ")

async def main():
    async with open_runtime(
        home,
        provider=ScriptedProvider(*["ok"] * 6),
        store=SQLiteStore(make_context("sqlite", home=home)),
        offers={"memory": {"m": Dies()}},
    ) as runtime:
        for number in range(6):
            async for _ in runtime.session(make_key()).send(f"m{number}"):
                pass
        await asyncio.sleep(30)

asyncio.run(main())
"""


class Learns(Memory):
    def __init__(self, seconds: float = 0.0, fails: int = 0) -> None:
        self.seconds = seconds
        self.fails = fails
        self.learned: list[tuple[str, str, str]] = []
        """Who said what, and what was answered."""
        self.most = 0
        self._at_once = 0

    async def recall(self, turn: Turn) -> str:
        return ""

    async def record(self, turn: Turn, result: TurnResult) -> None:
        self._at_once += 1
        self.most = max(self.most, self._at_once)
        await asyncio.sleep(self.seconds)
        self._at_once -= 1
        if self.fails:
            self.fails -= 1
            raise ValueError("the disk is full")
        self.learned.append((turn.input.authority.person, turn.input.text, result.reply))


async def say(runtime: Runtime, chat: str, text: str) -> TurnFinished:
    authority = Authority("test", person=f"person of {chat}")
    async for event in runtime.session(make_key(chat=chat)).send(text, authority=authority):
        last = event
    assert isinstance(last, TurnFinished)
    return last


def warnings(runtime: Runtime) -> list[str]:
    return [each.event for each in runtime.log.entries if each.level == "warning"]  # type: ignore[attr-defined]


async def test_a_burst_is_learned_whole_and_holds_up_no_answer(tmp_path: Path) -> None:
    slow, quick = Learns(seconds=0.01), Learns()
    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider(*["answer"] * 200),
        offers={"memory": {"slow": slow, "quick": quick}},
    ) as runtime:
        done = await asyncio.gather(*(say(runtime, f"c{n}", f"message {n}") for n in range(200)))
        assert [each.status for each in done] == ["ok"] * 200
        assert len(slow.learned) < 200, "nobody waited for the slow one"
        said = warnings(runtime)
    everything = {(f"person of c{n}", f"message {n}", "answer") for n in range(200)}
    assert set(slow.learned) == everything and len(slow.learned) == 200
    assert set(quick.learned) == everything and len(quick.learned) == 200
    assert slow.most == 1
    assert said == []


async def test_what_is_not_learned_in_time_waits_for_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes.lessons.CLOSING", 0.2)
    store = MemoryStore()
    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider("a", "b"),
        store=store,
        offers={"memory": {"m": Learns(seconds=60)}},
    ) as runtime:
        await say(runtime, "c", "one")
        await say(runtime, "c", "two")
    monkeypatch.setattr("hermes.lessons.is_dead", lambda owner: True)
    after = Learns()
    async with open_runtime(
        tmp_path, provider=ScriptedProvider("c"), store=store, offers={"memory": {"m": after}}
    ) as runtime:
        await say(runtime, "c", "three")
    assert [text for _, text, _ in after.learned] == ["one", "two", "three"]


async def test_a_process_that_dies_leaves_its_lessons_to_the_next(tmp_path: Path) -> None:
    learned = tmp_path / "learned"
    learned.write_text("")
    died = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", LEFT_BEHIND, str(tmp_path), str(learned)],
        timeout=60,
        capture_output=True,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL, died.stderr.decode()
    assert learned.read_text().split() == ["m0", "m1"]
    after = Learns()
    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider("ok"),
        store=SQLiteStore(make_context("sqlite", home=tmp_path)),
        offers={"memory": {"m": after}},
    ) as runtime:
        await say(runtime, "another", "later")
    assert [text for _, text, _ in after.learned] == ["m2", "m3", "m4", "m5", "later"]


async def test_one_that_hangs_holds_up_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes.lessons.RECORD", 0.05)
    hangs, good = Learns(seconds=60), Learns()
    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider(*["a"] * 5),
        offers={"memory": {"hangs": hangs, "good": good}},
    ) as runtime:
        for number in range(5):
            await say(runtime, "c", f"{number}")
        until = time.monotonic() + 5
        while len(good.learned) < 5 and time.monotonic() < until:
            await asyncio.sleep(0.01)
        assert [text for _, text, _ in good.learned] == ["0", "1", "2", "3", "4"]
    assert warnings(runtime) == ["memory did not record in time"], "once, not for each turn"


async def test_trouble_is_said_once_until_it_is_over(tmp_path: Path) -> None:
    memory = Learns(fails=3)
    async with open_runtime(
        tmp_path, provider=ScriptedProvider(*["a"] * 6), offers={"memory": {"m": memory}}
    ) as runtime:
        for number in range(6):
            await say(runtime, "c", f"{number}")
    assert [text for _, text, _ in memory.learned] == ["3", "4", "5"]
    assert warnings(runtime) == ["memory failed to record"]


async def test_what_was_forgotten_meanwhile_is_not_learned(tmp_path: Path) -> None:
    memory = Learns()
    waits = asyncio.Event()

    class Later(Learns):
        async def record(self, turn: Turn, result: TurnResult) -> None:
            await waits.wait()
            memory.learned.append(("", turn.input.text, result.reply))

    async with open_runtime(
        tmp_path, provider=ScriptedProvider("a", "b"), offers={"memory": {"m": Later()}}
    ) as runtime:
        await say(runtime, "first", "one")  # it is being learned, the next one waits
        await say(runtime, "second", "my secret")
        info = await runtime.session(make_key(chat="second")).load()
        await runtime.store.erase([info.id], "asked to")
        waits.set()
    assert [text for _, text, _ in memory.learned] == ["one"]


async def test_a_memory_says_of_what_it_has_nothing_to_learn(tmp_path: Path) -> None:
    class Seldom(Learns):
        def learns(self, turn: Turn, result: TurnResult) -> bool:
            return "remember" in turn.input.text

    memory = Seldom()
    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider("a", "b"),
        offers={"memory": {"m": memory}},
    ) as runtime:
        await say(runtime, "c", "Hello")
        await say(runtime, "c", "remember tea")
    assert [text for _, text, _ in memory.learned] == ["remember tea"]
