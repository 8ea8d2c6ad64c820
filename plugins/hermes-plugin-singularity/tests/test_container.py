"""A container over its life: built, started, put to sleep, ended; and what is passed to it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from types import SimpleNamespace

import pytest

from hermes import TerminalError, TerminalSpec
from hermes.testing.apptainer import installed
from hermes_plugin_singularity.backend import SingularityBackend, name_of
from hermes_plugin_singularity.settings import SingularitySettings


async def begun(terminal, command: str) -> asyncio.Task:
    """Start a run and wait until it said something."""
    heard = asyncio.Event()
    task = asyncio.create_task(terminal.run(command, output=lambda _: heard.set()))
    await asyncio.wait_for(heard.wait(), 20)
    return task


async def test_an_image_is_built_once(make_terminal, apptainer) -> None:
    await asyncio.gather(make_terminal(scope="one"), make_terminal(scope="two"))
    await make_terminal(scope="three")
    built = set(apptainer.builds)
    assert built == {"docker://nikolaik/python-nodejs:python3.11-nodejs20"}
    assert sorted(apptainer.running()) == ["hermes-one", "hermes-three", "hermes-two"]


async def test_idle_it_is_stopped_and_a_command_starts_it_with_everything_there(
    make_terminal, apptainer
) -> None:
    terminal = await make_terminal()
    terminal.state = (await terminal.run("mkdir w; cd w; export A=1; echo x > f")).state
    assert (
        await terminal.status()
        == "singularity hermes-test: awake for 0 min, no cost, $0.0000 so far"
    )
    await terminal.hibernate()
    assert not apptainer.running()
    assert await terminal.status() == "singularity hermes-test: asleep, no cost"
    assert (await terminal.run("echo $A; cat f")).output == b"1\nx\n"


async def test_closing_keeps_the_files_or_removes_them(make_terminal, make_backend) -> None:
    passing = await make_terminal(scope="passing", persistent=False)
    folder = passing._engine.folder("hermes-passing")
    assert folder.exists()
    await passing.close()
    assert not folder.exists()
    lasting = await make_terminal(scope="lasting")
    await lasting.run("echo kept > ~/it")
    await lasting.close()
    assert await (await make_terminal(scope="lasting")).read("it") == b"kept\n"


async def test_a_forgotten_scope_leaves_nothing(make_backend, make_terminal, apptainer) -> None:
    terminal = await make_terminal()
    await (await make_backend()).forget("test")
    assert not apptainer.running()
    assert not terminal._engine.folder("hermes-test").exists()


async def test_ended_under_a_command_the_command_is_not_run_again(make_terminal, apptainer) -> None:
    terminal = await make_terminal()
    state = (await terminal.run("export A=1")).state
    task = await begun(terminal, "echo once >> ~/ran; echo begun; sleep 60; echo twice >> ~/ran")
    apptainer.kill("hermes-test")
    with pytest.raises(TerminalError) as caught:
        await task
    assert "the container has ended: it had started" in str(caught.value)
    assert (await terminal.run("echo $A; cat ~/ran", state=state)).output == b"1\nonce\n"


async def test_ended_while_idle_nothing_runs_here(make_terminal, apptainer, tmp_path) -> None:
    terminal = await make_terminal()
    state = (await terminal.run("export A=1")).state
    apptainer.kill("hermes-test")
    with pytest.raises(TerminalError, match="the container has ended"):
        await terminal.run(f"touch {tmp_path}/ran", state=state)
    assert not (tmp_path / "ran").exists()
    assert (await terminal.run("echo $A", state=state)).output == b"1\n"


async def test_without_the_program_nothing_runs(make_terminal, tmp_path) -> None:
    terminal = await make_terminal()
    (tmp_path / "bin" / "apptainer").unlink()
    with pytest.raises(TerminalError, match="install Apptainer"):
        await terminal.run(f"touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()
    await terminal.close()
    assert terminal.context.log.entries


async def test_it_sees_neither_files_nor_processes_nor_variables_of_this_machine(
    make_terminal, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("APPTAINERENV_LEAK", "x")
    terminal = await make_terminal()
    told = await terminal.run(f"ls {tmp_path}; kill -0 {os.getpid()}; env | grep -c HERMES_HOME")
    assert told.output.count(b"No such") == 2
    assert told.output.endswith(b"0\n")


async def test_binds_are_seen_and_end_isolation(make_backend, make_terminal, tmp_path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("here")
    bind = f"{tmp_path}/data:/data"
    assert (await make_backend(network=False)).isolated
    assert not (await make_backend(binds=(bind,), network=False)).isolated
    terminal = await make_terminal(binds=(bind,))
    assert await terminal.read("/data/file") == b"here"


async def test_its_network_is_this_machine_s_and_ends_isolation(
    make_backend, make_terminal
) -> None:
    assert not (await make_backend()).isolated
    with socket.create_server(("127.0.0.1", 0)) as listener:
        reach = f"exec 3<>/dev/tcp/127.0.0.1/{listener.getsockname()[1]} && echo reached"
        assert b"reached" in (await (await make_terminal()).run(reach)).output
        alone = await make_terminal(scope="alone", network=False)
        assert b"reached" not in (await alone.run(reach)).output


async def test_limits_are_passed_where_they_are_wanted(plugin_context, tmp_path) -> None:
    with installed(tmp_path / "with", cgroups=True) as program:
        kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))
        settings = SingularitySettings(program=str(program.program), limits=True)
        context = plugin_context("singularity", settings=settings, sections={"hermes": kernel})
        terminal = await SingularityBackend(context).terminal(TerminalSpec("test"))
        await terminal.open()
        await terminal.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"program": "no-such-program"}, "no no-such-program on the PATH: install Apptainer"),
        ({"image": "docker://missing/image"}, "conveyor failed to get: reading manifest"),
        ({"image": "/nowhere/image.sif"}, "no image /nowhere/image.sif"),
        ({"binds": ("/nowhere:/x",)}, "mount /nowhere->/x error"),
        ({"limits": True}, "rootless cgroups require cgroups v2"),
        ({"directory": "/nowhere"}, "no such directory to start in"),
    ],
)
async def test_what_cannot_work_is_one_clear_line(make_terminal, settings, said) -> None:
    with pytest.raises(TerminalError, match=said) as caught:
        await make_terminal(**settings)
    assert "\n" not in str(caught.value)


def test_the_stand_in_refuses_what_the_program_refuses(apptainer) -> None:
    def said(*words: str) -> str:
        done = subprocess.run([apptainer.program, *words], capture_output=True, check=False)
        assert done.returncode
        return done.stderr.decode()

    assert "unknown flag: --writeable" in said("instance", "start", "--writeable", "i", "n")
    assert "unknown command" in said("launch")
    assert "no instance found" in said("exec", "instance://none", "true")
    assert "flag needs an argument" in said("exec", "--pwd")


def test_names_are_such_as_file_systems_take() -> None:
    assert name_of("chat-telegram.3a.1") == "hermes-chat-telegram.3a.1"


@pytest.mark.live
async def test_the_real_one_runs_a_command_sleeps_and_wakes(plugin_context) -> None:
    """Needs Apptainer on the PATH, and the network to build the image."""
    kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))
    context = plugin_context(
        "singularity", settings=SingularitySettings(), sections={"hermes": kernel}
    )
    backend = SingularityBackend(context)
    terminal = await backend.terminal(TerminalSpec("live-test"))
    try:
        await terminal.open()
        terminal.state = (await terminal.run("cd /tmp; export A=1; echo kept > ~/it")).state
        assert (await terminal.run("sleep 60", timeout=2)).timed_out
        await terminal.hibernate()
        assert (await terminal.run("echo $PWD $A; cat ~/it")).output == b"/tmp 1\nkept\n"
        await terminal.close()
    finally:
        await backend.forget("live-test")
