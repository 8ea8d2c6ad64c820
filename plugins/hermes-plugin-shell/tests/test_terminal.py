"""The tool `terminal`."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from hermes import ALONE, CommandResult, Lane, TerminalError, ToolProgress
from hermes_plugin_shell.shell import process_lane, terminal_lane


def test_the_schemas_are_short(bench) -> None:
    texts = [
        json.dumps([tool.spec.name, tool.spec.description, json.loads(tool.spec.parameters)])
        for tool in bench.shell.last_seen()
    ]
    assert sum(map(len, texts)) < 2_200


async def test_the_result_is_the_output_and_a_line_about_it(bench) -> None:
    result = await bench.run("echo hi; echo oops >&2; exit 3")
    assert re.fullmatch(r"hi\noops\n\[exit 3, \d+\.\d s\]", result.text)
    assert not result.is_error
    assert re.fullmatch(r"\[exit 0, \d+\.\d s\]", (await bench.run("true")).text)


async def test_directory_and_exports_last_from_call_to_call(bench) -> None:
    moved = await bench.run("mkdir sub && cd sub && export WHO=me")
    assert f"now in {bench.terminal.folder}/sub]" in moved.text
    then = await bench.run("echo $PWD $WHO")
    assert then.text.startswith(f"{bench.terminal.folder}/sub me\n")
    assert "now in" not in then.text


async def test_a_workdir_is_for_one_command(bench) -> None:
    await bench.run("mkdir sub")
    there = await bench.run("pwd; export X=1", workdir="sub")
    assert there.text.startswith(f"{bench.terminal.folder}/sub\n")
    assert "now in" not in there.text
    assert (await bench.run("echo $PWD $X")).text.startswith(f"{bench.terminal.folder} 1\n")


async def test_a_workdir_leads_out_of_a_folder_that_is_gone(bench) -> None:
    await bench.run("mkdir sub && cd sub && rmdir ../sub")
    with pytest.raises(TerminalError):
        await bench.run("pwd")
    folder = bench.terminal.folder
    out = await bench.run("pwd", workdir=str(folder))
    assert f"now in {folder}]" in out.text
    assert (await bench.run("pwd")).text.startswith(f"{folder}\n")


async def test_the_calls_of_a_segment_start_from_one_state_and_the_last_one_s_stays(bench) -> None:
    batch: dict = {}
    commands = [f"echo $N; export N={number}; sleep 0.{3 - number}" for number in range(3)]
    calls = [
        bench.call("terminal", index=index, segment=0, batch=batch, command=command)
        for index, command in enumerate(commands)
    ]
    results = await asyncio.gather(*(call.tool.run(call) for call in calls))
    assert [result.text.partition("\n")[0] for result in results] == ["", "", ""] or all(
        result.text.startswith("[exit 0") for result in results
    )
    after = bench.call("terminal", index=3, segment=1, batch=batch, command="echo $N")
    assert (await after.tool.run(after)).text.startswith("2\n")


async def test_the_directory_is_the_one_that_the_grant_is_bound_to(bench, tmp_path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    call = bench.call("terminal", command="pwd").replace(directory=str(other))
    assert (await call.tool.run(call)).text.startswith(f"{other}\n")


async def test_long_output_is_told_by_head_tail_and_address(bench) -> None:
    file = str(bench.context.paths.outputs / "terminal-1")
    data = b"".join(b"line %d\n" % number for number in range(5_000))
    half = 3_700
    kept = CommandResult(data[:half] + data[-half:], 0, bench.terminal.state, len(data), file)
    bench.terminal.script["make"] = kept
    text = (await bench.run("make")).text
    assert len(text) < 8_000
    assert text.startswith("line 0\n")
    assert "line 4999\n[exit 0" in text
    assert (
        f"of {len(data)} bytes left out; read_file path=output:terminal-1 reads all of it" in text
    )


async def test_a_file_elsewhere_is_named_by_its_path(bench) -> None:
    text = (await bench.run("seq 100000")).text
    assert re.search(r"read_file path=/\S+\.output reads all of it", text)


async def test_output_somewhat_over_the_room_is_cut_and_can_be_read_in_full(bench) -> None:
    text = (await bench.run("head -c 12000 /dev/zero | tr '\\0' x")).text
    assert len(text) < 8_000
    assert "of 12000 bytes left out; read_file path=" in text


async def test_one_line_of_50_mb_is_short(bench) -> None:
    text = (await bench.run("head -c 50000000 /dev/zero | tr '\\0' x")).text
    assert len(text) < 8_000
    assert "of 50000000 bytes left out" in text


async def test_binary_output_is_described(bench) -> None:
    text = (await bench.run("head -c 300 /bin/ls")).text
    assert text.startswith("[binary output, 300 bytes, beginning 7f 45 4c 46")


async def test_a_timeout_is_an_error_that_keeps_the_output(bench) -> None:
    result = await bench.run("echo begun; sleep 30", timeout=1)
    assert result.is_error
    assert result.text.startswith("begun\n[exit 124: timed out; everything it started was ended")


async def test_too_long_a_timeout_points_to_the_background(bench) -> None:
    for timeout in (601, 0):
        result = await bench.run("true", timeout=timeout)
        assert result.is_error
    assert "background=true" in (await bench.run("true", timeout=601)).text
    assert bench.terminal.commands == []


@pytest.mark.parametrize(
    "command",
    [
        "server &",
        "nohup server",
        "cd x && setsid server",
        "sudo nohup server",
        "server & disown",
        "(nohup server)",
        "",
    ],
)
async def test_what_slips_into_the_background_is_not_run(bench, command: str) -> None:
    result = await bench.run(command)
    assert result.is_error
    assert bench.terminal.commands == []


@pytest.mark.parametrize(
    "command",
    ["echo nohup", "echo 'a &'", "true && echo nohup.out", "cat <<E\nnohup x &\nE", "echo a \\&"],
)
async def test_words_that_only_look_like_it_run(bench, command: str) -> None:
    assert not (await bench.run(command)).is_error


async def test_output_is_shown_as_it_comes(bench) -> None:
    bench.terminal.script["build"] = "\x1b[32mcompiling\x1b[0m\n"
    await bench.run("build")
    assert [event.text for event in bench.events.of(ToolProgress)] == ["compiling\n"]


async def test_invalid_arguments_are_an_error_the_model_can_act_on(bench) -> None:
    result = await bench.run("true", cwd="/")
    assert result.is_error
    assert "cwd" in result.text


SHARED = Lane("*", shared=True)


@pytest.mark.parametrize(
    "command",
    [
        "sleep 5",
        "ls -la src && cat README.md | head -n 20; wc -l a b",
        "git status --short; git log --oneline -5",
        "git diff HEAD~1".replace("~", "^").replace("^", "-"),
        "grep -rn 'two words' src 2>/dev/null || true",
        'grep -c "x y" file 2>&1',
        "find . -name setup.py -type f",
        "find src -name '*.py'",
        "pwd\ndate -u +%F\n",
        "du -sh . | sort -rn | uniq -c",
        "echo done > /dev/null",
        "rg -n TODO src",
    ],
)
def test_what_plainly_changes_nothing_may_overlap(command: str) -> None:
    assert terminal_lane({"command": command}) == SHARED


@pytest.mark.parametrize(
    "command",
    [
        "",
        "rm -rf x",
        "cd /tmp",
        "ls > out",
        "ls >/dev/nullx",
        "ls >> /dev/null/../x",
        "echo $(rm x)",
        "echo `rm x`",
        'echo "$(rm x)"',
        'echo "${x:=1}"',
        "cat <(rm x)",
        "ls & rm x",
        "ls && make",
        "ls | xargs rm",
        "ls | tee out",
        "find . -delete",
        "find . -exec rm {} +",
        "find . -fprint out",
        "find . *",
        "git commit -m x",
        "git -c alias.log=!rm log",
        "git diff --output=x",
        "git diff --outp=x",
        "git",
        "sort -o out in",
        "sort -uo out in",
        "sort --output=out in",
        "sort -k 2 in --compress-program=rm",
        "uniq in out",
        "date -s 12:00",
        "date 01010000",
        "file -C",
        "rg --pre rm x",
        "PATH=/evil ls",
        "/bin/ls",
        "./ls",
        "ls\\\n-l",
        "{ls,-l}",
        "l''s; r''m x",
        "'ls' ; 'rm' x",
        "cat ~/x",
        "cat <<E\nrm\nE",
        "ls;;rm",
        "! ls",
        "ls # comment\nrm x",
        "ls\r\nrm x",
        "true\x0brm",
        "export A=1",
        "echo !!",
        'echo "a\\"; rm x"',
    ],
)
def test_everything_else_runs_alone(command: str) -> None:
    assert terminal_lane({"command": command}) == ALONE


def test_a_background_command_runs_alone() -> None:
    assert terminal_lane({"command": "sleep 5", "background": True}) == ALONE
    assert terminal_lane({"command": "sleep 5", "background": "true"}) == ALONE


def test_looking_at_a_process_overlaps_with_looking() -> None:
    looking = process_lane({"action": "wait", "session_id": "p1"})
    assert not looking.excludes(process_lane({"action": "poll", "session_id": "p1"}))
    assert looking.excludes(process_lane({"action": "kill", "session_id": "p1"}))
    assert not looking.excludes(process_lane({"action": "kill", "session_id": "p2"}))
