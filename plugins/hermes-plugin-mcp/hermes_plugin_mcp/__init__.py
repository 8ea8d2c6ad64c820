"""Tools from Model Context Protocol servers."""

from hermes import Offer, hookimpl


@hookimpl
def hermes_tools() -> list[Offer]:
    return [
        Offer(
            "mcp",
            "hermes_plugin_mcp.family:Servers",
            "Tools of the MCP servers named under mcp_servers",
            family=True,
        )
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer("mcp", "hermes_plugin_mcp.settings:Mcp", "How MCP servers are connected", guard=True),
        Offer(
            "mcp_servers",
            "hermes_plugin_mcp.settings:McpServers",
            "MCP servers, by name",
            guard=True,
        ),
    ]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer(
            "mcp",
            "hermes_plugin_mcp.commands:mcp",
            "List, test and look into MCP servers",
            surfaces=("cli",),
        )
    ]


@hookimpl
def hermes_checks() -> list[Offer]:
    return [
        Offer(
            "mcp", "hermes_plugin_mcp.checks:ServersCheck", "MCP servers can be started as written"
        )
    ]
