"""How often each skill was read, and how the turns ended that used it.

``skills/.hub/hermes.usage.json``. Counting is for deciding what stands in the index, what is
repaired and what is archived; a count lost in a crash harms nobody.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from hermes_plugin_skills import disk

OPEN = 200
"""Turns that are remembered until they end."""


class Use(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of one skill's use."""

    views: int = 0
    """How often it was read."""
    helped: int = 0
    """Turns that ended well without a tool's error after it was read."""
    failed: int = 0
    """The other turns that read it: what `failed in use` means."""
    patches: int = 0
    last: int = 0
    """UTC seconds of the last use."""
    since: int = 0
    """Number of the conversation since which it waits to be used (again)."""
    pinned: bool = False
    created: int = 0


class Counted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The whole file."""

    conversations: int = 0
    skills: dict[str, Use] = {}
    open: dict[str, tuple[str, ...]] = {}
    """Turn that has not ended to the skills that it read."""

    def rests(self, name: str, trial: int) -> bool:
        """Whether a skill was passed over for *trial* conversations since it came or was used."""
        use = self.skills.get(name, Use())
        return not use.pinned and self.conversations - use.since > trial


class Usage:
    """Reads and changes the counts. Blocks."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file = root / ".hub" / "hermes.usage.json"

    def read(self) -> Counted:
        """Give the counts; what is no file of ours counts as none."""
        try:
            return disk.load(self._file, Counted, Counted())
        except (ValueError, OSError):
            return Counted()

    def began(self, names: Iterable[str], conversations: int = 1) -> None:
        """Conversations begin; of skills *names*, the trial of those never seen does too."""
        with disk.locked(self._root):
            counted = self.read()
            new = {each: Use(since=counted.conversations) for each in names}
            skills = new | counted.skills
            self._save(counted, conversations=counted.conversations + conversations, skills=skills)

    def used(self, name: str, turn: str) -> None:
        """A turn read skill *name*."""
        with disk.locked(self._root):
            counted = self.read()
            use = counted.skills.get(name, Use())
            use = msgspec.structs.replace(
                use, views=use.views + 1, last=int(time.time()), since=counted.conversations
            )
            names = tuple(dict.fromkeys((*counted.open.get(turn, ()), name)))
            waiting = dict(list({**counted.open, turn: names}.items())[-OPEN:]) if turn else {}
            self._save(counted, skills={**counted.skills, name: use}, open=waiting or counted.open)

    def opened(self, turn: str) -> tuple[str, ...]:
        """Give the skills that a running turn has read."""
        return self.read().open.get(turn, ())

    def ended(self, turn: str, *, well: bool | None) -> tuple[str, ...]:
        """A turn ended, *well* or not (None: it was stopped); give the skills that it had read."""
        names = self.read().open.get(turn, ())
        if not names:
            return ()
        with disk.locked(self._root):
            counted = self.read()
            skills = dict(counted.skills)
            for name in names:
                use = skills.get(name, Use())
                skills[name] = msgspec.structs.replace(
                    use, helped=use.helped + (well is True), failed=use.failed + (well is False)
                )
            waiting = {key: value for key, value in counted.open.items() if key != turn}
            self._save(counted, skills=skills, open=waiting)
        return names

    def change(self, name: str, **fields: Any) -> Use:
        """Set fields of a skill's use; ``patched=True`` counts one. The caller holds the lock."""
        counted = self.read()
        use = counted.skills.get(name, Use(since=counted.conversations))
        if fields.pop("patched", False):
            fields |= {"patches": use.patches + 1}
        if fields.pop("fresh", False):
            fields |= {"since": counted.conversations, "created": int(time.time())}
        use = msgspec.structs.replace(use, **fields)
        self._save(counted, skills={**counted.skills, name: use})
        return use

    def _save(self, counted: Counted, **fields: Any) -> None:
        disk.save(self._file, msgspec.structs.replace(counted, **fields))


def nearest(name: str, names: Iterable[str]) -> str:
    """Give ``; did you mean …?`` for a name that is not there."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {near[0]}?" if near else ""
