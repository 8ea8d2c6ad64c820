"""A sandbox over its life: found, put to sleep, woken, lost; and what that costs."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace

import pytest

from hermes import TerminalError, TerminalSpec
from hermes_plugin_daytona.backend import DaytonaBackend
from hermes_plugin_daytona.settings import DaytonaSettings

pytestmark = pytest.mark.xdist_group("daytona")  # one import of the SDK


async def begun(terminal, command: str) -> asyncio.Task:
    """Start a run and wait until it said something."""
    heard = asyncio.Event()
    task = asyncio.create_task(terminal.run(command, output=lambda _: heard.set()))
    await asyncio.wait_for(heard.wait(), 20)
    return task


async def test_a_scope_has_its_sandbox_with_the_limits_asked_for(make_terminal, cloud) -> None:
    await make_terminal(scope="one", network=False)
    await make_terminal(scope="two", snapshot="my-snapshot")
    one, two = cloud.sandboxes.values()
    assert (one.name, two.name) == ("hermes-one", "hermes-two")
    asked = {key: one.asked[key] for key in ("cpu", "memory", "disk", "networkBlockAll")}
    assert asked == {"cpu": 1, "memory": 5, "disk": 10, "networkBlockAll": True}
    assert one.asked["labels"]["hermes-scope"] == "one"
    assert "python-nodejs" in one.asked["buildInfo"]["dockerfileContent"]
    assert two.asked["snapshot"] == "my-snapshot"


async def test_idle_it_is_stopped_and_a_command_starts_it_with_everything_there(
    make_terminal, cloud
) -> None:
    terminal = await make_terminal()
    (sandbox,) = cloud.sandboxes.values()
    terminal.state = (await terminal.run("mkdir w; cd w; export A=1; echo x > f")).state
    assert "awake for 0 min, $0.13" in await terminal.status()
    await terminal.hibernate()
    assert sandbox.state == "stopped"
    assert await terminal.status() == "daytona hermes-test: asleep, $0.0011 an hour"
    assert (await terminal.run("echo $A; cat f")).output == b"1\nx\n"
    assert sandbox.state == "started"
    assert len(cloud.sandboxes) == 1


async def test_it_does_not_sleep_under_a_command(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    task = await begun(terminal, "echo on; sleep 0.5; echo off")
    await terminal.hibernate()
    assert (await task).output == b"on\noff\n"


async def test_closing_stops_it_or_deletes_it(make_terminal, cloud) -> None:
    lasting = await make_terminal(scope="lasting")
    await (await make_terminal(scope="passing", persistent=False)).close()
    await lasting.close()
    (left,) = cloud.sandboxes.values()
    assert (left.name, left.state) == ("hermes-lasting", "stopped")


async def test_the_next_start_finds_the_sandbox_again(make_terminal, cloud) -> None:
    first = await make_terminal()
    await first.run("echo kept > ~/it")
    await first.close()
    second = await make_terminal()
    assert await second.read("it") == b"kept\n"
    assert len(cloud.sandboxes) == 1


async def test_a_forgotten_scope_leaves_nothing(make_backend, make_terminal, cloud) -> None:
    await (await make_terminal()).close()
    backend = await make_backend()
    await backend.forget("test")
    await backend.forget("test")
    assert not cloud.sandboxes


async def test_stopped_behind_our_back_it_is_started_again(make_terminal, cloud) -> None:
    """Daytona's own auto-stop came first."""
    terminal = await make_terminal()
    state = (await terminal.run("cd /tmp; export A=1")).state
    (sandbox,) = cloud.sandboxes.values()
    await sandbox.stop()
    with pytest.raises(TerminalError, match="Is the Sandbox started"):
        await terminal.run("echo $A", state=state)
    assert (await terminal.run("echo $A", state=state)).output == b"1\n"


