"""What a command sees of the environment: an allowlist, and what commands exported before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

CANARY = "sk-canary-8d1f"


async def test_a_secret_of_the_process_is_not_seen(make_terminal, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("SOME_OTHER_THING", CANARY)
    terminal = await make_terminal()
    seen = await terminal.run("env; export -p; set; cat /proc/$$/environ")
    assert CANARY not in seen.output.decode("utf-8", "replace")


async def test_what_the_settings_pass_through_is_seen(make_terminal, monkeypatch) -> None:
    monkeypatch.setenv("GOPATH_OF_MINE", "/go")
    terminal = await make_terminal(passed=("GOPATH_OF_MINE",), env=(("FROM_SPEC", "x y"),))
    seen = await terminal.run('echo "$GOPATH_OF_MINE|$FROM_SPEC"')
    assert seen.output == b"/go|x y\n"


async def test_a_secret_exported_later_by_the_process_never_arrives(terminal, monkeypatch) -> None:
    first = await terminal.run("export A=1")
    monkeypatch.setenv("LATE_TOKEN", CANARY)
    seen = await terminal.run("env", state=first.state)
    assert CANARY not in seen.output.decode()


async def test_the_mark_of_one_command_does_not_last_into_the_next(terminal) -> None:
    """Else killing the second would miss it, and killing the first would kill it."""
    first = await terminal.run("echo $HERMES_CHILD")
    second = await terminal.run("echo $HERMES_CHILD", state=first.state)
    assert first.output.strip()
    assert second.output.strip()
    assert first.output != second.output


async def test_aliases_options_exported_functions_and_umask_last(terminal) -> None:
    first = await terminal.run(
        "alias say=echo; shopt -s extglob; f() { echo F; }; export -f f; umask 027; cd /usr; cd /"
    )
    second = await terminal.run(
        "say hi; bash -c f; umask; [[ aab == +(a)b ]] && echo glob; cd - >/dev/null; pwd",
        state=first.state,
    )
    assert second.output == b"hi\nF\n0027\nglob\n/usr\n"


@pytest.mark.parametrize(
    "command",
    ["set -e; export X=1; false; true", "set -u; export X=1; echo $nope", "set -a -x; X=1"],
)
async def test_shell_options_of_one_command_do_not_break_the_next(terminal, command: str) -> None:
    first = await terminal.run(command)
    second = await terminal.run("false; echo $nope $X; set -o | grep -c 'on$'", state=first.state)
    assert second.output == b"1\n3\n"  # braceexpand, hashall, interactive-comments


async def test_a_trap_of_the_command_s_own_runs_and_state_still_lasts(terminal) -> None:
    first = await terminal.run("trap 'echo bye' EXIT; export X=1")
    assert first.output == b"bye\n"
    assert (await terminal.run("echo $X", state=first.state)).output == b"1\n"


async def test_the_script_leaves_no_names_behind(terminal) -> None:
    state = (await terminal.run("set -a; x=1")).state
    result = await terminal.run('env; echo "[$#:$1]"', state=state)
    assert b"hermes_" not in result.output
    assert result.output.endswith(b"[0:]\n")
    assert b"hermes_" not in await terminal.read(state.snapshot)


async def test_errors_count_lines_from_the_command_s_first(terminal) -> None:
    result = await terminal.run("true\nno-such-program")
    assert result.output == b"bash: line 2: no-such-program: command not found\n"
    assert result.exit_code == 127


async def test_init_files_are_read_when_a_terminal_opens(make_terminal, tmp_path: Path) -> None:
    init = tmp_path / "my init.sh"
    init.write_text("export FROM_INIT=1\nhello() { echo hello; }\n")
    terminal = await make_terminal(init_files=(str(init),))
    assert (await terminal.run("echo $FROM_INIT; hello")).output == b"1\nhello\n"


async def test_snapshots_that_change_nothing_are_not_kept(terminal) -> None:
    state = (await terminal.run("export A=1")).state
    folder = Path(state.snapshot).parent
    for _ in range(20):
        state = (await terminal.run("true", state=state)).state
    assert [file.name for file in folder.iterdir()] == [Path(state.snapshot).name]


async def test_old_snapshots_go_and_the_one_in_use_stays(terminal) -> None:
    state = (await terminal.run("export N=0")).state
    for number in range(1, 80):
        state = (await terminal.run(f"export N={number}", state=state)).state
    assert len(list(Path(state.snapshot).parent.iterdir())) <= 64
    assert (await terminal.run("echo $N", state=state)).output == b"79\n"


async def test_snapshots_are_the_person_s_only_and_go_with_the_terminal(terminal) -> None:
    folder = Path((await terminal.run("export A=1")).state.snapshot).parent
    assert folder.stat().st_mode & 0o777 == 0o700
    await terminal.close()
    assert not folder.exists()


async def test_snapshots_of_a_killed_process_go_at_the_next_start(
    make_terminal, terminal, home: Path
) -> None:
    ended = (await terminal.run("echo $$")).output.decode().strip()
    left = home / "cache" / "local-terminal" / "snapshots" / f"{ended}-test-x"
    left.mkdir(parents=True)
    await make_terminal()
    assert not left.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="root runs it as somebody else")
def test_an_unprivileged_person_runs_commands_and_cannot_read_root_s() -> None:
    """The whole backend as `nobody`: root would pass every check of permissions."""
    folder = Path(tempfile.mkdtemp(prefix="hermes-nobody-"))
    try:
        os.chown(folder, NOBODY, NOBODY)
        done = subprocess.run(
            [sys.executable, "-c", UNPRIVILEGED, str(folder), str(NOBODY)],
            env={"PATH": os.environ["PATH"], "OPENAI_API_KEY": CANARY, "HOME": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.stdout.splitlines() == ["65534", "denied", "denied", "no canary"], done.stderr
    finally:
        shutil.rmtree(folder)


NOBODY = 65534
UNPRIVILEGED = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from types import SimpleNamespace
from hermes import TerminalError, TerminalSpec
from hermes.testing import make_context
from hermes_plugin_local_terminal.backend import LocalBackend
from hermes_plugin_local_terminal.settings import LocalTerminalSettings

async def main(folder):
    kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))
    context = make_context(
        "local-terminal", home=folder / "home", settings=LocalTerminalSettings(),
        sections={"hermes": kernel},
    )
    terminal = await LocalBackend(context).terminal(TerminalSpec("t", str(folder)))
    await terminal.open()
    print((await terminal.run("id -u")).output.decode().strip())
    for attempt in (terminal.read("/etc/shadow"), terminal.write("/etc/hermes-test", b"")):
        try:
            await attempt
            print("allowed")
        except TerminalError as error:
            print("denied" if "Permission denied" in str(error) else error)
    seen = (await terminal.run("env; cat /proc/$$/environ")).output.decode()
    print("canary" if "sk-canary" in seen else "no canary")
    await terminal.close()

nobody = int(sys.argv[2])  # everything is imported: this Python may be out of nobody's reach
os.setgroups([])
os.setresgid(nobody, nobody, nobody)
os.setresuid(nobody, nobody, nobody)
asyncio.run(main(Path(sys.argv[1])))
"""
