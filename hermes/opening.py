"""What a conversation's model is told at its beginning: prompt and tools, rendered once (§5.5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from hermes.errors import HermesError, NotFound, one_line
from hermes.prompt import PromptSection, PromptSession
from hermes.resources import Resources
from hermes.session import SessionInfo
from hermes.sources import plain
from hermes.tools import Tool, Toolset, ToolsetFamily

if TYPE_CHECKING:
    from hermes.context import Log
    from hermes.plugins import Host

RENDER = 10.0
"""Seconds a section of the prompt has."""
FIRST_WAIT = 2.0
"""Seconds to wait for the tools of a toolset that was never seen."""
OPENING = 5.0
"""Seconds to wait for a toolset to open. It goes on opening; later conversations may have it."""


class Tools:
    """The tools that plugins offer, each loaded when a conversation first needs its toolset."""

    def __init__(self, host: Host, resources: Resources, log: Log) -> None:
        self._host = host
        self._resources = resources
        self._log = log
        self._fixed: dict[str, tuple[Tool, ...]] = {}
        self._late: set[Hashable] = set()
        """Those that were waited for in vain: nobody waits for them that long again."""

    def names(self, chosen: Sequence[str] = ()) -> list[str]:
        """The toolsets to use: *chosen*, else the configured, else all. Raises NotFound."""
        offered = self._host.offers("tools")
        configured: Sequence[str] = self._host.config.section("hermes").toolsets
        wanted = list(chosen or configured or offered)
        for name in wanted:
            if name not in offered:
                raise NotFound(f"no toolset {name!r}; there are: {', '.join(sorted(offered))}")
        return sorted(wanted)

    async def gather(self, chosen: Sequence[str] = ()) -> tuple[Tool, ...]:
        """List the tools of these toolsets, by toolset, then in its own order.

        A toolset that fails is reported and left out; the rest goes on.
        """
        tools: dict[str, Tool] = {}
        for name in self.names(chosen):
            try:
                found = await self._of(name)
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                self._leave_out(name, error)
                continue
            for tool in found:
                if tool.name in tools:
                    first = tools[tool.name].toolset
                    self._log.warning("tool name taken", tool=tool.name, by=first, left_out=name)
                    continue
                tools[tool.name] = tool
        return tuple(tools.values())

    async def _of(self, name: str) -> tuple[Tool, ...]:
        if name in self._fixed:
            return self._fixed[name]
        plugin = self._host.offers("tools")[name].plugin
        target: Any = self._host.create("tools", name)
        if isinstance(target, ToolsetFamily):
            family = await self._open(("tools", name), lambda: target)
            found = await asyncio.gather(
                *(self._connected(name, member, family) for member in family.members())
            )
            return tuple(_owned(tool, plugin, name) for some in found for tool in some)
        if isinstance(target, Toolset):
            toolset = await self._open(("tools", name), lambda: target)
            return tuple(_owned(tool, plugin, name) for tool in await _list(toolset))
        listed = (target,) if isinstance(target, Tool) else tuple(target)
        self._fixed[name] = tuple(_owned(tool, plugin, name) for tool in listed)
        return self._fixed[name]

    async def _connected(self, name: str, member: str, family: ToolsetFamily) -> tuple[Tool, ...]:
        try:
            toolset = await self._open(("tools", name, member), lambda: family.toolset(member))
            return await _list(toolset)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
            self._leave_out(f"{name}:{member}", error)
            return ()

    async def _open(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """Open it within `OPENING`; one that was waited for in vain goes on opening, and nobody
        waits for it that long again. Raises TimeoutError.
        """
        # The limit makes no task of its own: out of one, SystemExit would end the loop.
        limit = asyncio.timeout(0.05 if key in self._late else OPENING)
        try:
            async with limit:
                return await self._resources.get(key, make)
        finally:
            if limit.expired():
                self._late.add(key)

    def _leave_out(self, name: str, error: BaseException) -> None:
        said = one_line(error) if str(error) else "not connected yet; its tools come later"
        self._log.warning("toolset left out", toolset=name, error=said)


class Prompts:
    """The sections that plugins offer, put together in order."""

    def __init__(self, host: Host, log: Log) -> None:
        self._host = host
        self._log = log

    async def render(self, session: PromptSession) -> str:
        """Render the system prompt. A section that raises is reported and left out."""
        sections: list[tuple[int, str, PromptSection]] = []
        for name in self._host.offers("prompts"):
            try:
                section: PromptSection = self._host.create("prompts", name)
                sections.append((section.rank, name, section))
            except HermesError as error:
                self._log.warning("prompt section left out", section=name, error=one_line(error))
        texts = []
        for _, name, section in sorted(sections, key=lambda item: item[:2]):
            try:
                async with asyncio.timeout(RENDER):
                    text = (await section.render(session)).strip()
            except TimeoutError:
                said = f"not rendered in {RENDER:g} s"
                self._log.warning("prompt section left out", section=name, error=said)
                continue
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                self._log.warning("prompt section left out", section=name, error=one_line(error))
                continue
            texts.append(cut(text, section.cap))
        return "\n\n".join(text for text in texts if text)


async def opening(
    prompts: Prompts, tools: Tools, info: SessionInfo, *, has_tools: bool, chosen: Sequence[str]
) -> tuple[str, tuple[Tool, ...], tuple[str, ...]]:
    """Give prompt and tools of a new conversation, and whose words stand in them. A model without
    tools gets a brief prompt.
    """
    gathered = await tools.gather(chosen) if has_tools else ()
    session = PromptSession(
        info,
        tuple(tool.name for tool in gathered),
        brief=not has_tools,
        toolsets=tuple(dict.fromkeys(tool.toolset for tool in gathered)),
    )
    prompt = await prompts.render(session)
    return prompt, gathered, whose(session.sources, gathered)


def whose(told: Iterable[str], tools: Iterable[Tool]) -> tuple[str, ...]:
    """Give the sources of a prompt's sections and of tools' descriptions, each once."""
    return tuple(dict.fromkeys(map(plain, (*told, *(t.source for t in tools if t.source)))))


def cut(text: str, limit: int) -> str:
    """Keep head and tail of a text over *limit* characters, and say so."""
    if len(text) <= limit:
        return text
    head, tail = limit * 7 // 10, limit * 2 // 10
    missing = len(text) - head - tail
    return f"{text[:head]}\n[… {missing} characters left out …]\n{text[-tail:]}"


async def _list(toolset: Toolset) -> tuple[Tool, ...]:
    """What was seen last, at once; what was never seen is waited for."""
    seen = toolset.last_seen()
    if seen is not None:
        return seen
    async with asyncio.timeout(FIRST_WAIT):
        return await toolset.tools()


def _owned(tool: Tool, plugin: str, toolset: str) -> Tool:
    return msgspec.structs.replace(tool, plugin=plugin, toolset=toolset)
