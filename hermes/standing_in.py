"""When an earlier copy of ``config.yaml`` may stand in for one that has mistakes (§8).

It is what held before, so it may, where the two say the same about who may do what. Where they do
not, one allows what the other does not, and nobody can say which is wanted: neither is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hermes.document import Document

GUARDS = frozenset({"plugins", "terminal", "toolsets"})
"""The kernel's own keys on which it hangs what may run; plugins name theirs (`Offer.guard`)."""
_HARMLESS = {"terminal": frozenset({"timeout", "lifetime"})}
"""Keys in them that allow nothing."""
_KEY = re.compile(r"""(?:"([^"]*)"|'([^']*)'|([^\s#\-\]}'":][^:]*?))\s*:(?:\s|$)""")
_REFERS = re.compile(r"<<\s*:|(?:^|\s)[*&]\w", re.MULTILINE)


def differing(
    guards: Iterable[str], file: Path, document: Document | None, good: Document
) -> list[str]:
    """Name the *guards* that differ between a file and its *good* copy, both as they are written.

    *document* is None where the file is no YAML; then the lines of each top-level key are compared,
    and what only looks different counts as different.
    """
    if document is not None:
        return sorted(g for g in guards if _weighty(g, document.data) != _weighty(g, good.data))
    text = file.read_bytes().decode("utf-8", "replace")
    here, there = _blocks(text), _blocks(good.text)
    return sorted(
        guard
        for guard in guards
        if here.get(guard) != there.get(guard)
        or (_REFERS.search("\n".join(here.get(guard, ()))) and text != good.text)
    )


def _weighty(guard: str, data: Mapping[str, Any]) -> Any:
    value, harmless = data.get(guard), _HARMLESS.get(guard, frozenset())
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if key not in harmless}
    return value or None


def weighs(path: tuple[str, ...], guards: frozenset[str]) -> bool:
    """Whether who may do what hangs on the key at *path*."""
    return path[0] in guards and path[1:2] not in {(k,) for k in _HARMLESS.get(path[0], ())}


def misses(here: Any, there: Any) -> bool:
    """Whether *here* lacks a key that *there* has: it may be what somebody misspelt."""
    if isinstance(there, dict):
        given = here if isinstance(here, dict) else {}
        return any(key not in given or misses(given[key], there[key]) for key in there)
    if isinstance(there, list) and isinstance(here, list):
        return any(misses(mine, theirs) for mine, theirs in zip(here, there, strict=False))
    return False


def _blocks(text: str) -> dict[str, list[str]]:
    """Give the lines of each top-level key, without comments and empty lines."""
    blocks: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if found := _KEY.match(line):
            lines = blocks.setdefault(next(filter(None, found.groups()), ""), [])
        lines.append(line.rstrip())
    return blocks
