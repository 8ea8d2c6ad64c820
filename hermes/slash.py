"""Slash commands: from what was typed to the command that it means."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from hermes.commands import Command, Group, UsageError

if TYPE_CHECKING:
    from hermes.plugins import Host

_COMMAND = re.compile(r"/([A-Za-z?][\w?-]*)(?:\s+(.*))?", re.DOTALL)


class Slash:
    """The commands that plugins offer for chats, each loaded when it is first asked for."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._names: list[str] | None = None

    @staticmethod
    def parse(text: str) -> tuple[str, str] | None:
        """Give the name and the rest of a slash command; None for a message, ``/etc/hosts`` too."""
        match = _COMMAND.fullmatch(text.strip())
        return (match[1].lower().replace("_", "-"), match[2] or "") if match else None

    def find(self, typed: str) -> tuple[str, Command | Group]:
        """Give the command that *typed* names, or is the only one to begin with it.

        Raises UsageError with the nearest names, PluginError for one that cannot be loaded.
        """
        if typed == "?":
            typed = "help"
        if typed in self._host.offers("commands"):
            return typed, self._load(typed)
        names = self.names()
        fits = [name for name in names if name.startswith(typed)]
        if len(fits) == 1:
            return fits[0], self._load(fits[0])
        if fits:
            raise UsageError(f"/{typed} could be {', '.join('/' + name for name in fits)}")
        near = difflib.get_close_matches(typed, names, n=1)
        mend = f"did you mean /{near[0]}?" if near else "/help lists them"
        raise UsageError(f"there is no command /{typed}; {mend}")

    def names(self) -> list[str]:
        """Name the commands of chats, in order. Imports none."""
        if self._names is None:
            self._names = sorted(
                name
                for name, offered in self._host.offers("commands").items()
                if "chat" in offered.surfaces and not offered.hidden and " " not in name
            )
        return self._names

    def complete(self, text: str) -> list[str]:
        """Give what *text*, a slash and the beginning of a name, could become."""
        return [f"/{name} " for name in self.names() if name.startswith(text[1:].lower())]

    def _load(self, name: str) -> Command | Group:
        command: Command | Group = self._host.create("commands", name)
        if "chat" not in command.surfaces:
            raise UsageError(f"/{name} is for the shell: hermes {name}")
        return command
