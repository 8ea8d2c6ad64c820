"""Tools that read, write, edit and search files."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_tools() -> list[Offer]:
    return [Offer("files", "hermes_plugin_files.files:Files", "Read, write, edit and search files")]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "files", "hermes_plugin_files.settings:FilesSettings", "Files of the model", guard=True
        )
    ]
