"""The tools that work with files, on whichever terminal is used."""

from __future__ import annotations

import posixpath
from collections import OrderedDict
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from hermes import (
    ALONE,
    KEYED,
    ONCE,
    READ,
    FileInfo,
    Lane,
    NotFound,
    PluginContext,
    Terminal,
    TerminalError,
    Tool,
    ToolCall,
    ToolResult,
    Toolset,
    clean,
    looks_secret,
    tool,
)
from hermes_plugin_files import search, syntax, v4a
from hermes_plugin_files.documents import difference
from hermes_plugin_files.editing import Edit, apply_edits, edits_of, replacement
from hermes_plugin_files.lines import WINDOW, Window, window
from hermes_plugin_files.protect import Protection
from hermes_plugin_files.sending import send
from hermes_plugin_files.sources import PREFIX, KeptOutput, Source, TerminalFile, regular_file

IMAGES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tiff", ".ico", ".heic")
PATCH = (
    "For mode patch: *** Begin Patch, *** Update File: PATH, @@ line above, then lines"
    " with blank, - or +; *** Add File: PATH, *** Delete File: PATH, *** Move File: A -> B;"
    " *** End Patch. All files change or none"
)
REMEMBERED = 1_000
"""Files of all conversations whose last reading is remembered, to notice changes by others."""


def path_lane(arguments: Mapping[str, Any], *, shared: bool) -> Lane:
    """Calls about one file run in order: by its name, for ``./a`` and ``/w/a`` may be the same."""
    name = posixpath.basename(str(arguments.get("path", "")).rstrip("/"))
    return Lane(f"file:{name}", shared) if name else Lane("*", shared)


def patch_lane(arguments: Mapping[str, Any]) -> Lane:
    """A patch of several files runs alone."""
    touched = patch_paths(arguments)
    return path_lane({"path": touched[0]}, shared=False) if len(touched) == 1 else ALONE


