"""Containers: what they may, how they are found again, and what is said when one is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from hermes import TerminalError, TerminalLimits, TerminalSpec
from hermes.testing.dockerd import Dockerd
from hermes_plugin_docker.settings import DockerSettings
from hermes_plugin_docker.words import configuration, is_isolated, name_of

LIMITS = TerminalLimits(cpu=1, memory=64, processes=40)


def shown(dockerd: Dockerd, terminal: Any) -> dict[str, Any]:
    (found,) = json.loads(dockerd.cli("inspect", terminal.container_name))
    return found


async def test_root_in_it_has_three_capabilities_and_a_way_to_no_other(terminal) -> None:
    told = await terminal.run("grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status")
    facts = dict(line.split(":\t") for line in told.output.decode().splitlines())
    assert facts["CapEff"] == facts["CapBnd"] == "000000000000000b"  # CHOWN DAC_OVERRIDE FOWNER
    assert facts["NoNewPrivs"] == "1"
    assert facts["Seccomp"] == "2"


async def test_what_it_may_take_is_bounded(make_terminal) -> None:
    terminal = await make_terminal(spec=TerminalSpec("bounded", limits=LIMITS))
    hog = await terminal.run("head -c 200000000 /dev/zero | tail -c 150000000 | wc -c; true")
    assert b"150000000" not in hog.output
    forks = await terminal.run("for i in $(seq 100); do sleep 2 & done 2>&1; wait")
    assert b"Resource temporarily unavailable" in forks.output or forks.exit_code != 0
    assert (await terminal.run("echo on")).output == b"on\n"


async def test_read_only_leaves_the_workspace_the_home_and_temporary_folders(
    make_terminal, dockerd: Dockerd
) -> None:
    terminal = await make_terminal(spec=TerminalSpec("ro", limits=LIMITS), read_only=True)
    told = await terminal.run(
        "echo x >/usr/x; echo a >/tmp/a; echo b >~/b; echo c >c; cat /tmp/a ~/b /workspace/c"
    )
    assert told.output.endswith(b"Read-only file system\na\nb\nc\n")
    await terminal.hibernate()
    assert shown(dockerd, terminal)["State"]["Paused"]  # stopped, its /tmp would be gone
    assert (await terminal.run("cat /tmp/a")).output == b"a\n"


async def test_without_network_there_is_none(terminal) -> None:
    assert (await terminal.run("cut -d: -f1 /proc/net/dev")).output.split()[-1] == b"lo"


async def test_the_container_is_found_again_as_it_was(make_terminal, dockerd: Dockerd) -> None:
    first = await make_terminal(spec=TerminalSpec("again", limits=LIMITS))
    state = (await first.run("export A=1; echo here >/tmp/file; cd /tmp")).state
    id = shown(dockerd, first)["Id"]
    await first.close()
    assert not shown(dockerd, first)["State"]["Running"]
    again = await make_terminal(spec=TerminalSpec("again", limits=LIMITS))
    assert shown(dockerd, again)["Id"] == id
    assert (await again.run("cat /tmp/file")).output == b"here\n"
    assert again.told == ()
    assert state.directory == "/tmp"


async def test_a_lost_container_is_made_anew_and_the_loss_is_told(
    make_terminal, dockerd: Dockerd
) -> None:
    terminal = await make_terminal(spec=TerminalSpec("lost", limits=LIMITS))
    state = (await terminal.run("export KEPT=1; echo a >/workspace/a; echo b >/tmp/b")).state
    dockerd.cli("rm", "-f", terminal.container_name)
    told = await terminal.run("echo $KEPT; cat /workspace/a; ls /tmp/b", state=state)
    assert told.output.startswith(b"1\na\nls: cannot access '/tmp/b'")
    assert "was lost and made anew" in terminal.told[0]
    assert "files outside /workspace and /root are gone" in terminal.told[0]


async def test_a_lost_container_is_there_again_within_ten_seconds(
    make_terminal, dockerd: Dockerd
) -> None:
    """AT-34 promises 10 s; the wait has five times that on a busy machine."""
    terminal = await make_terminal(spec=TerminalSpec("quick", limits=LIMITS))
    dockerd.cli("rm", "-f", terminal.container_name)
    async with asyncio.timeout(50):
        assert (await terminal.run("echo back")).output == b"back\n"
    assert len(terminal.told) == 1


async def test_a_daemon_that_was_restarted_has_the_same_container_and_files(
    make_terminal, dockerd: Dockerd
) -> None:
    spec = TerminalSpec("restarted", limits=LIMITS)
    terminal = await make_terminal(spec=spec)
    state = (await terminal.run("export A=1; echo w >/workspace/w; echo t >/tmp/t")).state
    process = await terminal.start("sleep 600.75")
    running = asyncio.create_task(terminal.run("echo once >>/workspace/log; sleep 60"))
    async with asyncio.timeout(20):
        while b"once" not in (await terminal.run("cat /workspace/log")).output:
            await asyncio.sleep(0.05)
    id = shown(dockerd, terminal)["Id"]
    await asyncio.to_thread(dockerd.restart)
    (cut,) = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(cut, TerminalError) or cut.exit_code == 137  # unknown, and not repeated
    after = await terminal.run("echo $A; cat /workspace/w /tmp/t /workspace/log", state=state)
    assert after.output == b"1\nw\nt\nonce\n"
    assert await process.wait(20) is not None
    assert shown(dockerd, terminal)["Id"] == id
    await terminal.close()
    again = await make_terminal(spec=spec)
    assert (await again.run("cat /tmp/t")).output == b"t\n"
    assert shown(dockerd, again)["Id"] == id


async def test_a_daemon_that_is_away_is_said_and_nothing_runs_twice(
    make_terminal, dockerd: Dockerd
) -> None:
    terminal = await make_terminal(spec=TerminalSpec("away", limits=LIMITS))
    address = Path(dockerd.url.removeprefix("unix://"))
    hidden = address.with_name("hidden")
    address.rename(hidden)
    try:
        with pytest.raises(TerminalError, match="daemon"):
            await terminal.run("echo x >>/workspace/ran")
    finally:
        hidden.rename(address)
    assert (await terminal.run("cat /workspace/ran")).output != b"x\nx\n"


async def test_a_second_tool_in_the_middle_of_a_command_uses_the_same_container(
    make_terminal, dockerd: Dockerd
) -> None:
    """A second Hermes on the same home as well: the name is the scope's."""
    spec = TerminalSpec("shared", limits=LIMITS)
    first, second = await make_terminal(spec=spec), await make_terminal(spec=spec)
    running = asyncio.create_task(first.run("echo from-first >f; sleep 2; cat g"))
    async with asyncio.timeout(20):
        while b"from-first" not in (await second.run("cat f 2>/dev/null")).output:
            await asyncio.sleep(0.05)
    await second.write("g", b"from-second\n")
    assert (await running).output == b"from-second\n"
    names = dockerd.cli("ps", "-a", "--format", "{{.Names}}").split()
    assert names.count(first.container_name) == 1
    assert len([name for name in names if "-shared-" in name]) == 1


