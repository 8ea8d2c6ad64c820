"""What ``hermes doctor`` asks of Apptainer."""

from __future__ import annotations

from hermes_plugin_local_terminal.checks import TerminalCheck
from hermes_plugin_singularity.engine import Engine


class SingularityCheck(TerminalCheck):
    """Runs the program once."""

    backend = "singularity"
    mend = "install Apptainer (https://apptainer.org), or set singularity.program"

    async def look(self) -> str:
        engine = Engine(self.context)
        running = await engine.running()
        return f"{engine.program}, {len(running)} containers run"
