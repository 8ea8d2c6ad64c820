"""Letting a stranger in by a code: they get it from Hermes and give it to the owner.

That the owner has it from the very person is what tells the owner who is behind the account. The
rules are Hermes Agent's (``hermes pairing``), and close what its users met: a lock-out holds for
good codes too, and the list shows what `approve` takes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from hermes import HermesError, Role
from hermes_plugin_access import codes
from hermes_plugin_access.codes import Sealed
from hermes_plugin_access.ledger import Ledger

HOUR = 3600.0
GOOD_FOR = HOUR
"""Seconds that a code is good, and that its person gets no other."""
QUIET = 600.0
"""Seconds in which a stranger is answered once at most."""
PENDING = 3
"""Codes that are good at the same time, a platform."""
GUESSES = 5
"""Wrong codes within an hour that lock the platform."""
LOCKED = HOUR
ASKED = 500
"""Strangers of the last hour, a platform; while there are more, nobody new is answered."""


class Pending(msgspec.Struct, frozen=True):
    """Somebody who waits."""

    user: str
    name: str
    code: Sealed
    until: float


class Approved(msgspec.Struct, frozen=True):
    """Somebody who was let in."""

    name: str
    role: Role
    at: float


class Asked(msgspec.Struct):
    """When a stranger was last answered, and last given a code."""

    answered: float
    coded: float = 0.0


class Door(msgspec.Struct):
    """What is known of one platform. Times are Unix seconds."""

    pending: list[Pending] = []
    approved: dict[str, Approved] = {}
    asked: dict[str, Asked] = {}
    guesses: list[float] = []
    """When a wrong code was given."""
    locked_until: float = 0.0

    def tidy(self, now: float) -> None:
        """Drop what is over."""
        self.pending = [one for one in self.pending if one.until > now]
        self.guesses = [at for at in self.guesses if at > now - HOUR]
        latest = {user: max(asked.answered, asked.coded) for user, asked in self.asked.items()}
        self.asked = {u: asked for u, asked in self.asked.items() if latest[u] > now - HOUR}


class Doors(msgspec.Struct):
    """The file: platform to its door."""

    platforms: dict[str, Door] = {}


class Pairing:
    """Codes and those they let in, in ``pairing.json``.

    Everything but `approved` waits for the disk. All raise HermesError where the file cannot be
    understood; then nobody is let in by it.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._ledger = Ledger(folder / "pairing.json", Doors)
        self._clock = clock

    def approved(self, platform: str, user: str) -> Approved | None:
        """Say whether somebody was let in."""
        door = self._ledger.read().platforms.get(platform)
        return door.approved.get(user) if door else None

    def doors(self) -> dict[str, Door]:
        """Give every platform's state, without what is over."""
        doors = msgspec.json.decode(msgspec.json.encode(self._ledger.read()), type=Doors)
        for door in doors.platforms.values():
            door.tidy(self._clock())
        return doors.platforms

    def may_answer(self, platform: str, user: str) -> bool:
        """Say, without waiting, whether `request` might have anything to say to somebody."""
        door = self._ledger.read().platforms.get(platform)
        if door is None:
            return True
        now = self._clock()
        asked = door.asked.get(user)
        if asked is None:
            recent = sum(one.answered > now - HOUR for one in door.asked.values())
            return now >= door.locked_until and recent < ASKED
        return now >= door.locked_until and asked.answered <= now - QUIET

    def request(self, platform: str, user: str, name: str) -> str:
        """Give what a stranger is answered: a code, a word, or nothing."""
        now = self._clock()
        with self._ledger.change() as doors:
            door = doors.platforms.setdefault(platform, Door())
            door.tidy(now)
            asked = door.asked.get(user) or Asked(0.0)
            if now < door.locked_until or asked.answered > now - QUIET:
                return ""
            if user not in door.asked and len(door.asked) >= ASKED:
                return ""
            door.asked[user] = asked
            asked.answered = now
            if asked.coded > now - GOOD_FOR:
                return "I have given you a code already. It has to reach my owner first."
            if len(door.pending) >= PENDING:
                return "Too many pairing requests right now. Please try again later."
            code, sealed = codes.new()
            asked.coded = now
            door.pending.append(Pending(user, _shown(name), sealed, now + GOOD_FOR))
        return (
            f"Hello! I do not know you yet. Your code is {code}, good for one hour.\n"
            f"My owner lets you in with: hermes pairing approve {platform} {code}"
        )

    def approve(self, platform: str, given: str, role: Role = "user") -> tuple[str, Approved]:
        """Let in whoever has the code *given*, or whose id it is; give their id and what is kept.

        Raises HermesError for anything else, and for everything while the platform is locked.
        """
        now = self._clock()
        with self._ledger.change() as doors:
            door = doors.platforms.setdefault(platform, Door())
            door.tidy(now)
            if now < door.locked_until:
                raise HermesError(_locked(platform, door.locked_until - now))
            opened = [one for one in door.pending if one.code.opens_with(given)]
            found = opened or [one for one in door.pending if one.user == given.strip()]
            if not found:
                door.guesses.append(now)
                if len(door.guesses) >= GUESSES:
                    door.guesses, door.locked_until = [], now + LOCKED
                    raise HermesError(_locked(platform, LOCKED))
                raise HermesError(
                    f"nobody on {platform} waits with {codes.tidy(given)!r}:"
                    " `hermes pairing list` shows who does"
                )
            person = found[0]
            door.pending.remove(person)
            door.approved[person.user] = Approved(person.name, role, now)
            return person.user, door.approved[person.user]

    def revoke(self, platform: str, user: str) -> bool:
        """Let somebody out again. False where they were not in."""
        with self._ledger.change() as doors:
            door = doors.platforms.setdefault(platform, Door())
            door.pending = [one for one in door.pending if one.user != user]
            return door.approved.pop(user, None) is not None

    def clear_pending(self, platform: str = "") -> int:
        """Make every code bad; say how many there were."""
        with self._ledger.change() as doors:
            chosen = [d for name, d in doors.platforms.items() if platform in ("", name)]
            for door in chosen:
                door.tidy(self._clock())
            count = sum(len(door.pending) for door in chosen)
            for door in chosen:
                door.pending = []
        return count


def _locked(platform: str, seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{platform}: {GUESSES} wrong codes; pairing is locked for {minutes} min, good codes too"


def _shown(name: str) -> str:
    """Keep of a stranger's name what a terminal can show."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:60]
