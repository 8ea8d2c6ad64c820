"""Which skills there are, and which of them are used.

Four kinds of places: ``skills/`` in the home, installed packages (entry points of the group
``hermes.skills``), and the folders of ``external_dirs``. Of one name, the first place counts.

What lies in ``skills/`` is loaded only when it is known: the lock file says who it came from, and
for what did not come from a person, its digest. So a folder that something dropped there, or an
installed skill that somebody changed, is named and left alone (pain point 9). A home that has no
lock file yet is taken as it is: what lies in it is the person's.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from importlib import metadata, util
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from hermes import PluginContext, PluginError
from hermes_plugin_skills import disk, usage
from hermes_plugin_skills.settings import Settings
from hermes_plugin_skills.skill import FILE, Origin, Skill, SkillError, read

GROUP = "hermes.skills"

State: TypeAlias = Literal["active", "resting", "disabled", "unsuitable", "untrusted", "changed"]
"""``active`` stands in the index; ``resting`` was not used for long; ``disabled`` by settings;
``unsuitable`` for this system; ``untrusted``: nobody said that it may be used; ``changed``: it is
not what was installed."""
USABLE: tuple[State, ...] = ("active", "resting")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the lock file holds of a skill."""

    origin: Origin
    path: str
    """Of its folder, from ``skills/``."""
    files: dict[str, str] = {}
    """SHA-256 of each file; empty for a person's own, which they change as they like."""
    source: str = ""
    revision: str = ""
    signer: str = ""
    """Fingerprint of the key that signed it: an update by another one is refused."""
    session: str = ""
    """For one that Hermes wrote: the conversation it came from."""
    time: int = 0
    """UTC seconds since when."""


