"""Which memories a message is about.

Better none than a wrong one: a memory that has nothing to do with a task leads the model astray
(pain point 37). So a message that names something that memories are about (a project, a person)
gets memories of that alone; any other must share most of what it says with a memory. A name that is
an everyday word as well (``an anchor``) is read as the word.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

from hermes_plugin_memory_files.book import Entry
from hermes_plugin_memory_files.words import common, names, words

COVERED = 0.5
"""Share of a message's weight that a memory must have, where no name is given."""
NEAR = 0.7
"""Of the best one's weight."""
UNNAMED = 4
"""Memories at most, where no name is given."""
LONG = 40
"""Words of a message beyond which a share of them says nothing: its best run counts."""


class Ranking:
    """The entries of a person, ready to be compared with messages."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._words = [set(_all_words(entry)) for entry in entries]
        self._frequency = Counter(word for these in self._words for word in these)
        self._projects = {
            word for entry in entries if entry.place.project for word in words(_project(entry))
        }
        counted = Counter(name for entry in entries for name in names(entry.text))
        self._names = {n for n, count in counted.items() if count * 2 > self._frequency[n]}

    def best(self, message: str, before: str = "") -> list[Entry]:
        """Give the entries that *message* is about, best first. *before* is the message before it:
        it says which name "it" stands for.
        """
        asked = set(words(message))
        if not asked or not self._entries:
            return []
        projects = self._projects & asked - common(message)
        if projects:
            return self._of(projects, asked)
        named = (self._names | (names(message) & self._frequency.keys())) & asked - common(message)
        if named and (found := self._of(named, asked, shared=2)):
            return found
        earlier = (self._projects | self._names) & set(words(before)) - common(before)
        if earlier and (found := self._of(earlier, asked | earlier, shared=2, each=True)):
            return found
        return self._unnamed(asked, only_general=bool(earlier))

    def _of(
        self, named: set[str], asked: set[str], *, shared: int = 1, each: bool = False
    ) -> list[Entry]:
        """Give those of what is named, if the message has so many words in common with one of them
        (*each*: those that it has them in common with), or says little but the name.
        """
        rarest = min(named, key=lambda name: (self._frequency[name], name))
        own = [number for number, these in enumerate(self._words) if rarest in these]
        enough = [n for n in own if len(self._words[n] & asked) >= shared]
        if not each and not enough:
            total = self._total(asked)
            enough = [n for n in own if self._score(n, asked) >= COVERED * total]
        return self._sorted(enough if each or not enough else own, asked)

    def _unnamed(self, asked: set[str], *, only_general: bool) -> list[Entry]:
        """Give those that share most of the message. One that fits several projects alike is about
        none of them; and one that follows on a name (*only_general*) about no other project.
        """
        total = self._total(asked)
        scores = {number: self._score(number, asked) for number in range(len(self._entries))}
        least = max(COVERED * total, NEAR * max(scores.values()))
        found = self._sorted([n for n, score in scores.items() if score >= least], asked)
        if only_general or len({entry.place for entry in found if entry.place.project}) > 1:
            found = [entry for entry in found if not entry.place.project]
        return found[:UNNAMED]

    def _sorted(self, numbers: Iterable[int], asked: set[str]) -> list[Entry]:
        """Sort by what is shared, newest first where that is the same."""
        created = [entry.facts.created for entry in self._entries]
        best = sorted(numbers, key=lambda number: (-self._score(number, asked), -created[number]))
        return [self._entries[number] for number in best]

    def _score(self, number: int, asked: set[str]) -> float:
        return sum(map(self._weight, self._words[number] & asked))

    def _total(self, asked: set[str]) -> float:
        return sum(sorted(map(self._weight, asked), reverse=True)[:LONG])

    def _weight(self, word: str) -> float:
        return math.log(1 + (len(self._entries) + 1) / (self._frequency[word] + 0.5))


def _all_words(entry: Entry) -> list[str]:
    return words(entry.text) + (words(_project(entry)) if entry.place.project else [])


def _project(entry: Entry) -> str:
    return entry.place.title.removeprefix("project ")
