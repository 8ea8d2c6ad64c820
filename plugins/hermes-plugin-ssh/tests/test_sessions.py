"""How the connection is used, and what goes over it."""

from __future__ import annotations

import asyncio

import pytest

from hermes import TerminalError
from hermes.testing.servers import need, serve
from hermes.testing.sshd import proxy, sshd


async def test_one_connection_carries_everything(make_terminal) -> None:
    terminal = await make_terminal()
    await asyncio.gather(*(terminal.run("sleep 0.2") for _ in range(4)))
    assert terminal._connection.made == 1


async def test_more_commands_than_the_server_s_sessions_open_another_connection(
    make_terminal, tmp_path, keep_child
) -> None:
    with sshd(tmp_path / "few", kept=keep_child, more="MaxSessions 2") as few:
        settings = {"port": few.port, "key": str(few.key), "known_hosts": str(few.known_hosts)}
        terminal = await make_terminal(**settings)
        results = await asyncio.gather(*(terminal.run(f"sleep 1; echo {n}") for n in range(5)))
        assert [result.output for result in results] == [b"%d\n" % n for n in range(5)]
        assert terminal._connection.made == 3
        processes = [await terminal.start("sleep 60") for _ in range(8)]
        with pytest.raises(TerminalError, match="no more sessions"):
            await terminal.run("true")
        processes[0]._channel.close()  # room for what ends the others


async def test_it_rests_when_idle_and_wakes(make_terminal) -> None:
    terminal = await make_terminal()
    assert (await terminal.status()).endswith(", connected")
    await terminal.hibernate()
    assert (await terminal.status()).endswith(", not connected")
    assert (await terminal.run("echo on")).output == b"on\n"
    assert terminal._connection.made == 2


async def test_a_command_takes_two_round_trips(make_terminal, server, tmp_path) -> None:
    """Counted, not timed: bursts towards the server that wait for an answer of it."""
    async with proxy(server.port) as way:
        known = tmp_path / "known_hosts"
        known.write_text(f"[127.0.0.1]:{way.port} {server.host_key}\n")
        terminal = await make_terminal(port=way.port, known_hosts=str(known))
        state = (await terminal.run("cd / && export A=1")).state
        await asyncio.sleep(0.3)
        way.turns = 0
        result = await terminal.run("echo $A", state=state)
        assert result.output == b"1\n"
        assert way.turns <= 2


async def test_noise_of_a_login_is_no_output(make_terminal, tmp_path, keep_child) -> None:
    noisy = """ForceCommand echo welcome; echo 'to us' >&2; eval "$SSH_ORIGINAL_COMMAND" """
    with sshd(tmp_path / "noisy", kept=keep_child, more=noisy) as server:
        terminal = await make_terminal(
            port=server.port, key=str(server.key), known_hosts=str(server.known_hosts)
        )
        result = await terminal.run("printf hello")
        assert (result.output, result.total) == (b"hello", 5)


async def test_a_host_without_bash_says_so(make_terminal, tmp_path, keep_child) -> None:
    with sshd(tmp_path / "bare", kept=keep_child, more="ForceCommand no-such-shell") as bare:
        settings = {"port": bare.port, "key": str(bare.key), "known_hosts": str(bare.known_hosts)}
        with pytest.raises(TerminalError, match=r"bash did not start: .*no-such-shell"):
            await make_terminal(**settings)


async def test_variables_go_along_only_where_they_are_named(make_terminal, monkeypatch) -> None:
    monkeypatch.setenv("NAMED", "one")
    monkeypatch.setenv("UNNAMED", "two")
    terminal = await make_terminal(passed=("NAMED",), env=(("GIVEN", "three"),))
    assert (await terminal.run("echo $NAMED:$UNNAMED:$GIVEN")).output == b"one::three\n"


async def test_what_a_person_lets_through_for_themselves_is_not_for_commands(
    make_terminal, monkeypatch, tmp_path, keep_child
) -> None:
    """Their configuration may forward their agent, which opens every door their keys open."""
    person_s = tmp_path / "person_s"
    person_s.write_text("ForwardAgent yes\nSendEnv UNNAMED\nSetEnv GIVEN=x\nRequestTTY force\n")
    monkeypatch.setenv("UNNAMED", "two")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    command = [need("ssh-agent", "openssh-client"), "-D", "-a", str(tmp_path / "agent")]
    ready = (tmp_path / "agent").is_socket
    with (
        serve("ssh-agent", command, folder=tmp_path / "log", ready=ready, kept=keep_child),
        sshd(tmp_path / "open", kept=keep_child, more="AcceptEnv *\n") as server,
    ):
        for config in ("", str(person_s)):
            terminal = await make_terminal(
                port=server.port,
                key=str(server.key),
                known_hosts=str(server.known_hosts),
                config=config,
            )
            done = await terminal.run("echo $SSH_AUTH_SOCK:$UNNAMED:$GIVEN; test -t 0")
            assert (done.output, done.exit_code) == (b"::\n", 1)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"host": ""}, r"no host; set ssh\.host"),
        ({"key": "/nowhere/key"}, r"no key file /nowhere/key \(ssh\.key\)"),
        ({"user": "nobody-of-that-name"}, r"does not let us in .* check ssh\.user"),
        ({"directory": "/nowhere"}, "no such directory to start in"),
    ],
)
async def test_settings_that_cannot_work_are_one_clear_line(make_terminal, settings, said) -> None:
    with pytest.raises(TerminalError, match=said) as caught:
        await make_terminal(**settings)
    assert "\n" not in str(caught.value)


async def test_hermes_agent_s_variables_name_the_host(make_terminal, server) -> None:
    named = {"HOST": "127.0.0.1", "PORT": str(server.port), "USER": server.user}
    variables = {f"TERMINAL_SSH_{key}": value for key, value in named.items()}
    terminal = await make_terminal(variables=variables, host="", user="", port=0)
    assert await terminal.status() == f"ssh {server.user}@127.0.0.1:{server.port}, connected"


async def test_hermes_agent_s_key_variable_names_the_key(make_terminal, server) -> None:
    secrets = {"TERMINAL_SSH_KEY": str(server.key)}
    terminal = await make_terminal(secrets=secrets, key="")
    assert (await terminal.run("echo in")).output == b"in\n"


async def test_the_connection_that_is_refused_is_not_the_last_one(make_terminal, server) -> None:
    """A backend whose first attempt failed works once the cause is gone."""
    terminal = await make_terminal()
    await terminal._connection.close()
    assert (await terminal.run("echo on")).output == b"on\n"
