"""Who is behind an account: one person each, until ``/link`` says that two are the same (§5.1).

A person is named by the first account they had here (``telegram:42``), or ``owner`` at the
terminal. Memory, search, budget and approvals go by person. A role does not: each account keeps the
role that it was given.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from hermes import OWNER, Account, HermesError
from hermes_plugin_access import codes
from hermes_plugin_access.codes import Sealed
from hermes_plugin_access.ledger import Ledger

GOOD_FOR = 600.0
"""Seconds that a link code is good."""
GUESSES = 5
"""Wrong codes by one person, within an hour, after which none of theirs is taken for an hour."""
HOUR = 3600.0


class Offered(msgspec.Struct, frozen=True):
    """A code by which somebody takes another chat to be theirs."""

    code: Sealed
    until: float


class People(msgspec.Struct):
    """The file."""

    accounts: dict[str, str] = {}
    """Account to person, where that is not the account's own name."""
    offered: dict[str, Offered] = {}
    guesses: dict[str, list[float]] = {}


class Persons:
    """Accounts and whose they are, in ``persons.json``. Raises HermesError as `Pairing` does."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._ledger = Ledger(folder / "persons.json", People)
        self._clock = clock

    def of(self, account: Account) -> str:
        """Say who is behind an account."""
        name = named(account)
        return self._ledger.read().accounts.get(name, name)

    def accounts(self, person: str) -> list[str]:
        """List the accounts of a person, the first one first."""
        linked = [name for name, whose in self._ledger.read().accounts.items() if whose == person]
        return sorted(linked) if person == OWNER else [person, *sorted(linked)]

    def offer(self, person: str) -> str:
        """Give a code by which another chat becomes *person*'s; one that was given before is bad
        from now on.
        """
        code, sealed = codes.new()
        with self._ledger.change() as people:
            self._tidy(people)
            people.offered[person] = Offered(sealed, self._clock() + GOOD_FOR)
        return code

    def offering(self, guesser: str, code: str) -> str:
        """Say whose code it is. Raises HermesError for a bad one, and for any after too many."""
        now = self._clock()
        with self._ledger.change() as people:
            self._tidy(people)
            guesses = people.guesses.setdefault(guesser, [])
            if len(guesses) >= GUESSES:
                raise HermesError("too many wrong codes; try again in an hour")
            whose = [p for p, offered in people.offered.items() if offered.code.opens_with(code)]
            if not whose:
                guesses.append(now)
                raise HermesError("that code is not good (any more); `/link` there gives another")
            return whose[0]

    def join(self, person: str, code: str) -> str:
        """Make the accounts of *person* and of who gave *code* one person's; say who gave it.

        The person at the terminal stays who they are; else the one who gave the code does.
        """
        giver = self.offering(person, code)
        if giver == person:
            raise HermesError("this chat is yours already; give the code in the other one")
        stays, goes = (person, giver) if person == OWNER else (giver, person)
        with self._ledger.change() as people:
            if people.offered.pop(giver, None) is None:
                raise HermesError("that code was used just now")
            moved = [name for name, whose in people.accounts.items() if whose == goes]
            for name in moved if goes == OWNER else [*moved, goes]:
                people.accounts[name] = stays
        return giver

    def part(self, person: str, account: str) -> None:
        """Make an account that was linked a person of its own again. Raises HermesError."""
        with self._ledger.change() as people:
            if people.accounts.get(account) != person:
                known = [name for name, whose in people.accounts.items() if whose == person]
                mend = f"linked are: {', '.join(sorted(known))}" if known else "none is linked"
                raise HermesError(f"{account} is not linked to you; {mend}")
            del people.accounts[account]

    def _tidy(self, people: People) -> None:
        now = self._clock()
        people.offered = {
            p: offered for p, offered in people.offered.items() if offered.until > now
        }
        recent = {p: [at for at in g if at > now - HOUR] for p, g in people.guesses.items()}
        people.guesses = {p: guesses for p, guesses in recent.items() if guesses}


def named(account: Account) -> str:
    """Name an account among all of all platforms."""
    return f"{account.platform}:{account.id}"
