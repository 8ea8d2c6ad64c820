"""The journal of every conversation in one SQLite file, with full-text search."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_stores() -> list[Offer]:
    return [
        Offer(
            "sqlite",
            "hermes_plugin_sqlite.store:SQLiteStore",
            "One SQLite file in the home, with full-text search",
        ),
        Offer(
            "memory",
            "hermes_plugin_sqlite.store:IncognitoStore",
            "In memory alone, gone with the process: for what is incognito",
        ),
    ]
