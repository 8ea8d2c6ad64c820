"""What was typed before, in a file of the home that only its owner reads.

One line of JSON text for each entry, so that one of several lines stays one. Several chats may add
to it at the same time. What begins with a blank is not kept, as in shells.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

KEPT = 2000
"""Entries; a file of twice as many is cut to the newest of them."""


def load(file: Path) -> list[str]:
    """Give the kept entries, oldest first; what cannot be read is left out."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return []
    entries = []
    for line in lines[-KEPT:]:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, str):
            entries.append(entry)
    if len(lines) > 2 * KEPT:
        _cut(file, lines[-KEPT:])
    return entries


def add(file: Path, entry: str) -> None:
    """Keep *entry*. A home that cannot be written loses only its history."""
    if not entry.strip() or entry[0] == " ":
        return
    line = json.dumps(entry) + "\n"  # ASCII, so a lone surrogate is no trouble
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:
        return
    with os.fdopen(descriptor, "ab") as stream:
        stream.write(line.encode())


def _cut(file: Path, lines: list[bytes]) -> None:
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(b"\n".join(lines) + b"\n")
        fresh.replace(file)
    except OSError:
        fresh.unlink(missing_ok=True)
