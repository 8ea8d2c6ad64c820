"""Run the quick tests of what changed since main (or since the last commit, on main).

A plugin that changed: its tests. The kernel: its tests and every plugin's contract tests.
Anything else: the tests of the repository's root.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLUGIN = re.compile(r"(plugins/[^/]+|hermes-plugin-[^/]+)/")


def git(*arguments: str) -> list[str]:
    """Give the lines that git prints; none when it fails."""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed_files() -> set[str]:
    """List what differs from where this branch left main, new files included."""
    head = git("rev-parse", "HEAD")
    base = git("merge-base", "HEAD", "main")
    if not base or base == head:
        base = git("rev-parse", "HEAD~1") or head
    return {*git("diff", "--name-only", *base), *git("ls-files", "-o", "--exclude-standard")}


def tests_for(files: set[str]) -> list[str]:
    """Name the test paths that *files* call for, those that exist."""
    wanted: set[Path] = set()
    for file in files:
        if plugin := PLUGIN.match(file):
            wanted.add(ROOT / plugin[1] / "tests")
        else:
            wanted.add(ROOT / "tests")
        if file.startswith("hermes/"):
            wanted.update(ROOT.glob("*plugin*/tests/test_contract.py"))
            wanted.update(ROOT.glob("plugins/*/tests/test_contract.py"))
    there = {path for path in wanted if path.exists()}
    return sorted(str(p.relative_to(ROOT)) for p in there if not there & set(p.parents))


def main() -> int:
    tests = tests_for(changed_files())
    if not tests:
        print("nothing changed that has tests")
        return 0
    marks = "not slow and not soak and not live"
    command = [sys.executable, "-m", "pytest", "-q", "-m", marks, *tests]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    return 0 if status == 5 else status  # 5: no quick test there


if __name__ == "__main__":
    sys.exit(main())
