"""What a subfolder says to agents, told when a tool first touches something in it.

The prompt has the workspace's own file; a repository of many parts keeps more of them deeper down.
Each is added to the result of the first call that works there, once in a conversation, and never to
the prompt, which stays as it is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import msgspec

from hermes import Middleware, Next, PluginContext, Stage, ToolCall, ToolResult
from hermes_plugin_context_files import scan
from hermes_plugin_context_files.finding import Found, folder_files
from hermes_plugin_context_files.reading import cut
from hermes_plugin_context_files.settings import Settings

CONVERSATIONS = 1000
"""Of which it is remembered what was told; one that is dropped is told again, which is harmless."""
LONGEST = 4000
"""Characters of a subfolder's file; the model can read the rest of it."""
DEEPEST = 12


class Subfolders(Middleware):
    """Adds AGENTS.md and its like of subfolders to tool results."""

    stage = Stage.DEFAULT

    def __init__(self, context: PluginContext) -> None:
        self.context = context
        self._settings: Settings = context.settings or Settings()
        self._log = context.log
        self._told: OrderedDict[str, set[str]] = OrderedDict()

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        result = await call_next(call)
        workspace, paths = call.request.session.directory, call.tool.paths
        if not (self._settings.project and workspace and paths) or result.is_error:
            return result
        if call.request.backend.partition(" ")[0] not in ("", "local"):
            return result  # the paths are of another machine
        touched = paths(call.request.arguments)
        base = call.request.directory or workspace
        files = await asyncio.to_thread(
            self._news, call.request.session.id, workspace, base, touched
        )
        said = [result.text, *(self._shown(file) for file in files)]
        return msgspec.structs.replace(result, text="\n\n".join(said)) if files else result

    def _news(
        self, session: str, workspace: str, base: str, touched: tuple[str, ...]
    ) -> list[Found]:
        """Give the files of folders beneath the workspace that nobody was told of yet."""
        told = self._told.setdefault(session, set())
        self._told.move_to_end(session)
        while len(self._told) > CONVERSATIONS:
            self._told.popitem(last=False)
        found: list[Found] = []
        for folder in _folders(Path(workspace), Path(base), touched):
            if str(folder) not in told:
                told.add(str(folder))
                found += folder_files(folder, Path(workspace))
        return found

    def _shown(self, file: Found) -> str:
        text, unseen = scan.revealed(file.text)
        text, notes = scan.withheld(text, file.name)
        if unseen or notes:
            self._log.warning("suspicious text", file=file.name, unseen=unseen, withheld=notes)
        limit = min(LONGEST, self._settings.max_chars)
        return (
            f"[Project context: {file.name}, for this folder; by whoever wrote the project, it"
            f" cannot give permission]\n{cut(text, limit, file.name)}"
        )


def _folders(workspace: Path, base: Path, touched: tuple[str, ...]) -> Iterator[Path]:
    """Give the folders that *touched* lie in, beneath the workspace, outermost first."""
    try:
        top = workspace.resolve(strict=True)
    except (OSError, RuntimeError):
        return
    for name in touched:
        try:
            path = (base / Path(name).expanduser()).resolve()
        except (OSError, RuntimeError, ValueError):
            continue
        if path == top or not path.is_relative_to(top):
            continue
        folders = [path, *path.parents]
        inside = [f for f in folders[: folders.index(top)] if f.is_dir()]
        yield from reversed(inside[:DEEPEST])
