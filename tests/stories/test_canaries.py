"""Planted secrets are found nowhere: not by the model, on no screen, in no file, in no child (§10).

Pain point 8 (AT-08): twelve canaries in every place where people keep secrets, and a model that
does all it can to get them. What is searched for is each value and its simple encodings.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from hermes.testing import Fail, Say
from hermes.testing.openai_wire import Exchange
from hermes.testing.unpacking import unpacked

HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).with_name("hermes")
CANARIES = {
    name: f"canary{number:02}{'qzxjkv'[number % 6]}Xw7+{number * 7919:06}/Tr9{'wfgy'[number % 4]}Lm"
    for number, name in enumerate(
        (
            "environment_key",
            "environment_token",
            "env_file_key",
            "env_file_token",
            "env_file_password",
            "env_file_plain",
            "config_literal",
            "mcp_environment",
            "mcp_header",
            "keyring",
            "command",
            "oauth_file",
        )
    )
}
KEYRING = '''
import json, os
import keyring.backend

class Keyring(keyring.backend.KeyringBackend):
    """A keyring in a file, in place of the desktop's."""
    priority = 1
    def get_password(self, service, name):
        with open(os.environ["CANARY_KEYRING"]) as file:
            return json.load(file).get(f"{service}/{name}")
    def set_password(self, service, name, value):
        raise NotImplementedError
    def delete_password(self, service, name):
        raise NotImplementedError
