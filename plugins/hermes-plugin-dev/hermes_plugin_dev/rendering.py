"""Make a distribution of a template: a folder of files that work as they lie there.

The templates are a plugin called ``acorn``. Its name is replaced in every form that it takes: the
distribution's, the module's, a class's, a variable's.
"""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

from hermes import HermesError, UsageError
from hermes_plugin_dev.kinds import KINDS

TEMPLATES = Path(__file__).parent / "templates"
PREFIX = "hermes-plugin-"
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
WRITTEN = re.compile(r"acorn|Acorn|ACORN|@(?:SUMMARY|NEEDS|YEAR|AUTHOR)@")


def plugin_name(given: str) -> str:
    """Give the plugin's name, whether or not it came with its prefix. Raises UsageError."""
    name = given.removeprefix(PREFIX)
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{given!r} is no name for a plugin: lower-case letters, digits and single dashes,"
            " beginning with a letter, as in my-weather"
        )
    return name


def render(name: str, kind: str, folder: Path, kernel: str, author: str = "") -> list[str]:
    """Write the plugin *name* into *folder*, which must not hold anything yet.

    *kernel* is the version that it is made for. Gives the files, relative to the folder. Raises
    HermesError for a folder that is in use or cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise HermesError(f"{folder} is there already: name another with --folder, or remove it")
    words = spellings(name, kind, kernel, author or who(name))
    written = []
    try:
        for template, relative in files(kind):
            place = filled(str(relative), words)
            (folder / place).parent.mkdir(parents=True, exist_ok=True)
            (folder / place).write_text(filled(template.read_text("utf-8"), words), "utf-8")
            written.append(place)
    except OSError as error:
        raise HermesError(f"{folder} cannot be written: {error.strerror or error}") from None
    return sorted(written)


def files(kind: str) -> list[tuple[Path, Path]]:
    """Give each template file of a kind, and where it goes; its own stand before the common."""
    found: dict[Path, Path] = {}
    for origin in (TEMPLATES / "common", TEMPLATES / kind):
        for file in origin.rglob("*"):
            if file.is_file() and file.suffix != ".pyc":
                found[file.relative_to(origin)] = file
    return [(file, relative) for relative, file in found.items()]


def spellings(name: str, kind: str, kernel: str, author: str) -> dict[str, str]:
    """Give what stands for each word of a template."""
    major, minor, *_ = kernel.split(".")
    needs = sorted((*KINDS[kind].needs, f"hermes-kernel>={major}.{minor},<{int(major) + 1}"))
    return {
        "acorn": name,
        "_acorn": name.replace("-", "_"),
        "Acorn": "".join(part.capitalize() for part in name.split("-")),
        "ACORN": name.replace("-", "_").upper(),
        "@SUMMARY@": KINDS[kind].summary,
        "@NEEDS@": "".join(f'\n    "{each}",' for each in needs) + "\n",
        "@YEAR@": time.strftime("%Y"),
        "@AUTHOR@": author,
    }


def filled(text: str, words: dict[str, str]) -> str:
    """Replace the words of a template. Beside an underscore the name is part of an identifier."""

    def word(found: re.Match[str]) -> str:
        around = text[max(found.start() - 1, 0) : found.start()] + text[found.end() :][:1]
        return words["_acorn" if found[0] == "acorn" and "_" in around else found[0]]

    return WRITTEN.sub(word, text)


def who(name: str) -> str:
    """Name the author as git knows them; else the plugin's authors, whoever they are."""
    try:
        asked = ("git", "config", "user.name")
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return f"the authors of {PREFIX}{name}"
    return done.stdout.strip() or f"the authors of {PREFIX}{name}"
