"""``hermes plugins install``, ``update`` and ``remove``: the plan first, then pip or uv."""

from __future__ import annotations

import asyncio
import re
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import click
from packaging.requirements import InvalidRequirement, Requirement

import hermes
from hermes import CommandContext, HermesError, NotFound, Question, UsageError, command
from hermes_plugin_dev import catalogue, installer
from hermes_plugin_dev.checking import source_of
from hermes_plugin_dev.installer import Change
from hermes_plugin_dev.reading import Asked, read

if TYPE_CHECKING:
    from hermes.plugins import Host, PluginInfo

GROUP = "hermes.plugins"
YES = click.option("--yes", "-y", is_flag=True, help="Do it without asking.")


@command(surfaces={"cli"})
@click.argument("what", nargs=-1, required=True)
@YES
async def install(context: CommandContext, what: tuple[str, ...], yes: bool) -> None:
    """Install plugins: names of the catalogue, distributions, wheels, folders, addresses.

    What would change, what each plugin offers and what it asks for is shown before anything
    happens; nothing of it runs before you agree. The kernel stays as it is.
    """
    installer.check_writable()
    requirements = [requirement(each) for each in what]
    for each in requirements:
        for line in await asyncio.to_thread(described, each):
            context.reply(line)
    changes = await asyncio.to_thread(installer.plan, requirements)
    if not changes:
        return context.reply("Everything of it is installed already.")
    tell(context, "This would be installed", changes)
    await agreed(context, yes)
    await asyncio.to_thread(installer.install, requirements)
    return after(context, changes)


@command(surfaces={"cli"})
@click.argument("names", nargs=-1)
@YES
async def update(context: CommandContext, names: tuple[str, ...], yes: bool) -> None:
    """Update plugins: those named, or all that were not installed from a folder."""
    installer.check_writable()
    chosen = [named(context.host, name) for name in names] or context.host.plugins()
    distributions = []
    for plugin in chosen:
        if source := source_of(metadata.distribution(plugin.distribution)):
            context.reply(f"{plugin.name} is left as it is: it is installed from {source}")
        else:
            distributions.append(plugin.distribution)
    changes = []
    if distributions:
        changes = await asyncio.to_thread(installer.plan, distributions, upgrade=True)
    if not changes:
        return context.reply("All are current.")
    tell(context, "This would change", changes)
    await agreed(context, yes)
    await asyncio.to_thread(installer.install, distributions, upgrade=True)
    return after(context, changes)


@command(surfaces={"cli"})
@click.argument("names", nargs=-1, required=True)
@YES
async def remove(context: CommandContext, names: tuple[str, ...], yes: bool) -> None:
    """Remove plugins. What they keep in the home folder stays."""
    installer.check_writable()
    going = [named(context.host, name) for name in names]
    distributions = {normal(plugin.distribution) for plugin in going}
    for plugin in going:
        if needed := needed_by(plugin.distribution, distributions):
            mend = f"remove {'them' if len(needed) > 1 else 'it'} as well"
            raise HermesError(f"{plugin.name} is needed by {', '.join(needed)}; {mend}")
    for plugin in going:
        context.reply(f"{plugin.name}: {plugin.distribution} {plugin.version}")
        for offer in plugin.offers:
            context.reply(f"  no more {offer.kind} {offer.name}: {offer.summary}")
        kept = context.host.paths.home / "data" / plugin.name
        if kept.exists():
            context.reply(f"  {kept} stays")
    await agreed(context, yes)
    await asyncio.to_thread(installer.uninstall, [plugin.distribution for plugin in going])
    left = {plugin.name for plugin in context.host.afresh().plugins()}
    for plugin in going:
        if plugin.name in left:
            raise HermesError(f"{plugin.name} is still there")
        context.reply(f"{plugin.name} is removed.")


@command(surfaces={"cli"})
@click.argument("words", nargs=-1)
async def search(context: CommandContext, words: tuple[str, ...]) -> None:
    """Look for plugins in the catalogue; without WORDS all of it is shown."""
    installed = {plugin.name: plugin for plugin in context.host.plugins()}
    found = catalogue.search(words)
    width = max((len(entry.name) for entry in found), default=0)
    for entry in found:
        here = f" (installed, {installed[entry.name].version})" if entry.name in installed else ""
        context.reply(f"{entry.name:{width}}  {entry.summary}{here}")
    if not found:
        raise NotFound(f"nothing in the catalogue is about {' '.join(words)}")


