"""Find what a project says to agents: the first kind of file that is there, and only that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from hermes_plugin_context_files.reading import read_text, without_front_matter


class Found(msgspec.Struct, frozen=True):
    """A project file with something in it."""

    name: str
    """As it is called from the workspace."""
    text: str


def project_files(directory: Path) -> list[Found]:
    """Give the project's files for a conversation in *directory*.

    The first of these that holds text: ``.hermes.md`` or ``HERMES.md``, from the directory up to
    the root of its git repository; then in the directory itself ``AGENTS.md``; ``CLAUDE.md``;
    ``.cursorrules`` together with ``.cursor/rules/*.mdc``. A link that leads out of the repository
    (without one: out of the directory) is passed over: a stranger's project must not get the text
    of this machine's files into a prompt.
    """
    try:
        directory = directory.resolve(strict=True)
    except (OSError, RuntimeError):
        return []
    root = git_root(directory) or directory
    kinds: tuple[Callable[[], Iterator[Path]], ...] = (
        lambda: _upwards(directory, root, (".hermes.md", "HERMES.md")),
        lambda: iter([directory / "AGENTS.md", directory / "agents.md"]),
        lambda: iter([directory / "CLAUDE.md", directory / "claude.md"]),
    )
    for paths in kinds:
        for path in paths():
            if found := _read(path, directory, root):
                return [found]
    rules = [directory / ".cursorrules", *_rules(directory / ".cursor" / "rules")]
    return [found for path in rules if (found := _read(path, directory, root))]


def folder_files(folder: Path, workspace: Path) -> list[Found]:
    """Give what a folder beneath *workspace* says to agents: the first of ``HERMES.md``,
    ``AGENTS.md`` and ``CLAUDE.md`` that holds text. Named as seen from the workspace.
    """
    root = git_root(folder) or workspace
    names = (".hermes.md", "HERMES.md", "AGENTS.md", "agents.md", "CLAUDE.md", "claude.md")
    for name in names:
        if found := _read(folder / name, workspace.resolve(), root):
            return [found]
    return []


def git_root(directory: Path) -> Path | None:
    """Give the folder at or above *directory* that holds ``.git`` (a folder, or a file in a
    worktree).
    """
    return next((d for d in (directory, *directory.parents) if (d / ".git").exists()), None)


def _upwards(directory: Path, root: Path, names: tuple[str, ...]) -> Iterator[Path]:
    for folder in (directory, *directory.parents):
        for name in names:
            yield folder / name
        if folder == root:
            return


def _rules(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.mdc"))
    except OSError:
        return []


def _read(path: Path, directory: Path, root: Path) -> Found | None:
    try:
        if not path.resolve(strict=True).is_relative_to(root):
            return None
    except (OSError, RuntimeError):
        return None
    text = without_front_matter(read_text(path) or "")
    if not text:
        return None
    inside = path.is_relative_to(directory)
    return Found(str(path.relative_to(directory)) if inside else str(path), text)
