"""The host: what is installed, and the one object that each offer becomes (§4).

Opening it costs a read of the index. No plugin is imported until something that it offers is
asked for, and what goes wrong then is an error that names the plugin, the offer and the mend.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast

import msgspec

from hermes.context import Children, Log, PluginContext, State
from hermes.errors import HermesError, NotFound, PluginError, one_line
from hermes.index import SECONDS, Index, open_index
from hermes.logs import Logs
from hermes.offers import Offer
from hermes.paths import HomePaths, IncognitoPaths
from hermes.provider import Models
from hermes.schemas import SECRET, nearest
from hermes.secrets import PluginSecrets, SecretStore

if TYPE_CHECKING:
    from hermes.config import Config
    from hermes.config_reading import Problem
    from hermes.middleware import Middleware
    from hermes.runtime import Runtime
    from hermes.slash import Slash

CONTRACTS = {
    "providers": "hermes.provider:Provider",
    "platforms": "hermes.platform:Platform",
    "tools": "hermes.tools:Tool hermes.tools:Toolset hermes.tools:ToolsetFamily",
    "terminals": "hermes.terminal:TerminalBackend",
    "memory": "hermes.memory:Memory",
    "stores": "hermes.store:Store",
    "middleware": "hermes.middleware:Middleware",
    "prompts": "hermes.prompt:PromptSection",
    "commands": "hermes.commands:Command hermes.commands:Group hermes.commands:CommandFamily",
    "services": "hermes.service:Service",
    "observers": "hermes.service:Observer",
    "checks": "hermes.service:Check",
}
"""What an offer of each kind must become. ``settings`` are types, and checked when listed."""
KINDS = (*CONTRACTS, "settings")


class Offered(Offer, frozen=True, kw_only=True):
    """An `Offer`, and whose it is."""

    plugin: str
    kind: str


class PluginInfo(msgspec.Struct, frozen=True):
    """One installed plugin, as ``hermes plugins`` shows it."""

    name: str
    distribution: str
    version: str
    state: Literal["active", "disabled", "incompatible", "failed"]
    reason: str
    offers: tuple[Offered, ...]
    warnings: tuple[str, ...] = ()
    kernel: str = ""
    """The range of kernels that it was made for."""


class Host:
    """Plugins, configuration, secrets and paths of one home. For one thread."""

    def __init__(
        self, paths: HomePaths, index: Index, overrides: Mapping[str, Any] | None = None
    ) -> None:
        self.paths = paths
        self.secrets = SecretStore(paths.env_file)
        self.logs = Logs(paths, self.secrets)
        self.report: Callable[[Problem], None] | None = None
        """Hears each problem of the configuration when it is read."""
        self._index = index
        self._overrides = dict(overrides or {})
        self._refused = ""
        """Why the configuration file is not to be used."""
        self.incognito = False
        """Nothing of what happens is kept; see `go_incognito`."""
        self._objects: dict[tuple[str, str], Any] = {}
        self._contexts: dict[str, PluginContext] = {}
        self._models = cast(Models, _NotYet("models"))
        self._state: Callable[[str], State] = lambda plugin: cast(State, _NotYet("state"))
        self._children = cast(Children, _NotYet("children"))
        self._runtime: Runtime = cast("Runtime", _NotYet("conversations"))
        self._schemas: dict[str, Any] = {}
        for entry in index.active():
            self._schemas |= entry["settings"]
        self._declared = {
            entry["name"]: frozenset(_references(entry["settings"])) for entry in index.active()
        }
        for reference in frozenset().union(*self._declared.values()):
            self.secrets.declare(reference)

    @classmethod
    def open(
        cls,
        home: Path | None = None,
        *,
        overrides: Mapping[str, Any] | None = None,
        seconds: float = SECONDS,
        fresh: bool = False,
    ) -> Host:
        """Open the host of *home* (``HERMES_HOME`` or ``~/.hermes``).

        *overrides* are dotted keys that hold for this run, as command line options do. *seconds*
        limits how long each plugin may take to be listed; *fresh* lists all of them again.
        """
        paths = HomePaths(home)
        given = overrides or {}
        index = open_index(str(paths.home), seconds=seconds, fresh=fresh)
        if "plugins.disabled" in given or "plugins.prefer" in given:
            choices = {"disabled": index.disabled, "prefer": index.prefer}
            choices |= {
                k.partition(".")[2]: v for k, v in given.items() if k.startswith("plugins.")
            }
            index = open_index(str(paths.home), seconds=seconds, choices=choices)
        return cls(paths, index, given)

    def afresh(self) -> Host:
        """Open the home again, every plugin listed anew: for who has just installed one."""
        importlib.invalidate_caches()
        return Host.open(self.paths.home, overrides=self._overrides, fresh=True)

    @functools.cached_property
    def config(self) -> Config:
        """The configuration. Reading it imports YAML, so not every command does."""
        from hermes.config import Config  # noqa: PLC0415

        inactive = {e["name"] for e in self._index.entries.values()} - set(self._declared)
        return Config(
            self.paths,
            self.secrets,
            self._schemas,
            lambda section: self.load("settings", section),
            silent=frozenset(inactive),
            guards=frozenset(n for n, offer in self.offers("settings").items() if offer.guard),
            refused=self._refused,
            overrides=self._overrides,
            report=lambda problem: self.report(problem) if self.report else None,
        )

    @functools.cached_property
    def slash(self) -> Slash:
        """The commands of chats. Imports click, so not every command does."""
        from hermes.slash import Slash  # noqa: PLC0415

        return Slash(self)

    # what there is ------------------------------------------------------------------------------

    def plugins(self) -> list[PluginInfo]:
        """Give every installed plugin, by name, with what became of it."""
        return [
            PluginInfo(
                name=entry["name"],
                distribution=entry["distribution"],
                version=entry["version"],
                state=self._index.state(entry),  # type: ignore[arg-type]
                reason=entry["why"],
                offers=tuple(Offered(plugin=entry["name"], **offer) for offer in entry["offers"]),
                warnings=tuple(entry["warnings"]),
                kernel=entry["kernel"],
            )
            for entry in self._index.entries.values()
        ]

    def modules(self) -> dict[str, str]:
        """Give the top-level modules of the plugins that take part, each with its plugin."""
        return {top: entry["name"] for entry in self._index.active() for top in entry["tops"]}

    def offers(self, kind: str) -> dict[str, Offered]:
        """Give what answers to each name of a kind. A name that two plugins claim is left out."""
        several = self._index.offers(kind)
        return {name: Offered(**found[0]) for name, found in several.items() if len(found) == 1}

    def conflicts(self) -> list[str]:
        """Say which names two plugins claim, a line each with the mend."""
        return [
            _conflict(kind, name, [each["plugin"] for each in found])
            for kind in KINDS
            for name, found in self._index.offers(kind).items()
            if len(found) > 1
        ]

    def offered(self, kind: str, name: str) -> Offered:
        """Give one offer. Raises NotFound with the nearest name, PluginError where two claim it."""
        every = self._index.offers(kind)
        found = every.get(name, [])
        if len(found) == 1:
            return Offered(**found[0])
        if found:
            plugins = [each["plugin"] for each in found]
            raise PluginError(" and ".join(plugins), _conflict(kind, name, plugins))
        for entry in self._index.entries.values():
            state = self._index.state(entry)
            if state != "active" and (
                name == entry["name"]
                or any(o["kind"] == kind and o["name"] == name for o in entry["offers"])
            ):
                why, mend = entry["why"] or state, "see `hermes plugins`"
                if state == "disabled":
                    mend = f"`hermes plugins enable {entry['name']}`"
                raise PluginError(entry["name"], why, mend)
        raise NotFound(f"no {_singular(kind)} named {name}{nearest(name, every)}")

    def go_incognito(self) -> None:
        """From now on keep nothing: conversations live in the store named ``memory``, files in
        memory, and no long-term memory takes part. Before anything else is asked of the host.
        """
        if self._contexts:
            raise HermesError("too late to go incognito: plugins have been opened")
        self.incognito = True
        self.paths = IncognitoPaths(self.paths.home)
        self.logs = Logs(self.paths, self.secrets, on_screen=self.logs.on_screen)
        self._overrides["store"] = "memory"
        self.__dict__.pop("config", None)

    def refuse_config(self, why: str) -> bool:
        """Nothing could be opened with the file as it is: go on with the one that a gateway served
        with last. False where that is no other, or may not stand in.
        """
        if self.config.unusable:
            return False
        tried, self._refused = self.config.revision, why
        self.__dict__.pop("config", None)
        self._objects.clear()
        self._contexts.clear()
        return bool(self.config.instead) and self.config.revision != tried

    # what it becomes ----------------------------------------------------------------------------

    def load(self, kind: str, name: str) -> Any:
        """Import what an offer names. Raises PluginError or NotFound."""
        offer = self.offered(kind, name)
        module, _, attribute = offer.target.partition(":")
        with _blaming(offer, "cannot be loaded"):
            loaded = importlib.import_module(module)
        try:
            return functools.reduce(getattr, attribute.split("."), loaded)
        except AttributeError:
            self._unfit(offer, f"module {module} has no {attribute}")

    def create(self, kind: str, name: str) -> Any:
        """Give the one object of an offer: made at first, checked against its contract.

        A class or factory is called with the plugin's context; a tool, a list of tools, a command
        is the thing itself.
        """
        if (kind, name) not in self._objects:
            self._objects[kind, name] = self._made(self.offered(kind, name))
        return self._objects[kind, name]

    def middleware(self) -> list[tuple[Offered, Middleware]]:
        """Give every middleware there is, unordered: all of it, or the start stops (§4.2).

        An optional one that cannot be made is left out with a line in the log. Raises PluginError
        where one is missing that policy may depend on.
        """
        for entry in self._index.entries.values():
            if entry["middleware"] and self._index.state(entry) in ("failed", "incompatible"):
                mend = f"mend it, remove it, or `hermes plugins disable {entry['name']}`"
                raise PluginError(entry["name"], f"its middleware is missing: {entry['why']}", mend)
        made: list[tuple[Offered, Middleware]] = []
        for name in self._index.offers("middleware"):
            offer = self.offered("middleware", name)
            try:
                made.append((offer, self.create("middleware", name)))
            except PluginError as error:
                if not offer.optional:
                    raise
                self.log(offer.plugin).warning(str(error))
        return made

    def secret_references(self) -> dict[str, tuple[str, ...]]:
        """Give the references that settings have as defaults, each with the plugins that do."""
        found: dict[str, tuple[str, ...]] = {}
        for plugin, references in sorted(self._declared.items()):
            for reference in references:
                found[reference] = (*found.get(reference, ()), plugin)
        return found

    def context(self, plugin: str) -> PluginContext:
        """Give what the plugin's objects are called with."""
        if plugin not in self._contexts:
            from hermes.config import PluginConfig  # noqa: PLC0415

            sections = frozenset(self._index.entries[plugin]["settings"])
            own = self._declared[plugin]
            foreign = {r: whose for whose, refs in self._declared.items() for r in refs - own}
            self._contexts[plugin] = PluginContext(
                plugin,
                settings=self.config.section(plugin) if plugin in sections else None,
                config=PluginConfig(self.config, plugin, sections),
                secrets=PluginSecrets(self.secrets, plugin, foreign),
                state=self._state(plugin),
                paths=self.paths.of(plugin),
                log=self.log(plugin),
                models=self._models,
                children=self._children,
                incognito=self.incognito,
                runtime=self._runtime,
            )
        return self._contexts[plugin]

    def log(self, plugin: str) -> Log:
        """Give a log whose lines say that they are the plugin's, or a part of the kernel's."""
        return self.logs.bind(plugin=plugin)

    def attach(
        self,
        *,
        models: Models,
        state: Callable[[str], State],
        children: Children,
        runtime: Runtime,
    ) -> None:
        """Take what only a runtime has; *state* makes a plugin's view by its name."""
        self._models, self._state, self._children = models, state, children
        self._runtime = runtime
        for plugin, context in self._contexts.items():
            context.models, context.children, context.runtime = models, children, runtime
            context.state = state(plugin)

    def _made(self, offer: Offered) -> Any:
        target = self.load(offer.kind, offer.name)
        if offer.kind == "settings":
            return target
        places = CONTRACTS[offer.kind].split()
        contracts = tuple(_attribute(place) for place in places)
        made = target
        if isinstance(target, type) or not isinstance(target, (*contracts, list)):
            if not callable(target):
                self._unfit(offer, f"it is {type(target).__name__}, not {_named(places)}")
            context = self.context(offer.plugin)
            with _blaming(offer, "cannot be made"):
                made = target(context)
        several = offer.kind == "tools" and isinstance(made, (list, tuple))
        for each in made if several else [made]:
            if not isinstance(each, contracts[:1] if several else contracts):
                self._unfit(offer, f"it is {type(each).__name__}, not {_named(places)}")
        return made

    def _unfit(self, offer: Offered, why: str) -> NoReturn:
        raise PluginError(
            offer.plugin, f"{_singular(offer.kind)} {offer.name}: {why}", "a bug of it"
        )