async def test_stopped_under_a_command_the_command_is_not_run_again(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    (sandbox,) = cloud.sandboxes.values()
    task = await begun(terminal, "echo once >> ~/ran; echo begun; sleep 60; echo twice >> ~/ran")
    await sandbox.stop()
    await cloud.cut()
    with pytest.raises(TerminalError) as caught:
        await task
    assert "it had started; how it ended is not known" in str(caught.value)
    assert "not run again" in str(caught.value)
    assert (await terminal.run("cat ~/ran")).output == b"once\n"


async def test_a_deleted_sandbox_is_made_anew_and_its_loss_said(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    state = (await terminal.run("echo x > f; export A=1")).state
    (sandbox,) = cloud.sandboxes.values()
    await cloud.lose(sandbox)
    for said in ("not found|Is the Sandbox", "the sandbox was deleted, with its files.*Nothing"):
        with pytest.raises(TerminalError, match=said):
            await terminal.run("touch ran", state=state)
    assert any("was deleted" in told for told in terminal.told)
    with pytest.raises(TerminalError, match="environment to start from is gone"):
        await terminal.run("touch ran", state=state)
    told = await terminal.run("ls; echo ${A-gone}")
    assert told.output == b"gone\n"


async def test_a_stream_that_breaks_is_taken_up_where_it_stopped(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    task = await begun(terminal, "for i in {1..30}; do echo $i; sleep 0.05; done; echo é; exit 7")
    for _ in range(3):
        await asyncio.sleep(0.2)
        await cloud.cut()
    result = await task
    assert result.exit_code == 7
    assert result.output.decode() == "".join(f"{i}\n" for i in range(1, 31)) + "é\n"


async def test_what_a_killed_hermes_left_ends_at_the_next_start(
    make_terminal, make_backend, cloud
) -> None:
    terminal = await make_terminal()
    await terminal.start("sleep 346")
    ((_, handle),) = terminal.context.children.handles.values()
    await (await make_backend()).reap((handle,))
    after = await make_terminal()
    assert (await after.run("grep -lzs '^346$' /proc/[0-9]*/cmdline")).exit_code != 0


async def test_it_is_apart_from_this_machine(terminal, tmp_path) -> None:
    told = await terminal.run(f"ls {tmp_path}; hostname; cat /proc/net/route | wc -l")
    assert b"No such file" in told.output


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"key": "dtn_wrong"}, "the key is refused; check DAYTONA_API_KEY"),
        ({"most_disk": 50}, "Disk request 50 exceeds maximum"),
        ({"directory": "/nowhere"}, "no such directory to start in"),
        ({"api_url": "http://127.0.0.1:1/api"}, "daytona hermes-test: "),
    ],
)
async def test_what_cannot_work_is_one_clear_line(make_terminal, settings, said) -> None:
    with pytest.raises(TerminalError, match=said) as caught:
        await make_terminal(**settings)
    assert "\n" not in str(caught.value)


async def test_without_a_key_it_says_where_to_put_one(plugin_context) -> None:
    backend = DaytonaBackend(plugin_context("daytona", settings=DaytonaSettings()))
    with pytest.raises(TerminalError, match=r"put DAYTONA_API_KEY into \.env"):
        await backend.terminal(TerminalSpec("test"))


async def test_an_overloaded_service_is_said(make_terminal, cloud) -> None:
    terminal = await make_terminal()
    cloud.broken.add("execute")
    with pytest.raises(TerminalError, match="Service Unavailable"):
        await terminal.run("true")
    cloud.broken.clear()
    assert (await terminal.run("echo on")).output == b"on\n"


@pytest.mark.live
async def test_the_real_one_runs_a_command_sleeps_and_wakes(plugin_context) -> None:
    """Needs DAYTONA_API_KEY in the environment; makes one sandbox and deletes it."""
    kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))
    backend = DaytonaBackend(
        plugin_context(
            "daytona",
            settings=DaytonaSettings(),
            sections={"hermes": kernel},
            secrets={"DAYTONA_API_KEY": os.environ["DAYTONA_API_KEY"]},
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