# -- the plan ----------------------------------------------------------------------------------


def requirement(given: str) -> str:
    """Give what pip or uv are to be asked for. Raises UsageError."""
    path = Path(given).expanduser()
    if "/" in given or path.suffix == ".whl" or (path / "pyproject.toml").is_file():
        if "://" not in given and not path.exists():
            raise UsageError(f"there is no {given}")
        return given if "://" in given else str(path.resolve())
    try:
        wanted = Requirement(given)
    except InvalidRequirement:
        raise UsageError(f"{given!r} is neither a plugin's name nor a requirement") from None
    if known := catalogue.named(wanted.name):
        return given.replace(wanted.name, known.distribution, 1)
    return given


def described(requirement: str) -> list[str]:
    """Say what a plugin offers and asks for, from its files. Raises HermesError where it is none.

    A plugin that is made for another kernel is refused here, before anything is changed.
    """
    with tempfile.TemporaryDirectory(prefix="hermes-plan-") as folder:
        installer.fetch(requirement, Path(folder))
        for dist in metadata.distributions(path=[folder]):
            for entry in dist.entry_points:
                if entry.group == GROUP:
                    check_kernel(dist)
                    module = entry.value.partition(":")[0].replace(".", "/")
                    asked = read(Path(folder, module))
                    name = dist.metadata["Name"]
                    first = f"{name} {dist.version}: {dist.metadata['Summary'] or ''}".rstrip(": ")
                    return [first, *lines(asked)]
    raise HermesError(f"{requirement} is no plugin: it has no entry point in {GROUP}")


def check_kernel(dist: metadata.Distribution) -> None:
    for line in dist.requires or ():
        wanted = Requirement(line)
        if normal(wanted.name) == "hermes-kernel" and wanted.marker is None:
            if not wanted.specifier.contains(hermes.__version__, prereleases=True):
                said = f"{dist.metadata['Name']} {dist.version} needs hermes-kernel"
                raise HermesError(f"{said} {wanted.specifier}, this is {hermes.__version__}")


def lines(asked: Asked) -> list[str]:
    said = [f"  offers {kind} {name}: {text}" for kind, name, text in asked.offers]
    said = [line for line in said if not line.startswith("  offers settings ")]
    if asked.secrets:
        said.append(f"  asks for the secrets {', '.join(asked.secrets)}")
    if asked.listens:
        said.append("  listens on a port")
    return said or ["  (what it offers cannot be told without running it)"]


def tell(context: CommandContext, title: str, changes: list[Change]) -> None:
    context.reply(f"{title}: {', '.join(map(str, changes))}")


async def agreed(context: CommandContext, yes: bool) -> None:
    """Ask. Raises HermesError where the answer is no, or nobody can be asked."""
    if yes:
        return
    reply = await context.ask(Question("Go on?", ("yes", "no"), purpose="pick"))
    if reply.choice != "yes":
        raise HermesError("nothing was changed (--yes does it without asking)")


def after(context: CommandContext, changes: list[Change]) -> None:
    """Make the index anew, and say what became of each plugin that came."""
    names = {normal(change.name) for change in changes}
    came = [p for p in context.host.afresh().plugins() if normal(p.distribution) in names]
    for plugin in came:
        offers = ", ".join(f"{offer.kind} {offer.name}" for offer in plugin.offers)
        context.reply(
            f"{plugin.name} {plugin.version} is {plugin.state}: {plugin.reason or offers}"
        )
    bad = [plugin.name for plugin in came if plugin.state in ("failed", "incompatible")]
    if bad:
        raise HermesError(f"{', '.join(bad)} cannot take part")


def named(host: Host, name: str) -> PluginInfo:
    """Give an installed plugin by its name or its distribution's. Raises NotFound."""
    for plugin in host.plugins():
        if name in (plugin.name, plugin.distribution):
            return plugin
    known = ", ".join(plugin.name for plugin in host.plugins()) or "none"
    raise NotFound(f"no plugin {name} is installed ({known})")


def needed_by(distribution: str, going: set[str]) -> list[str]:
    """Name the other plugins that require a distribution and stay."""
    found = set()
    for entry in metadata.entry_points(group=GROUP):
        dist = entry.dist
        if dist is None or normal(dist.metadata["Name"]) in going:
            continue
        wanted = [Requirement(line) for line in dist.requires or ()]
        if any(normal(w.name) == normal(distribution) and w.marker is None for w in wanted):
            found.add(entry.name)
    return sorted(found)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
