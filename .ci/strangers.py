"""Do as a stranger would: begin a plugin of each kind, install it, test it, use it.

Each is rendered from its template, built, and installed with the kernel's wheel into an environment
of its own that has nothing else of ours. Its tests run there. Then what an everyday installation
would have is added, and `hermes` uses it: a model calls the tool, the gateway runs the platform,
the doctor runs the check. The model is a server on loopback that answers as it is told; the
provider that asks it is a stranger's too.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from wheels import ROOT, UV, add, install, run

from hermes import __version__
from hermes.testing import Call, OpenAIServer, Say
from hermes.testing.openai_server import echo
from hermes_plugin_dev.kinds import KINDS
from hermes_plugin_dev.rendering import render

SECONDS = 60.0
"""How long one command may take; none takes two."""
EVERYDAY = ("approvals", "chat", "sqlite")
MORE = {"check": ("doctor",), "platform": ("access",), "terminal": ("shell",)}
"""What of ours a kind needs to be used, beyond the everyday."""
STOCK = sorted({*EVERYDAY, *(name for names in MORE.values() for name in names)})


class Stranger:
    """One plugin in its environment, with a home and a model of its own."""

    def __init__(self, kind: str, python: Path, folder: Path) -> None:
        self.kind, self.name, self.folder = kind, f"try-{kind}", folder
        self.python, self.hermes = python, python.with_name("hermes")
        self.home = folder / "home"
        self.data = self.home / "data" / self.name
        self.model = OpenAIServer(always=echo)

    async def prepare(self, **sections: Any) -> None:
        """Write the configuration: *sections* with ``_`` for ``-``."""
        await self.model.start()
        said = {"model": "try-provider:test", "try-provider": {"base_url": self.model.url}}
        said |= {name.replace("_", "-"): section for name, section in sections.items()}
        self.home.mkdir(mode=0o700)
        (self.home / "config.yaml").write_text(json.dumps(said))  # JSON is YAML
        (self.home / ".env").write_text("TRY_PLATFORM_TOKEN=secret\n")
        (self.home / ".env").chmod(0o600)

    async def start(self, *command: str | Path) -> asyncio.subprocess.Process:
        path = f"{self.python.parent}:/usr/local/bin:/usr/bin:/bin"
        return await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env={"PATH": path, "HOME": str(self.folder), "HERMES_HOME": str(self.home)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )

    async def say(self, *arguments: str, stdin: str = "") -> str:
        """Run ``hermes`` and give what it printed; raise when it fails."""
        process = await self.start(self.hermes, *arguments)
        out, _ = await asyncio.wait_for(process.communicate(stdin.encode()), SECONDS)
        if process.returncode:
            raise AssertionError(f"hermes {' '.join(arguments)}: {out.decode()}")
        return out.decode()

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The messages of the last request that the model got."""
        messages: list[dict[str, Any]] = self.model.requests[-1].json["messages"]
        return messages


async def use_check(it: Stranger) -> None:
    await it.prepare()
    expect("MB are free beneath", await it.say("doctor", it.name))


async def use_command(it: Stranger) -> None:
    await it.prepare()
    expect("Noted as 1.", await it.say(it.name, "Water the oak"))
    expect("1. Water the oak", await it.say(it.name))


async def use_memory(it: Stranger) -> None:
    await it.prepare(memory=it.name)
    await it.say("-z", "My favourite colour is turquoise")
    await it.say("-z", "What is my favourite colour?")
    expect("turquoise", it.sent[-1]["content"])


async def use_middleware(it: Stranger) -> None:
    await it.prepare(try_middleware={"turns": 1})
    said = await it.say("chat", stdin="one\ntwo\n")
    expect("You said: one", said)
    expect("1 messages a minute are enough", said)


async def use_observer(it: Stranger) -> None:
    await it.prepare()
    await it.say("-z", "Hello")
    line = json.loads((it.data / "turns.jsonl").read_text())
    expect("ok try-provider:test", f"{line['status']} {line['model']}")


async def use_platform(it: Stranger) -> None:
    await it.prepare(
        try_platform={"host": "127.0.0.1", "port": (port := free_port())},
        access={"allow": {it.name: "*"}},
    )
    server = ("-m", "hermes_plugin_try_platform.server", "--token", "secret", "--port", str(port))
    chat = await it.start(it.python, *server)
    assert chat.stdin is not None
    try:
        await heard(chat, "listening on")
        gateway = await it.start(it.hermes, "gateway", "run")
        try:
            chat.stdin.write(b"Is anybody there?\n")
            await heard(chat, "Hermes: You said: Is anybody there?")
        finally:
            await ended(gateway)
    finally:
        await ended(chat)


async def use_prompt(it: Stranger) -> None:
    await it.prepare(try_prompt={"rules": ["Answer in rhymes."]})
    await it.say("-z", "Hello")
    expect("- Answer in rhymes.", it.sent[0]["content"])


async def use_provider(it: Stranger) -> None:
    await it.prepare()
    expect("You said: Hello", await it.say("-z", "Hello"))


async def use_service(it: Stranger) -> None:
    await it.prepare()
    gateway = await it.start(it.hermes, "gateway", "run")
    try:
        async with asyncio.timeout(SECONDS):
            while not (it.data / "figures.json").exists():  # noqa: ASYNC110 - a file tells nobody
                await asyncio.sleep(0.05)
    finally:
        await ended(gateway)
    expect('"conversations": 0', (it.data / "figures.json").read_text())


async def use_store(it: Stranger) -> None:
    await it.prepare(store=it.name)
    await it.say("-q", "I am Ann")
    await it.say("-c", "-q", "Who am I?")
    expect("I am Ann", json.dumps(it.sent))
    assert (it.data / "journal.jsonl").stat().st_size > 0


