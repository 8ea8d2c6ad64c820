"""The section ``checkpoints:``; the names are Hermes Agent's."""

from __future__ import annotations

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """What is remembered of files, and how long."""

    enabled: bool = True
    """Files are remembered before a tool changes them."""
    backends: tuple[str, ...] = ("local", "sandbox")
    """Terminal backends whose files lie on this machine."""
    max_snapshots: int = 20
    """Turns of one conversation that can be undone."""
    max_files: int = 5_000
    """A folder with more files is not watched while a command runs; single files still are."""
    max_file_size_mb: float = 10.0
    """A larger file is left out."""
    max_total_size_mb: float = 500.0
    """When more is kept than this, the oldest goes."""
    retention_days: float = 7.0
    """Older checkpoints go."""
    auto_prune: bool = True
    """Old checkpoints go by themselves, when Hermes starts."""
    min_interval_hours: float = 24.0
    """Hours between two prunings."""
    delete_orphans: bool = True
    """Hermes Agent's; without effect: what is kept of a folder that is gone goes with its age."""
