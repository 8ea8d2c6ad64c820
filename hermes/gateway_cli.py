"""``hermes gateway``: run it here, in the background, and see how it is."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermes.commands import CommandContext, UsageError, group
from hermes.errors import ConfigError, NotFound, PluginError
from hermes.files import replace
from hermes.gateway import AlreadyRunning, Gateway
from hermes.identity import process_started

if TYPE_CHECKING:
    from hermes.plugins import Host
    from hermes.runtime import Runtime

STATUS = "gateway.json"
RESTART = 75
"""Exit status that asks a supervisor to start it again (EX_TEMPFAIL)."""
UNFIT = 78
"""Exit status that tells a supervisor not to: this configuration cannot start (EX_CONFIG)."""
HEARTBEAT = 15.0
"""Seconds between two writings of a status that does not change."""
DEGRADED = 90.0
"""Seconds without a sign of life after which a platform is said to be degraded."""


@group("gateway", surfaces={"cli"})
async def gateway(context: CommandContext) -> None:
    """Serve messengers. Without a command: run."""
    await _serve(context)


@gateway.command("run")
async def run(context: CommandContext) -> None:
    """Serve in this terminal until Ctrl+C or SIGTERM."""
    await _serve(context)


async def _serve(context: CommandContext) -> None:
    try:
        runtime = await context.runtime()
    except (ConfigError, PluginError, NotFound) as error:
        error.exit_code = UNFIT
        raise
    runtime.surface = "gateway"
    context.host.logs.on_screen = "warning"  # a person, or gateway.log, is at the other end
    served = Gateway(runtime)
    again = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, served.stop)
    loop.add_signal_handler(signal.SIGUSR1, again.set)
    restarting = asyncio.ensure_future(_stop_when(again, served))
    writing = asyncio.ensure_future(_write_status(context.host, served))
    settling = asyncio.ensure_future(_settle(runtime, served))
    try:
        await served.run()
    except AlreadyRunning as error:
        context.reply(str(error))
    finally:
        restarting.cancel()
        writing.cancel()
        settling.cancel()
        if served.ready.is_set():
            _status_file(context.host).unlink(missing_ok=True)
    if again.is_set():
        raise SystemExit(RESTART)


async def _settle(runtime: Runtime, served: Gateway) -> None:
    """Get ready for months: the first message need not wait for the vendor's SDK, and the garbage
    collector need not walk all that was imported again and again (pauses of 60 ms to 250 ms).
    """
    await served.ready.wait()
    await runtime.warm()
    gc.collect()
    gc.freeze()


async def _stop_when(asked: asyncio.Event, served: Gateway) -> None:
    await asked.wait()
    served.stop()


@gateway.command("start")
async def start(context: CommandContext) -> None:
    """Serve in the background; what it says goes to logs/gateway.log."""
    running = _running(context.host)
    if running:
        return context.reply(f"The gateway runs already (process {running['pid']}).")
    log = context.host.paths.logs / "gateway.log"
    environment = {
        **context.host.secrets.whole_environment(),
        "HERMES_HOME": str(context.host.paths.home),
    }
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: ASYNC220  (it outlives this command on purpose)
            [sys.executable, "-m", "hermes", "gateway", "run"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline and child.poll() is None:
        if _running(context.host):
            return context.reply(f"The gateway runs (process {child.pid}); log: {log}")
        await asyncio.sleep(0.1)
    raise UsageError(f"the gateway did not start; see {log}")


@gateway.command("stop")
async def stop(context: CommandContext) -> None:
    """Stop it: running turns get their time to end, the rest is resumed at the next start."""
    running = _running(context.host)
    if not running:
        return context.reply("The gateway does not run.")
    await _end(running["pid"], signal.SIGTERM, context.host)
    return context.reply("The gateway has stopped.")


@gateway.command("restart")
async def restart(context: CommandContext) -> None:
    """Stop it and start it again in the background."""
    running = _running(context.host)
    if running:
        await _end(running["pid"], signal.SIGTERM, context.host)
    await start.callback(context)  # type: ignore[misc]


@gateway.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--deep", is_flag=True, help="Look into the journal too.")
async def status(context: CommandContext, as_json: bool, deep: bool) -> None:
    """Say whether it runs, and how each platform is."""
    running = _running(context.host) or {}
    found: dict[str, Any] = {"running": bool(running), **running}
    if deep:
        store = (await context.runtime()).store
        found["waiting"] = len(await store.pending("inbox"))
        found["unsent"] = len(await store.pending("outbox"))
        found["damage"] = await store.check()
    if as_json:
        return context.reply(json.dumps(found))
    if not running:
        context.reply("The gateway does not run (hermes gateway run).")
    else:
        up = int(time.time() - running["started"])
        context.reply(f"The gateway runs: process {running['pid']}, up {up} s")
    for name, part in running.get("parts", {}).items():
        context.reply(f"  {name:20} {part['state']:15} {part['error']}".rstrip())
    if deep:
        context.reply(f"waiting messages {found['waiting']}, unsent replies {found['unsent']}")
        for line in found["damage"]:
            context.reply(f"journal: {line}")
    return None


async def _write_status(host: Host, served: Gateway) -> None:
    """Keep the status file true: each second while something changes, and as a heartbeat."""
    await served.ready.wait()
    begun, written, before = time.time(), 0.0, None
    while True:
        parts = served.status()
        for part in parts.values():
            quiet = time.time() - part.get("heard", 0) / 1e6 if part.get("heard") else 0.0
            if part["state"] == "running" and (part.get("problem") or quiet > DEGRADED):
                said = part.get("problem") or f"nothing heard for {int(quiet)} s"
                part["state"], part["error"] = "degraded", said
        states = {name: (part["state"], part["error"]) for name, part in parts.items()}
        if states == before and time.time() - written < HEARTBEAT:
            await asyncio.sleep(1)
            continue
        before, written, pid = states, time.time(), os.getpid()
        found = {
            "pid": pid,
            "process": process_started(pid),
            "started": begun,
            "beat": written,
            "parts": parts,
        }
        replace(_status_file(host), json.dumps(found), mode=0o600)
        await asyncio.sleep(1)


def _status_file(host: Host) -> Path:
    return host.paths.run / STATUS


def _running(host: Host) -> dict[str, Any] | None:
    """Read the status of a gateway that lives; None where none does."""
    try:
        found: dict[str, Any] = json.loads(_status_file(host).read_text())
        alive = process_started(found["pid"]) == found["process"]
    except (OSError, ValueError, KeyError):
        return None
    return found if alive else None


async def _end(pid: int, number: int, host: Host) -> None:
    drain = host.config.section("hermes").gateway.drain
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    deadline = time.monotonic() + drain + 10
    while _running(host):
        if time.monotonic() > deadline:
            raise UsageError(f"process {pid} does not end; kill -9 {pid} loses nothing")
        await asyncio.sleep(0.1)