async def use_terminal(it: Stranger) -> None:
    await it.prepare(terminal={"backend": it.name})
    it.model.will(
        Say(calls=(Call("terminal", '{"command": "echo made > ~/it; echo ~"}'),)), "Done."
    )
    await it.say("--yolo", "-z", "Make it")
    expect(f"{it.data}/rooms/", it.sent[-1]["content"])
    (room,) = (it.data / "rooms").glob("*/it")
    expect("made", room.read_text())


async def use_tool(it: Stranger) -> None:
    await it.prepare(try_tool={"decimals": 1})
    arguments = '{"value": 1, "unit": "mi", "to": "km"}'
    it.model.will(Say(calls=(Call(it.name, arguments),)), "1.6 km.")
    expect("1.6 km.", await it.say("-z", "How long is a mile?"))
    expect("1 mi = 1.6 km", it.sent[-1]["content"])


USES: dict[str, Callable[[Stranger], Awaitable[None]]] = {
    name.removeprefix("use_"): use for name, use in globals().items() if name.startswith("use_")
}


def expect(text: str, said: str) -> None:
    if text not in said:
        raise AssertionError(f"expected {text!r} in\n{said}")


async def heard(process: asyncio.subprocess.Process, text: str) -> None:
    """Wait until the process has printed *text*."""
    assert process.stdout is not None
    seen = ""
    try:
        async with asyncio.timeout(SECONDS):
            while text not in seen and (line := await process.stdout.readline()):
                seen += line.decode()
    except TimeoutError:
        pass
    expect(text, seen)


async def ended(process: asyncio.subprocess.Process) -> None:
    """End a process that serves, and show what it said where it did not end well."""
    if process.returncode is None:
        process.terminate()
    out, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    if process.returncode not in (0, -15):
        raise AssertionError(f"it ended with {process.returncode}: {out.decode()}")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


# -- making ------------------------------------------------------------------------------------


def build(project: Path, out: Path) -> None:
    run(UV, "build", "-q", "--wheel", "--no-build-isolation", "--python", sys.executable,
        "--out-dir", out, project)  # fmt: skip


def make(kind: str, scratch: Path) -> None:
    """Render a plugin and build it."""
    project = scratch / "projects" / f"hermes-plugin-try-{kind}"
    render(f"try-{kind}", kind, project, __version__, "A Stranger")
    build(project, scratch / "dist")


def settle(kind: str, scratch: Path, constraints: list[Path]) -> Path:
    """Install it beside the kernel, alone, and run its tests; give the environment's Python."""
    project, folder = scratch / "projects" / f"hermes-plugin-try-{kind}", scratch / kind
    python = install(folder / "environment", f"hermes-plugin-try-{kind}", constraints)
    add(python, constraints, "hermes-kernel[testing]")
    alone = folder / "alone"  # without the sources: what is tested is what was installed
    shutil.copytree(project / "tests", alone / "tests")
    shutil.copy(project / "pyproject.toml", alone)
    command = ("-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    print(f"  {kind}: {run(python, *command, cwd=alone).splitlines()[-1]}", flush=True)
    return python


async def proof(kind: str, scratch: Path, constraints: list[Path], room: asyncio.Semaphore) -> str:
    """Go the whole way with one kind; give what came of it, in a line."""
    async with room:
        began = time.monotonic()
        it = None
        try:
            python = await asyncio.to_thread(settle, kind, scratch, constraints)
            ours = [f"hermes-plugin-{name}" for name in (*EVERYDAY, *MORE.get(kind, ()))]
            if kind == "store":
                ours.remove("hermes-plugin-sqlite")
            await asyncio.to_thread(add, python, constraints, *ours, "hermes-plugin-try-provider")
            it = Stranger(kind, python, scratch / kind)
            await USES[kind](it)
        except (AssertionError, RuntimeError, TimeoutError, OSError) as error:
            return f"FAILED {kind}: {error or type(error).__name__}"
        finally:
            if it is not None:
                await it.model.stop()
        return f"ok {kind} ({time.monotonic() - began:.1f} s)"


async def main() -> int:
    os.environ.pop("VIRTUAL_ENV", None)
    os.environ.setdefault("UV_SYSTEM_CERTS", "1")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hermes-strangers-") as folder:
        scratch = Path(folder)
        os.environ["HERMES_HOME"] = str(scratch / "home")
        room = asyncio.Semaphore(2)

        async def quietly(work: Callable[..., None], *arguments: Any) -> None:
            async with room:
                await asyncio.to_thread(work, *arguments)

        projects = [ROOT, *(ROOT / "plugins" / f"hermes-plugin-{name}" for name in STOCK)]
        async with asyncio.TaskGroup() as group:
            for project in projects:
                group.create_task(quietly(build, project, scratch / "dist"))
            for kind in KINDS:
                group.create_task(quietly(make, kind, scratch))
        ours = scratch / "ours.txt"
        wheels = sorted((scratch / "dist").glob("*.whl"))
        names = [wheel.name.partition("-")[0].replace("_", "-") for wheel in wheels]
        ours.write_text(
            "".join(f"{n} @ {w.as_uri()}\n" for n, w in zip(names, wheels, strict=True))
        )
        constraints = [ROOT / "requirements.lock", ours]
        every = (proof(kind, scratch, constraints, room) for kind in sorted(KINDS))
        said = await asyncio.gather(*every)
    print("\n".join(said))
    print(f"strangers: {len(said)} kinds in {time.monotonic() - began:.1f} s")
    return 1 if any(line.startswith("FAILED") for line in said) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
