"""A `PluginContext` of one's own: all that a plugin gets from the host, in memory or under tmp."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hermes.context import ConfigView, Log, Paths, PluginContext, Scope, Secrets, State
from hermes.errors import PluginError
from hermes.kernel_settings import KernelSettings
from hermes.settings import Secret
from hermes.testing.children import RealChildren
from hermes.testing.models import FakeModels

STATE_LIMIT = 65_536
"""Bytes of JSON that one state value may have (architecture §4.4)."""


class LogEntry(msgspec.Struct, frozen=True):
    """One thing that was logged."""

    level: str
    event: str
    fields: dict[str, object]


class CapturedLog(Log):
    """Keeps what is logged, for a test to look at: ``log.entries``."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []

    def debug(self, event: str, **fields: object) -> None:
        self.entries.append(LogEntry("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        self.entries.append(LogEntry("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.entries.append(LogEntry("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.entries.append(LogEntry("error", event, fields))

    @property
    def text(self) -> str:
        """Everything, a line each: what a canary secret must not be in."""
        return "\n".join(f"{e.level} {e.event} {e.fields!r}" for e in self.entries)


class GivenSecrets(Secrets):
    """Secrets that the test gives, by reference or by the name of the variable."""

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self.values = dict(values or {})
        self._read: set[str] = set()
        self._rules: list[Callable[[str], str]] = []

    def get(self, secret: Secret) -> str | None:
        name = secret.reference
        value = self.values.get(name, self.values.get(name.partition(":")[2]))
        if value:
            self._read.add(value)
        return value

    def redact(self, text: str) -> str:
        for value in sorted(self._read, key=len, reverse=True):  # a longer one may hold a shorter
            text = text.replace(value, "[secret]")
        for rule in self._rules:
            text = rule(text)
        return text

    def add_rule(self, rule: Callable[[str], str]) -> None:
        self._rules.append(rule)


class HomePaths(Paths):
    """A plugin's folders beneath a home; each is made when it is first asked for."""

    def __init__(self, home: Path, plugin: str) -> None:
        self._made = {
            "home": home,
            "data": home / "data" / plugin,
            "cache": home / "cache" / plugin,
            "outputs": home / "outputs",
        }

    def _folder(self, name: str) -> Path:
        folder = self._made[name]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    @property
    def home(self) -> Path:  # type: ignore[override]
        return self._folder("home")

    @property
    def data(self) -> Path:  # type: ignore[override]
        return self._folder("data")

    @property
    def cache(self) -> Path:  # type: ignore[override]
        return self._folder("cache")

    @property
    def outputs(self) -> Path:  # type: ignore[override]
        return self._folder("outputs")


class MemoryState(State):
    """State that lasts as long as the object: hand it to a second context to play a restart.

    Values go through JSON as in the real one, so a tuple comes back as a list, and what JSON
    cannot hold or what is over 64 KB is refused.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        """Gives Unix seconds; a test that plays with expiry passes its own."""
        self.values: dict[tuple[str, str, str], tuple[bytes, float | None]] = {}

    async def get(self, name: str, *, scope: Scope = "process", of: str = "") -> Any:
        kept = self.values.get(self._key(name, scope, of))
        if kept is None or (kept[1] is not None and kept[1] <= self.clock()):
            return None
        return msgspec.json.decode(kept[0])

    async def set(
        self,
        name: str,
        value: Any,
        *,
        scope: Scope = "process",
        of: str = "",
        seconds: float | None = None,
    ) -> None:
        key = self._key(name, scope, of)
        if value is None:
            self.values.pop(key, None)
            return
        data = msgspec.json.encode(value)
        if len(data) > STATE_LIMIT:
            raise ValueError(f"state {name!r}: {len(data)} bytes, at most {STATE_LIMIT}")
        self.values[key] = (data, None if seconds is None else self.clock() + seconds)

    def forget(self, scope: Scope, of: str) -> None:
        """What happens when a session or person is forgotten."""
        self.values = {key: v for key, v in self.values.items() if key[:2] != (scope, of)}

    @staticmethod
    def _key(name: str, scope: Scope, of: str) -> tuple[str, str, str]:
        if (scope == "process") != (of == ""):
            raise ValueError(f"state {name!r}: scope {scope} with of={of!r}")
        return scope, of, name


class GivenConfig(ConfigView):
    """Sections that the test gives."""

    def __init__(
        self,
        plugin: str,
        sections: Mapping[str, Any],
        revision: str = "1",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._plugin = plugin
        self._sections = {"hermes": KernelSettings(), **sections}
        self.revision = revision
        self._variables = dict(variables or {})

    def section(self, name: str) -> Any:
        try:
            return self._sections[name]
        except KeyError:
            raise PluginError(self._plugin, f"does not own the section {name!r}") from None

    def variable(self, name: str) -> str | None:
        return self._variables.get(name)


class FakeContext(PluginContext):
    """What `make_context` gives: a real `PluginContext` whose parts can be looked into."""

    __slots__ = ()

    log: CapturedLog
    models: FakeModels
    state: MemoryState
    secrets: GivenSecrets
    children: RealChildren


def make_context(
    plugin: str = "test",
    *,
    home: Path,
    settings: Any = None,
    sections: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    state: MemoryState | None = None,
    models: FakeModels | None = None,
    children: RealChildren | None = None,
    runtime: Any = None,
) -> FakeContext:
    """Make the context of plugin *plugin* beneath *home*.

    *settings* is its struct, *sections* further config sections, *secrets* values by reference or
    variable name, *variables* plain ones of the environment, *runtime* what
    `open_runtime` gave. Pass the *state* of an earlier context
    to play a restart.
    """
    own = {} if settings is None else {plugin: settings}
    return FakeContext(
        plugin,
        settings=settings,
        config=GivenConfig(plugin, {**own, **(sections or {})}, variables=variables),
        secrets=GivenSecrets(secrets),
        state=state or MemoryState(),
        paths=HomePaths(home, plugin),
        log=CapturedLog(),
        models=models or FakeModels(),
        children=children or RealChildren(),
        runtime=runtime,
    )
