"""Keep plugins as they were written for a version: `python .ci/published.py`, when it is published.

Writes one plugin of each kind, as `hermes plugins new` makes them now, to tests/published/MINOR.
Nothing in there is edited afterwards: as long as MINOR's successors hold what they promise, these
plugins and their tests pass (tests/test_published.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

from hermes import __version__
from hermes_plugin_dev.kinds import KINDS
from hermes_plugin_dev.rendering import render

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    minor = ".".join(__version__.split(".")[:2])
    folder = ROOT / "tests" / "published" / minor
    if folder.exists():
        print(f"{folder.relative_to(ROOT)} is there: what was published stays as it was")
        return 1
    for kind in KINDS:
        for file in render(f"old-{kind}", kind, folder / kind, __version__, "the Hermes authors"):
            if file.startswith(".") or file.endswith("test_contract.py"):
                (folder / kind / file).unlink()  # suites may grow; what a plugin does may not break
    print(f"{folder.relative_to(ROOT)}: {len(KINDS)} plugins")
    return 0


if __name__ == "__main__":
    sys.exit(main())
