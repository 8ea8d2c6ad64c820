"""Every hook there is: the documentation of record for plugin authors (§4.2).

A hook is synchronous, takes nothing, and returns offers, so a plugin is tested by calling it. The
host calls each when the index is made, which happens after an installation, not at every start.
A function whose name begins with ``hermes_`` and is not here is an error that names the plugin.
"""

from __future__ import annotations

import pluggy

from hermes.offers import Offer

hookspec = pluggy.HookspecMarker("hermes")


@hookspec
def hermes_providers() -> list[Offer]:
    """Offer model providers: targets are `Provider` classes or factories.

    The offer's name is what stands before the colon in ``provider:model``.
    """
    raise NotImplementedError


@hookspec
def hermes_platforms() -> list[Offer]:
    """Offer messaging platforms: targets are `Platform` classes or factories.

    Created when the gateway starts a platform that the configuration enables.
    """
    raise NotImplementedError


@hookspec
def hermes_tools() -> list[Offer]:
    """Offer tools: a target is a `Tool`, a list of them, a `Toolset` class, or a `ToolsetFamily`
    class where the offer says ``family=True``.

    The offer's name is the toolset that people enable and disable. Resolved when a conversation
    begins whose toolsets include it.
    """
    raise NotImplementedError


@hookspec
def hermes_terminals() -> list[Offer]:
    """Offer terminal backends: targets are `TerminalBackend` classes or factories.

    Chosen by ``terminal.backend``; opened at the first call that needs a terminal.
    """
    raise NotImplementedError


@hookspec
def hermes_memory() -> list[Offer]:
    """Offer long-term memory: targets are `Memory` classes or factories.

    One is used, chosen by ``memory``, beside those that say ``always=True``; opened at the first
    turn that asks what is remembered.
    """
    raise NotImplementedError


@hookspec
def hermes_stores() -> list[Offer]:
    """Offer journals: targets are `Store` classes or factories.

    One is used, chosen by ``store``; opened when a runtime opens, closed last.
    """
    raise NotImplementedError


@hookspec
def hermes_middleware() -> list[Offer]:
    """Offer middleware: targets are `Middleware` classes or factories.

    All that are enabled take part, ordered by stage, then name. One that cannot be loaded stops
    the start, unless its offer is ``optional``.
    """
    raise NotImplementedError


@hookspec
def hermes_prompts() -> list[Offer]:
    """Offer sections of the system prompt: targets are `PromptSection` classes or factories.

    All take part, by rank; rendered once, when a conversation gets its first message.
    """
    raise NotImplementedError


@hookspec
def hermes_commands() -> list[Offer]:
    """Offer commands: a target is a `Command` or `Group`, or a `CommandFamily` class where the
    offer says ``family=True``; people type the offer's name, of a family its members'.

    A name of two words, the first of which is a group of the kernel's (``plugins new``), adds a
    sub-command to it, for the shell.

    Imported when somebody gives the command or asks for its help; menus show the offer alone.
    """
    raise NotImplementedError


@hookspec
def hermes_services() -> list[Offer]:
    """Offer long-running parts of the gateway: targets are `Service` classes or factories.

    Started with the gateway, and again when one ends by itself; never by a command or a program.
    """
    raise NotImplementedError


@hookspec
def hermes_observers() -> list[Offer]:
    """Offer listeners to events: targets are `Observer` classes or factories.

    Created when a runtime opens; each hears the events of every conversation of that process.
    """
    raise NotImplementedError


@hookspec
def hermes_settings() -> list[Offer]:
    """Offer the structs of the plugin's configuration sections: a target is a frozen msgspec struct
    with a default for every field; the offer's name is the section.

    Imported when the index is made, for its schema, and when the plugin's settings are first read.
    Its module may import only `hermes` and `msgspec`.
    """
    raise NotImplementedError


@hookspec
def hermes_checks() -> list[Offer]:
    """Offer checks of this machine and configuration: targets are `Check` classes or factories.

    Run by ``hermes doctor`` only, each with a limit of ten seconds.
    """
    raise NotImplementedError
