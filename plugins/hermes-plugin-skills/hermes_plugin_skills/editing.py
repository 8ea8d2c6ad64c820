"""Changing a skill's text, and comparing skills."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import msgspec

from hermes_plugin_skills import disk
from hermes_plugin_skills.skill import FILE, PARTS, SkillError, split

LARGEST = 1_048_576
"""Bytes of a file beside SKILL.md, as in Hermes Agent."""
ALIKE = 0.7
"""Share of words that two skills have in common from which one is a copy of the other."""
SHOWN = 6_000
"""Characters of a difference that a person is shown."""
WORD = re.compile(r"[^\W_]{3,}")


class CheckFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``checks/*.json``: a task that shows whether the skill works, and what must come of it.

    Whoever runs it gives the task to a model, with the skill, in an empty folder.
    """

    task: str
    files: dict[str, str] = {}
    """What lies in the folder before."""
    expect: tuple[dict[str, str], ...] = ()
    """Each an object of ``file`` with ``equals``, ``contains``, ``lacks`` or ``exists`` (``yes`` or
    ``no``), or of ``reply`` with ``contains`` or ``lacks``. A command is for the task to ask for:
    what runs, runs through the gate."""


KINDS = {
    "file": ("equals", "contains", "lacks", "exists"),
    "reply": ("contains", "lacks"),
}


def replaced(text: str, old: str, new: str, *, every: bool = False) -> str:
    """Replace *old* in *text*: to the letter, else line by line without regard to indentation.

    Raises `SkillError` where it is not there, or there more than once and *every* is not said.
    """
    if not old:
        raise SkillError("old_string is empty: say what is to be replaced")
    count = text.count(old)
    if count > 1 and not every:
        raise SkillError(f"old_string is there {count} times: give more of it, or replace_all")
    if count:
        return text.replace(old, new)
    lines, wanted = text.splitlines(), [line.strip() for line in old.strip("\n").splitlines()]
    places = [
        n
        for n in range(len(lines) - len(wanted) + 1)
        if [line.strip() for line in lines[n : n + len(wanted)]] == wanted
    ]
    if len(places) != 1:
        said = "is not there" if not places else f"fits {len(places)} places"
        raise SkillError(f"old_string {said}: read the file with skill_view and give its very text")
    lines[places[0] : places[0] + len(wanted)] = new.strip("\n").splitlines()
    return "\n".join(lines) + ("\n" if text.endswith("\n") else "")


def check_place(file: str) -> None:
    """Raise `SkillError` for a path that is none of a skill's own."""
    parts = PurePosixPath(file).parts
    bad = (
        file.startswith("/") or "\\" in file or any(p in ("..", ".") or p[0] == "." for p in parts)
    )
    if bad or len(parts) < 2 or parts[0] not in PARTS:
        raise SkillError(f"{file!r}: files of a skill lie under {', '.join(PARTS)}")


def check_content(file: str, content: str) -> None:
    """Raise `SkillError` for a file that is too large, or a check that is none."""
    size = len(content.encode())
    if size > LARGEST:
        raise SkillError(f"{file} would have {size:,} bytes, at most {LARGEST:,} are kept")
    if file.startswith("checks/"):
        if not file.endswith(".json"):
            raise SkillError(f"{file}: a check is a .json file")
        read_check(content, file)


def read_check(content: str | bytes, where: str) -> CheckFile:
    """Read a check. Raises `SkillError` that says what is wrong."""
    try:
        check = msgspec.json.decode(content, type=CheckFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SkillError(f"{where}: {error}") from None
    if not check.task.strip() or not check.expect:
        raise SkillError(f"{where}: a check needs a task and at least one thing to expect")
    for name in check.files:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not inside.parts:
            raise SkillError(f"{where}: file {name!r} must lie inside the folder")
    for number, each in enumerate(check.expect, 1):
        kind = next((key for key in KINDS if key in each), "")
        more = [key for key in each if key != kind]
        if not kind or any(key not in KINDS[kind] for key in more) or not more:
            known = "; ".join(f"{key} with {' or '.join(KINDS[key])}" for key in KINDS)
            raise SkillError(f"{where}: expectation {number} must be one of: {known}")
    return check


def checks(folder: Path) -> dict[str, CheckFile]:
    """Read the checks of a skill, by file. Raises `SkillError`."""
    found = sorted((folder / "checks").glob("*.json"))
    return {f"checks/{file.name}": read_check(file.read_bytes(), file.name) for file in found}


def twin(text: str, others: Iterable[tuple[str, Path]]) -> str:
    """Name the skill among *others* (name, folder) that says nearly the same; empty for none.

    Words are compared, those of the description and of the instructions, without order: copies that
    learning makes differ in names and phrases.
    """
    mine = _words(text)
    for name, folder in others:
        try:
            theirs = _words((folder / FILE).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, SkillError):
            continue
        if mine and len(mine & theirs) / len(mine | theirs) >= ALIKE:
            return name
    return ""


def _words(text: str) -> set[str]:
    fields, body = split(text)
    return set(WORD.findall(f"{fields.get('description', '')} {body}".lower()))


def difference(old: Path | None, new: Path) -> str:
    """Write what *new* changes of *old* (None: everything is new) as a unified diff."""
    before = {name: _text(old / name) for name in disk.files(old)} if old else {}
    after = {name: _text(new / name) for name in disk.files(new)}
    lines: list[str] = []
    for name in sorted({*before, *after}):
        a, b = before.get(name, []), after.get(name, [])
        if a != b:
            lines += difflib.unified_diff(
                a, b, name if a else "(none)", name if b else "(none)", "", "", 2, ""
            )
    text = "\n".join(lines)
    return (
        text if len(text) <= SHOWN else f"{text[:SHOWN]}\n[… {len(text) - SHOWN} more characters]"
    )


def _text(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return [f"(binary, {file.stat().st_size:,} bytes)"]
