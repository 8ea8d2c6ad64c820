"""What is known of each entry and would clutter the file: ``memories/entries.json``.

The file is the truth and the sidecar is beside it: an entry that a person wrote or changed by hand
has no line here until it is used, and what is here without an entry is dropped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from hermes import HermesError, replace_file

NAME = "entries.json"
KEPT = 500
"""Labels of entries that are gone which are remembered, so that a prompt can be set right."""
Confidence = Literal["high", "medium", "low"]


class Facts(msgspec.Struct, omit_defaults=True):
    """What is known of an entry."""

    created: int
    """UTC microseconds."""
    by: str = "hand"
    """Who wrote it: ``hand`` (the person, with an editor), ``person`` (by a command), ``model``."""
    session: str = ""
    """Conversation that it comes from."""
    turn: str = ""
    surface: str = ""
    recalled: int = 0
    """How often it stood beside a message."""
    cited: int = 0
    """How often an answer named its label."""
    used: int = 0
    """When that was last (UTC microseconds)."""
    expires: int = 0
    """UTC microseconds from which on it no longer holds; 0 for never."""
    confidence: Confidence = "high"
    always: bool | None = None
    """In every conversation's prompt; None leaves it to the file: USER.md is, MEMORY.md is not."""
    replaces: tuple[str, ...] = ()
    """Labels of what it corrected."""


class Gone(msgspec.Struct, omit_defaults=True):
    """An entry that was replaced or removed. Its text is nowhere."""

    time: int
    by: str = ""
    """Label of what holds instead; empty for nothing."""


class Sidecar(msgspec.Struct, omit_defaults=True):
    """Everything beside the files of one person."""

    version: int = 1
    entries: dict[str, Facts] = {}
    gone: dict[str, Gone] = {}
    projects: dict[str, str] = {}
    """Name of a project's file -> its folder."""

    def now_instead(self, label: str) -> str:
        """Follow corrections of *label*: the label of what holds now, empty where nothing does."""
        seen: set[str] = set()
        while label in self.gone and label not in seen:
            seen.add(label)
            label = self.gone[label].by
        return label


def read(folder: Path) -> Sidecar:
    """Read it. Raises HermesError, naming the file and the mend, for one that is damaged."""
    file = folder / NAME
    try:
        return msgspec.json.decode(file.read_bytes(), type=Sidecar)
    except FileNotFoundError:
        return Sidecar()
    except (OSError, msgspec.MsgspecError) as error:
        raise HermesError(
            f"{file} cannot be read ({error}): mend it, or delete it; the memories stay without it"
        ) from None


def write(folder: Path, sidecar: Sidecar) -> None:
    """Write it in one step, for its owner only."""
    for label in list(sidecar.gone)[:-KEPT]:
        del sidecar.gone[label]
    text = msgspec.json.format(msgspec.json.encode(sidecar), indent=1).decode()
    replace_file(folder / NAME, text + "\n", mode=0o600)
