"""Cut a long text into messages that a platform takes (§6).

`cut_text` finds where to cut and `split_text` makes the messages: a code block that is cut is
closed in one message and opened again, with its language, in the next. Both are pure and total:
they end for every text, in time linear in it.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

Unit: TypeAlias = Literal["utf16", "characters", "bytes"]
"""What a platform counts when it counts a text."""
Range: TypeAlias = tuple[int, int]
"""Start and end, in characters of the text."""

_SEPARATORS = ("\n\n", "\n", ". ", " ")
"""Where to cut, best first; the separator stays with what is before it."""
_FENCE = re.compile(r"^([ \t]*(?:> ?)*[ \t]*)(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_JOINERS = {0x200D, *range(0xFE00, 0xFE10), *range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)}
"""Zero-width joiner, variation selectors, skin tones, tags: they belong to the one before."""

_FLAGS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
"""The letters that flags are made of, two each."""


def measure(text: str, unit: Unit) -> int:
    """Give the length of *text* in *unit*."""
    if unit == "characters" or text.isascii():
        return len(text)
    if unit == "bytes":
        return len(text.encode("utf-8", "surrogatepass"))
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def reach(text: str, start: int, limit: int, unit: Unit) -> int:
    """Give the largest end for which ``text[start:end]`` is at most *limit* units long."""
    window = text[start : start + max(limit, 0)]  # no character is shorter than a unit
    if unit == "characters" or window.isascii():
        return start + len(window)
    if unit == "utf16":
        data = window.encode("utf-16-le", "surrogatepass")[: 2 * limit]
        if len(data) >= 2 and data[-1] & 0xFC == 0xD8:
            data = data[:-2]  # half a character
        return start + len(data.decode("utf-16-le", "surrogatepass"))
    data = window.encode("utf-8", "surrogatepass")
    end = min(limit, len(data))
    while end < len(data) and data[end] & 0xC0 == 0x80:
        end -= 1
    return start + len(data[:end].decode("utf-8", "surrogatepass"))


def cut_text(text: str, limit: int, unit: Unit, *, keep: Sequence[Range] = ()) -> list[Range]:
    """Give the ranges to cut *text* into, each at most *limit* units long, without gaps.

    Cuts stand after a paragraph, else a line, a sentence, a word, never within what is seen as one
    character, and outside of the ranges in *keep*, except where one of those is too long itself.
    A *limit* smaller than a character gives ranges of one character.
    """
    whole = _merged(keep)
    ranges = []
    start = 0
    while start < len(text):
        end = reach(text, start, limit, unit)
        if end < len(text):
            end = _best(text, start, max(end, start + 1), whole, limit, unit)
        ranges.append((start, end))
        start = end
    return ranges


def _merged(ranges: Sequence[Range]) -> list[Range]:
    """Join ranges that overlap; in order."""
    merged: list[Range] = []
    for start, end in sorted(r for r in ranges if r[0] < r[1]):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _around(place: int, whole: Sequence[Range]) -> Range | None:
    """Give the range that a cut at *place* would break."""
    index = bisect_right(whole, (place, 0)) - 1
    if index >= 0 and whole[index][0] < place < whole[index][1]:
        return whole[index]
    return None


def _best(text: str, start: int, end: int, whole: Sequence[Range], limit: int, unit: Unit) -> int:
    """Give the best place to cut in ``(start, end]``."""
    lowest = start + (end - start) // 2  # a short message for a nicer cut is no gain
    broken = _around(end, whole)
    if broken and broken[0] > start and measure(text[slice(*broken)], unit) <= limit:
        if broken[0] <= lowest:
            return broken[0]
        end = broken[0]
    elif broken:
        return _boundary(text, lowest, end, ()) or _character(text, start, end)
    found = _boundary(text, lowest, end, whole)
    if found:
        return found
    return end if broken else _character(text, start, end)


def _boundary(text: str, lowest: int, end: int, whole: Sequence[Range]) -> int:
    """Give the last good boundary in ``(lowest, end]``, or 0."""
    for separator in _SEPARATORS:
        limit = end
        while (found := text.rfind(separator, lowest, limit)) >= 0:
            place = found + len(separator)
            broken = _around(place, whole)
            if broken is None:
                return place
            limit = max(broken[0], lowest)  # nothing further within that range will do
    return 0


def _character(text: str, start: int, end: int) -> int:
    """Move *end* back to where no character as people see it is cut, if that is near."""
    for place in range(end, max(start, end - 32), -1):
        if not _joined(text, start, place):
            return place
    return end


def _joined(text: str, start: int, place: int) -> bool:
    """Whether what stands before *place* and after it is one character to the eye."""
    if place >= len(text):
        return False
    before, after = ord(text[place - 1]), ord(text[place])
    if after < 0x300 and before < 0x300:
        return before == 0x0D and after == 0x0A
    if after in _JOINERS or before == 0x200D or unicodedata.category(text[place])[0] == "M":
        return True
    if text[place - 1] not in _FLAGS or text[place] not in _FLAGS:
        return False
    whole = text[start:place]
    flags = len(whole) - len(whole.rstrip(_FLAGS))
    return flags % 2 == 1


# -- code blocks ------------------------------------------------------------------------------


class _Fence(NamedTuple):
    """A code block: where it begins, where its code does, and where that and the block end."""

    start: int
    code: int
    close: int
    end: int
    opening: str
    closing: str


class Span(NamedTuple):
    """A message to be: ``head + text[start:end] + tail``."""

    start: int
    end: int
    head: str = ""
    tail: str = ""


def split_text(text: str, limit: int, unit: Unit = "characters") -> list[str]:
    """Make messages of at most *limit* units of Markdown *text*.

    Put together, without the fences that were closed and opened again at a cut, they are *text*;
    only messages that would be blank are left out, since no platform takes them.
    """
    made = (s.head + text[s.start : s.end] + s.tail for s in spans(text, limit, unit))
    return [message for message in made if message.strip()]


def spans(text: str, limit: int, unit: Unit = "characters") -> Iterator[Span]:
    """Give where `split_text` cuts, and what it adds there."""
    if measure(text, unit) <= limit:
        if text:
            yield Span(0, len(text))
        return
    fences = [f for f in _fences(text) if measure(f.opening + f.closing, unit) + 2 <= limit // 2]
    whole = [(fence.start, fence.end) for fence in fences]
    start, head = 0, ""
    while start < len(text):
        room = limit - measure(head, unit)
        end = reach(text, start, room, unit)
        if end >= len(text):
            yield Span(start, len(text), head)
            return
        end = _best(text, start, max(end, start + 1), whole, limit, unit)
        fence = _cut_fence(fences, end)
        if fence is None:
            yield Span(start, end, head)
            start, head = end, ""
            continue
        end, tail = _cut_within(text, start, room, unit, fence)
        yield Span(start, end, head, tail)
        start, head = end, fence.opening + "\n" if tail else ""


def _fences(text: str) -> Iterator[_Fence]:
    """Find the code blocks as CommonMark does; one that nobody closes ends with the text."""
    opened: re.Match[str] | None = None
    for line in _FENCE.finditer(text):
        marks, rest = line[2], line[3]
        if opened is None:
            if not (marks[0] == "`" and "`" in rest):
                opened = line
        elif marks[0] == opened[2][0] and len(marks) >= len(opened[2]) and not rest.strip():
            yield _fence(text, opened, line.start(), line.end())
            opened = None
    if opened is not None:
        yield _fence(text, opened, len(text), len(text))


def _fence(text: str, opened: re.Match[str], close: int, end: int) -> _Fence:
    code = min(opened.end() + 1, len(text))
    end = min(end + 1, len(text))
    return _Fence(opened.start(), code, max(close, code), end, opened[0], opened[1] + opened[2])


def _cut_fence(fences: Sequence[_Fence], place: int) -> _Fence | None:
    """Give the code block that a cut at *place* would leave open."""
    index = bisect_right(fences, place, key=lambda fence: fence.start) - 1
    if index >= 0 and fences[index].start < place < fences[index].end:
        return fences[index]
    return None


def _cut_within(text: str, start: int, room: int, unit: Unit, fence: _Fence) -> tuple[int, str]:
    """Give where to cut code block *fence*, and what closes it there."""
    closing = "\n" + fence.closing
    last = reach(text, start, room - measure(closing, unit), unit)
    if last <= fence.code and fence.start > start:
        return fence.start, ""  # no room for any code after its opening line
    last = max(last, start + 1)
    if last >= fence.close:  # only the closing line is left
        last = max(fence.close - 1, start + 1)
    lowest = max(start + (last - start) // 2, fence.code)
    line = text.rfind("\n", lowest, last)
    end = line + 1 if line >= 0 else max(_character(text, start, last), fence.code)
    return end, closing if text[end - 1] != "\n" else fence.closing
