"""Slash commands: from what was typed to the command that it means."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from hermes.commands import Command, CommandFamily, Group, UsageError
from hermes.errors import one_line

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
        offered = self._host.offers("commands").get(typed)
        if offered is not None and not offered.family:
            return typed, self._load(typed)
        members = self._members()
        if typed in members:
            return typed, self._member(typed, members)
        names = self.names()
        fits = [name for name in (*names, *members) if name.startswith(typed)]
        if len(fits) == 1:
            found = self._member(fits[0], members) if fits[0] in members else self._load(fits[0])
            return fits[0], found
        if fits:
            raise UsageError(f"/{typed} could be {', '.join('/' + name for name in fits)}")
        near = difflib.get_close_matches(typed, (*names, *members), n=1)
        mend = f"did you mean /{near[0]}?" if near else "/help lists them"
        raise UsageError(f"there is no command /{typed}; {mend}")

    def names(self) -> list[str]:
        """Name the commands of chats that are offered by name, in order. Imports none."""
        if self._names is None:
            self._names = sorted(
                name
                for name, offered in self._host.offers("commands").items()
                if "chat" in offered.surfaces
                and not (offered.hidden or offered.family)
                and " " not in name
            )
        return self._names

    def menu(self) -> dict[str, str]:
        """Give name and summary of every command of chats, those of families last."""
        offers = self._host.offers("commands")
        named = {name: offers[name].summary for name in self.names()}
        return named | {name: summary for name, (summary, _) in self._members().items()}

    def complete(self, text: str) -> list[str]:
        """Give what *text*, a slash and the beginning of a name, could become."""
        names = (*self.names(), *self._members())
        return [f"/{name} " for name in names if name.startswith(text[1:].lower())]

    def _members(self) -> dict[str, tuple[str, CommandFamily]]:
        """Give the members of the families that no offer stands above: summary and family."""
        offers = self._host.offers("commands")
        members: dict[str, tuple[str, CommandFamily]] = {}
        for name in [name for name, offered in offers.items() if offered.family]:
            try:
                family: CommandFamily = self._host.create("commands", name)
                found = family.members()
            except (Exception, SystemExit) as error:  # noqa: BLE001  (isolation: a plugin's code)
                said = one_line(error)
                self._host.log(offers[name].plugin).warning("no members", family=name, error=said)
                continue
            for member, summary in found.items():
                if member not in offers:
                    members.setdefault(member, (summary, family))
        return members

    @staticmethod
    def _member(name: str, members: dict[str, tuple[str, CommandFamily]]) -> Command | Group:
        return members[name][1].command(name)

    def _load(self, name: str) -> Command | Group:
        command: Command | Group = self._host.create("commands", name)
        if "chat" not in command.surfaces:
            raise UsageError(f"/{name} is for the shell: hermes {name}")
        return command
