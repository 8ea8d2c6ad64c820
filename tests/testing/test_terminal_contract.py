"""The suite of terminals fails each bad one for its own fault.

That it passes good ones is shown where those are: `FakeTerminal` in hermes-plugin-local-terminal.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from hermes.testing import FakeTerminal
from hermes.testing.contracts.escapes import Outside, probes
from hermes.testing.inner import run_mutants

SOURCE = """
import asyncio, msgspec, os
import pytest
from hermes import CommandResult, TerminalError, TerminalState
from hermes.testing import FakeTerminal, TerminalContract

change = msgspec.structs.replace

class Suite(TerminalContract):
    kind = FakeTerminal
    kills_sessions = False
    keeps = False
    persists = False
    @pytest.fixture
    async def terminal(self, tmp_path):
        folder = tmp_path / "work"
        folder.mkdir()
        terminal = self.kind(folder)
        yield terminal
        await FakeTerminal.close(terminal)

class Wraps(FakeTerminal):
    '''Changes what a run gives.'''
    async def run(self, command, **options):
        result = await super().run(command, **options)
        return self.changed(result, options.get("state") or self.state)

class Polite(Wraps):
    def changed(self, result, before):
        return change(result, exit_code=min(result.exit_code, 1))
class TestPolite(Suite):
    kind = Polite

class Signals(Wraps):
    def changed(self, result, before):
        return change(result, exit_code=-9 if result.exit_code == 137 else result.exit_code)
class TestSignals(Suite):
    kind = Signals

class Decodes(Wraps):
    def changed(self, result, before):
        return change(result, output=result.output.decode("utf-8", "replace").encode())
class TestDecodes(Suite):
    kind = Decodes

class Cuts(Wraps):
    def changed(self, result, before):
        return change(result, file="")
class TestCuts(Suite):
    kind = Cuts

class Stays(Wraps):
    def changed(self, result, before):
        return change(result, state=before)
class TestStays(Suite):
    kind = Stays

class Moves(Wraps):
    def changed(self, result, before):
        self.state = result.state
        return result
class TestMoves(Suite):
    kind = Moves

class Deaf(FakeTerminal):
    async def run(self, command, **options):
        options.pop("stdin", None)
        return await super().run(command, **options)
class TestDeaf(Suite):
    kind = Deaf

class Quiet(FakeTerminal):
    async def run(self, command, output=None, **options):
        result = await super().run(command, **options)
        if output:
            output(result.output)
        return result
class TestQuiet(Suite):
    kind = Quiet

class Elsewhere(FakeTerminal):
    '''Falls back to its own folder.'''
    async def run(self, command, state=None, **options):
        state = state or self.state
        if not os.path.isdir(state.directory):
            state = TerminalState(str(self.folder), state.snapshot)
        return await super().run(command, state=state, **options)
class TestElsewhere(Suite):
    kind = Elsewhere

class Endless(FakeTerminal):
    '''Gives up on a command and lets it run.'''
    async def run(self, command, timeout=180.0, **options):
        task = asyncio.create_task(super().run(command, **options))
        self.lost = [*getattr(self, "lost", []), task]
        try:
            return await asyncio.wait_for(asyncio.shield(task), timeout)
        except TimeoutError:
            state = options.get("state") or self.state
            return CommandResult(b"begun\\n", 124, state, 6, timed_out=True)
class TestEndless(Suite):
    kind = Endless
class TestEndlessCancel(Suite):
    kind = Endless

class Waits(FakeTerminal):
    '''Waits for what is left in the background.'''
    async def run(self, command, **options):
        return await super().run(f"{command}\\nhermes=$?; wait; (exit $hermes)", **options)
class TestWaits(Suite):
    kind = Waits

class Unquoted(FakeTerminal):
    async def read(self, path, offset=0, limit=None):
        return await self._checked(f"cat {path}", path)
class TestUnquoted(Suite):
    kind = Unquoted

class Follows(FakeTerminal):
    '''Replaces a link by a file.'''
    async def write(self, path, data):
        if os.path.islink(path):
            os.unlink(path)
        await super().write(path, data)
class TestFollows(Suite):
    kind = Follows

class Blocks(FakeTerminal):
    async def read(self, path, offset=0, limit=None):
        return await self._checked(f"cat -- {path}", path)
class TestBlocks(Suite):
    kind = Blocks

class Lists(FakeTerminal):
    def processes(self):
        return tuple(self._processes)
class TestLists(Suite):
    kind = Lists

class Hides(FakeTerminal):
    def processes(self):
        return ()
class TestHides(Suite):
    kind = Hides