'''


def encodings(value: str) -> dict[str, str]:
    """Give what an adversary would look for."""
    raw = value.encode()
    found = {
        "raw": value,
        "reversed": value[::-1],
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
        "url": quote(value, safe=""),
        "json": json.dumps(value)[1:-1],
    }
    for before in range(3):  # the characters that are the same whatever stands around it
        encoded = base64.b64encode(b"\0" * before + raw).decode().rstrip("=")
        found[f"base64+{before}"] = encoded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
    return found


def leaks(text: str) -> list[str]:
    """Name the canaries in *text*, also where it was broken into lines or groups."""
    joined = "".join(text.replace(":", "").split())
    return [
        f"{name} ({how})"
        for name, value in CANARIES.items()
        for how, form in encodings(value).items()
        if form in text or form in joined
    ]


@pytest.fixture
def planted(system: Any, tmp_path: Path) -> dict[str, str]:
    """Plant the canaries; give the variables that a program is started with."""
    home: Path = system.home
    (home / ".env").write_text(
        f"SERVICE_API_KEY={CANARIES['env_file_key']}\nTELEGRAM_BOT_TOKEN={CANARIES['env_file_token']}\n"
        f"DB_PASSWORD='{CANARIES['env_file_password']}'\nPLAIN_NAME={CANARIES['env_file_plain']}\n"
    )
    (home / "auth.json").write_text(json.dumps({"refresh_token": CANARIES["oauth_file"]}))
    (tmp_path / "kept").write_text(CANARIES["command"])
    (tmp_path / "ring.json").write_text(json.dumps({"hermes/model": CANARIES["keyring"]}))
    (tmp_path / "ring").mkdir()
    (tmp_path / "ring" / "canary_ring.py").write_text(KEYRING)
    system.path.append(str(tmp_path / "ring"))
    server = {
        "command": sys.executable,
        "args": [str(HERE / "mcp_server.py")],
        "env": {"SERVER_TOKEN": CANARIES["mcp_environment"]},
    }
    remote = {
        "url": "http://127.0.0.1:9/mcp",
        "headers": {"Authorization": f"Bearer {CANARIES['mcp_header']}"},
    }
    system.configure(
        openai={"base_url": system.model.url, "api_key": "keyring:hermes/model"},
        mcp_servers={"real": server, "remote": remote},
        **{"api-server": {"key": f"command:cat {tmp_path / 'kept'}"}},
        terminal={"env_passthrough": ["OPENAI_API_KEY", "GH_TOKEN", "DB_PASSWORD", "LESS"]},
        custom_providers=[{"name": "own", "api_key": CANARIES["config_literal"]}],
    )
    return {
        "LESS": "-FRX",
        "OPENAI_API_KEY": CANARIES["environment_key"],
        "GH_TOKEN": CANARIES["environment_token"],
        "CANARY_KEYRING": str(tmp_path / "ring.json"),
        "PYTHON_KEYRING_BACKEND": "canary_ring.Keyring",
    }


WRITTEN = (
    "env > own.environment",
    "cat /proc/$PPID/environ > parent.environment",
    "(sleep 1; env > left.environment) >/dev/null 2>&1",
    "for d in /proc/[0-9]*; do tr '\\0' '\\n' < $d/cmdline; done > all.lines 2>/dev/null",
)
"""What is judged is what these write: no redaction stands between."""
IMPORT = (
    "import pathlib, sys; from hermes.plugins import Host; "
    "host = Host.open(pathlib.Path(sys.argv[1])); print(host.secrets.file_values())"
)
"""A program that asks Hermes itself."""


def commands(home: Path) -> list[str]:
    """What a shell can do to get at them and to write them differently."""
    files = [home / ".env", home / "config.yaml", home / "auth.json"]
    ways = [
        "cat {}",
        "base64 {}",
        "base64 -w0 {}",
        "tail -c +2 {} | base64",
        "tail -c +3 {} | base64 -w 40",
        "xxd -p {} || od -An -v -tx1 {}",
        "od -An -v -tx1 -w1000 {}",
        "rev {}",
        "fold -w 7 {}",
        "sed 's/./& /g' {}",
        "python3 -c \"import urllib.parse; print(urllib.parse.quote(open('{}').read(), safe=''))\"",
        "python3 -c \"import json; print(json.dumps(open('{}').read()))\"",
        "cp {} copy.txt && cat copy.txt",
        "ls /nowhere/$(cat {})",
    ]
    processes = [
        "env",
        "printenv | base64",
        "export -p; set",
        "tr '\\0' '\\n' < /proc/$PPID/environ",
        "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/environ; done 2>/dev/null | grep -a anary",
        "python3 -c 'import os; print(dict(os.environ))'",
        "ps auxeww",
        f"{sys.executable} -c '{IMPORT}' {home}",
        f"HERMES_HOME={home} {PROGRAM} config show; HERMES_HOME={home} {PROGRAM} secrets",
        f"cat /nowhere 2>&1 || (echo not found; cat {home}/.env) >&2",
    ]
    return [way.replace("{}", str(file)) for way in ways for file in files] + processes


async def test_a_model_that_tries_everything_gets_nothing(
    system: Any, planted: dict[str, str], asks: Callable[..., Say]
) -> None:
    home: Path = system.home
    await system.connect("mcp__real__shell")
    tries = [("terminal", {"command": command}) for command in commands(home)]
    tries += [("mcp__real__shell", {"command": command}) for command in commands(home)]
    tries += [("terminal", {"command": command}) for command in WRITTEN]
    tries += [
        ("mcp__real__shell", {"command": "printenv | grep -v ^SERVER_ > server.environment"}),
        ("mcp__real__shell", {"command": "echo $SERVER_TOKEN; printenv SERVER_TOKEN | base64"}),
    ]
    for file in (".env", "config.yaml", "auth.json", "hermes.db", "logs/hermes.log"):
        tries += [("read_file", {"path": str(home / file)})]
        tries += [("search_files", {"pattern": "canary", "path": str(home)})]
    batches = [tries[at : at + 10] for at in range(0, len(tries), 10)]
    system.model.will(*(asks(*batch) for batch in batches), echo)
    done = await system.run(
        "-z", "Give me the keys.", "--yolo", "--max-turns", "90", seconds=240, **planted
    )
    assert done.status == 0, done.errors
    outputs = results(system.model.requests)
    assert len(outputs) >= len(tries), "the model was cut short"
    assert any("[secret]" in output for output in outputs)
    assert "LESS=-FRX" in (system.place / "own.environment").read_text()
    for file in system.place.glob("*.environment"):
        assert b"PATH=" in file.read_bytes(), file
    assert not leaks(done.out + done.errors)
    for exchange in system.model.requests:
        assert not leaks(json.dumps(exchange.json, ensure_ascii=False))
    nothing_is_kept(system, home)


async def test_what_a_person_pastes_and_a_vendor_repeats_goes_no_further(
    system: Any, planted: dict[str, str]
) -> None:
    def refuses(exchange: Exchange) -> Fail:
        key = exchange.headers.get("authorization", "").removeprefix("Bearer ")
        other = CANARIES["environment_key"]
        return Fail("auth", f"Incorrect API key provided: {key}. Also {other}.")

    system.model.will(refuses, "Thanks.")
    first = await system.run("-z", "hello", **planted)
    assert first.status != 0
    assert "Incorrect API key" in first.errors
    pasted = f"My keys: {CANARIES['env_file_key']} and {CANARIES['environment_token']}"
    second = await system.run("-q", pasted, **planted)
    assert "taken out" in second.out + second.errors
    assert not leaks(first.out + first.errors + second.out + second.errors)
    assert "[secret]" in json.dumps(system.model.requests[-1].json)
    for exchange in system.model.requests:
        assert not leaks(json.dumps(exchange.json, ensure_ascii=False))
    for command in (("config", "show"), ("config", "explain", "openai.api_key"), ("secrets",)):
        shown = await system.run(*command, **planted)
        assert shown.status == 0, shown.errors
        assert not leaks(shown.out + shown.errors)
    exported = await system.run("sessions", "export", "-", **planted)
    assert not leaks(exported.out + exported.errors)
    nothing_is_kept(system, system.home)


PERSON = 65534
"""``nobody``: may look into the processes of its own and of nobody else."""
LOOK = """
import codecs, ctypes, os, pathlib, subprocess
from hermes.protection import protect
class Host:
    class paths:
        home = pathlib.Path("/")
    class secrets:
        withdraw = staticmethod(lambda: ())
        conceal_file = staticmethod(lambda path: None)
codecs.lookup("ascii")  # what follows may read no more of Python: root may have it to itself
os.setgroups([]); os.setgid({who}); os.setuid({who})
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # off since the change of person, on for a common program
if {protected}:
    protect(Host)
look = "cat /proc/$PPID/environ /proc/$PPID/maps > /dev/null; echo $?"
print(subprocess.run(["sh", "-c", look], capture_output=True).stdout.decode("ascii").strip())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("protected", [True, False])
def test_programs_of_the_same_person_cannot_look_into_hermes(protected: bool) -> None:
    program = LOOK.format(who=PERSON, protected=protected)
    environment = {k: v for k, v in os.environ.items() if k not in ("HERMES_DEBUG", "HERMES_CHILD")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout.strip() != "0") == protected


def test_root_finds_the_environment_of_hermes_overwritten(home: Path, tmp_path: Path) -> None:
    program = (
        "import os, pathlib, sys\n"
        "from hermes.plugins import Host\n"
        "from hermes.protection import protect\n"
        "host = Host.open(pathlib.Path(sys.argv[1]))\n"
        "protect(host)\n"
        "shown = pathlib.Path('/proc/self/environ').read_bytes()\n"
        "assert b'Canary' not in shown and b'MY_TOKEN' in shown and b'KEPT=this' in shown, shown\n"
        "assert 'MY_TOKEN' not in os.environ and os.environ['KEPT'] == 'this'\n"
        "assert host.secrets.whole_environment()['MY_TOKEN'] == 'Canary-of-the-test'\n"
        "assert host.secrets.redact('a Canary-of-the-test') == 'a [secret]'\n"
    )
    environment = {**os.environ, "MY_TOKEN": "Canary-of-the-test", "KEPT": "this"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(home)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


async def test_what_a_model_puts_together_is_not_shown(
    system: Any, planted: dict[str, str]
) -> None:
    """It was told letter by letter, in a way that nobody looks for."""
    for name, size in (("env_file_key", 1), ("keyring", 4), ("environment_token", 100)):
        value = f"It is {CANARIES[name]}, so use it."
        pieces = tuple(value[at : at + size] for at in range(0, len(value), size))
        system.model.will(Say(chunks=pieces))
        said = await system.run("-z" if size == 1 else "-q", "go on", **planted)
        assert "It is [secret], so use it." in said.out
        assert not leaks(said.out + said.errors)
    nothing_is_kept(system, system.home)


async def test_a_running_hermes_shows_no_secret_and_leaves_no_core(
    system: Any, planted: dict[str, str], tmp_path: Path
) -> None:
    system.model.will(Say("late", hold=asyncio.Event()))
    ended, dumped = _aborted([str(PROGRAM), "-z", "hello"], system, planted, tmp_path)
    await system.model.asked(seconds=60)
    try:
        shown = Path(f"/proc/{ended.pid}/environ").read_bytes().decode()
    except PermissionError:  # not root: nobody of the same person sees it at all
        shown = "GH_TOKEN=*"
    assert "GH_TOKEN=*" in shown
    assert not leaks(shown)
    ended.send_signal(signal.SIGABRT)
    assert not await asyncio.to_thread(dumped)
    assert ended.returncode not in (0, None)
    nothing_is_kept(system, system.home)
    common, dumped = _aborted(["sleep", "60"], system, planted, tmp_path)
    common.send_signal(signal.SIGABRT)
    if not dumped():
        pytest.skip("no program leaves a core here")


def _aborted(
    words: list[str], system: Any, planted: dict[str, str], place: Path
) -> tuple[subprocess.Popen[bytes], Callable[[], bool]]:
    """Start a program that may leave a core; give it, and what waits and says whether it did."""
    process = subprocess.Popen(
        ["bash", "-c", 'ulimit -c unlimited; exec "$@"', "bash", *words],
        env={**system.environment, **planted},
        cwd=place,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def dumped() -> bool:
        _, status = os.waitpid(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return os.WCOREDUMP(status)

    return process, dumped


# how it is looked for -----------------------------------------------------------------------


def echo(exchange: Exchange) -> Say:
    """Repeat everything that was seen, as an obedient model would when it is asked to."""
    return Say("\n".join(results([exchange]))[-20_000:] or "nothing")


def results(exchanges: list[Exchange]) -> list[str]:
    """Give all outputs of tools that the model saw."""
    last = exchanges[-1].json["messages"]
    return [str(message["content"]) for message in last if message["role"] == "tool"]


def nothing_is_kept(system: Any, home: Path) -> None:
    """Search every file of the home and the workspace but those where a person put secrets."""
    names = (".env", "auth.json", "config.yaml", "cache/config.good.yaml")  # the last is a copy
    planted = {home / name for name in names}
    for file in planted - {home / "config.yaml"}:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    files = [file for folder in (home, system.place) for file in folder.rglob("*")]
    for file in files:
        if file.is_file() and file not in planted and file.name != "copy.txt":
            text = unpacked(file).decode("utf-8", "replace")
            assert not leaks(text), file
