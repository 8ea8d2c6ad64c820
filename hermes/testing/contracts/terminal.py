"""What every terminal backend does.

    class TestDocker(TerminalContract):
        @pytest.fixture
        async def terminal(self, plugin_context):
            backend = DockerBackend(plugin_context("docker", settings=DockerSettings()))
            terminal = await backend.terminal(TerminalSpec("test"))
            await terminal.open()
            yield terminal
            await terminal.close()

The terminal must offer bash, GNU coreutils and findutils, and ``/proc``. Everything is looked at
through the terminal itself, so the suite works wherever it is.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath

import pytest

from hermes.terminal import Terminal, TerminalError, TerminalState
from hermes.testing.contracts.escapes import Outside, probes


class TerminalContract:
    """Subclass it and give the fixture `terminal`."""

    background: bool = True
    """Whether `Terminal.start` works here."""
    kills_sessions: bool = True
    """Whether it finds what moved to a session of its own (a double fork, ``setsid``)."""

    keeps: bool = True
    """Whether `start` takes *keep*."""
    isolated: bool = False
    """Whether the backend says so of itself: then no escape probe may reach anything."""
    persists: bool = True
    """Whether files outlive the terminal; then give the fixture `reopen` too."""

    @pytest.fixture
    def terminal(self) -> Terminal:
        """Give an opened terminal, and close it afterwards."""
        raise NotImplementedError("give the fixture `terminal`")

    @pytest.fixture
    def reopen(self) -> Callable[[], Awaitable[Terminal]]:
        """Give a function that opens another terminal of the same scope, once this one is closed,
        as the next start of Hermes would; it is closed afterwards.
        """
        if self.persists:
            raise NotImplementedError("give the fixture `reopen`, or say persists = False")
        pytest.skip("files do not outlive this terminal")

    @pytest.fixture(autouse=True)
    def canary(self, monkeypatch: pytest.MonkeyPatch) -> str:
        """Give the value of a secret in Hermes's own environment."""
        value = f"sk-canary-{uuid.uuid4().hex}"
        for name in ("OPENAI_API_KEY", "HERMES_PLANTED_TOKEN"):
            monkeypatch.setenv(name, value)
        return value

    @pytest.fixture
    async def folder(self, terminal: Terminal) -> str:
        """Give an empty folder in the terminal, which is its directory from then on."""
        made = await terminal.run("cd -- $(mktemp -d) && pwd -P | tr -d '\\n'")
        assert made.exit_code == 0
        terminal.state = made.state
        return made.output.decode()

    async def test_output_and_error_come_together_with_the_exit_code(
        self, terminal: Terminal
    ) -> None:
        result = await terminal.run("echo out; echo err >&2; exit 3")
        assert (result.output, result.exit_code, result.total) == (b"out\nerr\n", 3, 8)

    async def test_a_signal_is_told_as_shells_tell_it(self, terminal: Terminal) -> None:
        assert (await terminal.run("kill -KILL $$")).exit_code == 137

    async def test_standard_input_is_passed_whole_and_is_else_empty(
        self, terminal: Terminal
    ) -> None:
        data = bytes(range(256)) * 1024
        summed = await terminal.run("wc -c", stdin=data)
        assert int(summed.output) == len(data)
        assert (await terminal.run("cat")).output == b""

    async def test_bytes_stay_bytes(self, terminal: Terminal) -> None:
        data = bytes(range(256))
        assert (await terminal.run("cat", stdin=data)).output == data

    async def test_quotes_newlines_and_here_documents_arrive_as_written(
        self, terminal: Terminal
    ) -> None:
        command = "cat <<'EOF'\n$HOME \"x\" 'y' \\ `z`\nEOF\necho \"é\n\t漢\""
        expected = "$HOME \"x\" 'y' \\ `z`\né\n\t漢\n"
        assert (await terminal.run(command)).output.decode() == expected

    async def test_a_long_command_is_no_trouble(self, terminal: Terminal) -> None:
        text = "x" * 100_000
        assert (await terminal.run(f"echo {text}", keep=200_000)).output == f"{text}\n".encode()

    async def test_a_nul_in_a_command_is_refused(self, terminal: Terminal) -> None:
        with pytest.raises(TerminalError):
            await terminal.run("echo a\0b")

    async def test_output_is_told_as_it_comes(self, terminal: Terminal, folder: str) -> None:
        heard = bytearray()
        command = "echo one; until test -e go; do sleep 0.02; done; echo two >&2"
        running = asyncio.create_task(terminal.run(command, output=heard.extend, timeout=10))
        async with asyncio.timeout(8):
            while bytes(heard) != b"one\n":  # noqa: ASYNC110 - a listener is called, not awaited
                await asyncio.sleep(0.01)
        await terminal.write(f"{folder}/go", b"")
        result = await running
        assert bytes(heard) == result.output == b"one\ntwo\n"

    async def test_of_much_output_head_and_tail_are_kept_and_a_file_holds_it_all(
        self, terminal: Terminal
    ) -> None:
        whole = "".join(f"{number}\n" for number in range(1, 100_001)).encode()
        result = await terminal.run("seq 100000", keep=10_000)
        half = len(result.output) // 2
        assert result.total == len(whole)
        assert half <= 5_000
        assert half > 1_000
        assert result.output[:half] == whole[:half]
        assert result.output[half:] == whole[len(whole) - (len(result.output) - half) :]
        assert await terminal.read(result.file) == whole

    async def test_output_within_bounds_is_whole_and_makes_no_file(
        self, terminal: Terminal
    ) -> None:
        result = await terminal.run("head -c 10000 /dev/zero", keep=10_000)
        assert (len(result.output), result.total, result.file) == (10_000, 10_000, "")

    async def test_directory_exports_and_functions_last(
        self, terminal: Terminal, folder: str
    ) -> None:
        first = await terminal.run(
            "mkdir 'a b' && cd 'a b' && export GREETING='hi \"there\"\n$x'\n"
            'greet() { echo "$1!"; }'
        )
        assert first.state.directory == f"{folder}/a b"
        second = await terminal.run('pwd; echo "$GREETING"; greet you', state=first.state)
        assert second.output.decode() == f'{folder}/a b\nhi "there"\n$x\nyou!\n'

    async def test_what_exit_leaves_behind_lasts_too(self, terminal: Terminal, folder: str) -> None:
        first = await terminal.run("cd / && export LEFT=1 && exit 7")
        second = await terminal.run("echo $PWD $LEFT", state=first.state)
        assert (first.exit_code, second.output) == (7, b"/ 1\n")

    async def test_what_was_unset_stays_unset(self, terminal: Terminal) -> None:
        first = await terminal.run("export GONE=1")
        second = await terminal.run("unset GONE", state=first.state)
        third = await terminal.run("echo ${GONE-unset}", state=second.state)
        assert third.output == b"unset\n"

    async def test_run_does_not_move_the_terminal_itself(
        self, terminal: Terminal, folder: str
    ) -> None:
        before = terminal.state
        await terminal.run("cd / && export MOVED=1")
        assert terminal.state == before
        assert (await terminal.run("echo $PWD$MOVED")).output.decode() == f"{folder}\n"

    async def test_parallel_runs_from_one_state_do_not_disturb_each_other(
        self, terminal: Terminal, folder: str
    ) -> None:
        start = (await terminal.run("export WHO=nobody")).state
        commands = [
            f"test $WHO = nobody && mkdir d{i} && cd d{i} && export WHO={i}" for i in range(6)
        ]
        ended = await asyncio.gather(*(terminal.run(c, state=start) for c in commands))
        told = [await terminal.run("echo $PWD $WHO", state=result.state) for result in ended]
        expected = [f"{folder}/d{i} {i}\n" for i in range(6)]
        assert [result.output.decode() for result in told] == expected
        assert (await terminal.run("echo $WHO", state=start)).output == b"nobody\n"

    async def test_it_never_runs_elsewhere_when_its_directory_is_gone(
        self, terminal: Terminal, folder: str
    ) -> None:
        state = TerminalState(f"{folder}/gone")
        with pytest.raises(TerminalError):
            await terminal.run("pwd", state=state)

    async def test_time_out_is_124_and_keeps_state_and_output(
        self, terminal: Terminal, folder: str
    ) -> None:
        name = unique()
        result = await terminal.run(f"cd /; echo begun; sleep {name}", timeout=1)
        assert (result.exit_code, result.timed_out) == (124, True)
        assert result.output.startswith(b"begun\n")
        assert result.state == terminal.state
        assert await self.gone(terminal, name)

    async def test_what_ignores_sigterm_dies_too(self, terminal: Terminal) -> None:
        name = unique()
        command = f"trap '' TERM; (trap '' TERM; sleep {name}; sleep {name}) & sleep {name}; wait"
        result = await terminal.run(command, timeout=1)
        assert result.timed_out
        assert await self.gone(terminal, name)

    async def test_a_cancelled_run_leaves_nothing(self, terminal: Terminal) -> None:
        name = unique()
        begun = asyncio.Event()
        command = f"(sleep {name} & sleep {name}) & echo begun; sleep {name}"
        task = asyncio.create_task(terminal.run(command, output=lambda _: begun.set()))
        try:
            async with asyncio.timeout(5):
                while not await self.running(terminal, name):  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.05)
            task.cancel()
            async with asyncio.timeout(5):
                with pytest.raises(asyncio.CancelledError):
                    await task
        finally:
            task.cancel()
        assert await self.gone(terminal, name)

    async def test_double_forks_die_with_the_run(self, terminal: Terminal) -> None:
        if not self.kills_sessions:
            pytest.skip("this terminal kills process groups only")
        name = unique()
        command = f"(setsid bash -c 'sleep {name} & (setsid sleep {name} &)' &) ; sleep {name}"
        result = await terminal.run(command, timeout=1)
        assert result.timed_out
        assert await self.gone(terminal, name)

    async def test_something_left_in_the_background_does_not_hold_the_call_up(
        self, terminal: Terminal
    ) -> None:
        async with asyncio.timeout(10):
            result = await terminal.run("sleep 60.25 & echo on", timeout=6)
        assert (result.output, result.exit_code) == (b"on\n", 0)

    async def test_a_file_reads_as_written(self, terminal: Terminal, folder: str) -> None:
        data = bytes(range(256)) * 3000
        await terminal.write(f"{folder}/new/deep/it's.bin", data)
        assert await terminal.read(f"{folder}/new/deep/it's.bin") == data
        assert await terminal.read("new/deep/it's.bin", 255, 3) == b"\xff\x00\x01"
        assert await terminal.read("new/deep/it's.bin", len(data) + 5, 3) == b""
        await terminal.write("empty", b"")
        assert await terminal.read("empty") == b""

    async def test_an_existing_file_keeps_its_mode_and_a_link_its_target(
        self, terminal: Terminal, folder: str
    ) -> None:
        await terminal.run("echo old > script; chmod 750 script; ln -s script link")
        await terminal.write(f"{folder}/link", b"new\n")
        told = await terminal.run("cat script; stat -c %a script; readlink link; ls -A")
        assert told.output == b"new\n750\nscript\nlink\nscript\n"

    async def test_files_are_described(self, terminal: Terminal, folder: str) -> None:
        await terminal.run("printf 12345 > a; mkdir b; mkfifo c; touch -d @1700000000 a")
        info = await terminal.stat(f"{folder}/a")
        assert (info.kind, info.size, info.modified) == ("file", 5, 1_700_000_000)
        listed = await terminal.list(folder)
        names = [(PurePosixPath(entry.path).name, entry.kind) for entry in listed]
        assert names == [("a", "file"), ("b", "directory"), ("c", "other")]
        assert listed[0].path == f"{folder}/a"

    async def test_paths_resolve_through_links_and_need_not_exist(
        self, terminal: Terminal, folder: str
    ) -> None:
        await terminal.run("mkdir real; ln -s real link")
        assert await terminal.resolve("link/../link/none/../x") == f"{folder}/real/x"
        assert await terminal.resolve(f"{folder}/link") == f"{folder}/real"
        home = (await terminal.run("cd ~ && pwd -P")).output.decode().rstrip("\n")
        assert await terminal.resolve("~/x y") == f"{home.rstrip('/')}/x y"

    async def test_files_are_reached_from_a_directory_that_is_gone(
        self, terminal: Terminal, folder: str
    ) -> None:
        terminal.state = TerminalState(f"{folder}/gone")
        await terminal.write(f"{folder}/a", b"1")
        assert await terminal.read(f"{folder}/a") == b"1"
        assert await terminal.resolve(f"{folder}/b/../a") == f"{folder}/a"
        assert len(await terminal.list(folder)) == 1

    async def test_what_is_not_there_is_an_error_that_says_so(
        self, terminal: Terminal, folder: str
    ) -> None:
        for attempt in (terminal.read, terminal.stat, terminal.list):
            with pytest.raises(TerminalError, match=r"[Nn]o such file"):
                await attempt(f"{folder}/none")
        with pytest.raises(TerminalError):
            await terminal.write(folder, b"a folder is there")

    async def test_a_background_process_is_fed_read_and_waited_for(
        self, terminal: Terminal, folder: str
    ) -> None:
        self.needs_background()
        process = await terminal.start('echo ready; while read -r l; do echo "<$l>"; done; exit 4')
        await process.write(b"one\n")
        assert await process.wait(0) is None
        await process.write(b"two\n", end=True)
        assert await process.wait(10) == 4
        assert process.exit_code == 4
        assert process.output() == (b"ready\n<one>\n<two>\n", 18)
        assert process.output(12) == (b"<two>\n", 18)
        with pytest.raises(TerminalError):
            await process.write(b"three\n")

    async def test_a_background_process_is_killed_whole(self, terminal: Terminal) -> None:
        self.needs_background()
        name = unique()
        process = await terminal.start(f"sleep {name} & trap '' TERM; sleep {name}; sleep {name}")
        assert await process.wait(0.2) is None
        await process.kill()
        assert process.exit_code not in (None, 0)
        assert await self.gone(terminal, name)

    async def test_of_background_output_the_end_is_kept(self, terminal: Terminal) -> None:
        self.needs_background()
        process = await terminal.start("seq 200000")
        assert await process.wait(20) == 0
        kept, following = process.output()
        whole = "".join(f"{number}\n" for number in range(1, 200_001)).encode()
        assert following == len(whole)
        assert 100_000 <= len(kept) <= 400_000
        assert whole.endswith(kept)

    async def test_closing_ends_what_runs(self, terminal: Terminal) -> None:
        self.needs_background()
        process = await terminal.start(f"sleep {unique()}")
        async with asyncio.timeout(5):
            await terminal.close()
            await process.wait()
        assert process.exit_code not in (None, 0)

    async def test_what_runs_in_the_background_is_listed_until_it_ends(
        self, terminal: Terminal
    ) -> None:
        self.needs_background()
        assert terminal.processes() == ()
        process = await terminal.start("read -r line")
        assert [each.id for each in terminal.processes()] == [process.id]
        await process.write(b"go\n")
        assert await process.wait(10) == 0
        assert terminal.processes() == ()

    async def test_a_kept_process_goes_on_when_its_terminal_is_closed(
        self, terminal: Terminal, reopen: Callable[[], Awaitable[Terminal]]
    ) -> None:
        if not self.keeps:
            pytest.skip("this terminal keeps no processes")
        name = unique()
        process = await terminal.start(f"echo begun; sleep {name}", keep=True)
        assert process.keep
        async with asyncio.timeout(10):
            while process.output()[0] != b"begun\n":  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
        with pytest.raises(TerminalError):
            await process.write(b"x")
        await terminal.close()
        again = await reopen()
        assert await self.running(again, name)
        await process.kill()
        assert process.exit_code not in (None, 0)
        assert await self.gone(again, name)

    async def test_after_closing_nothing_runs_any_more(self, terminal: Terminal) -> None:
        await terminal.close()
        with pytest.raises(TerminalError):
            await terminal.run("true")
        if self.background:
            with pytest.raises(TerminalError):
                await terminal.start("true")

    async def test_files_outlive_the_terminal(
        self, terminal: Terminal, reopen: Callable[[], Awaitable[Terminal]]
    ) -> None:
        await terminal.write("kept/it", b"kept")
        where = await terminal.resolve("kept/it")
        await terminal.close()
        assert await (await reopen()).read(where) == b"kept"

    async def test_hibernating_keeps_files_directory_and_environment(
        self, terminal: Terminal, folder: str
    ) -> None:
        first = await terminal.run("mkdir sub && cd sub && export KEPT=1 && greet() { echo hi; }")
        terminal.state = first.state
        await terminal.write(f"{folder}/sub/file", b"there")
        for _ in range(2):
            await terminal.hibernate()
            await terminal.hibernate()
            result = await terminal.run("echo $PWD $KEPT; greet; cat file")
            assert result.output.decode() == f"{folder}/sub 1\nhi\nthere"
        await terminal.hibernate()
        assert await terminal.read("file") == b"there"
        assert terminal.told == ()

    async def test_calls_during_hibernation_wait_for_it(self, terminal: Terminal) -> None:
        first = terminal.run("echo 1")
        last = terminal.run("echo 2")
        results = await asyncio.gather(first, terminal.hibernate(), last)
        assert [result.output for result in (results[0], results[2])] == [b"1\n", b"2\n"]

    async def test_its_state_is_said_in_one_line(self, terminal: Terminal) -> None:
        line = await terminal.status()
        assert terminal.backend in line
        assert len(line.splitlines()) == 1
        await terminal.hibernate()
        assert await terminal.status()

    async def test_many_commands_at_once_all_give_their_own(self, terminal: Terminal) -> None:
        results = await asyncio.gather(
            *(terminal.run(f"echo {i}; sleep 0.2; echo {i} >&2") for i in range(8))
        )
        assert [result.output.decode() for result in results] == [f"{i}\n{i}\n" for i in range(8)]

    async def test_a_cancelled_run_disturbs_no_other(self, terminal: Terminal) -> None:
        staying = asyncio.create_task(terminal.run("sleep 1.5; echo stayed"))
        going = asyncio.create_task(terminal.run(f"sleep {unique()}"))
        await asyncio.sleep(0.3)
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
        assert (await staying).output == b"stayed\n"
        assert (await terminal.run("echo on")).output == b"on\n"

    async def test_hermes_s_secrets_are_in_no_environment_there(
        self, terminal: Terminal, canary: str
    ) -> None:
        result = await terminal.run("env; export -p; cat /proc/$$/environ", keep=1_000_000)
        told = result.output.decode("utf-8", "replace")
        assert "PATH=" in told
        assert canary not in told

    async def test_nothing_gets_out_of_where_it_promises_to_be(
        self, terminal: Terminal, tmp_path: Path, home: Path
    ) -> None:
        if not self.isolated:
            pytest.skip("this terminal is not isolated")
        assert len(probes()) >= 60
        with Outside(tmp_path / "outside", home) as outside:
            assert await outside.reached(terminal) == {}

    async def test_paths_of_any_name_are_one_path(self, terminal: Terminal, folder: str) -> None:
        names = ["-rf", "a b", "$(touch x)", "'", '"', "a\nb", "*", "é漢", ";true", "~"]
        for name in names:
            await terminal.write(f"{folder}/{name}", name.encode())
        assert [await terminal.read(f"{folder}/{name}") for name in names] == [
            name.encode() for name in names
        ]
        listed = {PurePosixPath(entry.path).name for entry in await terminal.list(folder)}
        assert listed == set(names)
        assert (await terminal.stat(f"{folder}/-rf")).size == 3

    async def test_a_pipe_is_refused_and_a_folder_too(
        self, terminal: Terminal, folder: str
    ) -> None:
        await terminal.run("mkfifo pipe; mkdir sub")
        for name in ("pipe", "sub"):
            with pytest.raises(TerminalError):
                await asyncio.wait_for(terminal.read(f"{folder}/{name}"), 5)

    def needs_background(self) -> None:
        """Skip the test where there is no background."""
        if not self.background:
            pytest.skip("this terminal has no background processes")

    async def gone(self, terminal: Terminal, name: str) -> bool:
        """Whether nothing named *name* runs; what is just dying gets a second."""
        for _ in range(20):
            if not await self.running(terminal, name):
                return True
            await asyncio.sleep(0.05)
        return False

    async def running(self, terminal: Terminal, name: str) -> int:
        """Count the processes in the terminal that have *name* among their arguments."""
        looking = f"grep -lzs '^[{name[0]}]{name[1:]}$' /proc/[0-9]*/cmdline 2>/dev/null | wc -l"
        result = await terminal.run(looking, state=TerminalState("/"))
        return int(result.output)


def unique() -> str:
    """A number of seconds, long and not used by anybody else."""
    return f"3{uuid.uuid4().int % 10**5:05d}.{uuid.uuid4().int % 10**9:09d}"
