"""A skill, as its folder says it is: ``SKILL.md`` with front matter, and files beside it.

What is written follows the agentskills.io specification to the letter (the reference validator
takes it): six fields, everything of ours under ``metadata`` as text. What is read is wider: Hermes
Agent's fields and lists, wherever they stand.
"""

from __future__ import annotations

import functools
import json
import re
import sys
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec
import yaml

from hermes import HermesError, clean

FILE = "SKILL.md"
PARTS = ("references", "templates", "scripts", "assets", "checks")
"""Folders of a skill that files may be written into."""
NAME_LENGTH = 64
DESCRIPTION_LENGTH = 1024
COMPATIBILITY_LENGTH = 500
LONGEST = 100_000
"""Characters of a SKILL.md, as in Hermes Agent."""
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Reads plain data only; the one in C takes a tenth of the time."""
SYSTEMS = {"darwin": "macos", "win32": "windows"}
_PLAIN = ("name", "description", "license", "compatibility", "allowed-tools")
_LISTS = (
    "platforms",
    "tags",
    "related_skills",
    "requires_toolsets",
    "requires_tools",
    "fallback_for_toolsets",
    "fallback_for_tools",
    "required_environment_variables",
    "commands",
)
_COLON = re.compile(
    r"^(name|description|license|compatibility): (?![\"'|>\[{&*!])(.+)$", re.MULTILINE
)
_OURS = ("version", "category", *_LISTS)

Origin: TypeAlias = Literal["own", "agent", "installed", "package", "external"]
"""Who it comes from: a person of this home, Hermes itself, somewhere else by ``skills install``, an
installed Python package, a folder of ``external_dirs``."""


class SkillError(HermesError):
    """A skill that cannot be read or written, in one line."""


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """What the front matter says, and where the skill lies."""

    name: str
    description: str
    folder: Path
    category: str = ""
    version: str = ""
    license: str = ""
    compatibility: str = ""
    allowed_tools: str = ""
    platforms: tuple[str, ...] = ()
    """Of ``linux``, ``macos``, ``windows``; empty means all."""
    tags: tuple[str, ...] = ()
    related_skills: tuple[str, ...] = ()
    requires_toolsets: tuple[str, ...] = ()
    requires_tools: tuple[str, ...] = ()
    fallback_for_toolsets: tuple[str, ...] = ()
    fallback_for_tools: tuple[str, ...] = ()
    required_environment_variables: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    """Programs that it needs."""
    more: Mapping[str, str] = {}
    """What else stands under ``metadata``, as text."""
    origin: Origin = "own"

    def fits_system(self) -> bool:
        """Whether it is meant for this operating system."""
        here = SYSTEMS.get(sys.platform, "linux")
        return not self.platforms or here in self.platforms

    def fits_tools(self, tools: frozenset[str], toolsets: frozenset[str]) -> bool:
        """Whether a conversation with these tools can use it, and has nothing better."""
        if not (tools >= set(self.requires_tools) and toolsets >= set(self.requires_toolsets)):
            return False
        return not (
            tools & set(self.fallback_for_tools) or toolsets & set(self.fallback_for_toolsets)
        )


def read(folder: Path, *, category: str = "", origin: Origin = "own") -> Skill:
    """Read the skill in *folder*. Raises `SkillError` that names the file and what is wrong."""
    file = folder / FILE
    try:
        about = file.stat()
        skill = _read(file, about.st_mtime_ns, about.st_size, about.st_ino)
    except (OSError, UnicodeDecodeError) as error:
        raise SkillError(f"{file} cannot be read: {error}") from None
    return msgspec.structs.replace(skill, category=skill.category or category, origin=origin)


@functools.lru_cache(2_000)
def _read(file: Path, *version: int) -> Skill:
    """Read a file once for each of its versions: YAML takes most of the time."""
    return parse(file.read_text(encoding="utf-8"), file.parent)


def parse(text: str, folder: Path, *, category: str = "", origin: Origin = "own") -> Skill:
    """Make a `Skill` of a SKILL.md's text. Raises `SkillError`."""
    fields, _ = split(text, str(folder / FILE))
    said = _flat(fields)
    name = unicodedata.normalize("NFKC", str(fields.get("name") or folder.name).strip())
    if problem := name_problem(name, strict=False):
        raise SkillError(f"{folder / FILE}: {problem}")
    description = _line(str(fields.get("description") or ""))
    if not description:
        raise SkillError(f"{folder / FILE}: it has no description, which says when to use it")
    lists: dict[str, Any] = {key: _listed(said.get(key)) for key in _LISTS}
    return Skill(
        name=name,
        description=description[:DESCRIPTION_LENGTH],
        folder=folder,
        category=str(said.get("category") or category),
        version=str(said.get("version") or ""),
        license=str(fields.get("license") or ""),
        compatibility=str(fields.get("compatibility") or "")[:COMPATIBILITY_LENGTH],
        allowed_tools=" ".join(_listed(fields.get("allowed-tools"))),
        more={key: _text(value) for key, value in said.items() if key not in _OURS},
        origin=origin,
        **lists,
    )


def split(text: str, where: str = FILE) -> tuple[dict[str, Any], str]:
    """Give front matter and body. Raises `SkillError`."""
    lines = text.removeprefix("\ufeff").splitlines()
    ends = [n for n, line in enumerate(lines) if line.rstrip() == "---"]
    if not lines or ends[:1] != [0] or len(ends) < 2:
        raise SkillError(f"{where}: it must begin with front matter between two lines of ---")
    front = "\n".join(lines[1 : ends[1]])
    try:
        fields = _loaded(front)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise SkillError(f"{where}: its front matter is not YAML: {said}") from None
    if not isinstance(fields, dict):
        raise SkillError(f"{where}: its front matter must be keys and values")
    return {str(key): value for key, value in fields.items()}, "\n".join(lines[ends[1] + 1 :])