async def test_a_daemon_that_restarts_costs_nothing_that_was_kept(
    make_terminal, dockerd: Dockerd
) -> None:
    terminal = await make_terminal(spec=TerminalSpec("daemon", limits=LIMITS))
    made = "echo kept >/workspace/file; echo too >/tmp/file; export A=1; cd /tmp"
    state = (await terminal.run(made)).state
    id = shown(dockerd, terminal)["Id"]
    await asyncio.to_thread(dockerd.restart)
    again = await terminal.run("cat /workspace/file file; echo $A", state=state)
    assert again.output == b"kept\ntoo\n1\n"
    assert shown(dockerd, terminal)["Id"] == id


async def test_two_at_once_open_one_container(make_terminal, dockerd: Dockerd) -> None:
    """A gateway and a shell, or two tools of one turn, in the scope of one person."""
    spec = TerminalSpec("at once", limits=LIMITS)
    terminals = [await make_terminal(spec=spec) for _ in range(4)]
    done = await asyncio.gather(
        *(each.run(f"echo {n} >>/workspace/all; hostname") for n, each in enumerate(terminals))
    )
    assert len({result.output for result in done}) == 1
    assert {result.exit_code for result in done} == {0}
    label = ["ps", "-aq", "--filter", "label=hermes.scope=at once"]
    assert len(dockerd.cli(*label).split()) == 1
    everything = await terminals[0].run("sort /workspace/all")
    assert everything.output == b"0\n1\n2\n3\n"


