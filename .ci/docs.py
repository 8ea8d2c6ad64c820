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
GENERATED = re.compile(r"(<!-- plugins (\w+):.*?-->\n).*?(<!-- end of plugins -->)", re.DOTALL)


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


def plugins() -> list[tuple[Path, str, str]]:
    """Give folder, description and set of each of this repository's plugins, by name."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    standard = {re.split(r"[<>=\[]", each)[0] for each in extras["standard"]}
    files = [*ROOT.glob("plugins/*/pyproject.toml"), *ROOT.glob("hermes-plugin-*/pyproject.toml")]
    found = []
    for file in sorted(files, key=lambda file: file.parent.name):
        project = tomllib.loads(file.read_text())["project"]
        chosen = "standard" if project["name"] in standard else "all"
        found.append((file.parent, project["description"], chosen))
    return found


def written(page: Path) -> str:
    """Give the text of *page* with its generated parts as they ought to be."""

    def link(folder: Path) -> str:
        name = folder.name.removeprefix("hermes-plugin-")
        return f"[{name}]({os.path.relpath(folder / 'README.md', page.parent)})"

    def part(found: re.Match[str]) -> str:
        if found[2] == "table":
            rows = [f"| {link(f)} | {text} | `{chosen}` |" for f, text, chosen in plugins()]
            text = "\n".join(["| plugin | what it does | comes with |", "|---|---|---|", *rows])
        else:
            text = " · ".join(link(folder) for folder, _, _ in plugins())
        return f"{found[1]}{text}\n{found[3]}"

    return GENERATED.sub(part, page.read_text())


def main() -> int:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.split("\n")  # fmt: skip
    pages = [ROOT / name for name in listed if name and (ROOT / name).exists()]
    wrong = [f"{page.relative_to(ROOT)}: {link}" for page in pages for link in broken_links(page)]
    for page in (ROOT / "README.md", ROOT / "docs" / "plugins.md"):
        current, name = written(page), page.relative_to(ROOT)
        if os.environ.get("WRITE"):
            page.write_text(current)
        if page.read_text() != current:
            wrong.append(f"{name}: its list of plugins is not current: `make docs WRITE=1`")
        if not GENERATED.search(current):
            wrong.append(f"{name}: the marks around its list of plugins are gone")
    said = f"docs: the links of {len(pages)} pages hold, and the lists of plugins are current"
    print("\n".join(wrong) or said)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
