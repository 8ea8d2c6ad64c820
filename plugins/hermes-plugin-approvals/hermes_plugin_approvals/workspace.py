"""What "only reads inside the workspace" means: every path stated, links followed, no secrets."""

from __future__ import annotations

from pathlib import PurePosixPath

from hermes import Terminal, TerminalError, ToolCall, looks_secret

KEPT = "output:"
"""Begins the address of an output that the kernel kept; then come conversation and call."""


async def only_reads_inside(call: ToolCall) -> bool:
    """Whether all that *call* does is read files of the workspace that hold no secrets.

    A guest's calls are asked about: who may talk to Hermes may not yet read its owner's files.
    """
    if call.tool.needs != {"read"} or call.authority.role == "guest":
        return False
    paths = stated_paths(call)
    if not paths:
        return False
    kept = [path for path in paths if path.startswith(KEPT)]
    own = f"{KEPT}{call.request.session.id}-"
    if not all(path.startswith(own) and "/" not in path for path in kept):
        return False
    files = [path for path in paths if path not in kept]
    if not files:
        return True
    folder = call.request.session.directory
    if PurePosixPath(folder or "/") == PurePosixPath("/"):
        return False
    resolved = await resolve(call, [folder, *files])
    if resolved is None:
        return False
    root, *real = resolved
    return all(inside(path, root) for path in real) and not any(
        looks_secret(path, root) for path in (*files, *real)
    )


async def only_writes_inside(call: ToolCall) -> bool:
    """Whether *call* needs no more than to change files of the workspace that run nowhere else."""
    if not call.tool.needs <= {"read", "write"}:
        return False
    paths = stated_paths(call)
    folder = call.request.session.directory
    if not paths or PurePosixPath(folder or "/") == PurePosixPath("/"):
        return False
    resolved = await resolve(call, [folder, *paths])
    if resolved is None:
        return False
    root, *real = resolved
    return all(
        inside(path, root) and not looks_secret(path, root) and not runs_later(path, root)
        for path in real
    )


def runs_later(path: str, root: str) -> bool:
    """Whether a file of the workspace steers other programs: git's hooks, editors' tasks, shells.

    Those lie in dot files and folders.
    """
    names = path[len(root) :].strip("/").split("/")
    return any(name.startswith(".") and name not in (".gitignore", ".gitkeep") for name in names)


def stated_paths(call: ToolCall) -> tuple[str, ...]:
    """Give the paths that the tool says *call* touches; none where it does not say.

    The arguments are as the model wrote them, so the tool's own function may stumble over them.
    """
    if call.tool.paths is None:
        return ()
    try:
        paths = call.tool.paths(call.request.arguments)
    except Exception:  # noqa: BLE001 - isolation: a tool's code; not understood means asked about
        return ()
    return paths if all(paths) else ()


async def terminal_of(call: ToolCall) -> Terminal | None:
    """Give the terminal of *call*; None when it cannot be had."""
    try:
        return await call.terminal()
    except TerminalError:
        return None


async def resolve(call: ToolCall, paths: list[str]) -> list[str] | None:
    """Make *paths* absolute with links followed, as the terminal sees them; None if it cannot.

    A path that a shell or a tool might read otherwise than it stands here (``~``, a NUL) is not
    resolved but refused.
    """
    if any(path.startswith("~") or "\0" in path or "\n" in path for path in paths):
        return None
    terminal = await terminal_of(call)
    if terminal is None:
        return None
    base = PurePosixPath(call.request.directory or call.request.session.directory)
    if not base.is_absolute():
        return None
    try:
        return [await terminal.resolve(str(base / path)) for path in paths]
    except TerminalError:
        return None


def inside(path: str, folder: str) -> bool:
    """Whether *path* is *folder* or beneath it; both are absolute and resolved."""
    return PurePosixPath(path).is_relative_to(folder)
