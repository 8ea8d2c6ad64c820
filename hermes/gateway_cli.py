"""``hermes gateway``: run it here, in the background, and see how it is."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hermes.blame import Blame
from hermes.commands import CommandContext, UsageError, group
from hermes.control import ask
from hermes.deaths import MOST, Deaths
from hermes.errors import ConfigError, HermesError, NotFound, PluginError, one_line
from hermes.files import replace_file
from hermes.gateway import AlreadyRunning, Gateway
from hermes.gateway_status import lines
from hermes.identity import process_started
from hermes.kernel_settings import GatewaySettings
from hermes.platform import Outgoing
from hermes.shell import set_disabled
from hermes.trees import identity, lives
from hermes.watchdog import Watchdog

if TYPE_CHECKING:
    from hermes.plugins import Host
    from hermes.runtime import Runtime

STATUS = "gateway.json"
RESTART = 75
"""Exit status that asks a supervisor to start it again (EX_TEMPFAIL)."""
UNFIT = 78
"""Exit status that tells a supervisor not to: this configuration cannot start (EX_CONFIG)."""
ENABLE = "A section enables its part: telegram: {enabled: true} in config.yaml."
HEARTBEAT = 15.0
"""Seconds between two writings of a status that does not change."""


@group("gateway", surfaces={"cli"})
async def gateway(context: CommandContext) -> None:
    """Serve messengers. Without a command: run."""
    await _serve(context)


@gateway.command("run")
async def run(context: CommandContext) -> None:
    """Serve in this terminal until Ctrl+C or SIGTERM."""
    await _serve(context)


async def _serve(context: CommandContext) -> None:
    deaths = Deaths(context.host.paths.run)
    _blame(context, deaths)
    with deaths.noted():
        await _serve_noted(context)


def _blame(context: CommandContext, deaths: Deaths) -> None:
    """Disable the plugin in whose call the process died for the third time."""
    log, disabled = context.host.logs.bind(plugin="hermes"), False
    for plugin, times in deaths.settle(Blame(context.host.modules())).items():
        log.error("the process died within a plugin's call", culprit=plugin, times=times)
        if times < MOST:
            continue
        said = f"hermes plugins enable {plugin} lets it take part again"
        set_disabled(context.host, plugin, True)
        deaths.forget(plugin)
        log.error("plugin disabled", culprit=plugin, mend=said)
        disabled = True
    if disabled:
        context.host = context.host.afresh()


async def _serve_noted(context: CommandContext) -> None:
    runtime = await _open(context)
    runtime.surface = "gateway"
    context.host.logs.on_screen = "warning"  # a person, or gateway.log, is at the other end
    served = Gateway(runtime)
    again = asyncio.Event()
    loop = asyncio.get_running_loop()
    blame = Blame(context.host.modules())
    loop.set_exception_handler(partial(_say, runtime, blame))
    watchdog = Watchdog(blame, runtime.log)
    watchdog.start()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, served.stop)
    loop.add_signal_handler(signal.SIGUSR1, again.set)
    restarting = asyncio.ensure_future(_stop_when(again, served))
    writing = asyncio.ensure_future(_write_status(context.host, served))
    settling = asyncio.ensure_future(_settle(context, runtime, served))
    try:
        await served.run()
    except AlreadyRunning as error:
        context.reply(str(error))
    finally:
        watchdog.stop()
        restarting.cancel()
        writing.cancel()
        settling.cancel()
        if served.ready.is_set():
            _status_file(context.host).unlink(missing_ok=True)
    if again.is_set():
        raise SystemExit(RESTART)


async def _open(context: CommandContext) -> Runtime:
    """Open the home; where it cannot be with the configuration as it is, with the one that was last
    served with, if that may stand in (§8).
    """
    try:
        return await context.runtime()
    except (ConfigError, PluginError, NotFound) as error:
        if context.host.refuse_config(str(error)):
            with contextlib.suppress(ConfigError, PluginError, NotFound):
                return await context.runtime()
        said = ConfigError(context.host.config.unusable or str(error))
        said.exit_code = UNFIT
        raise said from None


async def _tell_owner(runtime: Runtime, served: Gateway) -> None:
    """Say in the first home chat there is that an earlier configuration is in use, once."""
    config = runtime.host.config
    if not config.instead:
        return config.keep_served()
    runtime.log.error("an earlier configuration is in use", why=config.instead)
    text = (
        f"⚠️ {config.file.name} is not used until it is mended: {config.instead}\n"
        "Until then the configuration holds that held before (hermes gateway status)."
    )
    cause = hashlib.sha256(text.encode()).hexdigest()[:16]
    for platform in served.parts.platforms:
        if (home := await runtime.outbox.home(platform)) is not None:
            text = runtime.host.secrets.redact(text)
            await runtime.outbox.put(Outgoing(home, text), key=f"config/{cause}")
            break
    return None


def _say(runtime: Runtime, blame: Blame, loop: object, what: dict[str, Any]) -> None:
    """Log what ended in a task that nobody waits for, and whose it was."""
    error = what.get("exception")
    culprit = blame.of_error(error) if error is not None else ""
    why = one_line(error) if error is not None else ""
    runtime.log.error(what["message"], culprit=culprit or "unknown", error=why)


async def _settle(context: CommandContext, runtime: Runtime, served: Gateway) -> None:
    """Say what is served, and get ready for months: the first message need not wait for the
    vendor's SDK, and the garbage collector need not walk all that was imported again and again
    (pauses of 60 ms to 250 ms).
    """
    await served.ready.wait()
    context.reply(_serves(served.status()))
    await _tell_owner(runtime, served)
    await runtime.warm()
    gc.collect()
    gc.freeze()


def _serves(parts: dict[str, dict[str, Any]]) -> str:
    """Say what a gateway serves, to whoever started it here."""
    if not parts:
        return f"Nothing is enabled, so nobody is served. {ENABLE}"
    said = [
        name.removeprefix("service ")
        + ("" if part["state"] == "running" else f" ({part['state']})")
        for name, part in parts.items()
    ]
    return f"Serving: {', '.join(said)}. Ctrl+C ends it."


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
    began = log.stat().st_size if log.exists() else 0
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
    raise UsageError(f"the gateway did not start{_why(log, began)}; see {log}")


def _why(log: Path, began: int) -> str:
    """Give what the process said last, if it said why it ended."""
    said = log.read_bytes()[began:].decode("utf-8", "replace").splitlines()
    last = next((line for line in reversed(said) if line.startswith("hermes: ")), "")
    return last.replace("hermes: ", ": ", 1)


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
    """Stop it and start it again in the background, unless the configuration could not be used."""
    context.host.config.section("hermes")
    running = _running(context.host)
    if running:
        await _end(running["pid"], signal.SIGTERM, context.host)
    await start.callback(context)  # type: ignore[misc]


@gateway.command("pause")
@click.argument("part")
async def pause(context: CommandContext, part: str) -> None:
    """Stop one platform or service, over restarts too; what is for it waits."""
    paused = await _order(context, "pause", part=part)
    context.reply(f"{paused['part']} is paused (hermes gateway resume {part}).")


@gateway.command("resume")
@click.argument("part")
async def resume(context: CommandContext, part: str) -> None:
    """Start a platform or service that was paused, or that has stopped."""
    resumed = await _order(context, "resume", part=part)
    context.reply(f"{resumed['part']} runs again.")


async def _order(context: CommandContext, order: str, **fields: Any) -> dict[str, Any]:
    answer = await ask(context.host.paths.run, order, seconds=30, **fields)
    if answer is None:
        raise HermesError("the gateway does not run, or does not answer (hermes gateway status)")
    return answer


@gateway.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--deep", is_flag=True, help="Ask each platform's far side, and look for damage.")
async def status(context: CommandContext, as_json: bool, deep: bool) -> None:
    """Say whether it runs, and how each platform is.

    With --deep the exit status is 1 where something does not answer or is damaged.
    """
    running = _running(context.host) or {}
    found: dict[str, Any] = {"running": bool(running), **running}
    if running:
        live = await ask(context.host.paths.run, "status")
        found |= {"answers": live is not None, **(live or {})}
    wrong = await _look_deep(context, found) if deep else []
    for line in [json.dumps(found)] if as_json else lines(found):
        context.reply(line)
    if wrong:
        raise HermesError(f"not well: {', '.join(wrong)}")


async def _look_deep(context: CommandContext, found: dict[str, Any]) -> list[str]:
    """Add to *found* what only asking shows; name what is wrong."""
    store = (await context.runtime()).store
    found["waiting"] = len(await store.pending("inbox"))
    found["unsent"] = len(await store.pending("outbox"))
    found["damage"] = await store.check()
    wrong = ["the journal"] if found["damage"] else []
    if not found["running"]:
        return wrong
    if not found["answers"]:
        return [*wrong, "the gateway does not answer"]
    probes = await ask(context.host.paths.run, "probe", seconds=30)
    for name, probe in (probes or {}).items():
        found["parts"].setdefault(name, {})["probe"] = probe
        wrong += [name] if probe["ok"] is False else []
    return wrong


async def _write_status(host: Host, served: Gateway) -> None:
    """Keep the status file true: each second while something changes, and as a heartbeat."""
    await served.ready.wait()
    begun, written, before = time.time(), 0.0, None
    while True:
        parts = served.status()
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
            "configuration": [host.secrets.redact(str(each)) for each in host.config.problems],
        }
        replace_file(_status_file(host), json.dumps(found), mode=0o600)
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
    try:
        drain = host.config.section("hermes").gateway.drain
    except ConfigError:  # it runs with another one
        drain = GatewaySettings().drain
    process = identity(pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
    deadline = time.monotonic() + drain + 10
    while _running(host) or lives(process):  # it says goodbye first, and closes the journal last
        if time.monotonic() > deadline:
            raise UsageError(f"process {pid} does not end; kill -9 {pid} loses nothing")
        await asyncio.sleep(0.1)
