"""``tools``: what the model may ask for, and which toolsets take part."""

from __future__ import annotations

import difflib
import json
from typing import Any

import click

from hermes import CommandContext, NotFound, Tool, group
from hermes_plugin_commands.words import line

as_json_option = click.option("--json", "as_json", is_flag=True, help="For programs.")


@group()
@as_json_option
async def tools(context: CommandContext, as_json: bool) -> None:
    """List the tools, and switch toolsets on and off."""
    await _list(context, as_json)


@tools.command("list")
@as_json_option
async def list_(context: CommandContext, as_json: bool) -> None:
    """List toolsets and their tools, with what each needs and what it leaves behind."""
    await _list(context, as_json)


async def _list(context: CommandContext, as_json: bool) -> None:
    runtime = await context.runtime()
    offered = context.host.offers("tools")
    enabled = _enabled(context)
    found: dict[str, list[Tool]] = {name: [] for name in offered}
    for tool in await runtime.tools.gather():
        found[tool.toolset].append(tool)
    if as_json:
        data = [
            {"toolset": name, "enabled": name in enabled, "tools": [_data(tool) for tool in listed]}
            for name, listed in found.items()
        ]
        context.reply(json.dumps(data, indent=2, ensure_ascii=False))
        return
    for name, listed in found.items():
        mark = "on " if name in enabled else "off"
        context.reply(f"{mark} {name}: {offered[name].summary}")
        for tool in listed:
            needs = " ".join(sorted(tool.needs)) or "nothing"
            about = line(tool.spec.description, 60)
            context.reply(f"      {tool.name}  [{tool.effect.value}; needs {needs}]  {about}")
    if not offered:
        context.reply("No plugin offers tools.")


def _data(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.spec.description,
        "effect": tool.effect.value,
        "needs": sorted(tool.needs),
        "plugin": tool.plugin,
    }


@tools.command()
@click.argument("toolset")
async def enable(context: CommandContext, toolset: str) -> None:
    """Let a toolset take part in new conversations."""
    _known(context, toolset)
    _choose(context, _enabled(context) | {toolset})
    context.reply(f"{toolset} is on for new conversations.")


@tools.command()
@click.argument("toolset")
async def disable(context: CommandContext, toolset: str) -> None:
    """Keep a toolset out of new conversations."""
    _known(context, toolset)
    rest = _enabled(context) - {toolset}
    if not rest:
        raise NotFound(f"{toolset} is the last toolset that is on: an empty list would mean all")
    _choose(context, rest)
    context.reply(f"{toolset} is off for new conversations.")


def _enabled(context: CommandContext) -> set[str]:
    configured = context.host.config.section("hermes").toolsets
    return set(configured or context.host.offers("tools"))


def _choose(context: CommandContext, chosen: set[str]) -> None:
    """Keep the choice; of everything none, so that what is installed later counts."""
    settings = context.host.config
    if chosen >= set(context.host.offers("tools")):
        if settings.section("hermes").toolsets:
            settings.unset("toolsets")
    else:
        settings.set("toolsets", sorted(chosen))


def _known(context: CommandContext, toolset: str) -> None:
    names = list(context.host.offers("tools"))
    if toolset not in names:
        near = difflib.get_close_matches(toolset, names, n=1)
        mend = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
        raise NotFound(f"no toolset {toolset}; {mend}")
