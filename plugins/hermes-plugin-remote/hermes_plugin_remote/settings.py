"""The `remote` section."""

from __future__ import annotations

import msgspec


class RemoteSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The program that the `command` terminal runs through."""

    command: tuple[str, ...] = ()
    """Words put before ``bash …``: ``[kubectl, exec, -i, my-pod, --]``."""
    directory: str = ""
    """Where terminals start; empty: the home folder there."""
    isolated: bool = False
    """What it leads to can reach neither this machine's files nor Hermes's own."""
