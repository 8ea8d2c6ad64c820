"""The `local-terminal` section."""

from __future__ import annotations

import msgspec


class LocalTerminalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Commands on this machine."""

    shell: str = "bash"
    """Name or path of bash."""
    init_files: tuple[str, ...] = ()
    """Bash files read when a terminal opens. What they export, commands can see."""
    spool_limit: int = 2_000_000_000
    """Bytes of one command's output that are kept on disk; what comes after is only counted."""
    spool_days: float = 7.0
    """Days after which such a file may go."""
