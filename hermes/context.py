"""What the host gives to every plugin object: its settings, secrets, state, paths, log, models.

A class or factory that an offer names is called with one `PluginContext`. It is the only way to
the host; nothing else of the host is public.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

from hermes.provider import Models
from hermes.settings import Secret

if TYPE_CHECKING:
    from hermes.runtime import Runtime

Scope: TypeAlias = Literal["process", "session", "person"]
"""Whose value it is."""


class Log(Protocol):
    """A structured logger: an event in plain words, and fields."""

    def debug(self, event: str, **fields: object) -> Any: ...
    def info(self, event: str, **fields: object) -> Any: ...
    def warning(self, event: str, **fields: object) -> Any: ...
    def error(self, event: str, **fields: object) -> Any: ...


class Secrets(ABC):
    """Reads secrets that the plugin's settings declare, and keeps them out of everything shown."""

    @abstractmethod
    def get(self, secret: Secret) -> str | None:
        """Give the value, or None where it is not set. From now on `redact` removes it."""

    @abstractmethod
    def redact(self, text: str) -> str:
        """Replace every secret read so far in *text* by ``[secret]``."""

    def redact_file(self, path: Path) -> None:
        """Overwrite every secret read so far in a file: for what a program wrote by itself."""

    def holds(self, data: bytes) -> bool:
        """Whether a known secret stands in *data* as it is: what does so should not be copied."""
        text = data.decode("utf-8", "replace")
        return self.redact(text) != text

    def add_rule(self, rule: Callable[[str], str]) -> None:
        """Let `redact` apply *rule* too, everywhere: it gives a text without what it takes for
        secrets. Called for every text that is kept or shown, so it has to be quick.
        """


class Paths(ABC):
    """Folders of this plugin. Made on first use, for the person only (0700)."""

    home: Path
    """Hermes's home folder."""
    data: Path
    """``data/<plugin>`` in the home: what must last."""
    cache: Path
    """``cache/<plugin>`` in the home: what may go at any time."""
    outputs: Path
    """Where the kernel keeps long tool outputs whole: ``output:ID`` is the file ID in it."""


class State(ABC):
    """Small values that outlive the process (§4.4): JSON of at most 64 KB.

    Kept per process (*of* empty), session or person, and gone when that is forgotten.
    """

    @abstractmethod
    async def get(self, name: str, *, scope: Scope = "process", of: str = "") -> Any:
        """Give the value, or None."""

    @abstractmethod
    async def set(
        self,
        name: str,
        value: Any,
        *,
        scope: Scope = "process",
        of: str = "",
        seconds: float | None = None,
    ) -> None:
        """Keep *value* (None removes it), for *seconds* if given. Durable when it returns."""


class Children(ABC):
    """Child processes, so that none outlives its use (§9).

    A child carries a mark in its environment, and so does everything it starts; `kill` finds the
    whole tree by it, double forks included. Trees of an owner that died are reaped when the next
    Hermes opens.
    """

    @abstractmethod
    def mark(self, env: dict[str, str], *, what: str, owner: str = "", keep: bool = False) -> str:
        """Add the mark of a new child to *env* and give its token.

        *what* and *owner* (a terminal's scope) are shown in lists. One to *keep* is not ended with
        this Hermes, nor reaped by the next.
        """

    def seal(self, pid: int) -> None:
        """Seal a marked child that runs as *pid*, at once after it was started: what it starts is
        known as Hermes's then, whatever becomes of the mark (§10).
        """

    @abstractmethod
    def remote(
        self, backend: str, handle: str, *, what: str, owner: str = "", keep: bool = False
    ) -> str:
        """Record what runs where no mark is seen (a container, another host); give its token.

        Should this Hermes die, the next start hands *handle* to `TerminalBackend.reap` of
        *backend*. `forget` it when it has ended.
        """

    @abstractmethod
    async def kill(self, *tokens: str, grace: float = 2.0) -> None:
        """End everything that carries one of the marks: SIGTERM, *grace* seconds, SIGKILL."""

    @abstractmethod
    def alive(self, token: str) -> tuple[int, ...]:
        """Give the pids that carry the mark."""

    def living(self, tokens: Collection[str]) -> set[str]:
        """Give those of *tokens* whose mark something carries. Looks once for all of them."""
        return {token for token in tokens if self.alive(token)}

    @abstractmethod
    def forget(self, token: str) -> None:
        """The child ended by itself and left nothing: drop its record."""

    @abstractmethod
    def allowlist(self, *more: str) -> dict[str, str]:
        """Make a child's environment: PATH, HOME, locale, terminal and *more*, never a secret."""


class ConfigView(ABC):
    """Read-only view of the configuration."""

    revision: str
    """Changes when the configuration does."""

    @abstractmethod
    def section(self, name: str) -> Any:
        """Give the validated struct of a section that this plugin (or the kernel) owns.

        Raises PluginError for another plugin's section.
        """

    def spoilt(self, name: str) -> str:
        """Say what in a section is not as it was meant, and so left out; empty where nothing is.

        A struct that forbids unknown fields need not ask: then `section` raises.
        """
        return ""

    def variable(self, name: str) -> str | None:
        """Give a variable of the environment or of ``.env`` that is no secret; None if not set.

        For settings that people keep there (``TELEGRAM_ALLOWED_USERS``). A name that looks like a
        secret's raises PluginError: those are read as a `Secret`.
        """
        return None


class PluginContext:
    """The host as one plugin sees it."""

    __slots__ = (
        "children",
        "config",
        "incognito",
        "log",
        "models",
        "paths",
        "plugin",
        "runtime",
        "secrets",
        "settings",
        "state",
    )

    def __init__(
        self,
        plugin: str,
        *,
        settings: Any,
        config: ConfigView,
        secrets: Secrets,
        state: State,
        paths: Paths,
        log: Log,
        models: Models,
        children: Children,
        incognito: bool = False,
        runtime: Runtime | None = None,
    ) -> None:
        self.plugin = plugin
        self.settings = settings
        """The plugin's own section as its validated struct; None where it declared none. A plugin
        with several sections gets the one named after it."""
        self.config = config
        """Every section the plugin owns, and the kernel's."""
        self.secrets = secrets
        self.state = state
        self.paths = paths
        self.log = log
        self.models = models
        self.children = children
        self.incognito = incognito
        """Nothing of what happens may be kept. Folders of `paths` but the home are of memory and
        go with the process; a plugin that writes into the home itself does not do so now."""
        self.runtime = cast("Runtime", runtime)
        """The open runtime: its journal and its conversations, for a plugin that searches them or
        begins some of its own. Before one is open, using it raises HermesError."""
