"""``hermes doctor``: run every check that plugins offer, and say what each found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
import msgspec

from hermes import CommandContext, HermesError, NotFound, command, one_line

if TYPE_CHECKING:
    from hermes.plugins import Host, Offered

SECONDS = 10.0
"""How long one check may take."""
MARKS = {"ok": "ok", "warning": "warn", "error": "FAIL"}


class Said(msgspec.Struct, frozen=True):
    """A finding, and whose it is."""

    level: str
    check: str
    plugin: str
    text: str
    mend: str = ""


@command(surfaces={"cli"})
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
async def doctor(context: CommandContext, names: tuple[str, ...], as_json: bool) -> None:
    """Say what works here and what does not: all checks, or those of NAMES."""
    offers = chosen(context.host, names)
    found = [] if names else [*around(context.host), *await journal(context)]
    if names:
        await journal(context)  # a check may want what only an open home has
    for some in await asyncio.gather(*(look(context.host, offer) for offer in offers)):
        found += some
    if as_json:
        context.reply(json.dumps(msgspec.to_builtins(found), indent=2))
    else:
        tell(context, found)
    errors = sum(said.level == "error" for said in found)
    if errors:
        raise HermesError(f"{errors} thing{'s' * (errors > 1)} to mend")


def chosen(host: Host, names: tuple[str, ...]) -> list[Offered]:
    """Give the checks of these names or plugins; all without any. Raises NotFound."""
    offers = list(host.offers("checks").values())
    for name in names:
        if not any(name in (offer.name, offer.plugin) for offer in offers):
            known = ", ".join(sorted({offer.name for offer in offers})) or "none"
            raise NotFound(f"no check of {name}; there are: {known}")
    return [o for o in offers if not names or o.name in names or o.plugin in names]


def around(host: Host) -> Iterable[Said]:
    """Say which plugins are not there, and what the configuration says that nobody understands."""
    plugins = host.plugins()
    for plugin in plugins:
        if plugin.state in ("failed", "incompatible"):
            mend = f"mend or remove it, or `hermes plugins disable {plugin.name}`"
            yield Said("error", "plugins", plugin.name, f"{plugin.name}: {plugin.reason}", mend)
    for conflict in host.conflicts():
        yield Said("error", "plugins", "hermes", conflict)
    active = sum(plugin.state == "active" for plugin in plugins)
    yield Said("ok", "plugins", "hermes", f"{active} of {len(plugins)} plugins take part")
    problems = host.config.problems
    for problem in problems:
        yield Said("warning", "config", "hermes", str(problem))
    if not problems:
        yield Said("ok", "config", "hermes", "the configuration is understood")


async def journal(context: CommandContext) -> list[Said]:
    """Open the home, and look at the journal for damage."""
    try:
        runtime = await context.runtime()
        wrong = await asyncio.wait_for(runtime.store.check(), SECONDS)
        stats = await runtime.store.stats()
    except TimeoutError:
        return [Said("warning", "journal", "hermes", f"not looked through in {SECONDS:.0f} s")]
    except HermesError as error:
        return [Said("error", "journal", "hermes", one_line(error))]
    if wrong:
        return [Said("error", "journal", "hermes", line) for line in wrong]
    text = f"{stats.sessions} conversations, {stats.records} records, nothing damaged"
    return [Said("ok", "journal", "hermes", text)]


async def look(host: Host, offer: Offered) -> list[Said]:
    """Run one check. What it raises is a finding too: it must not hide the others'."""
    try:
        async with asyncio.timeout(SECONDS):  # in this task: SystemExit leaves one of its own
            findings = await host.create("checks", offer.name).check()
        said = [(each.level, each.text, each.mend) for each in findings]
    except TimeoutError:
        said = [("error", f"it took longer than {SECONDS:.0f} s", "")]
    except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
        said = [("error", one_line(error), "")]
    return [Said(level, offer.name, offer.plugin, text, mend) for level, text, mend in said]


def tell(context: CommandContext, found: list[Said]) -> None:
    width = max((len(said.check) for said in found), default=0)
    for said in found:
        context.reply(f"{MARKS.get(said.level, said.level):4}  {said.check:{width}}  {said.text}")
        if said.mend and said.level != "ok":
            context.reply(f"{'':{width + 8}}{said.mend}")