class Reborn(FakeTerminal):
    '''Comes back from sleep as new.'''
    async def hibernate(self):
        self.state = TerminalState(str(self.folder))
class TestReborn(Suite):
    kind = Reborn

class Ended(FakeTerminal):
    async def hibernate(self):
        await self.close()
class TestEnded(Suite):
    kind = Ended

class Immortal(FakeTerminal):
    async def close(self):
        pass
class TestImmortal(Suite):
    kind = Immortal

class Chatty(FakeTerminal):
    async def status(self):
        return "fake\\nand more"
class TestChatty(Suite):
    kind = Chatty

class Open(FakeTerminal):
    '''Gives commands all of Hermes's environment.'''
    def _environment(self, state):
        return {**os.environ, **super()._environment(state)}
class TestOpen(Suite):
    kind = Open

class OneAtATime(FakeTerminal):
    '''One cancel ends them all.'''
    async def run(self, command, **options):
        try:
            return await super().run(command, **options)
        except asyncio.CancelledError:
            await FakeTerminal.close(self)
            raise
class TestOneAtATime(Suite):
    kind = OneAtATime

class Isolated(FakeTerminal):
    '''Says that it is.'''
class TestIsolated(Suite):
    isolated = True
    kind = Isolated
"""

FAULTS = {
    "TestPolite": "output_and_error_come_together_with_the_exit_code",
    "TestSignals": "a_signal_is_told_as_shells_tell_it",
    "TestDecodes": "bytes_stay_bytes",
    "TestCuts": "of_much_output_head_and_tail_are_kept_and_a_file_holds_it_all",
    "TestStays": "directory_exports_and_functions_last",
    "TestMoves": "run_does_not_move_the_terminal_itself",
    "TestDeaf": "standard_input_is_passed_whole_and_is_else_empty",
    "TestQuiet": "output_is_told_as_it_comes",
    "TestElsewhere": "it_never_runs_elsewhere_when_its_directory_is_gone",
    "TestEndless": "time_out_is_124_and_keeps_state_and_output",
    "TestEndlessCancel": "a_cancelled_run_leaves_nothing",
    "TestWaits": "something_left_in_the_background_does_not_hold_the_call_up",
    "TestUnquoted": "paths_of_any_name_are_one_path",
    "TestFollows": "an_existing_file_keeps_its_mode_and_a_link_its_target",
    "TestBlocks": "a_pipe_is_refused_and_a_folder_too",
    "TestLists": "what_runs_in_the_background_is_listed_until_it_ends",
    "TestHides": "what_runs_in_the_background_is_listed_until_it_ends",
    "TestReborn": "hibernating_keeps_files_directory_and_environment",
    "TestEnded": "calls_during_hibernation_wait_for_it",
    "TestImmortal": "after_closing_nothing_runs_any_more",
    "TestChatty": "its_state_is_said_in_one_line",
    "TestOpen": "hermes_s_secrets_are_in_no_environment_there",
    "TestOneAtATime": "a_cancelled_run_disturbs_no_other",
    "TestIsolated": "nothing_gets_out_of_where_it_promises_to_be",
}

SHUT = {
    "chroot to a process's root": "root",
    "enter all namespaces of a process": "root",
    "enter a process's mounts": "root",
    "enter a process's network": "root",
    "read what Hermes left open": "nothing",
    "mount in a namespace of one's own": "namespaces",
    "leave a chroot": "namespaces",
}
"""Ways out that even a terminal that isolates nothing may have shut, and what would open them."""


def test_each_fault_fails_its_own_rule(tmp_path: Path) -> None:
    assert run_mutants(tmp_path, SOURCE, FAULTS) == {}


async def test_each_way_out_leads_out_where_nothing_is_isolated(tmp_path: Path, home: Path) -> None:
    """Else a probe would prove nothing. Those that would harm this machine are not tried."""
    folder = tmp_path / "work"
    folder.mkdir()
    terminal = FakeTerminal(folder)
    tried = [
        probe
        for probe in probes()
        if not probe.harmful
        and (probe.also in ("", "root") or shutil.which(probe.also))
        and (SHUT.get(probe.name) is None or (os.geteuid() == 0 and SHUT[probe.name] == "root"))
    ]
    with Outside(tmp_path / "outside", home) as outside:
        reached = {probe.name: await outside.escapes(terminal, probe) for probe in tried}
    await terminal.close()
    assert len(tried) >= 60
    assert [name for name, what in reached.items() if not what] == []


@pytest.mark.parametrize("count", [60])
def test_there_are_enough_of_them_with_names_of_their_own(count: int) -> None:
    names = [(probe.name, bool(probe.files)) for probe in probes()]
    assert len(set(names)) == len(names) >= count
