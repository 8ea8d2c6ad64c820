"""The section ``approvals:``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """When a person is asked before a tool runs."""

    mode: Literal["manual", "off"] = "manual"
    """``manual`` asks; ``off`` asks no more where commands run isolated from this machine (a
    container, a sandbox), and asks as before everywhere else."""
    timeout: Annotated[float, msgspec.Meta(gt=0)] = 3600.0
    """Seconds that a question waits for its answer; after that, silence means no."""
    read_workspace: bool = True
    """Reading files inside the conversation's folder is not asked about, except files that look
    as if they held secrets."""
