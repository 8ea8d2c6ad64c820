"""The `files` section."""

from __future__ import annotations

import msgspec


class FilesSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of the model."""

    refuse: tuple[str, ...] = ()
    """Further files and folders that the file tools refuse; a leading ``~`` is your home folder."""
