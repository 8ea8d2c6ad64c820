"""The tool `process`, and what a conversation hears of its background processes."""

from __future__ import annotations

import asyncio
import os
import subprocess

import pytest

from hermes import Notice, TerminalError, Turn, TurnResult
from hermes.testing import make_context, make_turn
from hermes_plugin_shell import processes
from hermes_plugin_shell.news import News
from hermes_plugin_shell.settings import ShellSettings


async def heard(bench, kind=Notice) -> str:
    """Wait for the next notice."""
    async with asyncio.timeout(10):
        while not bench.events.of(kind):
            await asyncio.sleep(0.01)  # events are heard, not awaited
    return bench.events.of(kind)[-1].text


async def news(bench, context=None) -> str:
    """What the next turn hears."""
    turns: list[Turn] = []

    async def innermost(turn: Turn) -> TurnResult:
        turns.append(turn)
        return TurnResult("ok")

    middleware = News(context or bench.context)
    await middleware.turn(make_turn(session=bench.session, context="from memory"), innermost)
    return turns[0].input.context


async def test_a_process_is_fed_polled_waited_for_and_listed(bench) -> None:
    id = await bench.begin('while read -r line; do echo "<$line>"; done; exit 3')
    assert (await bench.process("submit", id, data="one")).text == "Written."
    await bench.process("write", id, data="two\n")
    await bench.process("close", id)
    ended = await bench.process("wait", id, timeout=10)
    assert ended.text.startswith(f"<one>\n<two>\n[{id}: ended with exit code 3")
    assert (await bench.process("poll", id)).text.startswith(f"[{id}: ended")
    assert (await bench.process("list")).text.startswith(f"{id}: ended with exit code 3")


async def test_waiting_gives_up_in_time_and_says_that_it_runs(bench) -> None:
    id = await bench.begin("echo up; sleep 30")
    result = await bench.process("wait", id, timeout=1)
    assert f"[{id}: running for" in result.text
    assert (await bench.process("wait", id, timeout=601)).is_error


async def test_killing_ends_it(bench) -> None:
    id = await bench.begin("sleep 30")
    result = await bench.process("kill", id)
    assert "ended with exit code 143" in result.text
    with pytest.raises(TerminalError, match="no more input"):
        await bench.process("submit", id, data="x")


async def test_the_log_gives_lines_from_the_end_or_from_where_asked(bench) -> None:
    id = await bench.begin("seq 1000")
    await bench.process("wait", id, timeout=10)
    last = (await bench.process("log", id)).text.splitlines()
    assert (last[0], last[1], last[-2]) == ("[lines 801-1000 of 1000]", "801", "1000")
    some = (await bench.process("log", id, offset=5, limit=2)).text.splitlines()
    assert some[:3] == ["[lines 5-6 of 1000]", "5", "6"]


async def test_an_unknown_process_is_an_error_that_names_the_known(bench) -> None:
    id = await bench.begin("sleep 30")
    with pytest.raises(TerminalError, match=id):
        await bench.process("poll", "nope")


async def test_only_so_many_run_at_a_time(bench, plugin_context) -> None:
    bench.shell._processes._settings = ShellSettings(max_processes=2)
    await bench.begin("sleep 30")
    await bench.begin("sleep 30")
    with pytest.raises(TerminalError, match="2 background processes run already"):
        await bench.begin("sleep 30")


async def test_the_end_is_told_at_once_and_to_the_next_turn_once(bench) -> None:
    id = await bench.begin("exit 7", notify_on_complete=True)
    assert await heard(bench) == f"Background process {id} ended with 7."
    told = f"from memory\n[background process {id} (exit 7) ended with exit code 7]"
    assert await news(bench) == told
    assert await news(bench) == "from memory"


async def test_an_end_that_nobody_asked_for_is_not_told(bench) -> None:
    id = await bench.begin("true")
    await bench.process("wait", id, timeout=10)
    await bench.shell._processes.close()
    assert await news(bench) == "from memory"
    assert bench.events.of(Notice) == []


async def test_other_conversations_hear_nothing(bench) -> None:
    await bench.begin("true", notify_on_complete=True)
    await heard(bench)
    bench.session = type(bench.session)("another")
    assert await news(bench) == "from memory"


async def test_watched_lines_are_told(bench, monkeypatch) -> None:
    monkeypatch.setattr(processes, "LOOK", 0.02)
    id = await bench.begin(
        "echo booting; echo READY on 80; echo READY again; sleep 30", watch_patterns=["READY"]
    )
    assert await heard(bench) == f"Background process {id}: READY on 80"
    assert (await news(bench)).endswith(" wrote: READY on 80]")
    assert await news(bench) == "from memory"
    assert len(bench.events.of(Notice)) == 1  # the second line came within the pause


async def test_a_process_that_ended_with_hermes_is_told_as_such(bench, home) -> None:
    id = await bench.begin("sleep 30", notify_on_complete=True)
    ended = subprocess.Popen(["true"])
    ended.wait()
    kept = await processes.load(bench.context, bench.session.id)
    kept[id].pid = ended.pid  # as if another Hermes, gone by now, had started it
    await processes.save(bench.context, bench.session.id, kept)
    later = make_context("shell", home=home, state=bench.context.state)
    assert f"{id} (sleep 30) ended when Hermes stopped" in await news(bench, later)


async def test_what_is_kept_fits_a_state_value(bench) -> None:
    many = {
        f"p{number}": processes.Kept(f"p{number}", "\U0001f600" * 200, os.getpid(), seen="漢" * 200)
        for number in range(100)
    }
    await processes.save(bench.context, "s", many)
    assert len(await processes.load(bench.context, "s")) == processes.KEPT
