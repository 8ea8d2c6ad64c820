"""The memory files of one person, with what the sidecar knows of each entry.

    memories/MEMORY.md, USER.md        the owner's, as in Hermes Agent
    memories/projects/NAME-HASH.md     of one project each, the same format
    memories/entries.json              the sidecar
    memories/people/PERSON/…           the same for everybody else

Everything here blocks; callers are in a thread.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

import msgspec

from hermes import OWNER, HermesError, clean, locked_file, mentions, replace_file
from hermes_plugin_memory_files import document, sidecar
from hermes_plugin_memory_files.project import Project
from hermes_plugin_memory_files.settings import Settings
from hermes_plugin_memory_files.sidecar import Facts, Sidecar

Target = Literal["memory", "user", "project"]
FILES = {"memory": "MEMORY.md", "user": "USER.md"}
LARGEST = 1_000_000
"""Bytes of a file; a larger one is no memory file."""


class Place(msgspec.Struct, frozen=True):
    """One file of memories."""

    target: Target
    file: Path
    limit: int
    project: str = ""
    """Key of the project, for a project's file."""

    @property
    def title(self) -> str:
        return self.file.name if not self.project else f"project {self.project[:-9]}"


class Entry(msgspec.Struct, frozen=True):
    """Something that is remembered."""

    label: str
    text: str
    place: Place
    facts: Facts
    folder: str = ""
    """The project's folder."""

    @property
    def always(self) -> bool:
        """In the prompt of every conversation."""
        given = self.facts.always
        return self.place.target == "user" if given is None else given


