"""A real `Runtime` over parts that a test gives: no plugins installed, no journal on disk.

    async with open_runtime(tmp_path, provider=ScriptedProvider(...), tools=[forecast]) as runtime:
        async for event in runtime.session(make_key()).send("How is the weather?"): ...

Loop, gate, leases, questions and fold are the real ones; provider, store, tools and middleware are
yours. It is what a plugin author tests a whole turn with.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec

from hermes.context import PluginContext
from hermes.errors import NotFound
from hermes.kernel_settings import GatewaySettings, TerminalSettings
from hermes.middleware import Middleware, Next, Stage
from hermes.paths import private
from hermes.plugins import Offered
from hermes.provider import Provider
from hermes.runtime import Runtime
from hermes.slash import Slash
from hermes.store import Store
from hermes.testing.context import CapturedLog, GivenConfig, GivenSecrets, make_context
from hermes.testing.store import MemoryStore
from hermes.tools import Tool, ToolCall, ToolResult


class AllowAll(Middleware):
    """A policy for tests: it grants every call."""

    stage = Stage.GUARD

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        return await call_next(call.granted("allow-all", "a test"))


class GivenHost:
    """Stands where the host of a home stands; everything it offers was given to it."""

    def __init__(
        self,
        home: Path,
        offers: Mapping[str, Mapping[str, Any]],
        settings: Mapping[str, Any] | None = None,
        context: PluginContext | None = None,
    ) -> None:
        self._offers = offers
        self.incognito = False
        self.paths = SimpleNamespace(
            home=home,
            run=home / "run",
            outputs=home / "outputs",
            outgoing=private(home / "outgoing"),
            cache=home / "cache",
        )
        kernel: dict[str, Any] = {
            "model": "scripted:model",
            "store": "memory",
            "memory": "",
            "toolsets": (),
            "auxiliary": {},
            "agent": SimpleNamespace(max_turns=90),
            **(settings or {}),
        }
        kernel["gateway"] = msgspec.convert(kernel.get("gateway", {}), GatewaySettings)
        kernel["terminal"] = msgspec.convert(
            {"backend": "fake", **kernel.get("terminal", {})}, TerminalSettings
        )
        self.config = GivenConfig("hermes", {"hermes": SimpleNamespace(**kernel)})
        self.secrets = GivenSecrets()
        self.logged = CapturedLog()
        self.logs = SimpleNamespace(bind=lambda **fields: self.logged)
        self._attached: dict[str, Any] = {}
        self._contexts = {"test": context} if context else {}
        self.families: frozenset[str] | set[str] = frozenset()
        """Names of offers that are families."""

    def offers(self, kind: str) -> dict[str, Offered]:
        return {
            name: Offered(
                name,
                "test:it",
                "Given by a test",
                plugin="test",
                kind=kind,
                family=name in self.families,
                always=kind == "memory",
            )
            for name in self._offers.get(kind, {})
        }

    def middleware(self) -> list[tuple[Offered, Middleware]]:
        return [
            (offer, self.create("middleware", name))
            for name, offer in self.offers("middleware").items()
        ]

    def create(self, kind: str, name: str) -> Any:
        try:
            made = self._offers[kind][name]
        except KeyError:
            raise NotFound(f"no {kind} {name!r}") from None
        return made(self.context("test")) if isinstance(made, type) else made

    def log(self, plugin: str) -> CapturedLog:
        return self.logged

    @property
    def slash(self) -> Slash:
        return Slash(cast(Any, self))

    def attach(self, **parts: Any) -> None:
        self._attached = parts

    def context(self, plugin: str) -> PluginContext:
        if plugin not in self._contexts:
            self._contexts[plugin] = make_context(
                plugin, home=self.paths.home, runtime=self._attached.get("runtime")
            )
        return self._contexts[plugin]


@asynccontextmanager
async def open_runtime(
    home: Path,
    *,
    provider: Provider | None = None,
    store: Store | None = None,
    tools: Sequence[Tool] = (),
    middleware: Iterable[Middleware] | None = None,
    settings: Mapping[str, Any] | None = None,
    offers: Mapping[str, Mapping[str, Any]] | None = None,
    surface: str = "test",
    context: PluginContext | None = None,
) -> AsyncIterator[Runtime]:
    """Open a runtime over what is given.

    *provider* answers as ``scripted:model``. *middleware* left out grants every call. *settings*
    replace fields of the kernel's section. *offers* adds others: kind to name to object, or to a
    class that takes a context: *context*, which calls of tools get too (for a tool with settings).
    Pass the same *store* again to play a restart.
    """
    links = [AllowAll()] if middleware is None else list(middleware)
    given: dict[str, dict[str, Any]] = {
        "providers": {"scripted": provider} if provider else {},
        "stores": {"memory": store or MemoryStore()},
        "tools": {"test": list(tools)} if tools else {},
        "middleware": {type(one).__name__.lower(): one for one in links},
    }
    for kind, more in (offers or {}).items():
        given.setdefault(kind, {}).update(more)
    host = GivenHost(home, given, settings, context)
    async with Runtime.open(host=cast(Any, host), surface=surface) as runtime:
        yield runtime


def kinds(records: Iterable[Any]) -> list[str]:
    """List the kinds of *records*, for an assertion that reads."""
    return [record.body.kind for record in records]