async def test_the_mounts_are_those_of_the_settings_seen_from_inside(
    make_terminal, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "file").write_text("here")
    terminal = await make_terminal(
        spec=TerminalSpec("mounts", limits=LIMITS),
        volumes=(f"{tmp_path}/data:/data:ro", "cache-of-test:/cache"),
    )
    told = await terminal.run("cat /proc/self/mounts; cat /data/file; echo x >/data/file")
    lines = [line.split() for line in told.output.decode().splitlines() if line.startswith("/")]
    engine_s = {"/etc/resolv.conf", "/etc/hostname", "/etc/hosts"}
    mounts = {words[1]: words[3].split(",")[0] for words in lines if words[1][:5] != "/proc"}
    mounts = {at: how for at, how in mounts.items() if at not in engine_s}
    assert mounts == {"/workspace": "rw", "/root": "rw", "/data": "ro", "/cache": "rw"}
    assert told.output.rstrip().endswith(b"Read-only file system")
    assert (tmp_path / "data" / "file").read_text() == "here"


async def test_a_stopped_container_wakes_with_the_next_command(
    make_terminal, dockerd: Dockerd
) -> None:
    terminal = await make_terminal(spec=TerminalSpec("stopped", limits=LIMITS))
    dockerd.cli("stop", "-t", "1", terminal.container_name)
    assert (await terminal.run("echo on")).output == b"on\n"
    await terminal.hibernate()
    assert not shown(dockerd, terminal)["State"]["Running"]
    assert "asleep" in await terminal.status()
    assert (await terminal.run("echo on")).output == b"on\n"
    assert "at most 1 cpu, 64 MB" in await terminal.status()


async def test_a_command_whose_container_ends_is_told_as_unknown_and_not_repeated(
    make_terminal, dockerd: Dockerd
) -> None:
    terminal = await make_terminal(spec=TerminalSpec("ends", limits=LIMITS))
    running = asyncio.create_task(terminal.run("echo once >>/workspace/log; sleep 60"))
    async with asyncio.timeout(20):
        while b"once" not in (await terminal.run("cat /workspace/log")).output:
            await asyncio.sleep(0.05)
    dockerd.cli("kill", terminal.container_name)
    result = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(result[0], TerminalError) or result[0].exit_code == 137
    assert (await terminal.run("cat /workspace/log")).output == b"once\n"


async def test_other_settings_make_another_container_and_say_so(make_terminal) -> None:
    spec = TerminalSpec("changed", limits=LIMITS)
    first = await make_terminal(spec=spec)
    await first.run("echo kept >/workspace/a")
    await first.close()
    again = await make_terminal(spec=spec, env={"A": "1"}, capabilities=())
    assert (await again.run("cat /workspace/a; echo $A")).output == b"kept\n1\n"
    assert "settings of the container changed" in again.told[0]


async def test_what_is_not_to_last_goes_with_its_volumes(make_terminal, dockerd: Dockerd) -> None:
    terminal = await make_terminal(spec=TerminalSpec("once", limits=LIMITS, persistent=False))
    assert terminal.container_name in dockerd.cli("volume", "ls")
    await terminal.close()
    assert terminal.container_name not in dockerd.cli("volume", "ls")
    assert terminal.container_name not in dockerd.cli("ps", "-a")


async def test_a_forgotten_scope_leaves_nothing(
    make_terminal, make_backend, dockerd: Dockerd
) -> None:
    terminal = await make_terminal(spec=TerminalSpec("forgotten", limits=LIMITS))
    backend = make_backend()
    await backend.open()
    await backend.forget("forgotten")
    await backend.forget("never there")
    await backend.close()
    assert terminal.container_name not in dockerd.cli("volume", "ls")
    assert terminal.container_name not in dockerd.cli("ps", "-a")