class Book:
    """One person's memories. *clock* gives UTC microseconds."""

    def __init__(
        self,
        home: Path,
        person: str = OWNER,
        settings: Settings | None = None,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self.home = home
        memories = home / "memories"
        self.folder = memories if person == OWNER else memories / "people" / quote(person, safe="")
        self.settings = settings or Settings()
        self.clock = clock

    # -- reading ------------------------------------------------------------------------------

    def place(self, target: Target, project: Project | None = None) -> Place:
        """Give the file of *target*. Raises HermesError where a project's is asked for and none is
        there, or the settings leave it out.
        """
        if not (
            self.settings.user_profile_enabled if target == "user" else self.settings.memory_enabled
        ):
            raise HermesError(f"target {target} is switched off in the settings")
        if target != "project":
            limits = {"memory": self.settings.memory_char_limit}
            limit = limits.get(target, self.settings.user_char_limit)
            return Place(target, self.folder / FILES[target], limit)
        if project is None:
            raise HermesError("this conversation is in no project's folder: use target memory")
        return self._project_place(self.folder / "projects" / f"{project.key}.md")

    def _project_place(self, file: Path) -> Place:
        return Place("project", file, self.settings.memory_char_limit, file.stem)

    def places(self) -> list[Place]:
        """Give every file there may be."""
        found = [self.place("user")] if self.settings.user_profile_enabled else []
        if self.settings.memory_enabled:
            projects = sorted((self.folder / "projects").glob("*.md"))
            found = [self.place("memory"), *found, *map(self._project_place, projects)]
        return found

    def entries(self, *, expired: bool = False) -> list[Entry]:
        """Give everything that is remembered and holds, file by file; *expired* too, if asked."""
        known = sidecar.read(self.folder)
        now = self.clock()
        return [
            entry
            for place in self.places()
            for entry in self._read(place, known)
            if expired or not 0 < entry.facts.expires <= now
        ]

    def _read(self, place: Place, known: Sidecar) -> Iterator[Entry]:
        text = read_text(place.file)
        if not text:
            return
        written = int(place.file.stat().st_mtime * 1e6)
        folder = known.projects.get(place.project, "")
        for content in document.entries(text):
            label = document.label(content)
            facts = known.entries.get(label) or Facts(created=written)
            yield Entry(label, content, place, facts, folder)

    def stamp(self) -> tuple[tuple[str, int, int], ...]:
        """Give what changes when a file of this person does."""
        files = [place.file for place in self.places()] + [self.folder / sidecar.NAME]
        found = []
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                about = file.stat()
                found.append((file.name, about.st_mtime_ns, about.st_size))
        return tuple(found)

    def known(self) -> Sidecar:
        """Give the sidecar, to look at."""
        return sidecar.read(self.folder)

    def people(self) -> list[str]:
        """Name everybody who has memories here."""
        others = (self.home / "memories" / "people").glob("*/")
        return [OWNER, *sorted(unquote(folder.name) for folder in others)]

    # -- writing ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def changing(self) -> Iterator[Draft]:
        """Give a draft of everything; it is written when the block ends, unless it raises."""
        with locked_file(self.folder / "memory"):
            draft = Draft(self, sidecar.read(self.folder))
            yield draft
            draft.write()

    def forget(self, about: str) -> list[str]:
        """Take out every entry that holds *about*, in any case; give their labels.

        Nothing of them stays: not their text, and no label that is made of it.
        """
        gone: list[str] = []
        with self.changing() as draft:
            for place in self.places():
                entries = list(enumerate(draft.entries(place)))
                holds = [number for number, entry in entries if mentions(entry, about)]
                gone += [draft.remove(place, number) for number in reversed(holds)]
            for label in gone:
                draft.known.gone.pop(label, None)
            for facts in draft.known.entries.values():
                facts.replaces = tuple(each for each in facts.replaces if each not in gone)
        return gone

    def note_use(self, recalled: set[str], cited: set[str]) -> None:
        """Count what stood beside a message, and what the answer named."""
        if not recalled | cited:
            return
        with self.changing() as draft:
            for entry in self.entries():
                if entry.label in recalled | cited:
                    facts = draft.known.entries.setdefault(entry.label, entry.facts)
                    facts.recalled += entry.label in recalled
                    facts.cited += entry.label in cited
                    facts.used = self.clock()


class Draft:
    """The files of a book, being changed under its lock."""

    def __init__(self, book: Book, known: Sidecar) -> None:
        self.book = book
        self.known = known
        self._texts: dict[Path, str] = {}
        self._before: dict[Path, str] = {}

    def text(self, place: Place) -> str:
        if place.file not in self._texts:
            self._texts[place.file] = self._before[place.file] = read_text(place.file)
        return self._texts[place.file]

    def entries(self, place: Place) -> list[str]:
        return document.entries(self.text(place))

    def add(self, place: Place, content: str, facts: Facts) -> str:
        """Add an entry; give its label. One that is there already stays as it is."""
        label = document.label(content)
        if content not in self.entries(place):
            self._texts[place.file] = document.added(self.text(place), content)
            self._know(label, facts)
        return label

    def replace(self, place: Place, number: int, content: str, facts: Facts) -> tuple[str, str]:
        """Put *content* in an entry's place; give the old label and the new one."""
        old = document.label(self.entries(place)[number])
        self._texts[place.file] = document.replaced(self.text(place), number, content)
        label = document.label(content)
        if old != label:
            before = self.known.entries.pop(old, None)
            facts.replaces = (*(before.replaces if before else ())[-9:], old)
            if facts.always is None and before is not None:
                facts.always = before.always
            self.known.gone[old] = sidecar.Gone(self.book.clock(), label)
        self._know(label, facts)
        return old, label

    def remove(self, place: Place, number: int) -> str:
        """Take an entry out; give its label."""
        old = document.label(self.entries(place)[number])
        self._texts[place.file] = document.removed(self.text(place), number)
        self.known.entries.pop(old, None)
        self.known.gone[old] = sidecar.Gone(self.book.clock())
        return old

    def drop_expired(self, place: Place) -> list[str]:
        """Take out what no longer holds by the date that it was given."""
        now, dropped = self.book.clock(), []
        for number in reversed(range(len(self.entries(place)))):
            facts = self.known.entries.get(document.label(self.entries(place)[number]))
            if facts is not None and 0 < facts.expires <= now:
                dropped.append(self.remove(place, number))
        return dropped

    def size(self, place: Place) -> int:
        return document.size(self.text(place))

    def touched(self) -> list[Path]:
        return [file for file, text in self._texts.items() if text != self._before[file]]

    def _know(self, label: str, facts: Facts) -> None:
        self.known.gone.pop(label, None)
        self.known.entries[label] = facts

    def write(self) -> None:
        """Write what changed: the sidecar first, since the files are what counts."""
        there = {
            entry.label for p in self.book.places() for entry in self.book._read(p, self.known)
        }
        there |= {
            document.label(e) for text in self._texts.values() for e in document.entries(text)
        }
        self.known.entries = {k: v for k, v in self.known.entries.items() if k in there}
        sidecar.write(self.book.folder, self.known)
        for file in self.touched():
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(file, self._texts[file], mode=0o600)


def read_text(file: Path) -> str:
    """Give a memory file's text, empty where there is none.

    Raises HermesError, naming the file and the mend, for what is no text: it is then not written.
    """
    try:
        if file.stat().st_size > LARGEST:
            raise HermesError(
                f"{file} has more than {LARGEST:,} bytes: make it smaller, or move it"
            )
        return clean(file.read_bytes().decode("utf-8-sig").replace("\r\n", "\n"))
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise HermesError(
            f"{file} cannot be read as UTF-8 ({error}): mend it, or move it"
        ) from None
