"""What a plugin offers: a name, where the thing is, and one line about it (§4.1).

    @hookimpl
    def hermes_terminals():
        return [Offer("docker", "hermes_plugin_docker.backend:DockerBackend", "Run in a container")]

Listing offers must cost nothing: a plugin's ``__init__`` imports only `hermes` and the standard
library, and what an offer names is imported when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

F = TypeVar("F", bound=Callable[..., Any])


class Offer(msgspec.Struct, frozen=True):
    """One thing a plugin offers."""

    name: str
    """How people and configuration name it, unique among its kind."""
    target: str
    """``module:attribute`` inside the plugin's own distribution: a class or factory that takes a
    `PluginContext`, or the thing itself (a tool, a command, a settings struct)."""
    summary: str
    """One line for menus and ``--help``."""
    optional: bool = False
    """Middleware only: a failure of it is passed over instead of failing closed."""
    family: bool = False
    """Stands for members known only from configuration or the home folder (MCP servers, skills)."""
    always: bool = False
    """Memory only: it takes part whatever the setting ``memory`` names, beside that one."""
    guard: bool = False
    """Settings only: who may do what hangs on this section. Where it was changed in a file that has
    mistakes, no earlier copy of the file stands in (§8)."""
    hidden: bool = False
    """Left out of menus."""
    surfaces: tuple[str, ...] = ("cli", "chat")
    """Of a command: where it is given, as the command itself says; menus import nothing."""


def hookimpl(function: F) -> F:
    """Mark a function as the plugin's answer to the hook of its name.

    It takes no arguments and returns offers. The mark is the one `pluggy` looks for; making it here
    keeps pluggy itself out of every start that finds its index in order. Wrappers and orders of
    call (``tryfirst``) are not for plugins.
    """
    function.hermes_impl = {  # type: ignore[attr-defined]
        "wrapper": False,
        "hookwrapper": False,
        "optionalhook": False,
        "tryfirst": False,
        "trylast": False,
        "specname": None,
    }
    return function
