"""What of a message is worth keeping: its statements, a sentence or two each."""

from __future__ import annotations

import re

from hermes import clean
from hermes_plugin_memory_files import scan
from hermes_plugin_memory_files.words import words

LONGEST = 400
"""Characters of a passage; a longer sentence is a text that was pasted."""
PASTED = 4000
"""Characters of a message from which on it is a pasted text, of which nothing is kept."""
MOST = 20
_CODE = re.compile(r"```.*?(```|\Z)", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?。！？])\s+|(?<=[。！？])|\n+")
_ASKS = re.compile(
    r"(please|(can|could|would|will) you|let'?s|add|analy[sz]e|answer|build|calculate|change"
    r"|check|compare|convert|create|delete|describe|do|draft|draw|edit|explain|find|fix|format|give"
    r"|go|help|implement|improve|list|look|make|move|name|open|plan|print|read|refactor|remove"
    r"|rename|review|rewrite|run|search|send|show|sort|suggest|summari[sz]e|tell|test|translate|try|update"
    r"|use|write)\b",
    re.IGNORECASE,
)


def passages(message: str) -> list[str]:
    """Give the statements of *message*. Questions, requests, code, pasted texts, secrets and what
    speaks to the model instead of telling it something are left out.
    """
    text = _CODE.sub("\n", clean(message))
    if len(text) > PASTED:
        return []
    found = (" ".join(piece.split()) for piece in _SENTENCE.split(text))
    return [piece for piece in found if _tells(piece)][:MOST]


def _tells(piece: str) -> bool:
    return (
        len(piece) <= LONGEST
        and len(words(piece)) >= 2
        and piece[-1] not in "?？"
        and not piece.startswith("/")
        and not _ASKS.match(piece)
        and not scan.threat(piece)
    )
