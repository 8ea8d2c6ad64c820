"""Which memories a message is about.

Better none than a wrong one: a memory that has nothing to do with a task leads the model astray
(pain point 37). So a message that names something that memories are about (a project, a person)
gets memories of that alone; any other must share most of what it says with a memory.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from hermes_plugin_memory_files.book import Entry
from hermes_plugin_memory_files.words import names, words

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
        self._names = _names(entries, self._words)

    def best(self, message: str, before: str = "") -> list[Entry]:
        """Give the entries that *message* is about, best first. *before* is the message before it:
        it says which name "it" stands for.
        """
        asked = Counter(words(message))
        if not asked or not self._entries:
            return []
        named = (self._names | (names(message) & self._frequency.keys())) & set(asked)
        if named:
            return self._of(named, asked, at_least=0)
        earlier = self._names & set(words(before))
        if earlier and (found := self._of(earlier, asked, at_least=1)):
            return found
        return self._unnamed(asked)

    def _of(self, named: set[str], asked: Counter[str], *, at_least: int) -> list[Entry]:
        """Those of what is named. *at_least* so many other words must be shared."""
        rarest = min(named, key=lambda name: (self._frequency[name], name))
        scored = [
            (self._score(these, asked), number)
            for number, these in enumerate(self._words)
            if these & named and len((these - named) & set(asked)) >= at_least
        ]
        both = [each for each in scored if rarest in self._words[each[1]]]
        return self._sorted(both or scored)

    def _unnamed(self, asked: Counter[str]) -> list[Entry]:
        total = sum(sorted((self._weight(word) for word in asked), reverse=True)[:LONG])
        scored = [
            (score, number)
            for number, these in enumerate(self._words)
            if (score := self._score(these, asked)) >= COVERED * total
        ]
        best = max(scored, default=(0.0, 0))[0]
        return self._sorted([each for each in scored if each[0] >= NEAR * best])[:UNNAMED]

    def _sorted(self, scored: list[tuple[float, int]]) -> list[Entry]:
        scored.sort(key=lambda each: (-each[0], -self._entries[each[1]].facts.created, each[1]))
        return [self._entries[number] for _, number in scored]

    def _score(self, these: set[str], asked: Counter[str]) -> float:
        return sum(self._weight(word) for word in these & set(asked))

    def _weight(self, word: str) -> float:
        return math.log(1 + (len(self._entries) + 1) / (self._frequency[word] + 0.5))


def _all_words(entry: Entry) -> list[str]:
    project = entry.place.project
    return words(entry.text) + (words(entry.place.title) if project else [])


def _names(entries: Sequence[Entry], all_words: Sequence[set[str]]) -> set[str]:
    """Give what memories are about: projects, and what most of them write as a name."""
    counted: Counter[str] = Counter()
    projects: set[str] = set()
    for entry in entries:
        counted.update(names(entry.text))
        if entry.place.project:
            projects.update(words(entry.place.title.removeprefix("project ")))
    frequency = Counter(word for these in all_words for word in these)
    return projects | {name for name, count in counted.items() if count * 2 > frequency[name]}
