"""``hermes mcp``: which servers there are, whether they answer, what they offer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import msgspec

from hermes import CommandContext, HermesError, PluginContext, group
from hermes_plugin_mcp.definitions import Definition, offered, tool_names
from hermes_plugin_mcp.family import Servers, ServerTools
from hermes_plugin_mcp.plan import warnings
from hermes_plugin_mcp.server import Unavailable

if TYPE_CHECKING:
    from hermes_plugin_mcp.connection import Connection

as_json = click.option("--json", "as_json", is_flag=True, help="Reply in JSON.")


@group("mcp", surfaces={"cli"})
async def mcp(context: CommandContext) -> None:
    """List, test and look into MCP servers."""
    _list(context, as_json=False)


@mcp.command("list")
@as_json
async def list_(context: CommandContext, as_json: bool) -> None:
    """List the servers of the configuration, without connecting."""
    _list(context, as_json=as_json)


@mcp.command("test")
@click.argument("name")
@as_json
async def test(context: CommandContext, name: str, as_json: bool) -> None:
    """Connect to a server and say how it went."""
    toolset = (await _servers(context)).toolset(name)
    try:
        began = time.monotonic()
        connection = await _connected(toolset)
        about = {
            "name": name,
            "server": connection.server,
            "protocol": connection.protocol,
            "tools": len(toolset.server.definitions or ()),
            "seconds": round(time.monotonic() - began, 2),
        }
    finally:
        await toolset.close()
    line = (
        f"{name}: connected to {about['server'] or 'a server'} in {about['seconds']} s;"
        f" protocol {about['protocol']}, {about['tools']} tools"
    )
    _reply(context, about, as_json, [line])


@mcp.command("tools")
@click.argument("name")
@click.option("--again", is_flag=True, help="Ask the server, even where its tools are known.")
@as_json
async def tools(context: CommandContext, name: str, again: bool, as_json: bool) -> None:
    """List the tools of a server; those that the configuration leaves out have no name here."""
    toolset = Servers(_context(context)).toolset(name)
    if again or toolset.server.definitions is None:
        toolset = (await _servers(context)).toolset(name)
        try:
            await _connected(toolset)
        finally:
            await toolset.close()
    rows = _rows(toolset)
    width = max((len(row["tool"] or "-") for row in rows), default=0)
    lines = [f"{row['tool'] or '-':{width}}  {row['summary']}".rstrip() for row in rows]
    _reply(context, rows, as_json, lines or [f"{name}: no tools"])


async def _connected(toolset: ServerTools) -> Connection:
    try:
        return await toolset.server.ready()
    except Unavailable as error:
        # When it would be tried again says nothing here: this process ends.
        server = toolset.server
        raise HermesError(f"MCP server {server.name}: {server.reason or error}") from None


def _list(context: CommandContext, *, as_json: bool) -> None:
    plugin = _context(context)
    family, secrets = Servers(plugin), plugin.secrets
    rows = []
    for name, server in family.servers.items():
        known = family.toolset(name).server.definitions if server.enabled else None
        row: dict[str, Any] = {
            "name": name,
            "transport": "stdio" if server.command else server.transport or "http",
            "enabled": server.enabled,
            "problem": family.problems.get(name, ""),
            "warnings": list(warnings(name, server, secrets.redact)),
            "tools": None if known is None else len(offered(known, server.tools)),
        }
        rows.append(row)
    lines = [_line(row) for row in rows]
    lines += [f"  {warning}" for row in rows for warning in row["warnings"]]
    _reply(context, rows, as_json, lines or ["no MCP servers; they go under mcp_servers"])


def _line(row: dict[str, Any]) -> str:
    if row["problem"]:
        state = str(row["problem"])
    elif not row["enabled"]:
        state = "disabled"
    else:
        state = "never connected" if row["tools"] is None else f"{row['tools']} tools"
    return f"{row['name']}  {row['transport']}  {state}"


def _rows(toolset: ServerTools) -> list[dict[str, Any]]:
    server = toolset.server
    known = server.definitions or ()
    chosen = offered(known, server.settings.tools)
    names = tool_names(server.name, [tool.name for tool in chosen])
    return [
        {"tool": names.get(tool.name), "server_tool": tool.name, "summary": _summary(tool)}
        for tool in known
    ]


def _summary(tool: Definition) -> str:
    lines = tool.description.strip().splitlines()
    return lines[0][:120] if lines else ""


def _context(context: CommandContext) -> PluginContext:
    made: PluginContext = context.host.context("mcp")
    return made


async def _servers(context: CommandContext) -> Servers:
    """Give servers that can be connected: children are the runtime's."""
    await context.runtime()
    return Servers(_context(context))


def _reply(context: CommandContext, data: Any, as_json: bool, lines: list[str]) -> None:
    if as_json:
        context.reply(msgspec.json.encode(data).decode())
        return
    for line in lines:
        context.reply(line)
