"""The sections ``mcp`` and ``mcp_servers``: keys as Hermes Agent has them, and a few of ours."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec


class Mcp(msgspec.Struct, frozen=True):
    """How MCP servers are connected, all of them."""

    retry_first: float = 1.0
    """Seconds until a lost server is tried again; doubled after each failure."""
    retry_most: float = 60.0
    """Seconds between two tries at most."""
    message_mb: int = 64
    """Megabytes that one message of a server may have; one that sends more is disconnected."""


class ToolFilter(msgspec.Struct, frozen=True):
    """Which tools of a server are offered, by the server's own names; ``*`` matches anything."""

    include: tuple[str, ...] = ()
    """Only these; empty means all."""
    exclude: tuple[str, ...] = ()
    """Not these."""
    resources: bool | None = None
    """Hermes Agent's; without effect."""
    prompts: bool | None = None
    """Hermes Agent's; without effect."""


Scalar: TypeAlias = str | int | float | bool


class McpServer(msgspec.Struct, frozen=True):
    """One server: a command to run, or the URL of one that runs.

    Values of `env` and `headers` may be references (``env:NAME``, ``keyring:…``, ``command:…``)
    and may hold ``${NAME}``, as `url` may.
    """

    command: str = ""
    """Program to start; it speaks MCP on its standard input and output."""
    args: tuple[Scalar, ...] = ()
    env: dict[str, Scalar] = {}
    """Variables it gets beside the few that every child process gets."""
    cwd: str = ""
    """Folder to start it in."""
    url: str = ""
    """Address of a server over HTTP."""
    headers: dict[str, Scalar] = {}
    transport: Literal["", "stdio", "http", "streamable_http", "sse"] = ""
    """Said only for ``sse``, the older way over HTTP."""
    timeout: float = 300.0
    """Seconds that a call may take."""
    connect_timeout: float = 60.0
    """Seconds until it must have answered and listed its tools."""
    idle_timeout_seconds: float = 0.0
    """Seconds without a call after which it is disconnected, until the next; 0 means never."""
    enabled: bool = True
    tools: ToolFilter = ToolFilter()
    trust_annotations: bool = False
    """Believe what the server says of its tools: one called read-only needs only ``read``."""
    supports_parallel_tool_calls: bool = False
    """Its tools may run beside each other and beside other tools."""
    auth: Any = None
    """Hermes Agent's (``oauth``); without effect."""
    sampling: Any = None
    """Hermes Agent's; without effect."""
    keepalive_interval: float | None = None
    """Hermes Agent's; without effect."""
    max_lifetime_seconds: float | None = None
    """Hermes Agent's; without effect."""
    skip_preflight: bool | None = None
    """Hermes Agent's; without effect."""


McpServers: TypeAlias = dict[str, McpServer]

WITHOUT_EFFECT = (
    "auth",
    "sampling",
    "keepalive_interval",
    "max_lifetime_seconds",
    "skip_preflight",
)
