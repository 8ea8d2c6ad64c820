"""What ``hermes doctor`` asks of Docker."""

from __future__ import annotations

from hermes_plugin_docker.daemon import Daemon
from hermes_plugin_local_terminal.checks import TerminalCheck


class DockerCheck(TerminalCheck):
    """Asks the daemon who it is."""

    backend = "docker"
    mend = "start Docker, join its group (or use docker.host), and see `docker version`"

    async def look(self) -> str:
        daemon = Daemon(self.context.settings.host)
        try:
            await daemon.open()
            return await daemon.describe()
        finally:
            await daemon.close()
