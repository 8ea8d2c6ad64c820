"""The toolsets of all configured servers: one each (§4.1)."""

from __future__ import annotations

import asyncio
from difflib import get_close_matches

from hermes import NotFound, PluginContext, Tool, Toolset, ToolsetFamily
from hermes_plugin_mcp.definitions import make_tools
from hermes_plugin_mcp.plan import problems
from hermes_plugin_mcp.server import Server
from hermes_plugin_mcp.settings import McpServer, McpServers


class ServerTools(Toolset):
    """The tools of one server."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def last_seen(self) -> tuple[Tool, ...] | None:
        seen = self.server.definitions
        server = self.server
        return None if seen is None else make_tools(server.name, server.settings, seen, server.run)

    async def tools(self) -> tuple[Tool, ...]:
        await self.server.ready()
        return self.last_seen() or ()

    async def close(self) -> None:
        await self.server.close()


class Servers(ToolsetFamily):
    """The servers that ``mcp_servers`` names and does not disable."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self.servers: McpServers = dict(context.config.section("mcp_servers") or {})
        self.problems = problems(self.servers)
        self._toolsets: dict[str, ServerTools] = {}

    def members(self) -> tuple[str, ...]:
        return tuple(name for name, server in self.servers.items() if server.enabled)

    def toolset(self, name: str) -> ServerTools:
        if name not in self._toolsets:
            server = Server(
                name, self.settings(name), self._context, problem=self.problems.get(name, "")
            )
            self._toolsets[name] = ServerTools(server)
        return self._toolsets[name]

    def settings(self, name: str) -> McpServer:
        """Give an enabled server's entry. Raises NotFound."""
        members = self.members()
        if name in members:
            return self.servers[name]
        if name in self.servers:
            raise NotFound(f"MCP server {name} is disabled (mcp_servers.{name}.enabled)")
        near = get_close_matches(name, members, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise NotFound(f"mcp_servers names no server {name}{hint}")

    async def close(self) -> None:
        """Close whatever its owner has not: a second time does nothing."""
        await asyncio.gather(*(toolset.close() for toolset in self._toolsets.values()))