def patch_paths(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Name what a patch touches."""
    if arguments.get("mode", "replace") == "patch":
        return v4a.paths(str(arguments.get("patch", "")))
    return own_path(arguments)


def own_path(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the path of a call: a file or folder, or the address of a kept output."""
    path = str(arguments.get("path", "."))
    return (path,) if path else ()


class Files(Toolset):
    """The tools, and what conversations have read."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._protection = Protection(context.paths.home, context.settings.refuse)
        self._read: OrderedDict[tuple[str, str], tuple[int, float]] = OrderedDict()
        self._tools = (
            tool(
                effect=READ,
                needs={"read"},
                lane=lambda a: path_lane(a, shared=True),
                paths=own_path,
                limit=WINDOW + 2_000,
            )(self.read_file),
            # Written again the same bytes leave the same file: it may be repeated after a crash.
            tool(
                effect=KEYED,
                needs={"write"},
                lane=lambda a: path_lane(a, shared=False),
                paths=own_path,
            )(self.write_file),
            tool(effect=ONCE, needs={"read", "write"}, lane=patch_lane, paths=patch_paths)(
                self.patch
            ),
            tool(effect=READ, needs={"read"}, lane=Lane("*", shared=True), paths=own_path)(
                self.search_files
            ),
            # To whoever is spoken with, so it tells nobody more than an answer could.
            tool(
                effect=KEYED,
                needs={"read"},
                lane=lambda a: path_lane(a, shared=True),
                paths=own_path,
            )(self.send_file),
        )

    async def tools(self) -> tuple[Tool, ...]:
        return self._tools

    def last_seen(self) -> tuple[Tool, ...]:
        return self._tools

    async def read_file(
        self,
        path: str,
        offset: Annotated[int, "First line", msgspec.Meta(ge=1)] = 1,
        limit: Annotated[int, "Lines", msgspec.Meta(ge=1, le=2000)] = 500,
        *,
        call: ToolCall,
    ) -> ToolResult:
        """Read a text file, or a kept output (output:ID), as LINE|content."""
        source: Source
        if path.startswith(PREFIX):
            source = KeptOutput(self._context.paths.outputs, path)
        else:
            terminal = await call.terminal()
            real = await self._real(terminal, path, writing=False)
            source = TerminalFile(terminal, await regular_file(terminal, real, path))
            self._remember(call, source.info)
            if real.lower().endswith(IMAGES):
                return ToolResult.error(f"{path} is an image ({source.size} bytes), not text.")
        first = await source.read(0, 8_192)
        if b"\0" in first:
            begins = first[:16].hex(" ")
            return ToolResult.error(f"{path} is binary ({source.size} bytes, {begins} …).")
        return ToolResult(_shown(await window(source, offset, limit)))

    async def write_file(self, path: str, content: str, *, call: ToolCall) -> ToolResult:
        """Write a file whole, with the folders it needs. To change one, patch is better."""
        if path.startswith(PREFIX):
            return ToolResult.error("Kept outputs cannot be written.")
        terminal = await call.terminal()
        real = await self._real(terminal, path, writing=True)
        try:
            before: FileInfo | None = await terminal.stat(real)
        except TerminalError:
            before = None
        warning = self._stale(call, before) if before else ""
        await terminal.write(real, content.encode("utf-8", "surrogateescape"))
        await self._written(call, terminal, real)
        what = "Wrote" if before else "Made"
        lines = content.count("\n") + (not content.endswith("\n") and bool(content))
        return ToolResult(
            _joined(f"{what} {path}: {lines} lines.", warning, _syntax(real, content))
        )

    async def patch(
        self,
        mode: Literal["replace", "patch"] = "replace",
        path: Annotated[str, "For replace"] = "",
        old_string: Annotated[str, "Text that is there once; close is enough"] = "",
        new_string: str = "",
        replace_all: bool = False,
        patch: Annotated[str, PATCH] = "",
        *,
        call: ToolCall,
    ) -> ToolResult:
        """Edit files: replace a text in one, or apply a V4A patch to several. Gives the diff."""
        terminal = await call.terminal()

        async def real(name: str) -> str:
            return await self._real(terminal, name, writing=True)

        if mode == "replace":
            if not path:
                return ToolResult.error("path is missing.")
            edit = await replacement(
                terminal, await real(path), path, old_string, new_string, everywhere=replace_all
            )
            edits = [edit]
        else:
            edits = await edits_of(terminal, v4a.parse(patch), real)
        warnings = [self._stale(call, edit.info) for edit in edits if edit.info]
        await apply_edits(terminal, edits)
        for edit in edits:
            if edit.after is not None:
                await self._written(call, terminal, edit.real)
        return ToolResult(_joined(*[_told(edit) for edit in edits], *warnings))

    async def search_files(
        self,
        pattern: Annotated[str, "Regular expression; for files a glob"],
        target: Literal["content", "files"] = "content",
        path: str = ".",
        file_glob: Annotated[str, "Only these files"] = "",
        limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50,
        offset: Annotated[int, msgspec.Meta(ge=0)] = 0,
        output_mode: search.Mode = "content",
        context: Annotated[int, "Lines around a match", msgspec.Meta(ge=0, le=20)] = 0,
        *,
        call: ToolCall,
    ) -> ToolResult:
        """Search file contents, or find files by name (newest first)."""
        terminal = await call.terminal()
        root = await self._real(terminal, path, writing=False)
        try:
            await terminal.stat(root)
        except TerminalError as error:
            raise NotFound(f"{path}: {error}") from None
        query = search.Query(pattern, root, file_glob, output_mode, context)
        look = search.files if target == "files" else search.content
        found = await look(terminal, query)
        hits = [hit for hit in found.hits if not self._protection.refused(hit.path, writing=False)]
        passed = {hit.path for hit in hits if target == "content" and _secret(hit.path, root)}
        note = _passed_over(len(passed))
        chosen, more = _page([hit for hit in hits if hit.path not in passed], offset, limit)
        if not chosen:
            return ToolResult(_joined("Nothing found.", note))
        text = "\n".join(_line(hit, terminal.state.directory) for hit in chosen)
        if more or found.cut:
            text += f"\n[more: offset={offset + limit}]"
        return ToolResult(_joined(text, note))

    async def send_file(self, path: str, caption: str = "", *, call: ToolCall) -> ToolResult:
        """Send the person a file or picture in this chat."""
        terminal = await call.terminal()
        real = await self._real(terminal, path, writing=False)
        return await send(terminal, await regular_file(terminal, real, path), caption, call)

    async def _real(self, terminal: Terminal, path: str, *, writing: bool) -> str:
        """Give the path with links followed. Raise `Refused` for one that is out of bounds."""
        if not path:
            raise TerminalError("path is empty")
        real = await terminal.resolve(path)
        self._protection.check(real, path, writing=writing)
        return real

    def _remember(self, call: ToolCall, info: FileInfo) -> None:
        key = (call.request.session.id, info.path)
        self._read[key] = (info.size, info.modified)
        self._read.move_to_end(key)
        while len(self._read) > REMEMBERED:
            self._read.popitem(last=False)

    async def _written(self, call: ToolCall, terminal: Terminal, real: str) -> None:
        self._remember(call, await terminal.stat(real))

    def _stale(self, call: ToolCall, info: FileInfo) -> str:
        """Warn of a file that somebody else changed since this conversation saw it last."""
        seen = self._read.get((call.request.session.id, info.path))
        if seen is None or seen == (info.size, info.modified):
            return ""
        return f"Warning: {info.path} had been changed by somebody else since you read it."


def _shown(found: Window) -> str:
    lines = [f"{number}|{line}" for number, line in enumerate(found.lines, found.first)]
    following = found.first + len(found.lines)
    if found.more:
        lines.append(f"[more: offset={following}]")
    elif not lines:
        lines.append(
            f"[the file has {found.total} lines]" if found.total else "[the file is empty]"
        )
    return clean("\n".join(lines))


def _syntax(path: str, text: str, before: str | None = None) -> str:
    """Say what is wrong with *text*, and whether it was so before."""
    wrong = syntax.problem(path, text)
    if not wrong:
        return ""
    known = before is not None and syntax.problem(path, before) != ""
    return f"Warning: {posixpath.basename(path)} {'still ' if known else ''}does not parse: {wrong}"


def _told(edit: Edit) -> str:
    if edit.after is None:
        return f"Deleted {edit.path}."
    before = edit.before or ""
    shown = difference(before, edit.after, edit.path)
    head = edit.note or ("" if edit.before is not None else f"Made {edit.path}.")
    return _joined(head, shown.rstrip("\n"), _syntax(edit.real, edit.after, edit.before))


def _joined(*parts: str) -> str:
    return clean("\n".join(part for part in parts if part))


def _page(hits: list[search.Hit], offset: int, limit: int) -> tuple[list[search.Hit], bool]:
    """Choose matches *offset* … *offset + limit*, with the context lines around them."""
    chosen: list[search.Hit] = []
    waiting: list[search.Hit] = []
    seen = 0
    for hit in hits:
        if not hit.matched:
            waiting.append(hit)
            continue
        if seen >= offset + limit:
            return chosen, True
        if seen >= offset:
            chosen += [*waiting, hit]
        waiting = []
        seen += 1
    return (chosen + waiting if seen > offset else chosen), False


def _secret(path: str, root: str) -> bool:
    """Whether *path* looks secret and is not what the search, and so a question, named."""
    return path != root and looks_secret(path, root)


def _passed_over(files: int) -> str:
    if not files:
        return ""
    one = files == 1
    return (
        f"[matches in {files} file{'' if one else 's'} that may hold secrets are not shown; to"
        " search such a file, give it as path]"
    )


def _line(hit: search.Hit, directory: str) -> str:
    inside = f"{directory.rstrip('/')}/"
    path = hit.path.removeprefix(inside)
    if hit.line:
        return f"{path}:{hit.line}{':' if hit.matched else '-'}{hit.text}"
    return f"{path}: {hit.text}" if hit.text else path
