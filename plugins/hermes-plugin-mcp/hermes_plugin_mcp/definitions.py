"""A server's tools as it described them, kept in the cache folder, and as the model gets them."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from hermes import (
    ALONE,
    EVERY_NEED,
    KEYED,
    ONCE,
    READ,
    TOGETHER,
    Effect,
    Tool,
    ToolCall,
    ToolResult,
    ToolSpec,
    clean,
)
from hermes_plugin_mcp.plan import PLAIN, prefix
from hermes_plugin_mcp.settings import McpServer, ToolFilter

NAME_LENGTH = 64
"""Longest name of a tool that the vendors' APIs take; of letters, digits, ``_`` and ``-``."""
DESCRIPTION_LENGTH = 8_000


class Definition(msgspec.Struct, frozen=True, omit_defaults=True):
    """One tool, in the server's words."""

    name: str
    description: str = ""
    schema: str = '{"type":"object","properties":{}}'
    """JSON Schema of the arguments, as JSON text."""
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    open_world: bool | None = None


class Seen(msgspec.Struct, frozen=True):
    """What is kept of a server between two runs."""

    fingerprint: str
    tools: tuple[Definition, ...]


def load(file: Path, fingerprint: str) -> tuple[Definition, ...] | None:
    """Read the last list; None where there is none, or one of another server."""
    try:
        seen = msgspec.json.decode(file.read_bytes(), type=Seen)
    except (OSError, msgspec.DecodeError):
        return None
    return seen.tools if seen.fingerprint == fingerprint else None


def save(file: Path, fingerprint: str, tools: tuple[Definition, ...]) -> None:
    """Keep the list, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_bytes(msgspec.json.encode(Seen(fingerprint, tools)))
    draft.replace(file)


def tool_names(server: str, names: Sequence[str]) -> dict[str, str]:
    """Name tools for the model: ``mcp__<server>__<tool>``, plain, at most 64 long, no two alike.

    A name that had to be changed gets a hash where it would be too long or meet another, so that
    it does not depend on the order in which the server lists.
    """
    plain = {name: f"mcp__{prefix(server)}__{PLAIN.sub('_', name)}" for name in names}
    count = Counter(plain.values())
    made: dict[str, str] = {}
    for name, short in plain.items():
        changed = not short.endswith(f"__{name}")
        if len(short) > NAME_LENGTH or (changed and count[short] > 1):
            mark = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]
            short = f"{short[: NAME_LENGTH - 9]}_{mark}"
        made[name] = short
    return made


def offered(tools: Iterable[Definition], chosen: ToolFilter) -> tuple[Definition, ...]:
    """Leave out what the configuration leaves out, and repetitions."""

    def wanted(name: str) -> bool:
        included = not chosen.include or any(fnmatchcase(name, p) for p in chosen.include)
        return included and not any(fnmatchcase(name, pattern) for pattern in chosen.exclude)

    once = {tool.name: tool for tool in tools if wanted(tool.name)}
    return tuple(once.values())


def make_tools(
    name: str,
    server: McpServer,
    tools: Iterable[Definition],
    run: Callable[[Definition, ToolCall], Awaitable[ToolResult]],
) -> tuple[Tool, ...]:
    """Make the tools that the model is told of."""
    chosen = offered(tools, server.tools)
    names = tool_names(name, [tool.name for tool in chosen])
    return tuple(_make(name, server, tool, names[tool.name], run) for tool in chosen)


def _make(
    server_name: str,
    server: McpServer,
    tool: Definition,
    name: str,
    run: Callable[[Definition, ToolCall], Awaitable[ToolResult]],
) -> Tool:
    effect, needs = _facts(tool) if server.trust_annotations else (ONCE, EVERY_NEED)
    together = server.supports_parallel_tool_calls or effect is READ
    lane = TOGETHER if together else ALONE
    said = clean(tool.description).strip()[:DESCRIPTION_LENGTH]
    return Tool(
        ToolSpec(name, f"[MCP server {server_name}] {said or tool.name}", tool.schema),
        lambda call: run(tool, call),
        effect,
        needs,
        lambda arguments: lane,
        source="" if server.trust_annotations else f"mcp:{server_name}",
    )


def _facts(tool: Definition) -> tuple[Effect, frozenset[str]]:
    """Say effect and needs by a trusted server's hints; what it leaves unsaid is the worst."""
    network = {"network"} if tool.open_world else set()
    if tool.read_only:
        return READ, frozenset({"read"} | network)
    effect = KEYED if tool.idempotent else ONCE
    if tool.open_world is False and tool.destructive is False:
        return effect, frozenset({"read", "write"})
    return effect, EVERY_NEED
