"""Whether what a command reads and writes lies where it may: inside the workspace, and no secret.

Everything is looked up in the terminal, links followed, before the command runs.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from typing import NamedTuple

from hermes import Terminal, TerminalError, looks_secret
from hermes_plugin_approvals.shell.effects import Effect
from hermes_plugin_approvals.shell.words import PLAIN, is_pattern
from hermes_plugin_approvals.surroundings import patient
from hermes_plugin_approvals.workspace import inside, runs_later

SECONDS = 3.0
"""For a look at a whole tree: what takes longer is asked about."""
STREAMS = frozenset(
    {"/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/fd/63", "/dev/zero"}
)
PUBLIC_FOLDERS = ("/usr", "/bin", "/lib", "/lib64", "/sbin")
PUBLIC_FILES = frozenset(
    {"/etc/os-release", "/etc/debian_version", "/etc/lsb-release", "/etc/hosts", "/etc/hostname",
     "/etc/resolv.conf", "/etc/timezone", "/etc/localtime", "/etc/shells", "/etc/issue",
     "/etc/alpine-release", "/etc/redhat-release", "/proc/cpuinfo", "/proc/meminfo",
     "/proc/version", "/proc/loadavg", "/proc/uptime", "/proc/mounts", "/proc/filesystems",
     "/proc/stat", "/proc/swaps"}
)  # fmt: skip
"""What every program of the machine may know, and says nothing of a person."""
_GIT = r"""
top=$(git rev-parse --show-toplevel) || { printf 'none\0'; exit 0; }
printf '%s\0' "$top" "$(git config --local --includes --name-only --list)"
hooks=$(git rev-parse --git-path hooks); ls -A "$hooks" 2>/dev/null; printf '\0'
"""
_HARMLESS_KEYS = (
    "core.repositoryformatversion", "core.filemode", "core.bare", "core.logallrefupdates",
    "core.ignorecase", "core.precomposeunicode", "core.symlinks", "core.autocrlf", "core.eol",
    "core.abbrev", "core.quotepath", "core.safecrlf", "branch.", "user.name", "user.email",
    "init.defaultbranch", "pull.", "push.", "color.", "advice.", "fetch.", "rebase.", "rerere.",
    "extensions.objectformat", "status.", "gc.", "pack.", "index.", "feature.", "http.postbuffer",
    "lfs.repositoryformatversion", "maintenance.", "gui.",
)  # fmt: skip
_HARMLESS_REMOTE = (".url", ".fetch", ".pushurl", ".gh-resolved", ".tagopt")


class Ground(NamedTuple):
    """Where a command may look and write without a question."""

    terminal: Terminal
    root: str
    """The workspace, resolved; empty: there is none."""
    public: bool
    """What belongs to the machine may be looked at too."""


class Survey(NamedTuple):
    """What was found of a command's effects."""

    objections: tuple[str, ...]
    """Why a person must be asked; that it writes inside of the workspace is none."""
    grave: bool
    """One of them is more than that it runs the workspace's own code."""
    paths: tuple[str, ...]
    """The real paths that it touches."""


async def survey(effects: Sequence[Effect], ground: Ground) -> Survey:
    """Look at the places that *effects* are about."""
    real: list[str] = []
    found = await asyncio.gather(*(_objection(effect, ground, real) for effect in effects))
    grave = any(said and e.kind != "run" for said, e in zip(found, effects, strict=True))
    said = tuple(dict.fromkeys(reason for reason in found if reason))
    return Survey(said, grave, tuple(dict.fromkeys(real)))


async def _objection(effect: Effect, ground: Ground, touched: list[str]) -> str:
    if effect.kind in ("unknown", "run"):
        return effect.why
    if effect.kind == "network":
        return f"it reaches {effect.why}" if effect.why else "it reaches another machine"
    if effect.path in STREAMS:
        return ""
    real = await _resolve(effect.path, ground, there=effect.kind == "names")
    if real is None:
        return f"nobody can tell where {_shown(effect.path)} is"
    touched += real
    for path in real:
        said = _place(effect, path, ground)
        if said:
            return said
    if effect.kind in ("repository", "commit"):
        return await _repository(effect, real[0], ground)
    if effect.kind == "tree":
        return await _tree(real, ground)
    return ""


