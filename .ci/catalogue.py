"""Hold the catalogue that `hermes plugins search` looks in to what the packages say of themselves.

make docs            check
make docs WRITE=1    write it anew
"""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import msgspec

from hermes_plugin_dev.catalogue import FILE, Entry
from hermes_plugin_dev.reading import read

ROOT = Path(__file__).resolve().parent.parent


def entries() -> list[Entry]:
    """Read every package of this repository; nothing of it is imported."""
    found = []
    for file in [
        *ROOT.glob("plugins/*/pyproject.toml"),
        *ROOT.glob("hermes-plugin-*/pyproject.toml"),
    ]:
        project = tomllib.loads(file.read_text())["project"]
        ((name, module),) = project["entry-points"]["hermes.plugins"].items()
        offers = read(file.parent / module).offers
        kinds = tuple(f"{kind} {offer}" for kind, offer, _ in offers if kind != "settings")
        found.append(Entry(name, project["name"], project["description"], kinds))
    return sorted(found, key=lambda entry: entry.name)


def main() -> int:
    text = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries())
    if os.environ.get("WRITE"):
        FILE.write_bytes(text)
    if not FILE.exists() or FILE.read_bytes() != text:
        print(f"{FILE.relative_to(ROOT)} is not current: `make docs WRITE=1`")
        return 1
    print(f"catalogue: {text.count(bytes([10]))} plugins, as their packages say")
    return 0


if __name__ == "__main__":
    sys.exit(main())
