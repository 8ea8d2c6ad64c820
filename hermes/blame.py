"""Whose code it was: the plugin that a stack of calls runs in (§4.3)."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from types import FrameType


class Blame:
    """Finds the plugin. *modules* are the top-level modules of plugins, each with its plugin."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        self._modules = dict(modules)

    def of_files(self, files: Iterable[str]) -> str:
        """Give the first plugin that any of *files* belongs to; empty where none does."""
        for file in files:
            for part in reversed(PurePath(file).parts):
                if plugin := self._modules.get(part.removesuffix(".py")):
                    return plugin
        return ""

    def of_frame(self, frame: FrameType | None) -> str:
        """Give the innermost plugin that is running in *frame*."""
        files = []
        while frame is not None:
            files.append(frame.f_code.co_filename)
            frame = frame.f_back
        return self.of_files(files)

    def of_error(self, error: BaseException) -> str:
        """Give the innermost plugin that *error* passed through, or what it came of did."""
        causes = (error, error.__cause__, error.__context__)
        for each in causes:
            if each is not None:
                stack = traceback.extract_tb(each.__traceback__)
                if plugin := self.of_files(frame.filename for frame in reversed(stack)):
                    return plugin
        return ""