class Lock(msgspec.Struct, frozen=True, omit_defaults=True):
    """``skills/.hub/hermes.lock.json``. (Hermes Agent's own ``lock.json`` is left as it is.)"""

    skills: dict[str, Entry] = {}
    swap: dict[str, tuple[str, str]] = {}
    """A change under way: name to where its new version lies and where the old one goes, each from
    ``skills/``."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """A skill and what becomes of it."""

    skill: Skill
    state: State
    use: usage.Use = usage.Use()


class Library:
    """The skills of one home. Reads the disk each time, and so holds nothing. Blocks."""

    def __init__(self, context: PluginContext) -> None:
        self.settings: Settings = context.settings or Settings()
        self.root = context.paths.home / "skills"
        self.lock_file = self.root / ".hub" / "hermes.lock.json"
        self.usage = usage.Usage(self.root)
        self.keeps = not context.incognito
        """Whether anything may be written down; an incognito conversation reads skills only."""
        self._context = context

    # what there is ------------------------------------------------------------------------------

    def lock(self, *, held: bool = False) -> Lock:
        """Read the lock file; a home without one is taken as it is.

        *held* says that the caller holds `disk.locked`. A change that a crash cut short is finished
        first. Raises `SkillError` for a damaged file.
        """
        if self.lock_file.exists():
            found = self._read_lock()
            if found.swap and held:
                return self._recovered(found)
            if found.swap:
                with disk.locked(self.root):
                    return self.lock(held=True)
            return found
        own = {
            skill.name: Entry(
                origin="own", path=skill.folder.relative_to(self.root).as_posix(), time=0
            )
            for skill in self._folder(self.root, "own")
        }
        return Lock(own)

    def _read_lock(self) -> Lock:
        try:
            return disk.load(self.lock_file, Lock, Lock())
        except ValueError as error:
            mend = "restore it, or delete it and look over every skill (hermes skills list)"
            raise SkillError(f"{self.lock_file} is damaged ({error}): {mend}") from None

    def adopt(self, conversations: int = 1) -> list[Listed]:
        """Write the lock file of a home that has none yet: from now on what is new must be known,
        and what was never seen begins its trial. Counts *conversations* that begin; lists all.
        """
        if not self.lock_file.exists():
            with disk.locked(self.root):
                if not self.lock_file.exists():
                    self.keep(self.lock(held=True))
        listed = self.all()
        self.usage.began([each.skill.name for each in listed], conversations)
        return listed

    def all(self) -> list[Listed]:
        """List every skill by category and name, with its state."""
        lock, counted = self.lock(), self.usage.read()
        found: dict[str, Skill] = {}
        for skill in self._every(lock):
            found.setdefault(skill.name, skill)
        listed = []
        for skill in sorted(found.values(), key=lambda each: (each.category, each.name)):
            use = counted.skills.get(skill.name, usage.Use())
            listed.append(Listed(skill=skill, state=self._state(skill, lock, counted), use=use))
        return listed

    def usable(self, surface: str = "") -> list[Listed]:
        """List the skills that may be used on *surface*."""
        off = self.settings.platform_disabled.get(surface, [])
        return [each for each in self.all() if each.state in USABLE and each.skill.name not in off]

    def find(self, name: str, surface: str = "") -> Skill:
        """Give a usable skill by name, ``category/name`` or ``plugin:name``. Raises `SkillError`
        that says why it is not usable, or which name is near.
        """
        short = name.strip().rpartition("/")[2].rpartition(":")[2].lower()
        every = {each.skill.name: each for each in self.all()}
        found = every.get(short) or every.get(short.replace("_", "-"))
        if found is None:
            near = usage.nearest(short, every)
            raise SkillError(f"there is no skill {name!r}{near}; skills_list lists them")
        if found.state not in USABLE:
            raise SkillError(f"skill {found.skill.name} is not used: {WHY[found.state]}")
        if found.skill.name in self.settings.platform_disabled.get(surface, []):
            raise SkillError(f"skill {found.skill.name} is not used on {surface}")
        return found.skill

    def _every(self, lock: Lock) -> Iterator[Skill]:
        origins = {entry.path: entry.origin for entry in lock.skills.values()}
        for skill in self._folder(self.root, "own"):
            path = skill.folder.relative_to(self.root).as_posix()
            yield msgspec.structs.replace(skill, origin=origins.get(path, "own"))
        for folder in self.settings.external_dirs:
            where = Path(folder).expanduser()
            where = where if where.is_absolute() else self._context.paths.home / where
            yield from self._folder(where, "external")
        for place in packaged(self._off()):
            yield from self._folder(place, "package")

    def _off(self) -> frozenset[str]:
        """Plugins that are switched off: their skills are too."""
        try:
            kernel = self._context.config.section("hermes")
        except PluginError:  # a context without a kernel behind it
            return frozenset()
        return frozenset(kernel.plugins.disabled)

    def _folder(self, root: Path, origin: Origin) -> Iterator[Skill]:
        """Read the skills of ``root/name`` and ``root/category/name``. What cannot be read is
        logged and left out.
        """
        for file in skill_files(root):
            category = file.parent.parent.name if file.parent.parent != root else ""
            try:
                yield read(file.parent, category=category, origin=origin)
            except SkillError as error:
                self._context.log.warning("skill left out", why=str(error))

    def _state(self, skill: Skill, lock: Lock, counted: usage.Counted) -> State:
        if skill.name in self.settings.disabled:
            return "disabled"
        if skill.origin not in ("package", "external"):
            entry = lock.skills.get(skill.name)
            if entry is None or self.root / entry.path != skill.folder:
                return "untrusted"
            if entry.origin != "own" and disk.digests(skill.folder) != entry.files:
                return "changed"
        if not skill.fits_system():
            return "unsuitable"
        return "resting" if counted.rests(skill.name, self.settings.trial) else "active"

    # what changes it ----------------------------------------------------------------------------

    def keep(self, lock: Lock) -> None:
        """Write the lock file; the caller holds `disk.locked`."""
        disk.save(self.lock_file, lock)

    def swap(self, name: str, new: Path, entry: Entry, lock: Lock) -> Path | None:
        """Put *new* in the place of the skill *name*; give where the old version is kept.

        The caller holds `disk.locked`. A crash on the way is finished by whoever reads the lock
        file next.
        """
        live = self.root / entry.path
        old = self.root / ".history" / name / time.strftime("%Y%m%d-%H%M%S")
        while old.exists():
            old = old.with_name(old.name + "x")
        places = (new.relative_to(self.root).as_posix(), old.relative_to(self.root).as_posix())
        after = Lock({**lock.skills, name: entry}, {name: places})
        self.keep(after)
        had = live.exists()
        self._recovered(after)
        return old if had else None

    def _recovered(self, lock: Lock) -> Lock:
        """Finish the changes that are under way; done twice, it does nothing more."""
        for name, (new, old) in lock.swap.items():
            live, fresh = self.root / lock.skills[name].path, self.root / new
            if fresh.exists():
                if live.exists():
                    disk.move(live, self.root / old)
                disk.move(fresh, live)
        done = Lock(lock.skills)
        self.keep(done)
        return done


WHY: dict[State, str] = {
    "disabled": "it is disabled (skills.disabled)",
    "unsuitable": "it is for another operating system",
    "untrusted": "nobody said that it may be: hermes skills trust NAME",
    "changed": "it is not what was installed: hermes skills audit NAME",
}


def skill_files(root: Path) -> list[Path]:
    """List the SKILL.md files of a folder of skills, hidden folders left out."""
    found = [*root.glob(f"*/{FILE}"), *root.glob(f"*/*/{FILE}")]
    folders = {file.parent for file in found}
    return sorted(
        file
        for file in found
        if not any(part.startswith(".") for part in file.relative_to(root).parts)
        and file.parent.parent not in folders  # a skill inside a skill's own folders is its matter
    )


def packaged(off: frozenset[str] = frozenset()) -> list[Path]:
    """List the folders of skills that installed packages bring: entry points of `GROUP`, each the
    package whose folder ``skills`` holds them. Nothing is imported.
    """
    return [folder for name, folder in _packages() if name not in off]


@functools.cache
def _packages() -> tuple[tuple[str, Path], ...]:
    """Look once: what is installed meanwhile counts from the next start, as plugins do."""
    found = []
    for entry in sorted(metadata.entry_points(group=GROUP), key=lambda each: each.name):
        spec = util.find_spec(entry.value)
        places = (spec.submodule_search_locations or ()) if spec else ()
        found += [(entry.name, Path(place) / "skills") for place in places]
    return tuple((name, folder) for name, folder in found if folder.is_dir())
