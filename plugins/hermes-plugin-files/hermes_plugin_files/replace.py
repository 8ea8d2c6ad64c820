"""Find the text that a model means, though it seldom quotes it to the letter.

Nine ways, from exact to generous; the first that finds anything decides. One place must be meant:
several are an error unless all are to be replaced, and the last two ways give one place or none.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hermes import HermesError

EFFORT = 2_000_000
"""Lines of the file times lines looked for, beyond which the generous ways are not tried."""
ALIKE = 0.8
"""How alike two lines must be in the most generous way."""


class ReplaceError(HermesError):
    """What was looked for is not there, or not only once."""


class Span(NamedTuple):
    """A place in the text."""

    start: int
    end: int


class Replaced(NamedTuple):
    """A new text, and how it came about."""

    text: str
    places: int
    way: str


def replace(text: str, old: str, new: str, *, everywhere: bool = False) -> Replaced:
    """Replace *old* in *text*. Raise `ReplaceError` when it is not plain which place is meant."""
    if not old:
        raise ReplaceError("old_string is empty: say which text is to be replaced")
    if old == new:
        raise ReplaceError("old_string and new_string are the same")
    for way, find in WAYS.items():
        spans = find(text, old)
        if not spans:
            continue
        if len(spans) > 1 and not everywhere:
            where = ", ".join(str(text.count("\n", 0, span.start) + 1) for span in spans[:5])
            raise ReplaceError(
                f"old_string is there {len(spans)} times (lines {where}{' …' * (len(spans) > 5)}):"
                " give more of the text around it, or replace_all=true"
            )
        for span in reversed(spans):
            put = _fitted(new, old, text, span, way)
            text = text[: span.start] + put + text[span.end :]
        return Replaced(text, len(spans), way)
    raise ReplaceError(f"old_string is not in the file.{_nearest(text, old)}")


def _exact(text: str, old: str) -> list[Span]:
    return [Span(match.start(), match.end()) for match in re.finditer(re.escape(old), text)]


def _by_lines(same: Callable[[str], str]) -> Callable[[str, str], list[Span]]:
    """Windows of whole lines that are equal once *same* was applied to each."""

    def find(text: str, old: str) -> list[Span]:
        wanted = [same(line) for line in _lines(old)]
        if not any(wanted):
            return []
        have = [same(line) for line in text.split("\n")]
        return list(_windows(text, old, have, wanted))

    return find


def _windows(text: str, old: str, have: list[str], wanted: list[str]) -> Iterator[Span]:
    starts = _starts(text)
    place = 0
    while place <= len(have) - len(wanted):
        if have[place : place + len(wanted)] == wanted:
            yield _span(text, old, starts, place, len(wanted))
            place += len(wanted)
        else:
            place += 1


def _by_characters(same: dict[str, str]) -> Callable[[str, str], list[Span]]:
    """Exact, after some characters were exchanged in both texts; also within a line."""
    table = str.maketrans(same)

    def find(text: str, old: str) -> list[Span]:
        positions: list[int] = []
        for index, character in enumerate(text):
            positions += [index] * len(same.get(character, character))
        positions.append(len(text))
        wanted = old.translate(table)
        found = _exact(text.translate(table), wanted)
        spans = [Span(positions[span.start], positions[span.end]) for span in found]
        # A match must not begin or end within what one character became.
        return [s for s in spans if text[s.start : s.end].translate(table) == wanted]

    return find


def _whitespace(text: str, old: str) -> list[Span]:
    """Any run of blanks is like any other; line breaks count."""
    words = [re.escape(word) for word in re.split(r"[ \t]+", old)]
    if not any(words):
        return []
    return [Span(m.start(), m.end()) for m in re.finditer(r"[ \t]+".join(words), text)]


def _escaped(text: str, old: str) -> list[Span]:
    """``\\n``, ``\\t`` and quotes that were escaped once too often."""
    plain = _unescape(old)
    return _exact(text, plain) if plain != old else []


def _boundary(text: str, old: str) -> list[Span]:
    """Exact, but for blanks before the first line and after the last."""
    stripped = old.strip()
    return _exact(text, stripped) if stripped and stripped != old else []


def _anchors(text: str, old: str) -> list[Span]:
    """First and last line are there, and what is between is more alike than not."""
    wanted = [line.strip() for line in _lines(old)]
    have = [line.strip() for line in text.split("\n")]
    if len(wanted) < 3 or not wanted[0] or not wanted[-1] or len(have) * len(wanted) > EFFORT:
        return []
    found = []
    for place in range(len(have) - len(wanted) + 1):
        last = place + len(wanted) - 1
        if have[place] == wanted[0] and have[last] == wanted[-1]:
            middle = "\n".join(have[place + 1 : last]), "\n".join(wanted[1:-1])
            if difflib.SequenceMatcher(None, *middle, autojunk=False).ratio() >= 0.6:
                found.append(place)
    return _only(text, old, found, len(wanted))


def _context(text: str, old: str) -> list[Span]:
    """As many lines, each like its counterpart, and most of them equal."""
    wanted = [line.strip() for line in _lines(old)]
    have = [line.strip() for line in text.split("\n")]
    if len(wanted) < 3 or len(have) * len(wanted) > EFFORT:
        return []
    found = []
    for place in range(len(have) - len(wanted) + 1):
        pairs = list(zip(have[place : place + len(wanted)], wanted, strict=True))
        equal = sum(a == b for a, b in pairs)
        if equal * 2 > len(pairs) and all(a == b or _alike(a, b) for a, b in pairs):
            found.append(place)
    return _only(text, old, found, len(wanted))


def _only(text: str, old: str, places: list[int], count: int) -> list[Span]:
    """The generous ways may not choose: one place or none."""
    if len(places) != 1:
        return []
    return [_span(text, old, _starts(text), places[0], count)]


def _alike(a: str, b: str) -> bool:
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    return matcher.quick_ratio() >= ALIKE and matcher.ratio() >= ALIKE


_LOOKALIKES = {
    **dict.fromkeys("‘’‚‛′", "'"),
    **dict.fromkeys("“”„‟″", '"'),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    **dict.fromkeys("\u00a0\u2000\u2001\u2002\u2003\u2007\u2009\u202f\u3000", " "),
    "…": "...",
    "\u200b": "",
    "\ufeff": "",
}

WAYS: dict[str, Callable[[str, str], list[Span]]] = {
    "exact": _exact,
    "line-trimmed": _by_lines(str.rstrip),
    "indentation-flexible": _by_lines(str.strip),
    "whitespace-normalised": _whitespace,
    "escape-normalised": _escaped,
    "trimmed-boundary": _boundary,
    "unicode-normalised": _by_characters(_LOOKALIKES),
    "block-anchor": _anchors,
    "context-aware": _context,
}
"""From exact to generous."""


def _fitted(new: str, old: str, text: str, span: Span, way: str) -> str:
    """Fit *new* to where it goes: unescaped or indented as what was found there is."""
    if way == "escape-normalised":
        return _unescape(new)
    if way == "trimmed-boundary":
        return new.strip()
    if way in ("exact", "unicode-normalised"):
        return new
    before = text[text.rfind("\n", 0, span.start) + 1 : span.start]
    if before.strip():
        return new  # it begins within a line
    found = (before + text[span.start : span.end]).split("\n")
    there: dict[str, str] = {}
    for said, real in zip(old.split("\n"), found, strict=False):
        if said.strip() and real.strip():
            there.setdefault(_indent(said), _indent(real))
    return "\n".join(_reindented(line, there) for line in new.split("\n")).removeprefix(before)


def _reindented(line: str, there: dict[str, str]) -> str:
    """Indent *line* as the quoted line with the same, or the nearest smaller, indentation is."""
    known = [said for said in there if _indent(line).startswith(said)]
    if not line.strip() or not known:
        return line
    said = max(known, key=len)
    return there[said] + line[len(said) :]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


_ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", '\\"': '"', "\\'": "'", "\\\\": "\\"}


def _unescape(text: str) -> str:
    return re.sub(r"\\[ntr\"'\\]", lambda match: _ESCAPES[match[0]], text)


def _lines(text: str) -> list[str]:
    """Lines of what was looked for; a break at its end belongs to the last one."""
    return text.removesuffix("\n").split("\n")


def _starts(text: str) -> list[int]:
    """Where each line begins, and where one after the last would."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _span(text: str, old: str, starts: list[int], place: int, count: int) -> Span:
    """The place of *count* lines, with the last one's break where *old* has one."""
    end = starts[place + count] - (0 if old.endswith("\n") else 1)
    return Span(starts[place], min(end, len(text)))


def _nearest(text: str, old: str) -> str:
    """Name the line most like the first one that was looked for."""
    wanted = next((line.strip() for line in old.split("\n") if line.strip()), "")
    lines = text.split("\n")
    if not wanted or len(lines) > 20_000:
        return ""
    near = difflib.get_close_matches(wanted, {line.strip() for line in lines}, 1, 0.6)
    if not near:
        return ""
    number = next(i for i, line in enumerate(lines, 1) if line.strip() == near[0])
    return f" Nearest is line {number}: {lines[number - 1][:200]}"
