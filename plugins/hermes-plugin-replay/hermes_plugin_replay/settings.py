"""The ``replay:`` section of the configuration."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Check: TypeAlias = Literal["exact", "shape", "off"]


class ReplaySettings(msgspec.Struct, frozen=True):
    """Recording and replaying model calls."""

    record: str = ""
    """File that model calls are added to; a relative one lies in the plugin's data folder. The
    variable HERMES_RECORD names one for a single run. Empty: nothing is recorded."""
    check: Check = "exact"
    """How a request is compared with the recorded one before its answer is played: ``exact`` (the
    last message is the same, ids apart), ``shape`` (its role and the tools it answers), ``off``."""
