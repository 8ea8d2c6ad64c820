"""Check that servers can be started as they are written, without starting them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hermes import Check, Finding, HermesError, PluginContext
from hermes_plugin_mcp.family import Servers
from hermes_plugin_mcp.plan import fill, warnings


class ServersCheck(Check):
    """A line for each enabled server, and one for what does not work as it looks."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context

    async def check(self) -> tuple[Finding, ...]:
        return tuple(self._findings()) or (Finding("ok", "no MCP servers are configured"),)

    def _findings(self) -> Iterator[Finding]:
        family, secrets = Servers(self._context), self._context.secrets
        for name in family.members():
            server = family.servers[name]
            for text in warnings(name, server, secrets.redact):
                yield Finding("warning", text)
            if problem := family.problems.get(name):
                yield Finding("error", problem)
                continue
            try:
                plan = fill(name, server, secrets, {"PATH": os.environ.get("PATH", os.defpath)})
            except HermesError as error:
                yield Finding("error", str(error))
                continue
            where = plan.argv[0] if plan.argv else server.url
            yield Finding("ok", f"MCP server {name}: {where}", f"hermes mcp test {name}")
