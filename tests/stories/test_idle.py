"""What is not used is not paid for: start, imports, and hours of doing nothing (AT-40).

Times are compared with what Python alone takes on the same machine in the same minute; `bench/`
measures the promised figures.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hermes.plugins import Host

IDLING = Path(__file__).parent / "idling.py"
SECONDS = float(os.environ.get("HERMES_IDLE_SECONDS", "3"))
MB = 1_000_000


async def measured(system: Any, *arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(IDLING), *arguments),
        env=system.environment,
        cwd=system.place,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    result: dict[str, Any] = json.loads(out)
    return result


async def test_a_runtime_that_is_idle_does_nothing_and_holds_little(system: Any) -> None:
    system.model.always = "Hello."
    assert (await system.run("tools")).status == 0  # the index is there, as after any first start
    bare = await measured(system, str(SECONDS), "bare")
    ours = await measured(system, str(SECONDS))
    for when in ("unused", "after"):
        found = ours[when]
        assert found["cpu"] < 0.02 * SECONDS, (when, found)  # 0.5 % promised, on a quiet machine
        assert found["switches"] <= 2 * SECONDS + bare["switches"], (when, found)
    assert ours["unused"]["memory"] < 60 * MB  # 40 MB promised, measured by bench/
    assert ours["after"]["memory"] < 120 * MB
    # Before anybody said anything, only what a start needs was imported: policy and journal.
    assert not [name for name in ours["opened"] if name.startswith("hermes_plugin_openai")]
    tools = ("hermes_plugin_shell.shell", "hermes_plugin_files.files", "hermes_plugin_mcp.server")
    assert not [name for name in ours["opened"] if name.startswith(tools)]
    assert [name for name in ours["modules"] if name.startswith("hermes_plugin_openai")]


async def test_a_disabled_plugin_is_never_imported(system: Any, beside: Any) -> None:
    beside.install("loud", "import pathlib; pathlib.Path(__file__).with_name('seen').touch()")
    seen = beside.folder / "hermes_plugin_loud" / "seen"
    # Others' libraries are left out (replay, context-files): what stands on them imports them.
    disabled = ["loud", "local", "mcp", "todo", "files", "commands"]
    system.configure(plugins={"disabled": disabled})
    system.model.always = "Hello."
    found = await measured(system, "0.1")
    loaded = {name.split(".")[0].removeprefix("hermes_plugin_") for name in found["modules"]}
    assert not loaded & {name.replace("-", "_") for name in disabled}
    assert {"approvals", "sqlite", "openai", "shell"} <= loaded
    for arguments in (("-z", "hi"), ("plugins",), ("--help",), ("tools",), ("config", "show")):
        done = await system.run(*arguments)
        assert "Traceback" not in done.errors
    assert not seen.exists()
    listed = {plugin.name: plugin.state for plugin in Host.open(system.home).plugins()}
    assert all(listed[name] == "disabled" for name in disabled)
    done = await system.run("plugins", "enable", "loud")
    assert done.status == 0, done.errors
    await system.run("plugins")
    assert seen.exists(), "else the probe proves nothing"


def processor(*command: str, system: Any) -> float:
    """Give the seconds of processor that a command takes: others on the machine do not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        env=system.environment,
        cwd=system.place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def test_a_start_costs_a_few_times_what_python_costs(system: Any) -> None:
    """With every plugin installed. `bench/` measures 2.5 and 6 times."""
    program = str(Path(sys.executable).with_name("hermes"))
    await system.run("tools")
    opening = "import asyncio\nfrom hermes.runtime import Runtime\nasync def main():\n"
    opening += "    async with Runtime.open(): pass\nasyncio.run(main())"
    commands = {
        "bare": (sys.executable, "-c", "pass"),
        "version": (program, "--version"),
        "help": (program, "--help"),
        "runtime": (sys.executable, "-c", opening),
    }
    took: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(5):
        for name, command in commands.items():
            took[name].append(processor(*command, system=system))
    least = {name: min(times) for name, times in took.items()}
    for name, limit in {"version": 2.5, "help": 6, "runtime": 20}.items():
        times = least[name] / least["bare"]
        assert times < limit * 2, f"{name}: {times:.1f} times a bare interpreter"


@pytest.mark.parametrize("waiting", ["a question", "a command"])
async def test_a_turn_that_waits_costs_nothing(
    waiting: str, system: Any, asks: Any, owner: Any
) -> None:
    """Waiting for a person or a long command is idling, too."""
    from hermes.events import Asked, ToolStarted
    from hermes.session import SessionKey

    command = "make all" if waiting == "a question" else "sleep 600.5"
    system.model.will(asks(("terminal", {"command": command})))
    async with system.runtime() as runtime:
        conversation = runtime.session(SessionKey("cli", "x"), directory=str(system.place))
        kind = Asked if waiting == "a question" else ToolStarted
        authority = owner(can_ask=kind is Asked, yolo=kind is ToolStarted)
        there = asyncio.Event()

        async def listen() -> None:
            async for event in conversation.send("go", authority=authority):
                if isinstance(event, kind):
                    there.set()

        listening = asyncio.ensure_future(listen())
        await asyncio.wait_for(there.wait(), 30)
        await asyncio.sleep(0.5)
        before = resource.getrusage(resource.RUSAGE_SELF)
        await asyncio.sleep(SECONDS)
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        woken = after.ru_nvcsw - before.ru_nvcsw
        await conversation.stop()
        await listening
    assert used < 0.04 * SECONDS, f"{used / SECONDS:.1%} of a processor"
    assert woken < 20 * SECONDS, f"{woken / SECONDS:.0f} wake-ups a second"
