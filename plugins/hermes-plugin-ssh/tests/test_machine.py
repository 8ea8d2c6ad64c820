"""Never on the wrong machine: not here, not on another one, whatever happens to the connection.

The sshd of these tests runs on the tests' own machine, so whether a command ran is seen by the file
that it makes; "another machine" is an sshd with the same keys and another host name.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace

import asyncssh
import pytest

from hermes import TerminalError, TerminalSpec, ToolFinished
from hermes.testing import (
    AllowAll,
    Call,
    Say,
    ScriptedProvider,
    make_context,
    make_key,
    open_runtime,
)
from hermes.testing.servers import free_port
from hermes.testing.sshd import Proxy, SSHServer, proxy, sshd
from hermes_plugin_ssh.backend import SSHBackend
from hermes_plugin_ssh.settings import SSHSettings


@pytest.fixture
async def way(server: SSHServer, tmp_path: Path) -> AsyncIterator[Proxy]:
    """A proxy on the way to the server, under a port that `known_hosts` of `through` names."""
    async with proxy(server.port) as running:
        yield running


def through(way: Proxy, server: SSHServer, folder: Path) -> dict[str, object]:
    """Settings that lead through the proxy to a host with the server's key."""
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{way.port} {server.host_key}\n")
    return {"port": way.port, "known_hosts": str(known)}


