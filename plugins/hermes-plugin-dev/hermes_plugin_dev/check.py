"""``hermes plugins check``: what a plugin's CI runs, and a look at everything installed."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from hermes import CommandContext, HermesError, NotFound, command
from hermes_plugin_dev.checking import Report, check_installed, check_project

if TYPE_CHECKING:
    from hermes.plugins import Host


@command(surfaces={"cli"})
@click.argument("what", metavar="[PATH|NAME]", default="")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
async def check(context: CommandContext, what: str, as_json: bool) -> None:
    """Check a plugin: the project in a folder, or one that is installed; without either, all.

    A project is built and looked at in a process that has nothing but what it declares.
    """
    if not what:
        return everything(context, as_json)
    report = await asyncio.to_thread(checked, context.host, what)
    if as_json:
        context.reply(json.dumps({**msgspec.to_builtins(report), "ok": report.ok}, indent=2))
    else:
        tell(context, report)
    if not report.ok:
        count = sum(len(result.wrong) for result in report.results)
        raise HermesError(f"{report.distribution}: {count} problem{'s' * (count > 1)}")
    return None


def checked(host: Host, what: str) -> Report:
    """Check the project or the plugin that *what* names. Raises HermesError."""
    folder = Path(what).expanduser()
    if "/" in what or what == "." or (folder / "pyproject.toml").is_file():
        return check_project(folder.resolve())
    installed = {plugin.name: plugin.distribution for plugin in host.plugins()}
    for name, distribution in installed.items():
        if what in (name, distribution):
            return check_installed(distribution)
    known = ", ".join(sorted(installed)) or "none"
    raise NotFound(f"{what} is neither a folder with a pyproject.toml nor installed ({known})")


def tell(context: CommandContext, report: Report) -> None:
    context.reply(f"{report.distribution} {report.version}".strip())
    for result in report.results:
        mark = "FAILED" if result.wrong else "ok"
        context.reply(f"  {mark:6} {result.name:12} {result.figures}".rstrip())
        for line in result.wrong:
            context.reply(f"         {line}")
    for line in report.outdated:
        context.reply(f"  soon   {line}")


def everything(context: CommandContext, as_json: bool) -> None:
    """List every installed plugin afresh and load everything that is offered."""
    host = context.host.afresh()
    plugins = host.plugins()
    wrong = [f"plugin {p.name}: {p.reason}" for p in plugins if p.reason]
    wrong += [f"plugin {p.name}: {warning}" for p in plugins for warning in p.warnings]
    wrong += host.conflicts()
    offers = [offer for p in plugins if p.state == "active" for offer in p.offers]
    for offer in offers:
        try:
            host.create(offer.kind, offer.name)
        except HermesError as error:
            wrong.append(str(error))
    wrong = list(dict.fromkeys(wrong))
    if as_json:
        said = {"plugins": len(plugins), "offers": len(offers), "wrong": wrong, "ok": not wrong}
        context.reply(json.dumps(said, indent=2))
    else:
        for line in wrong:
            context.reply(line)
    if wrong:
        raise HermesError(f"{len(wrong)} problems in {len(plugins)} plugins")
    if not as_json:
        context.reply(f"{len(plugins)} plugins, {len(offers)} offers: all can be loaded")