def _place(effect: Effect, path: str, ground: Ground) -> str:
    if path in STREAMS:
        return ""
    writes = effect.kind in ("write", "commit")
    if not ground.root or not inside(path, ground.root):
        if not writes and ground.public and _is_public(path):
            return ""
        secret = ", and may hold secrets" if looks_secret(path) else ""
        return f"{'writes' if writes else 'reads'} {path}, outside of the workspace{secret}"
    if looks_secret(path, ground.root) or looks_secret(_shown(effect.path), ground.root):
        return f"{path} may hold secrets"
    if writes and runs_later(path, ground.root):
        return f"what is in {path} runs without being asked"
    return ""


def _is_public(path: str) -> bool:
    if path in PUBLIC_FILES:
        return True
    return any(inside(path, each) for each in PUBLIC_FOLDERS) and not looks_secret(path)


def _shown(path: str) -> str:
    return "".join(PLAIN.get(character, character) for character in path)


async def _resolve(path: str, ground: Ground, *, there: bool = False) -> list[str] | None:
    """Give what *path* leads to; a glob may lead to many files, and *there* to none."""
    try:
        if not is_pattern(path):
            return [await ground.terminal.resolve(path)]
    except TerminalError:
        return None
    glob = "".join(PLAIN.get(c, c) if c in PLAIN else shlex.quote(c) for c in path)
    look = f"realpath -zm -- {glob}"
    if there:
        look = f'(builtin shopt -s nullglob; set -- {glob}; [ $# = 0 ] || realpath -zm -- "$@")'
    said = await patient(ground.terminal, look, "/", SECONDS)
    if not said:
        return [] if there and said is not None else None
    return said.rstrip("\0").split("\0")


async def _tree(roots: list[str], ground: Ground) -> str:
    """A search through everything beneath a folder shows what secrets lie there, too."""
    names = " ".join(shlex.quote(root) for root in roots)
    said = await patient(
        ground.terminal, f"find -P {names} -name .git -prune -o -type f -print0", "/", SECONDS
    )
    if said is None:
        return "nobody can tell whether there are secrets in what it searches"
    for path in said.split("\0"):
        if path and looks_secret(path, ground.root):
            return f"it searches {path}, which may hold secrets"
    return ""


async def _repository(effect: Effect, folder: str, ground: Ground) -> str:
    """Git runs what a repository's own configuration names; a commit, its hooks."""
    said = await patient(ground.terminal, _GIT, folder, SECONDS)
    if said is None:
        return "nobody can tell what the repository's configuration runs"
    if said == "none\0":
        return ""
    top, keys, hooks, *_ = said.split("\0")
    real = await _resolve(top, ground)
    if real is None or not inside(real[0], ground.root):
        return f"the repository {top} is outside of the workspace"
    for key in keys.split():
        if not _harmless(key.lower()):
            return f"the repository's configuration sets {key}"
    if effect.kind == "commit":
        active = [name for name in hooks.split() if not name.endswith(".sample")]
        if active:
            return f"it runs the repository's hooks ({', '.join(active[:3])})"
    return ""


def _harmless(key: str) -> bool:
    if key.startswith("remote."):
        return key.endswith(_HARMLESS_REMOTE)
    return key.startswith(_HARMLESS_KEYS)


async def root_of(terminal: Terminal, directory: str) -> str:
    """Give the workspace as it really is; empty where there is none that means anything."""
    if not directory.startswith("/"):
        return ""
    try:
        real = await terminal.resolve(directory)
    except TerminalError:
        return ""
    return "" if real == "/" else real
