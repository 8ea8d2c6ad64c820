"""Check the Markdown files: relative links lead somewhere, generated parts are current.

    make docs            check
    make docs WRITE=1    write the generated parts anew

Code blocks are run by the tests (tests/test_docs.py), not here.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
FENCED = re.compile(r"^( *)(```|~~~).*?^\1\2", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`[^`\n]*`")
TABLE = re.compile(r"(<!-- plugins:.*?-->\n).*?(<!-- end of plugins -->)", re.DOTALL)


@functools.cache
def anchors(page: Path) -> frozenset[str]:
    """Give the fragments of a page's headings, as GitHub makes them."""
    found: list[str] = []
    for title in re.findall(r"^#+ (.+)$", FENCED.sub("", page.read_text()), re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")
        again = sum(one == slug or one.startswith(f"{slug}-") for one in found)
        found.append(f"{slug}-{again}" if slug in found else slug)
    return frozenset(found)


def broken_links(page: Path) -> list[str]:
    """List the targets that *page* links to and that are not there."""
    broken = []
    for target in LINK.findall(SPAN.sub("", FENCED.sub("", page.read_text()))):
        path, _, fragment = target.partition("#")
        to = page.parent / path if path else page
        if re.match(r"\w+:", target):
            continue
        if not to.exists() or (fragment and to.suffix == ".md" and fragment not in anchors(to)):
            broken.append(target)
    return broken


def plugin_table() -> str:
    """Write the table of this repository's plugins from what their packages say."""
    rows = ["| plugin | what it does | comes with |", "|---|---|---|"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    standard = {re.split(r"[<>=\[]", each)[0] for each in extras["standard"]}
    files = [*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("hermes-plugin-*/pyproject.toml")]
    for file in sorted(files, key=lambda file: file.parent.name):
        project = tomllib.loads(file.read_text())["project"]
        name, folder = project["name"], file.parent.relative_to(ROOT)
        link = f"[{name.removeprefix('hermes-plugin-')}]({folder}/README.md)"
        comes = "`standard`" if name in standard else "`all`"
        rows.append(f"| {link} | {project['description']} | {comes} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\n")  # fmt: skip
    pages = [ROOT / name for name in listed if name and (ROOT / name).exists()]
    wrong = [f"{page.relative_to(ROOT)}: {link}" for page in pages for link in broken_links(page)]
    readme = ROOT / "README.md"
    current = TABLE.sub(lambda found: found[1] + plugin_table() + found[2], readme.read_text())
    if os.environ.get("WRITE"):
        readme.write_text(current)
    if readme.read_text() != current:
        wrong.append("README.md: its table of plugins is not current: `make docs WRITE=1`")
    if not TABLE.search(current):
        wrong.append("README.md: the marks around its table of plugins are gone")
    said = f"docs: the links of {len(pages)} pages hold, and the table of plugins is current"
    print("\n".join(wrong) or said)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
