"""The `shell` section."""

from __future__ import annotations

import msgspec


class ShellSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Commands of the model. The usual time limit is ``terminal.timeout``."""

    max_timeout: int = 600
    """Seconds that a command may take in the foreground at most."""
    max_processes: int = 64
    """Background processes that a terminal may run at the same time."""
    keep_finished: int = 1800
    """Seconds for which the output of a finished background process can still be read."""