@pytest.fixture
def elsewhere(server: SSHServer, tmp_path: Path, keep_child) -> Iterator[SSHServer]:
    """Another machine with the same host key: a copy behind a balancer, an address given anew."""
    namespaces = ["-u"] if os.geteuid() == 0 else ["-U", "-r", "-u"]
    ahead = ["unshare", *namespaces, "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]
    if subprocess.run([*ahead, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives no namespace with another host name")
    folder = tmp_path / "elsewhere"
    folder.mkdir(mode=0o700)
    for name in ("host_key", "host_key.pub", "user_key", "user_key.pub"):
        shutil.copy(server.server.folder / name, folder / name)
    with sshd(folder, kept=keep_child, ahead=ahead) as running:
        yield running


async def listening(run) -> tuple[asyncio.Task, bytearray]:
    """Start a run and wait until it said something."""
    heard, begun = bytearray(), asyncio.Event()

    def listen(data: bytes) -> None:
        heard.extend(data)
        begun.set()

    task = asyncio.create_task(run(listen))
    await asyncio.wait_for(begun.wait(), 10)
    return task, heard


async def test_a_connection_lost_in_the_middle_is_said_and_the_command_not_repeated(
    make_terminal, server, way, tmp_path
) -> None:
    terminal = await make_terminal(**through(way, server, tmp_path))
    state = (await terminal.run("cd /usr && export KEPT=1")).state
    mark = tmp_path / "ran"
    command = f"echo once >> {mark}; echo begun; sleep 343; echo twice >> {mark}"
    task, heard = await listening(lambda out: terminal.run(command, output=out))
    assert heard == b"begun\n"
    await way.cut()
    with pytest.raises(TerminalError) as caught:
        await task
    said = str(caught.value)
    assert "ssh 127.0.0.1: the connection was lost: it had started" in said
    assert "not run again" in said
    again = await terminal.run("echo $PWD $KEPT; pgrep -fx 'sleep 343' || echo ended", state=state)
    assert again.output == b"/usr 1\nended\n"
    assert mark.read_text() == "once\n"
    assert way.passed == 2


async def test_a_cable_that_is_pulled_is_noticed(make_terminal, server, way, tmp_path) -> None:
    terminal = await make_terminal(**through(way, server, tmp_path), keepalive=0.4)
    task, _ = await listening(lambda out: terminal.run("echo begun; sleep 349", output=out))
    way.flowing.clear()
    with pytest.raises(TerminalError, match="the connection was lost: it had started"):
        await asyncio.wait_for(task, 20)
    way.flowing.set()
    ended = await terminal.run("pgrep -fx 'sleep 349' || echo ended")
    assert ended.output == b"ended\n"


async def test_what_cannot_be_reached_in_time_is_no_result(
    make_terminal, server, way, tmp_path
) -> None:
    terminal = await make_terminal(**through(way, server, tmp_path))
    way.flowing.clear()
    with pytest.raises(TerminalError, match=r"not reached within 0\.5 s"):
        await terminal.run(f"touch {tmp_path}/ran", timeout=0.5)
    way.flowing.set()
    await terminal.run("true")


async def test_a_stop_does_not_wait_for_a_machine_out_of_reach(
    make_terminal, server, way, tmp_path
) -> None:
    terminal = await make_terminal(**through(way, server, tmp_path))
    way.flowing.clear()
    task = asyncio.create_task(terminal.run("true"))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    way.flowing.set()


async def test_a_connection_lost_while_idle_is_made_anew_and_the_state_lasts(
    make_terminal, server, way, tmp_path
) -> None:
    terminal = await make_terminal(**through(way, server, tmp_path))
    state = (await terminal.run("cd /usr && export KEPT=1")).state
    await way.cut()
    assert (await terminal.run("echo $PWD $KEPT", state=state)).output == b"/usr 1\n"
    assert way.passed == 2


async def test_a_background_process_of_a_lost_connection_has_ended_and_says_why(
    make_terminal, server, way, tmp_path
) -> None:
    terminal = await make_terminal(**through(way, server, tmp_path))
    process = await terminal.start("echo begun; sleep 344")
    await way.cut()
    assert await process.wait(10) == 255
    assert b"the connection was lost" in process.output()[0]
    ended = await terminal.run("pgrep -fx 'sleep 344' || echo ended")
    assert ended.output == b"ended\n"


async def test_a_host_out_of_reach_runs_nothing_anywhere(
    make_terminal, server, way, tmp_path
) -> None:
    terminal = await make_terminal(**through(way, server, tmp_path))
    way.to = free_port()
    await way.cut()
    with pytest.raises(TerminalError, match=r"ssh 127.0.0.1: cannot connect: .*Nothing was run"):
        await terminal.run(f"touch {tmp_path}/ran")
    way.to = server.port
    told = await terminal.run(f"test -e {tmp_path}/ran || echo nothing")
    assert told.output == b"nothing\n"


async def test_a_changed_host_key_is_refused(
    make_terminal, server, way, tmp_path, keep_child
) -> None:
    terminal = await make_terminal(**through(way, server, tmp_path))
    with sshd(tmp_path / "other", kept=keep_child) as other:
        shutil.copy(server.server.folder / "authorized_keys", other.server.folder)
        way.to = other.port
        await way.cut()
        with pytest.raises(TerminalError, match=r"host key is not the one in .*Nothing was run"):
            await terminal.run(f"touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()


async def test_another_machine_behind_the_same_key_is_refused(
    make_terminal, server, way, tmp_path, elsewhere
) -> None:
    terminal = await make_terminal(**through(way, server, tmp_path))
    state = (await terminal.run("export KEPT=1")).state
    way.to = elsewhere.port
    await way.cut()
    here = socket.gethostname()
    for attempt in (terminal.run, terminal.start):
        with pytest.raises(TerminalError) as caught:
            await attempt(f"touch {tmp_path}/ran")
        said = str(caught.value)
        assert "is not the machine that this terminal was opened on" in said
        assert f"was {here}, answers as elsewhere" in said
        assert "Nothing was run" in said
    with pytest.raises(TerminalError, match="not the machine"):
        await terminal.write(f"{tmp_path}/ran", b"x")
    assert not (tmp_path / "ran").exists()
    way.to = server.port
    await way.cut()
    assert (await terminal.run("echo $KEPT", state=state)).output == b"1\n"


async def test_a_machine_that_forgot_the_terminal_says_so_before_anything_runs(
    terminal, tmp_path
) -> None:
    terminal.state = (await terminal.run("cd /usr; export KEPT=1")).state
    shutil.rmtree(terminal._folder)
    with pytest.raises(TerminalError, match=r"was restarted or replaced.*Nothing was run"):
        await terminal.run(f"touch {tmp_path}/ran")
    assert not (tmp_path / "ran").exists()
    told = await terminal.run("test $PWD -ef ~ && echo home ${KEPT-gone}")
    assert told.output == b"home gone\n"


async def test_an_unknown_host_is_refused_with_its_fingerprint(
    make_terminal, server, tmp_path
) -> None:
    with pytest.raises(TerminalError, match=r"ssh-ed25519 SHA256:.* is not in .*accept_new"):
        await make_terminal(known_hosts=str(tmp_path / "none"))


async def test_a_new_host_is_remembered_where_that_is_allowed(
    make_terminal, server, tmp_path
) -> None:
    known = tmp_path / "ssh" / "known_hosts"
    await make_terminal(known_hosts=str(known), accept_new=True)
    assert known.read_text() == f"[127.0.0.1]:{server.port} {server.host_key}\n"
    await make_terminal(known_hosts=str(known))
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known.write_text(f"[127.0.0.1]:{server.port} {other}\n")
    with pytest.raises(TerminalError, match="host key is not the one in"):
        await make_terminal(known_hosts=str(known), accept_new=True)


async def test_jump_hosts_are_gone_through_and_checked(
    make_terminal, server, tmp_path, keep_child
) -> None:
    with sshd(tmp_path / "jump", kept=keep_child) as jump:
        (jump.server.folder / "authorized_keys").write_text(
            (server.server.folder / "authorized_keys").read_text()
        )
        known = tmp_path / "known_hosts"
        known.write_text(server.known_hosts.read_text())
        settings = {"jump": (f"{jump.user}@127.0.0.1:{jump.port}",), "known_hosts": str(known)}
        with pytest.raises(TerminalError, match=r"ssh 127\.0\.0\.1: its host key"):
            await make_terminal(**settings)
        known.write_text(server.known_hosts.read_text() + jump.known_hosts.read_text())
        terminal = await make_terminal(**settings)
        assert (await terminal.run("echo through")).output == b"through\n"
        assert jump.sessions()


async def test_the_model_is_told_and_nothing_runs_here(server, way, elsewhere, tmp_path) -> None:
    """A whole turn: the second command finds another machine, the third nobody at all."""
    shell = pytest.importorskip("hermes_plugin_shell.shell")
    kernel = SimpleNamespace(terminal=SimpleNamespace(timeout=20, env_passthrough=()))
    from hermes_plugin_shell.settings import ShellSettings

    tools = shell.Shell(
        make_context("shell", home=tmp_path, settings=ShellSettings(), sections={"hermes": kernel})
    )
    given = {"host": "127.0.0.1", "user": server.user, "key": str(server.key), "config": ""}
    settings = SSHSettings(**{**given, **through(way, server, tmp_path)})
    backend = SSHBackend(
        make_context("ssh", home=tmp_path, settings=settings, sections={"hermes": kernel})
    )
    commands = ("echo $HOSTNAME", f"touch {tmp_path}/second", f"touch {tmp_path}/third")
    script = [
        Say(calls=(Call("terminal", json.dumps({"command": command})),)) for command in commands
    ]
    results: list[str] = []
    async with open_runtime(
        tmp_path,
        provider=ScriptedProvider(*script, "Done."),
        tools=tools.last_seen(),
        middleware=[AllowAll()],
        offers={"terminals": {"ssh": backend}},
        settings={"terminal": {"backend": "ssh"}},
    ) as runtime:
        async for event in runtime.session(make_key()).send("Go"):
            if isinstance(event, ToolFinished):
                results.append(event.text)
                way.to = elsewhere.port if len(results) == 1 else free_port()
                await way.cut()
    assert socket.gethostname() in results[0]
    assert "answers as elsewhere" in results[1]
    assert "cannot connect" in results[2]
    assert not (tmp_path / "second").exists()
    assert not (tmp_path / "third").exists()


async def test_what_a_killed_hermes_left_ends_at_the_next_start(make_backend) -> None:
    backend = await make_backend()
    terminal = await backend.terminal(TerminalSpec("test"))
    await terminal.open()
    await terminal.start("sleep 345")
    children = backend.context.children
    ((name, handle),) = children.handles.values()
    assert name == "ssh"
    after = await make_backend()
    await after.reap((handle,))
    looking = await after.terminal(TerminalSpec("other"))
    await looking.open()
    told = await looking.run(f"pgrep -fx 'sleep 345'; ls -d {terminal._folder}")
    assert b"No such file" in told.output
    assert told.exit_code != 0
    assert not any(line.isdigit() for line in told.output.split())
    await looking.close()
    await terminal.close()