@contextlib.contextmanager
def _blaming(offer: Offered, what: str) -> Iterator[None]:
    """Turn whatever a plugin raises into an error that names it; SystemExit too."""
    try:
        yield
    except HermesError:
        raise
    except (Exception, SystemExit) as error:  # an isolation boundary
        why = f"{_singular(offer.kind)} {offer.name} {what}: {one_line(error)}"
        mend = ""
        if isinstance(error, ModuleNotFoundError) and error.name:
            mend = f"reinstall it; the module {error.name} is missing"
        raise PluginError(offer.plugin, why, mend) from error


def _attribute(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def _named(places: list[str]) -> str:
    return "a " + " or ".join(place.partition(":")[2] for place in places)


def _singular(kind: str) -> str:
    return kind if kind in ("memory", "middleware", "settings") else kind.removesuffix("s")


def _conflict(kind: str, name: str, plugins: list[str]) -> str:
    return (
        f"{_singular(kind)} {name} is offered by {' and '.join(plugins)}; say which in config.yaml:"
        f" `hermes plugins prefer {kind}.{name} {plugins[0]}`"
    )


def _references(schema: Any) -> Iterator[str]:
    """Give the secret references that are defaults in a schema."""
    if isinstance(schema, dict):
        if schema.get("format") == SECRET and isinstance(schema.get("default"), str):
            yield schema["default"]
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        yield from _references(each)


class _NotYet:
    """Stands for what the runtime attaches."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise HermesError(f"{self._what} need a running Hermes: no runtime is open")