def _loaded(front: str) -> Any:
    """Read YAML; also where a plain text has a colon in it, which people write and YAML forbids."""
    try:
        return yaml.load(front, Loader=LOADER)
    except yaml.YAMLError:
        mended = _COLON.sub(lambda match: f"{match[1]}: {json.dumps(match[2].strip())}", front)
        if mended == front:
            raise
        return yaml.load(mended, Loader=LOADER)


def conform(text: str, name: str, **more: str) -> str:
    """Write a SKILL.md anew so that the reference validator takes it: the same skill, our way.

    *more* is added under ``metadata``. Raises `SkillError` for what cannot be mended: no
    description, a name that is not a folder's, a text that is too long.
    """
    fields, body = split(text)
    said = str(fields.get("name") or name).strip()
    if said != name:
        raise SkillError(f"the front matter says name: {said}, the skill is called {name}")
    if problem := name_problem(name):
        raise SkillError(problem)
    skill = parse(text, Path(name))
    if len(str(fields["description"]).strip()) > DESCRIPTION_LENGTH:
        raise SkillError(f"its description is over {DESCRIPTION_LENGTH} characters; shorten it")
    kept: dict[str, str] = {"name": name, "description": skill.description}
    kept |= {
        key: value
        for key, value in (
            ("license", skill.license),
            ("compatibility", skill.compatibility),
            ("allowed-tools", skill.allowed_tools),
        )
        if _line(value)
    }
    ours = {"version": skill.version, "category": skill.category}
    ours |= {key: ", ".join(getattr(skill, key)) for key in _LISTS}
    ours |= more
    metadata = dict(skill.more) | {f"hermes-{k.replace('_', '-')}": v for k, v in ours.items() if v}
    lines = [f"{key}: {_quoted(value)}" for key, value in kept.items()]
    if metadata:
        lines += ["metadata:", *(f"  {k}: {_quoted(v)}" for k, v in sorted(metadata.items()))]
    instructions = clean(body).strip()
    written = "\n".join(["---", *lines, "---", "", instructions, ""])
    if len(written) > LONGEST:
        raise SkillError(
            f"{FILE} would have {len(written)} characters, at most {LONGEST} are kept: move"
            " details into references/"
        )
    if not instructions:
        raise SkillError("it has no instructions beneath its front matter")
    return written


def name_problem(name: str, *, strict: bool = True) -> str:
    """Say why *name* cannot be a skill's; empty where it can. *strict* False reads old ones too."""
    allowed = r"[^\W_A-Z](?:[^\W_]|-(?!-))*" if strict else r"[^\W_A-Z][\w.-]*"
    if name != name.lower() or not re.fullmatch(allowed, name) or name.endswith("-"):
        return f"{name!r} is no name of a skill: small letters, digits and single hyphens"
    if len(name) > NAME_LENGTH:
        return f"{name!r} has {len(name)} characters; a name has at most {NAME_LENGTH}"
    return ""


def linked(folder: Path) -> list[str]:
    """List the files beside SKILL.md, in order; hidden ones and what leads outside left out."""
    root = folder.resolve()
    found = []
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if any(part.startswith(".") or part == "__pycache__" for part in inside.parts):
            continue
        if path.is_file() and path.resolve().is_relative_to(root) and inside.parts != (FILE,):
            found.append(inside.as_posix())
    return found


def _flat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Bring together what may stand at the top, under ``metadata``, or ``metadata.hermes``."""
    metadata = fields.get("metadata")
    metadata = dict(metadata) if isinstance(metadata, dict) else {}
    hermes = metadata.pop("hermes", None)
    needed = fields.get("prerequisites")
    needed = needed if isinstance(needed, dict) else {}
    said: dict[str, Any] = {
        "required_environment_variables": needed.get("env_vars"),
        "commands": needed.get("commands"),
    }
    said |= {k: v for k, v in fields.items() if k not in (*_PLAIN, "metadata", "prerequisites")}
    for key, value in metadata.items():
        short = str(key).removeprefix("hermes-").replace("-", "_")
        ours = str(key).startswith("hermes-") and short in _OURS
        said[short if ours else str(key)] = value
    said |= hermes if isinstance(hermes, dict) else {}
    return {str(key): value for key, value in said.items() if value not in (None, "", [], {})}


def _listed(value: Any) -> tuple[str, ...]:
    """Read a list, or a text with commas; of an object, its name."""
    if isinstance(value, str):
        return tuple(filter(None, (each.strip() for each in value.split(","))))
    return tuple(_names(value)) if isinstance(value, list) else ()


def _names(values: list[Any]) -> Iterator[str]:
    for each in values:
        said = each.get("name", "") if isinstance(each, dict) else each
        if str(said).strip():
            yield str(said).strip()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _quoted(value: str) -> str:
    """Write a text that every YAML reader takes as one; ``---`` in it would end the front matter
    for the reference reader.
    """
    return json.dumps(_line(value).replace("---", "—"), ensure_ascii=False)


def _line(text: str) -> str:
    """Make one line of what can be shown."""
    shown = (c for c in clean(text) if c.isspace() or unicodedata.category(c) not in ("Cc", "Cn"))
    return " ".join("".join(shown).split())
