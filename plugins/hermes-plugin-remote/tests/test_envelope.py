"""What wraps a command, and how its marks are taken out of the output again."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from hermes import TerminalError, TerminalSpec
from hermes_plugin_local_terminal.capture import Capture, Rolling
from hermes_plugin_remote.command import CommandBackend
from hermes_plugin_remote.envelope import INLINE, Marks
from hermes_plugin_remote.settings import RemoteSettings

JOB = "0123456789abcdef01234567"


@given(
    before=st.binary(max_size=20),
    output=st.binary(max_size=40).filter(lambda data: JOB.encode() not in data),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_marks_are_found_and_output_is_whole_however_it_is_cut(before, output, cuts) -> None:
    mark = f"\0{JOB} ".encode()
    whole = before + mark + b"begin\0" + output + mark + b"end 3 1 /a b\0"
    marks, got = Marks(JOB), b""
    points = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    for start, end in itertools.pairwise(points):
        got += marks.feed(whole[start:end])
    assert got + marks.rest() == output
    assert marks.said == {"begin": "", "end": "3 1 /a b"}
    assert marks.noise == before


def test_what_only_looks_like_the_beginning_of_a_mark_is_output() -> None:
    marks = Marks(JOB)
    marks.feed(f"\0{JOB} begin\0".encode())
    assert marks.feed(b"a\0") == b"a"
    assert marks.feed(b"\0b") == b"\0\0b"
    assert marks.feed(f"\0{JOB[:5]}".encode()) == b""
    assert marks.rest() == f"\0{JOB[:5]}".encode()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_head_and_tail_do_not_depend_on_how_output_is_cut_up(tmp_path: Path, size: int) -> None:
    whole = bytes(range(100))
    capture = Capture(20, tmp_path, 1_000)
    for start in range(0, 100, size):
        capture.feed(whole[start : start + size])
    capture.close()
    assert capture.output() == whole[:10] + whole[-10:]
    assert Path(capture.file).read_bytes() == whole


def test_a_full_disk_does_not_end_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    capture = Capture(10, tmp_path / "file" / "no folder can be here", 100)
    for _ in range(5):
        capture.feed(b"0123456789")
    capture.close()
    assert (capture.output(), capture.total, capture.file) == (b"0123456789", 50, "")


def test_rolling_output_is_read_from_any_offset() -> None:
    rolling = Rolling(10)
    for number in range(10):
        rolling.feed(str(number).encode() * 5)
    assert rolling.since(0) == (b"8888899999", 50)
    assert rolling.since(47) == (b"999", 50)
    assert rolling.since(50) == (b"", 50)


async def test_a_command_too_long_for_an_argument_goes_through_the_input(terminal) -> None:
    text = "é'" * INLINE
    result = await terminal.run(f"cat <<'EOF'\n{text}\nEOF\ncat\n\n", stdin=b"in", keep=10**6)
    assert result.output.decode() == f"{text}\nin"


async def test_a_command_may_close_and_replace_its_own_streams(terminal, tmp_path: Path) -> None:
    first = await terminal.run(f"export A=1; exec >{tmp_path}/log 2>&1; echo in the log; exit 3")
    assert (first.output, first.exit_code) == (b"", 3)
    assert (tmp_path / "log").read_text() == "in the log\n"
    assert (await terminal.run("echo $A", state=first.state)).output == b"1\n"
    assert (await terminal.run("exec true")).exit_code == 0


async def test_errors_count_lines_from_the_command_s_first(terminal) -> None:
    result = await terminal.run("true\nno-such-program")
    assert result.output == b"bash: line 2: no-such-program: command not found\n"


async def test_a_trap_of_the_command_s_own_runs_and_state_still_lasts(terminal) -> None:
    first = await terminal.run("trap 'echo bye' EXIT; export X=1")
    assert first.output == b"bye\n"
    assert (await terminal.run("echo $X", state=first.state)).output == b"1\n"


@pytest.mark.parametrize("odd", ["set -euo pipefail", "set -a", "shopt -s extglob", "IFS=:"])
async def test_options_of_a_command_disturb_neither_it_nor_the_next(terminal, odd: str) -> None:
    first = await terminal.run(f"{odd}\nexport X='a b:c'; cd /usr")
    second = await terminal.run('echo "$PWD $X"; echo $nope', state=first.state)
    assert (second.output, second.exit_code) == (b"/usr a b:c\n\n", 0)


async def test_old_snapshots_go_and_the_one_in_use_stays(terminal) -> None:
    state = (await terminal.run("export N=0")).state
    for number in range(1, 140):
        state = (await terminal.run(f"export N={number}", state=state)).state
    await asyncio.gather(*terminal._tasks)
    kept = await terminal.run(f"ls {terminal._folder} | wc -l; echo $N", state=state)
    files, last = kept.output.split()
    assert int(files) <= 130
    assert last == b"139"


async def test_the_terminal_s_folder_is_the_person_s_only_and_goes_with_it(terminal) -> None:
    folder = Path(terminal._folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    await terminal.close()
    assert not folder.exists()


async def test_a_folder_that_nobody_used_for_a_day_goes(make_terminal) -> None:
    first = await make_terminal()
    left = Path(first._folder).with_name("left")
    left.mkdir()
    (left / "used").touch()
    os.utime(left / "used", (1, 1))
    await make_terminal()
    assert not left.exists()


async def test_a_kept_process_stays_in_the_registry_until_it_is_ended(
    make_terminal, plugin_context
) -> None:
    terminal = await make_terminal()
    process = await terminal.start("echo on; sleep 348", keep=True)
    await terminal.close()
    children = terminal.context.children
    ((name, handle),) = children.handles.values()
    assert name == "command"
    again = await make_terminal()
    assert (await again.run("pgrep -fx 'sleep 348'")).exit_code == 0
    backend = CommandBackend(again.context)
    await backend.reap((handle,))
    assert (await again.run("pgrep -fx 'sleep 348'")).exit_code == 1
    assert process.output()[0] == b"on\n"


async def test_a_kept_process_that_ends_by_itself_tells_its_code_and_leaves_the_registry(
    terminal,
) -> None:
    process = await terminal.start("echo on; exit 5", keep=True)
    assert await process.wait(10) == 5
    assert process.output()[0] == b"on\n"
    names = [handle for _, handle in terminal.context.children.handles.values()]
    assert not any("kept-" in handle for handle in names)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("no-such-program",), "cannot run no-such-program: No such file"),
        (("false",), "bash did not start: it said nothing"),
        (("sh", "-c", "echo no pod; exit 1"), "bash did not start: no pod"),
    ],
)
async def test_a_program_that_leads_nowhere_is_one_clear_line(make_terminal, command, said) -> None:
    with pytest.raises(TerminalError, match=said):
        await make_terminal(*command)


async def test_without_a_program_it_says_what_to_set(plugin_context) -> None:
    backend = CommandBackend(plugin_context("remote", settings=RemoteSettings()))
    with pytest.raises(TerminalError, match=r"set remote\.command"):
        await backend.terminal(TerminalSpec("test"))
