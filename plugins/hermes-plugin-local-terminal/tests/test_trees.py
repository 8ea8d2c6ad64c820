"""Nothing that a command starts outlives it, or its terminal."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from hermes import TerminalError
from hermes.testing.processes import running

SOAK = int(os.environ.get("HERMES_SOAK_ENDINGS", "100"))

TREE = """
trap '' TERM
(setsid bash -c 'trap "" TERM; echo $$; sleep 300 & echo $!; wait; sleep 300' &)
(env -i bash -c 'echo $$; sleep 301; sleep 301' &)
sleep 302 & echo $!
echo go
wait; sleep 303
"""
"""A double fork in a session of its own, one without an environment, a child; few heed SIGTERM."""


async def begin(terminal, command: str, **options) -> tuple[asyncio.Task, list[int]]:
    """Start a run of *command*; give it and the pids it told of, once it said ``go``."""
    heard = bytearray()
    ready = asyncio.Event()

    def listen(data: bytes) -> None:
        heard.extend(data)
        if heard.count(b"\n") == 5:
            ready.set()

    task = asyncio.create_task(terminal.run(command, output=listen, **options))
    await asyncio.wait_for(ready.wait(), 10)
    pids = [int(line) for line in heard.split() if line != b"go"]
    assert len(pids) == 4
    assert all(running(pid) for pid in pids)
    return task, pids


async def test_a_cancelled_tree_is_dead_within_five_seconds(terminal) -> None:
    task, pids = await begin(terminal, TREE)
    begun = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [pid for pid in pids if running(pid)]
    assert time.monotonic() - begun < 5


async def test_a_second_cancel_does_not_cut_the_killing_short(terminal) -> None:
    task, pids = await begin(terminal, TREE)
    task.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [pid for pid in pids if running(pid)]


async def test_a_timed_out_tree_is_dead_when_the_call_returns(terminal) -> None:
    task, pids = await begin(terminal, TREE, timeout=2)
    assert (await task).exit_code == 124
    assert not [pid for pid in pids if running(pid)]


async def test_cancelling_during_the_kill_after_a_timeout_still_cancels(terminal) -> None:
    task, pids = await begin(terminal, TREE, timeout=2)
    await asyncio.sleep(2.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not [pid for pid in pids if running(pid)]


async def test_closing_the_terminal_ends_the_tree_and_the_call(terminal) -> None:
    task, pids = await begin(terminal, TREE)
    async with asyncio.timeout(5):
        await terminal.close()
        result = await task
    assert result.exit_code == 137
    assert not [pid for pid in pids if running(pid)]
    with pytest.raises(TerminalError, match="closed"):
        await terminal.run("true")


async def test_what_a_finished_command_left_behind_ends_with_the_terminal(terminal) -> None:
    result = await terminal.run("setsid sleep 300 >/dev/null 2>&1 & echo $!")
    pid = int(result.output.split()[-1])
    assert running(pid)
    await terminal.close()
    assert not running(pid)


async def test_what_left_nothing_is_forgotten(make_terminal) -> None:
    terminal = await make_terminal()
    for _ in range(5):
        await terminal.run("true")
    process = await terminal.start("true")
    await process.wait()
    await terminal.close()
    assert not terminal._children.marked


async def test_a_background_process_ends_with_the_terminal_double_forks_too(terminal) -> None:
    process = await terminal.start("(setsid sleep 300 & echo $!) ; sleep 300")
    async with asyncio.timeout(5):
        while not (told := process.output()[0]):
            await asyncio.sleep(0.01)  # nothing announces output of a background process
    pid = int(told)
    await terminal.close()
    assert process.exit_code not in (None, 0)
    assert not running(pid)


async def test_writing_to_a_process_that_does_not_read_ends_with_it(terminal) -> None:
    process = await terminal.start("sleep 300")
    writing = asyncio.create_task(process.write(b"x" * 1_000_000))
    await asyncio.sleep(0.05)
    assert not writing.done()
    await process.kill()
    with pytest.raises(TerminalError):
        await asyncio.wait_for(writing, 5)


async def test_many_commands_at_once_do_not_wait_for_each_other(terminal) -> None:
    begun = time.monotonic()
    await asyncio.gather(*(terminal.run("sleep 0.5") for _ in range(12)))
    assert time.monotonic() - begun < 3


async def test_reading_a_pipe_or_a_device_is_refused_at_once(terminal, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("pipe", "/dev/zero"):
        with pytest.raises(TerminalError, match="Not a regular file"):
            await asyncio.wait_for(terminal.read(path), 5)


@pytest.mark.soak
async def test_mixed_endings_leave_nothing(make_terminal) -> None:
    for number in range(SOAK):
        terminal = await make_terminal()
        task, pids = await begin(terminal, TREE, timeout=1 if number % 3 == 0 else 100)
        if number % 3 == 1:
            task.cancel()
        if number % 3 == 2:
            await terminal.close()
        await asyncio.gather(task, return_exceptions=True)
        assert not [pid for pid in pids if running(pid)]
