"""A sandbox over its life: named, put to sleep as a snapshot, woken, ended; and what that costs."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace

import pytest

from hermes import TerminalError, TerminalSpec
from hermes_plugin_modal.backend import ModalBackend, name_of
from hermes_plugin_modal.settings import ModalSettings

pytestmark = pytest.mark.xdist_group("modal")  # one import of the SDK


async def begun(terminal, command: str) -> asyncio.Task:
    """Start a run and wait until it said something."""
    heard = asyncio.Event()
    task = asyncio.create_task(terminal.run(command, output=lambda _: heard.set()))
    await asyncio.wait_for(heard.wait(), 20)
    return task


async def test_a_scope_has_its_sandbox_with_the_limits_asked_for(make_terminal, cloud) -> None:
    await make_terminal(scope="one", network=False, timeout=600)
    (one,) = cloud.running()
    assert one.name == "hermes-one"
    resources = one.definition.resources
    assert (resources.milli_cpu, resources.memory_mb) == (1000, 5120)
    assert (one.definition.timeout_secs, one.definition.idle_timeout_secs) == (600, 3600)
    blocked = one.definition.network_access.NetworkAccessType.BLOCKED
    assert one.definition.network_access.network_access_type == blocked
    assert list(one.definition.entrypoint_args) == ["sleep", "infinity"]


async def test_idle_it_becomes_a_snapshot_and_a_command_wakes_another_from_it(
    make_terminal, cloud
) -> None:
    terminal = await make_terminal()
    terminal.state = (await terminal.run("mkdir w; cd w; export A=1; echo x > f")).state
    assert "awake for 0 min, $0.26" in await terminal.status()
    await terminal.hibernate()
    assert not cloud.running()
    assert await terminal.status() == "modal hermes-test: asleep, no cost"
    assert (await terminal.run("echo $A; cat f")).output == b"1\nx\n"
    assert len(cloud.running()) == 1
    assert terminal.told == ()


async def test_it_does_not_sleep_under_a_command(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    task = await begun(terminal, "echo on; sleep 0.5; echo off")
    await terminal.hibernate()
    assert (await task).output == b"on\noff\n"


async def test_closing_keeps_a_snapshot_or_nothing(make_terminal, cloud) -> None:
    await (await make_terminal(scope="passing", persistent=False)).close()
    assert not [folder for folder in cloud.images.values() if folder]
    await (await make_terminal(scope="lasting")).close()
    assert len([folder for folder in cloud.images.values() if folder]) == 1
    assert not cloud.running()


async def test_the_next_start_finds_the_files_again(make_terminal, cloud) -> None:
    first = await make_terminal()
    await first.run("echo kept > ~/it")
    await first.close()
    second = await make_terminal()
    assert await second.read("it") == b"kept\n"


async def test_the_sandbox_of_a_hermes_that_died_is_found_by_its_name(make_terminal, cloud) -> None:
    died = await make_terminal()
    await died.run("echo kept > ~/it")
    after = await make_terminal()
    assert await after.read("it") == b"kept\n"
    assert len(cloud.sandboxes) == 1


async def test_a_forgotten_scope_leaves_nothing(make_backend, make_terminal, cloud) -> None:
    await (await make_terminal()).run("echo x > ~/it")
    backend = await make_backend()
    await backend.forget("test")
    assert not cloud.running()
    after = await make_terminal()
    with pytest.raises(TerminalError, match="No such file"):
        await after.read("it")


async def test_one_that_ended_by_itself_is_said_before_anything_runs(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    await terminal.run("echo old > ~/it")
    await terminal.hibernate()
    state = (await terminal.run("echo new > ~/it; export A=1")).state
    (sandbox,) = cloud.running()
    await cloud.end(sandbox, "TIMEOUT")
    for said in ("modal hermes-test: ", "what changed since it last slept is lost. Nothing was"):
        with pytest.raises(TerminalError, match=said):
            await terminal.run("touch ~/ran", state=state)
    assert any("ended by itself" in told for told in terminal.told)
    told = await terminal.run("ls ~; cat ~/it; echo ${A-gone}")
    assert told.output == b"it\nold\ngone\n"


async def test_one_that_ends_under_a_command_is_not_run_again(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    (sandbox,) = cloud.running()
    task = await begun(terminal, "echo begun; sleep 60; touch ~/ran")
    await cloud.end(sandbox)
    with pytest.raises(TerminalError) as caught:
        await task
    assert "it had started; how it ended is not known" in str(caught.value)
    with pytest.raises(TerminalError, match="Nothing was run"):
        await terminal.run("ls ~")
    assert (await terminal.run("ls ~")).output == b""


async def test_a_snapshot_that_is_no_more_is_said(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    await terminal.run("echo x > ~/it")
    await terminal.hibernate()
    for image in [image for image, folder in cloud.images.items() if folder]:
        del cloud.images[image]
    with pytest.raises(TerminalError, match=r"its snapshot is no more.*Nothing was run"):
        await terminal.run("ls ~")
    assert (await terminal.run("ls ~")).output == b""


async def test_what_a_killed_hermes_left_ends_at_the_next_start(
    make_terminal, make_backend
) -> None:
    terminal = await make_terminal()
    await terminal.start("sleep 347")
    ((_, handle),) = terminal.context.children.handles.values()
    await (await make_backend()).reap((handle,))
    after = await make_terminal()
    assert (await after.run("grep -lzs '^347$' /proc/[0-9]*/cmdline")).exit_code != 0


async def test_it_is_apart_from_this_machine(terminal, tmp_path) -> None:
    assert b"No such file" in (await terminal.run(f"ls {tmp_path}")).output


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"secret": "as-wrong"}, "the token is refused; check MODAL_TOKEN_ID"),
        ({"timeout": 90_000}, "timeout must be between"),
        ({"directory": "/nowhere"}, "no such directory to start in"),
    ],
)
async def test_what_cannot_work_is_one_clear_line(make_terminal, settings, said) -> None:
    with pytest.raises(TerminalError, match=said) as caught:
        await make_terminal(**settings)
    assert "\n" not in str(caught.value)


async def test_without_a_token_it_says_where_to_put_one(plugin_context) -> None:
    backend = ModalBackend(plugin_context("modal", settings=ModalSettings()))
    with pytest.raises(TerminalError, match=r"put MODAL_TOKEN_ID and MODAL_TOKEN_SECRET into"):
        await backend.terminal(TerminalSpec("test"))


async def test_a_service_out_of_order_is_said(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    cloud.broken.add("TaskExecStart")
    with pytest.raises(TerminalError, match="out of order"):
        await terminal.run("true")
    cloud.broken.clear()
    assert (await terminal.run("echo on")).output == b"on\n"


def test_names_are_such_as_modal_takes() -> None:
    assert name_of("chat-telegram.3a.1") == "hermes-chat-telegram.3a.1"
    long = name_of("x" * 100)
    assert len(long) < 64
    assert long != name_of("x" * 99)


@pytest.mark.live
async def test_the_real_one_runs_a_command_sleeps_and_wakes(plugin_context) -> None:
    """Needs MODAL_TOKEN_ID and MODAL_TOKEN_SECRET in the environment."""
    names = ("MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET")
    kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))
    backend = ModalBackend(
        plugin_context(
            "modal",
            settings=ModalSettings(),
            sections={"hermes": kernel},
            secrets={name: os.environ[name] for name in names},
        )
    )
    terminal = await backend.terminal(TerminalSpec("live-test"))
    try:
        await terminal.open()
        terminal.state = (await terminal.run("cd /tmp; export A=1; echo kept > ~/it")).state
        data = bytes(range(256)) * 1000
        assert (await terminal.run("cat", stdin=data, keep=len(data))).output == data
        assert (await terminal.run("sleep 60", timeout=2)).timed_out
        await terminal.hibernate()
        assert (await terminal.run("echo $PWD $A; cat ~/it")).output == b"/tmp 1\nkept\n"
        await terminal.close()
    finally:
        await backend.forget("live-test")
        await backend.close()
