"""The `sandbox` section."""

from __future__ import annotations

from typing import Literal

import msgspec


class SandboxSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Commands in a sandbox on this machine."""

    engine: Literal["auto", "bwrap", "landlock"] = "auto"
    """``auto`` is bubblewrap where it is installed, else Landlock. Where neither works nothing
    runs."""
    read: tuple[str, ...] = ()
    """Files and folders that commands may read, beside the system's programs."""
    write: tuple[str, ...] = ()
    """Folders that they may change beside the workspace. The sandbox is not isolated then."""
    network: tuple[str, ...] | bool = False
    """Hosts that may be reached: ``example.com``, ``*.github.com``, ``example.org:8443`` (else at
    ports 80 and 443). ``true`` is this machine's whole network; then it is not isolated."""
    shell: str = "bash"
    """Name or path of bash, among the system's programs."""
    init_files: tuple[str, ...] = ()
    """Bash files read when a terminal opens; they must be in reach (``read``)."""
    spool_limit: int = 2_000_000_000
    """Bytes of one command's output that are kept on disk; what comes after is only counted."""
    spool_days: float = 7.0
    """Days after which such a file may go."""
