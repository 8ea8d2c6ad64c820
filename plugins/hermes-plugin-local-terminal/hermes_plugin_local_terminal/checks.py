"""What ``hermes doctor`` asks of terminals, whichever their backend is."""

from __future__ import annotations

import shutil
from abc import abstractmethod

from hermes import Check, Finding, PluginContext, TerminalError


class TerminalCheck(Check):
    """Looks whether commands can run on a backend. What is not the chosen one is no fault."""

    backend: str
    mend: str = ""
    """What helps where `look` raises."""

    def __init__(self, context: PluginContext) -> None:
        self.context = context

    @property
    def chosen(self) -> bool:
        """Whether this is the terminal in use."""
        return bool(self.context.config.section("hermes").terminal.backend == self.backend)

    @abstractmethod
    async def look(self) -> str:
        """Say what is there. Raise `TerminalError` where nothing could run."""

    async def check(self) -> tuple[Finding, ...]:
        try:
            return (Finding("ok", await self.look()),)
        except TerminalError as error:
            said = str(error).removeprefix(f"{self.backend}: ")
        if self.chosen:
            return (Finding("error", f"the terminal in use: {said}", self.mend),)
        return (Finding("ok", f"{said} (not the terminal in use)"),)


class LocalTerminalCheck(TerminalCheck):
    """Looks for bash."""

    backend = "local"
    mend = "install bash, or set local-terminal.shell"

    async def look(self) -> str:
        name = self.context.settings.shell
        if (shell := shutil.which(name)) is None:
            raise TerminalError(f"no {name} on the PATH")
        return f"{shell}; commands may do what you may"
