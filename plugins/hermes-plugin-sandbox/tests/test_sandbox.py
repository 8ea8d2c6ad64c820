"""What a sandbox holds back, and that without one nothing runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hermes import TerminalError, TerminalLimits, TerminalSpec
from hermes.testing.contracts.escapes import Outside, probes
from hermes.testing.processes import running
from hermes_plugin_sandbox import backend as backends
from hermes_plugin_sandbox.proxy import Allowlist

NOBODY = 65534
UNHELD = {
    "change a mode",
    "change a time",
    "read environments",
    "read Hermes's environment",
    "read command lines",
    "send a datagram",
    "connect to a socket in the file system",
    "slow a process down",
}
"""What Landlock alone does not hold back, as the README says."""


async def test_what_cannot_start_does_not_run(
    make_terminal, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, workspace: Path
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: no namespaces here' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr("hermes_plugin_sandbox.holder.found", lambda: str(broken))
    with pytest.raises(TerminalError, match=r"cannot start .*no namespaces here.*Nothing was run"):
        await make_terminal()
    assert list(workspace.iterdir()) == []


async def test_one_that_ends_while_it_is_used_does_not_run_the_next_command_outside(
    terminal, monkeypatch: pytest.MonkeyPatch, workspace: Path
) -> None:
    monkeypatch.setattr("hermes_plugin_sandbox.holder.found", lambda: "/none/bwrap")
    terminal._holder._process.kill()
    terminal._holder._process.wait()
    with pytest.raises(TerminalError, match="Nothing was run"):
        await terminal.run("touch ran")
    assert not (workspace / "ran").exists()
    monkeypatch.undo()
    assert (await terminal.run("echo on")).output == b"on\n"
    assert "started anew" in terminal.told[0]


async def test_without_any_engine_it_says_what_to_install(
    make_backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "chosen", lambda engine: "")
    backend = make_backend()
    assert not backend.isolated
    with pytest.raises(TerminalError, match="install bubblewrap"):
        await backend.terminal(TerminalSpec("x"))


@pytest.mark.parametrize("engine", ["bwrap", "landlock"])
async def test_workspaces_that_would_open_a_way_are_refused(
    make_terminal, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    person = tmp_path / "person"
    person.mkdir()
    monkeypatch.setenv("HOME", str(person))
    for folder in ("/", str(home), str(home / "skills"), str(home.parent), str(person), "/usr"):
        with pytest.raises(TerminalError, match=r"start (in a folder|elsewhere)"):
            await make_terminal(engine, spec=TerminalSpec("x", folder))


@pytest.mark.parametrize("engine", ["bwrap", "landlock"])
async def test_the_workspace_is_the_person_s_own_folder_and_the_rest_is_not_there(
    make_terminal, workspace: Path, engine: str
) -> None:
    terminal = await make_terminal(engine)
    (workspace / "given").write_text("by the person")
    told = await terminal.run(
        "cat given; echo made >made; echo x >/usr/x; echo x >/etc/x; ls /root"
    )
    assert told.output.startswith(b"by the person")
    assert (workspace / "made").read_text() == "made\n"
    assert not Path("/usr/x").exists()
    assert not Path("/etc/x").exists()


async def test_a_scope_without_a_folder_has_one_of_its_own_that_lasts(
    make_terminal, home: Path
) -> None:
    first = await make_terminal(spec=TerminalSpec("chat-1"))
    await first.run("echo kept >file; echo mine >~/dot; echo gone >/tmp/x")
    await first.close()
    again = await make_terminal(spec=TerminalSpec("chat-1"))
    assert (await again.run("cat file ~/dot; ls /tmp/x")).output.startswith(
        b"kept\nmine\nls: cannot access"
    )
    other = await make_terminal(spec=TerminalSpec("chat-2", persistent=False))
    assert (await other.run("ls -A . ~")).output.split() == [
        b".:",
        b"%b:" % str(home / "data" / "sandbox" / "scopes" / "chat-2" / "home").encode(),
    ]
    await other.close()
    assert not (home / "data" / "sandbox" / "scopes" / "chat-2").exists()


async def test_commands_of_a_scope_see_each_other_and_other_scopes_nothing(make_terminal) -> None:
    one = await make_terminal(spec=TerminalSpec("one"))
    two = await make_terminal(spec=TerminalSpec("two"))
    process = await one.start("exec -a lives-in-one sleep 600")
    look = "grep -als lives-in-on[e] /proc/[0-9]*/cmdline | wc -l"
    async with asyncio.timeout(10):
        while int((await one.run(look)).output) == 0:
            await asyncio.sleep(0.05)
    assert int((await two.run(look)).output) == 0
    await process.kill()


async def test_a_link_in_the_place_of_a_snapshot_leads_hermes_nowhere(
    make_terminal, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("/canary")
    terminal = await make_terminal()
    folder = terminal._snapshots.folder
    swap = (
        f"cd {folder}; (while sleep 0.005; do for f in *; do"
        f" ln -sfn {secret} $f.directory; ln -sfn {secret} ${{f%.sh}}.directory; done; done) &"
        " sleep 0.2"
    )
    state = (await terminal.run(swap)).state
    for _ in range(10):
        state = (await terminal.run("true", state=state)).state
        assert "canary" not in state.directory
    assert secret.read_text() == "/canary"


async def test_without_capabilities_and_without_a_way_to_new_ones(terminal) -> None:
    told = await terminal.run("grep -E '^(Cap|NoNewPrivs|Seccomp)' /proc/self/status")
    facts = dict(line.split(":\t") for line in told.output.decode().splitlines())
    assert facts["NoNewPrivs"] == "1"
    assert {facts[f"Cap{name}"] for name in ("Inh", "Prm", "Eff", "Amb")} == {"0" * 16}
    refused = await terminal.run("unshare -r mount -t tmpfs x /mnt; mount --bind / /tmp; id -u")
    assert b"canary" not in refused.output


async def test_landlock_holds_all_but_what_the_readme_names(
    make_terminal, tmp_path: Path, home: Path
) -> None:
    terminal = await make_terminal("landlock")
    ours = [probe for probe in probes() if not probe.harmful]
    with Outside(tmp_path / "outside", home) as outside:
        reached = {probe.name for probe in ours if await outside.escapes(terminal, probe)}
    assert reached <= UNHELD
    assert len(ours) - len(UNHELD) >= 60


# -- network -----------------------------------------------------------------------------------


class Server:
    """An HTTP server of this machine."""

    def __init__(self) -> None:
        self.heads: list[str] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
        await writer.drain()
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, int]]:
    made = Server()
    serving = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    yield made, serving.sockets[0].getsockname()[1]
    serving.close()


ASK = r"""
ask() {
  exec 3<>/dev/tcp/127.0.0.1/${http_proxy##*:} && printf "$@" >&3 && timeout 5 cat <&3
}
"""


@pytest.mark.parametrize("engine", ["bwrap", "landlock"])
async def test_only_the_hosts_that_are_named_are_reached(
    make_terminal, server: tuple[Server, int], engine: str
) -> None:
    site, port = server
    terminal = await make_terminal(engine, network=(f"127.0.0.1:{port}", "localhost"))
    get = "'GET http://%s/path?q HTTP/1.1\\r\\nHost: x\\r\\nProxy-Authorization: y\\r\\n\\r\\n' {}"
    told = await terminal.run(f"{ASK} ask {get.format(f'127.0.0.1:{port}')}")
    assert told.output.endswith(b"hello")
    assert site.heads[0].startswith("GET /path?q HTTP/1.1\r\nHost: x\r\n")
    assert "Proxy-" not in site.heads[0]
    tunnel = "'CONNECT %s HTTP/1.1\\r\\n\\r\\nGET / HTTP/1.1\\r\\n\\r\\n' {}"
    told = await terminal.run(f"{ASK} ask {tunnel.format(f'127.0.0.1:{port}')}")
    assert told.output.startswith(b"HTTP/1.1 200 Connection established")
    assert told.output.endswith(b"hello")
    for refused in (
        "127.0.0.1:1",
        "localhost:80",
        f"localhost:{port}",
        "example.org:443",
        "[::1]:80",
    ):
        told = await terminal.run(f"{ASK} ask {tunnel.format(refused)}")
        assert told.output.startswith(b"HTTP/1.1 403"), refused
    direct = await terminal.run(f"echo x >/dev/tcp/127.0.0.1/{port}")
    assert direct.exit_code != 0
    assert len(site.heads) == 2


@pytest.mark.parametrize("engine", ["bwrap", "landlock"])
async def test_the_whole_network_is_there_when_it_is_wanted_and_isolation_is_not_claimed(
    make_terminal, make_backend, server: tuple[Server, int], engine: str
) -> None:
    _, port = server
    terminal = await make_terminal(engine, network=True)
    assert not make_backend(engine, network=True).isolated
    told = await terminal.run(
        f"exec 3<>/dev/tcp/127.0.0.1/{port}; printf 'GET / HTTP/1.1\\r\\n\\r\\n' >&3; cat <&3"
    )
    assert told.output.endswith(b"hello")


def test_isolation_is_a_fact_about_the_settings(make_backend, tmp_path: Path) -> None:
    assert make_backend().isolated
    assert make_backend(network=("example.com",)).isolated
    assert not make_backend(write=(str(tmp_path),)).isolated
    assert not make_backend("landlock").isolated


@pytest.mark.parametrize(
    ("entry", "host", "port", "covered"),
    [
        ("example.com", "example.com", 443, True),
        ("example.com", "Example.Com.", 80, True),
        ("example.com", "example.com", 22, False),
        ("example.com", "files.example.com", 443, False),
        ("example.com", "example.com.evil.example", 443, False),
        ("example.com", "evilexample.org", 443, False),
        ("*.github.com", "api.github.com", 443, True),
        ("*.github.com", "github.com", 443, False),
        ("*.github.com", "xgithub.com", 443, False),
        ("example.org:8443", "example.org", 8443, True),
        ("example.org:8443", "example.org", 443, False),
        ("127.0.0.1:80", "127.0.0.1", 80, True),
        ("::1", "::1", 443, True),
        ("[::1]:99", "::1", 99, True),
    ],
)
def test_entries_cover_what_they_say(entry: str, host: str, port: int, covered: bool) -> None:
    assert Allowlist([entry]).covers(host, port) is covered


# -- endings, and people who are not root ------------------------------------------------------

KILLED = """
import asyncio, concurrent.futures.thread, os, sys
from pathlib import Path
from types import SimpleNamespace
from hermes import TerminalLimits, TerminalSpec
from hermes.testing import make_context
from hermes.testing.contracts.escapes import Outside
from hermes_plugin_sandbox.backend import SandboxBackend
from hermes_plugin_sandbox.settings import SandboxSettings

async def main(folder):
    kernel = SimpleNamespace(terminal=SimpleNamespace(env_passthrough=()))
    context = make_context(
        "sandbox", home=folder / "home", settings=SandboxSettings(engine="bwrap"),
        sections={"hermes": kernel},
    )
    workspace = folder / "workspace"
    workspace.mkdir(exist_ok=True)
    spec = TerminalSpec("t", str(workspace), limits=TerminalLimits(processes=100))
    terminal = await SandboxBackend(context).terminal(spec)
    await terminal.open()
    await act(terminal, folder)
    await terminal.close()
"""

TREE = (
    KILLED
    + """
async def act(terminal, folder):
    await terminal.start("(setsid bash -c 'exec -a $0 sleep 600' " + sys.argv[2] + " &); wait")
    await terminal.run("(env -i setsid bash -c 'exec -a $0 sleep 601' " + sys.argv[2] + " & )")
    print("begun", flush=True)
    await asyncio.sleep(600)
asyncio.run(main(Path(sys.argv[1])))
"""
)

FORKS = (
    "perl -e 'for(1..300) { defined(my $p = fork) or do { print qq(bounded), $_ > 50; exit };"
    " if (!$p) { sleep 3; exit } }; print qq(endless)'"
)
PROBED = (
    KILLED
    + f"FORKS = {FORKS!r}"
    + """
async def act(terminal, folder):
    print((await terminal.run("id -u; echo x >y; cat y")).output.split(), flush=True)
    with Outside(folder / "outside", folder / "home") as outside:
        print(await outside.reached(terminal), flush=True)
    print((await terminal.run(FORKS)).output.decode().strip(), flush=True)

nobody = int(sys.argv[2])  # everything is imported: this Python may be out of nobody's reach
os.setgroups([])
os.setresgid(nobody, nobody, nobody)
os.setresuid(nobody, nobody, nobody)
asyncio.run(main(Path(sys.argv[1])))
"""
)


def named(name: str) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                if (folder / "cmdline").read_bytes().startswith(name.encode()):
                    found.append(int(folder.name))
            except OSError:
                continue
    return found


HOG = "perl -e '$x = qq(a) x %d; print length($x)'"


@pytest.mark.parametrize("engine", ["bwrap", "landlock"])
async def test_memory_of_one_process_is_bounded(make_terminal, workspace: Path, engine) -> None:
    """And what nothing in it can lift: the next bash, a file tool, `ulimit` itself."""
    spec = TerminalSpec("bounded", str(workspace), limits=TerminalLimits(memory=64))
    terminal = await make_terminal(engine, spec=spec)
    assert (await terminal.run(HOG % 20_000_000)).output == b"20000000"
    for lift in ("", "ulimit -d unlimited 2>&1; "):
        hog = await terminal.run(lift + HOG % 200_000_000)
        assert hog.exit_code != 0
        assert b"200000000" not in hog.output
    process = await terminal.start(HOG % 200_000_000)
    assert await process.wait(20) != 0


async def test_keep_is_refused_with_what_helps(terminal) -> None:
    with pytest.raises(TerminalError, match=r"ends with Hermes.*choose the docker terminal"):
        await terminal.start("sleep 1", keep=True)


async def test_a_hermes_that_is_killed_takes_everything_with_it(
    tmp_path: Path, terminal, keep_child
) -> None:
    name = f"left-{os.getpid()}-{tmp_path.name}"
    hermes = subprocess.Popen(
        [sys.executable, "-c", TREE, str(tmp_path), name], stdout=subprocess.PIPE
    )
    assert hermes.stdout is not None
    assert hermes.stdout.readline() == b"begun\n"
    async with asyncio.timeout(20):
        while len(named(name)) < 2:
            await asyncio.sleep(0.05)
    hermes.send_signal(signal.SIGKILL)
    hermes.wait()
    hermes.stdout.close()
    async with asyncio.timeout(30):
        while any(running(pid) for pid in named(name)):
            await asyncio.sleep(0.05)


@pytest.mark.skipif(os.geteuid() != 0, reason="root runs it as somebody else")
def test_an_unprivileged_person_s_sandbox_lets_nothing_out_either(terminal) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hermes-nobody-"))
    try:
        os.chown(folder, NOBODY, NOBODY)
        done = subprocess.run(
            [sys.executable, "-c", PROBED, str(folder), str(NOBODY)],
            env={"PATH": os.environ["PATH"], "HOME": str(folder / "person")},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.stdout.splitlines() == ["[b'65534', b'x']", "{}", "bounded1"], done.stderr
    finally:
        shutil.rmtree(folder)
