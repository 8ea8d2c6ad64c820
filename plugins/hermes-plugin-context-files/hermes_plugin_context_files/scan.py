"""Look through project files for text that speaks to the model instead of about the project.

This is advice, not a wall: what a model may do is decided at the gate, and no list of phrases finds
every trick. So one phrase never costs a whole file (elsewhere it dropped 52,000 characters of
AGENTS.md): only the sentence that it stands in is withheld, with a note of where it stands, and
the model or the person can read it there. Invisible characters that can carry hidden text are taken
out; those that scripts and emoji need stay.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator

_PATTERNS = {
    "asks to disregard instructions": (
        r"\b(ignore|disregard|forget|override|bypass)\s+(?:\w+\s+){0,3}?"
        r"(previous|prior|above|earlier|preceding|all|any|your|the|system)\s+(?:\w+\s+){0,2}?"
        r"(instructions?|rules?|guidelines?|prompts?|guardrails?|polic(?:y|ies))\b"
    ),
    "claims to be the system": (
        r"(^|\n)[ \t]*(\[?(system|developer)[ \t]*(prompt|message)?\]?[ \t]*:"
        r"|<\|?(system|im_start)\b)"
    ),
    "gives another identity": r"\byou are (now|no longer)\s+(a|an|the|in|bound|hermes)\b",
    "asks to hide something from the person": (
        r"\b(do not|don'?t|never|without)\s+(ever\s+)?"
        r"(tell(ing)?|inform(ing)?|mention(ing)?|reveal(ing)?|show(ing)?|notify(ing)?|alert(ing)?)\s+"
        r"(this\s+|it\s+|that\s+)?(to\s+)?(the\s+)?(user|person|human|operator)\b"
    ),
    "asks for the system prompt": (
        r"\b(reveal|print|output|repeat|show|leak)\s+(me\s+)?(your|the)\s+"
        r"(system\s+prompt|hidden\s+instructions|initial\s+instructions)\b"
    ),
    "asks to skip approval": (
        r"\b(skip|bypass|disable|turn off|avoid)\s+(?:\w+\s+){0,2}?"
        r"(approvals?|confirmations?|permission checks?|safety checks?)\b"
    ),
    "sends secrets away": (
        r"\b(curl|wget|fetch|post|upload|send|exfiltrate)\b[^\n]{0,120}"
        r"(\$\{?\w*(KEY|TOKEN|SECRET|PASSWORD)\w*|\.env\b|id_rsa\b|\.ssh/|credentials\b)"
    ),
    "reads secrets": (
        r"\b(cat|less|head|tail|base64|xxd)\s+[^\n|;]{0,60}(\.env\b|id_rsa\b|\.ssh/|\.hermes/)"
    ),
}
PATTERNS = {why: re.compile(p, re.IGNORECASE) for why, p in _PATTERNS.items()}

SENTENCE_END = re.compile(r"(?<=[.!?])[ \t]+|\n")
TAGS = range(0xE0000, 0xE0080)
"""Copies of ASCII that are never shown: whole sentences hide in them."""
HIDDEN = frozenset(
    "\u00ad\u180e\u200b\u2060\u2061\u2062\u2063\u2064\ufeff"  # nothing, or a break, of no width
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # direction
)
# Zero-width joiner and non-joiner (U+200C, U+200D) shape emoji, Persian and Indic words: they stay.


def revealed(text: str) -> tuple[str, int]:
    """Take out characters that are never seen; give the text and how many there were."""
    kept = "".join(c for c in text if c not in HIDDEN and ord(c) not in TAGS)
    return kept, len(text) - len(kept)


def withheld(text: str, name: str) -> tuple[str, list[str]]:
    """Replace suspicious sentences of file *name* by a note each.

    Gives the text and, for a log, what was withheld: line and reason.
    """
    pieces: list[str] = []
    notes: list[str] = []
    place, line = 0, 1
    for start, end, why in _spans(text):
        line += text.count("\n", place, start)
        pieces += [text[place:start], f"[line {line} of {name} withheld: it {why}]"]
        notes.append(f"line {line} {why}")
        line += text.count("\n", start, end)
        place = end
    return "".join([*pieces, text[place:]]), notes


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Give the sentences to withhold, in order, merged where they overlap."""
    matches = [(m, why) for why, pattern in PATTERNS.items() for m in pattern.finditer(text)]
    if not matches:
        return
    ends = [0, *(point for m in SENTENCE_END.finditer(text) for point in m.span()), len(text)]
    hits = sorted((*_sentence(text, ends, m.start(), m.end()), why) for m, why in matches)
    start, end, why = hits[0]
    for next_start, next_end, next_why in hits[1:]:
        if next_start < end:
            end = max(end, next_end)
            continue
        yield start, end, why
        start, end, why = next_start, next_end, next_why
    yield start, end, why


def _sentence(text: str, ends: list[int], start: int, end: int) -> tuple[int, int]:
    """Widen a match to the sentences, at most the lines, that it stands in.

    *ends* holds where each gap between sentences begins and ends: ``0, gap, gap, …, len(text)``.
    """
    while start < end - 1 and text[start].isspace():
        start += 1
    first = bisect.bisect_right(ends, start) - 1
    last = bisect.bisect_left(ends, end)
    return ends[first], ends[min(last, len(ends) - 1)]
