"""Check that every relative link in the Markdown files leads to a file that is there.

Code blocks are run by the tests, not here.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
CODE = re.compile(r"^(```|~~~).*?^\1|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def broken_links(page: Path) -> list[str]:
    """List the targets that *page* links to and that do not exist."""
    targets = LINK.findall(CODE.sub("", page.read_text()))
    paths = (target.partition("#")[0] for target in targets if not re.match(r"\w+:", target))
    return [path for path in paths if path and not (page.parent / path).exists()]


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\n")  # fmt: skip
    pages = [ROOT / name for name in listed if name and (ROOT / name).exists()]
    broken = [f"{page.relative_to(ROOT)}: {link}" for page in pages for link in broken_links(page)]
    print("\n".join(broken) if broken else f"docs: the links of {len(pages)} pages hold")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
