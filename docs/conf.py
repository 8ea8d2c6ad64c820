"""How the documentation is built: ``make html``. Reference and catalogue are generated first."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402

project = "Hermes"
copyright = "the Hermes authors"
extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Hermes"
nitpicky = True
README = re.compile(r"\]\((?:\.\./)+(?:plugins/)?hermes-plugin-([\w-]+)/README\.md(#[\w-]+)?\)")


TEMPLATE = re.compile(r"<!-- template: (\w+) -->")


def _complete(_app: Any, page: str, source: list[str]) -> None:
    """Let links to a plugin's README lead to its page here, and show the code of a template."""
    source[0] = README.sub(r"](/catalogue/\1.md\2)", source[0])
    # What lies beside the documentation has no page here: its words stay.
    out = r"\.\./" * (page.count("/") + 1)
    source[0] = re.sub(rf"\[([^]]*)\]\({out}[^)]*\)", r"\1", source[0])
    source[0] = TEMPLATE.sub(lambda found: generate.template(found[1]), source[0])


def setup(app: Any) -> None:
    app.connect("builder-inited", lambda app: generate.write(HERE))
    app.connect("source-read", _complete)
