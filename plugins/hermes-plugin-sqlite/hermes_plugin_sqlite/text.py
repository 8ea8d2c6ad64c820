"""What a word is: for the index, for a query, and for the piece of text that a hit shows.

FTS5's unicode61 takes a run of letters for one word, which makes a Chinese sentence one word. So
the characters of scripts that are written without spaces are set apart before indexing and in
queries alike; a query's run of them is then a phrase, found wherever it stands.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u1100-\u11ff\u3005-\u3007\u3041-\u30ff\u3100-\u318f\u31a0-\u31bf\u31f0-\u31ff"  # kana …
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc"  # Han, Hangul
    "\U0001aff0-\U0001b16f\U00020000-\U000323af"
)
_SPACELESS = re.compile(f"([{SPACELESS}])")
_WORD = r"[^\W_]"  # unicode61 counts "_" as a separator
_TOKEN = re.compile(f"[{SPACELESS}]|(?:(?![{SPACELESS}]){_WORD})+")
_PARTS = re.compile(r'"([^"]*)"(\*?)|([^\s"]+)')

MOST_TERMS = 64
"""Of a query; the rest is passed over."""
SNIPPET = 200
"""Characters of text that a hit shows."""


def split(text: str) -> str:
    """Set apart the characters of scripts without spaces."""
    return text if text.isascii() else _SPACELESS.sub(r" \1 ", text)


@dataclass(frozen=True, slots=True)
class Query:
    """A query that FTS5 cannot misread."""

    match: str
    """The expression for ``MATCH``; empty where nothing is asked for."""
    phrases: tuple[str, ...]
    """Each phrase of *match* in its order, as an expression; empty for an excluded one."""
    pattern: re.Pattern[str] | None
    """Finds the first place of any wanted phrase in a text."""


@dataclass(frozen=True, slots=True)
class _Term:
    words: tuple[str, ...]
    prefix: bool
    excluded: bool

    @property
    def phrase(self) -> str:
        return '"' + " ".join(self.words) + '"' + (" *" if self.prefix else "")

    @property
    def regex(self) -> str:
        head = "" if _SPACELESS.match(self.words[0]) else f"(?<!{_WORD})"
        open_end = self.prefix or _SPACELESS.match(self.words[-1])
        return (
            head + r"[\W_]*".join(map(re.escape, self.words)) + ("" if open_end else f"(?!{_WORD})")
        )


def parse(query: str) -> Query:
    """Read a person's or model's query: words (all wanted), "a phrase", begin*, OR, NOT.

    Whatever else FTS5 would read as syntax is a separator between words, as it is in the index, so
    ``well-known`` or ``a.b:c`` look for these words side by side.
    """
    groups: list[list[_Term]] = [[]]
    excluded = False
    for quoted, star, word in _PARTS.findall(query.replace("\0", " "))[:MOST_TERMS]:
        if word in ("OR", "AND", "NOT"):
            if word == "OR" and groups[-1]:
                groups.append([])
            excluded = word == "NOT"
            continue
        words = tuple(_TOKEN.findall(quoted or word))
        if words:
            groups[-1].append(_Term(words, bool(star) or word.endswith("*"), excluded))
            excluded = False
    return _assemble([group for group in groups if any(not term.excluded for term in group)])


def _assemble(groups: list[list[_Term]]) -> Query:
    expressions, ordered = [], []
    for group in groups:
        wanted = [term for term in group if not term.excluded]
        unwanted = [term for term in group if term.excluded]
        expression = " AND ".join(term.phrase for term in wanted)
        if unwanted:
            expression = f"({expression}) NOT ({' OR '.join(term.phrase for term in unwanted)})"
        expressions.append(f"({expression})")
        ordered += wanted + unwanted
    regexes = [term.regex for term in ordered if not term.excluded]
    return Query(
        " OR ".join(expressions),
        tuple("" if term.excluded else term.phrase for term in ordered),
        re.compile("|".join(regexes), re.IGNORECASE) if regexes else None,
    )


def snippet(text: str, pattern: re.Pattern[str] | None, length: int = SNIPPET) -> str:
    """Cut the text around the first match of *pattern*, on one line."""
    found = pattern.search(text) if pattern else None
    if found is None and pattern is not None:
        plain = _without_marks(text[:20_000])
        found = pattern.search(plain) if plain is not None else None
    at = found.start() if found else 0
    start = max(0, min(at - length // 3, len(text) - length))
    end = start + length
    if start:  # at a word's beginning, if there is one before the match
        space = text.find(" ", start, at)
        start = space + 1 if space >= 0 else start
    if end < len(text):
        space = text.rfind(" ", at + 1, end)
        end = space if space > start else end
    cut = " ".join(text[start:end].split())
    return ("…" if start else "") + cut + ("…" if end < len(text) else "")


def _without_marks(text: str) -> str | None:
    """Drop accents, character for character, as the index does; None where there are none."""
    plain = "".join(unicodedata.normalize("NFD", char)[0] for char in text)
    return plain if plain != text else None