async def test_the_next_hermes_ends_what_a_killed_one_left_and_stops_the_container(
    make_terminal, make_backend, dockerd: Dockerd
) -> None:
    """The one that is killed is played by not closing it; the registry keeps its handle."""
    terminal = await make_terminal(spec=TerminalSpec("killed", limits=LIMITS))
    await terminal.start("(setsid sleep 600.25 &) ; sleep 600.25")
    handles = tuple(handle for _, handle in terminal.context.children.handles.values())
    assert len(handles) == 1
    backend = make_backend()
    await backend.open()
    await backend.reap(handles)
    assert not shown(dockerd, terminal)["State"]["Running"]
    dockerd.cli("start", terminal.container_name)
    assert "600.25" not in dockerd.cli("top", terminal.container_name)
    await backend.close()


async def test_a_container_with_something_to_keep_goes_on(
    make_terminal, make_backend, dockerd: Dockerd
) -> None:
    terminal = await make_terminal(spec=TerminalSpec("keeps", limits=LIMITS))
    process = await terminal.start("sleep 600.5", keep=True)
    handles = {what[1] for what in terminal.context.children.handles.values()}
    backend = make_backend()
    await backend.open()
    await terminal.close()
    await backend.reap(tuple(handles - {h for h in handles if "kept-" in h}))
    assert shown(dockerd, terminal)["State"]["Running"]
    assert "600.5" in dockerd.cli("top", terminal.container_name)
    await backend.reap(tuple(h for h in handles if "kept-" in h))
    assert not shown(dockerd, terminal)["State"]["Running"]
    await backend.close()
    await process.wait(5)


async def test_no_daemon_and_no_image_are_said_and_nothing_runs(
    make_terminal, tmp_path: Path
) -> None:
    with pytest.raises(TerminalError, match=r"cannot use the daemon.*none.sock.*Nothing was run"):
        await make_terminal(host=f"unix://{tmp_path}/none.sock")
    with pytest.raises(TerminalError, match=r"registry\.invalid/none"):
        await make_terminal(spec=TerminalSpec("none"), image="registry.invalid/none:1")


@pytest.mark.parametrize(
    ("settings", "isolated"),
    [
        ({}, True),
        ({"volumes": ("cache:/cache",)}, True),
        ({"volumes": ("/home/me/data:/data:ro",)}, False),
        ({"volumes": ("~/data:/data",)}, False),
        ({"mount_cwd_to_workspace": True}, False),
        ({"network_mode": "host"}, False),
        ({"network_mode": "mynet"}, True),
        ({"host_config": {"Privileged": True}}, False),
        ({"capabilities": ("CHOWN", "SETUID", "SETGID", "CAP_KILL")}, True),
        ({"capabilities": ("CHOWN", "sys_admin")}, False),
        ({"capabilities": ("CAP_SYS_PTRACE",)}, False),
        ({"capabilities": ("ALL",)}, False),
        ({"capabilities": ("NET_RAW",)}, False),
    ],
)
def test_isolation_is_a_fact_about_the_settings(settings: dict[str, Any], isolated: bool) -> None:
    assert is_isolated(DockerSettings(**settings)) is isolated


def test_names_of_scopes_and_homes_never_meet(tmp_path: Path) -> None:
    names = {name_of(home, scope) for home in (tmp_path, tmp_path / "b") for scope in
             ("a", "a.b", "a-b", "x" * 80, "x" * 81, "é")}  # fmt: skip
    assert len(names) == 12
    assert all(len(name) < 100 for name in names)


def test_hermes_agent_s_options_are_read(tmp_path: Path) -> None:
    spec = TerminalSpec("s", str(tmp_path))
    made = configuration(
        DockerSettings(mount_cwd_to_workspace=True, network=False, run_as_host_user=True), spec, "n"
    )
    assert made["HostConfig"]["Binds"][0] == f"{tmp_path}:/workspace"
    assert made["HostConfig"]["NetworkMode"] == "none"
    assert ":" in made["User"]
    with pytest.raises(TerminalError, match="extra_args is not taken"):
        configuration(DockerSettings(extra_args=("--privileged",)), spec, "n")
