"""Where skills come from: a folder, a git repository, a file on the web, a site's well-known index.

What is fetched lies in a temporary folder until it was looked at; nothing of it is run.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin

import msgspec

from hermes_plugin_skills.fetching import Fetcher
from hermes_plugin_skills.library import skill_files
from hermes_plugin_skills.skill import FILE, NAME_LENGTH, SkillError, name_problem, parse

INDEXES = (".well-known/agent-skills/index.json", ".well-known/skills/index.json")
"""Agent Skills Discovery 0.2 (with digests), and the one before it."""
FILES = 50
GITHUB = re.compile(r"[\w.-]+/[\w.-]+")
GIT_SECONDS = 120


class Got(msgspec.Struct, frozen=True):
    """Skills that were fetched: where they lie, and what they are."""

    source: str
    """As it is kept, to be asked again."""
    folders: dict[str, Path]
    """Name to folder."""
    revision: str = ""


@contextlib.contextmanager
def fetched(source: str, environment: dict[str, str]) -> Iterator[Got]:
    """Fetch *source* for as long as it is looked at. Blocks. Raises `SkillError`.

    *source* is a folder, a git repository (``owner/repo`` on GitHub, ``git+https://…``,
    ``….git``; after ``#`` a folder of it, after ``@`` a branch or tag), or an https address: of a
    SKILL.md, or of a site.
    """
    with tempfile.TemporaryDirectory(prefix="hermes-skills-") as name:
        place = Path(name)
        local = Path(source).expanduser()
        if (
            local.is_dir() and not (local / "HEAD").is_file()
        ):  # a bare repository is no folder of skills
            yield Got(str(local.resolve()), _found(local.resolve()))
        elif _is_git(source):
            yield _from_git(source, place, environment)
        elif source.startswith(("http://", "https://")):
            yield _from_web(source, place)
        else:
            raise SkillError(
                f"{source!r} is no folder, git repository or https address that skills come from"
            )


def _found(root: Path) -> dict[str, Path]:
    """Find the skills in a folder: itself, or those beneath it, two levels down and under
    ``skills/``.
    """
    if (root / FILE).is_file():
        return {_name(root): root}
    places = [root, *(root / each for each in ("skills", ".agents/skills", ".claude/skills"))]
    found = {file.parent.name: file.parent for place in places for file in skill_files(place)}
    if not found:
        raise SkillError(f"there is no {FILE} in {root.name or root}, nor one beneath it")
    return {_name(folder): folder for folder in found.values()}


def _name(folder: Path) -> str:
    return parse((folder / FILE).read_text(encoding="utf-8", errors="replace"), folder).name


# git ----------------------------------------------------------------------------------------------


def _is_git(source: str) -> bool:
    rest = source.partition("#")[0].removesuffix("/")
    head, slash, last = rest.rpartition("/")
    bare = head + slash + last.partition("@")[0]
    return bool(
        source.startswith(("git+", "git@", "ssh://"))
        or bare.endswith(".git")
        or GITHUB.fullmatch(bare)
        or (Path(source).expanduser() / "HEAD").is_file()
    )


def _from_git(source: str, place: Path, environment: dict[str, str]) -> Got:
    rest, _, inside = source.partition("#")
    url, revision = rest.removeprefix("git+"), ""
    if "@" in url.rpartition("/")[2]:
        url, _, revision = url.rpartition("@")
    if GITHUB.fullmatch(url) and not Path(url).exists():
        url = f"https://github.com/{url}.git"
    if url.startswith("-") or revision.startswith("-") or "::" in url:
        raise SkillError(f"{source!r} is no address of a git repository")
    clone = place / "clone"
    branch = ["--branch", revision] if revision else []
    _git(["clone", "-q", "--depth", "1", *branch, "--", url, str(clone)], place, environment)
    root = (clone / inside).resolve()
    if not root.is_relative_to(clone.resolve()) or not root.is_dir():
        raise SkillError(f"{source}: there is no folder {inside!r} in it")
    head = _git(["rev-parse", "HEAD"], clone, environment).strip()
    return Got(source, _found(root), head)


def _git(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Run git without hooks, links, prompts or submodules, and without a person's configuration."""
    program = shutil.which("git")
    if program is None:
        raise SkillError("git is not installed")
    quiet = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ALLOW_PROTOCOL": "https:http:ssh:file:git",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }
    safe = ["-c", "core.hooksPath=/dev/null", "-c", "core.symlinks=false", "-c", "core.fsmonitor="]
    try:
        done = subprocess.run(
            [program, *safe, *arguments],
            cwd=folder,
            env={**environment, **quiet},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise SkillError(f"git took longer than {GIT_SECONDS} s") from None
    if done.returncode:
        said = " ".join(done.stderr.split())[-300:]
        raise SkillError(f"git {arguments[0]}: {said or f'status {done.returncode}'}")
    return done.stdout


# the web ------------------------------------------------------------------------------------------


def _from_web(source: str, place: Path) -> Got:
    url, _, wanted = source.partition("#")
    fetcher = Fetcher(url)
    if url.rpartition("/")[2].lower() == FILE.lower():
        return Got(source, _single(fetcher.get(url), place))
    problem: SkillError | None = None
    for index in INDEXES:
        at = url if url.endswith(".json") else urljoin(url.rstrip("/") + "/", index)
        try:
            data = fetcher.get(at)
        except SkillError as error:
            problem = problem or error
            continue
        return Got(source, dict(_listed(data, at, fetcher, place, wanted)))
    raise SkillError(f"{problem}; an address ends in {FILE}, or its site has /{INDEXES[0]}")


def _single(data: bytes, place: Path) -> dict[str, Path]:
    text = data.decode("utf-8", "replace")
    name = parse(text, place / "skill").name
    (place / name).mkdir()
    (place / name / FILE).write_text(text, encoding="utf-8")
    return {name: place / name}


class _Entry(msgspec.Struct, frozen=True):
    name: str
    description: str = ""
    type: str = "skill-md"
    url: str = ""
    digest: str = ""
    files: list[Any] = []


class _Index(msgspec.Struct, frozen=True):
    skills: list[_Entry]


def _listed(
    data: bytes, at: str, fetcher: Fetcher, place: Path, wanted: str
) -> Iterator[tuple[str, Path]]:
    try:
        index = msgspec.json.decode(data, type=_Index)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SkillError(f"{at} is no index of skills: {error}") from None
    for entry in index.skills:
        if wanted and entry.name != wanted:
            continue
        if problem := name_problem(entry.name[: NAME_LENGTH + 1], strict=False):
            raise SkillError(f"{at}: {problem}")
        folder = place / entry.name
        for name, url in list(_files(entry, at)):  # all are looked at before one is fetched
            got = fetcher.get(url)
            digest = f"sha256:{hashlib.sha256(got).hexdigest()}"
            if name == FILE and entry.digest and entry.digest != digest:
                raise SkillError(f"{url} is not what {at} says (digest): not installed")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(got)
        yield entry.name, folder


def _files(entry: _Entry, at: str) -> Iterator[tuple[str, str]]:
    """Give each file's name and address. Raises `SkillError`."""
    if entry.type != "skill-md":
        raise SkillError(f"{at}: skill {entry.name} is a {entry.type}, which is not taken yet")
    first = urljoin(at, entry.url or f"{entry.name}/{FILE}")
    names = [str(each.get("path", "") if isinstance(each, dict) else each) for each in entry.files]
    if len(names) > FILES:
        raise SkillError(
            f"{at}: skill {entry.name} has {len(names)} files, at most {FILES} are taken"
        )
    for name in dict.fromkeys([FILE, *names]):
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or not inside.parts:
            raise SkillError(f"{at}: skill {entry.name} has a file {name!r} outside of it")
        yield name, first if name == FILE else urljoin(first, name)
