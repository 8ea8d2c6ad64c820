from __future__ import annotations

import subprocess
import sys

import hermes_plugin_sqlite
from hermes_plugin_sqlite.store import IncognitoStore, SQLiteStore


def test_the_store_is_offered() -> None:
    offered = {offer.name: offer.target for offer in hermes_plugin_sqlite.hermes_stores()}
    assert offered == {
        name: f"{made.__module__}:{made.__qualname__}"
        for name, made in {"sqlite": SQLiteStore, "memory": IncognitoStore}.items()
    }


def test_listing_the_offer_loads_no_database() -> None:
    code = (
        "import sys, hermes_plugin_sqlite as p; p.hermes_stores();"
        " assert not {'apsw', 'asyncio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
