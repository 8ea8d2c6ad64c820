"""What ``hermes doctor`` asks of the machine behind SSH."""

from __future__ import annotations

import asyncio

from hermes import TerminalError
from hermes_plugin_local_terminal.checks import TerminalCheck
from hermes_plugin_ssh.connection import Connection

SECONDS = 8.0


class SSHCheck(TerminalCheck):
    """Logs in, if this is the terminal in use."""

    backend = "ssh"
    mend = "check ssh.host, ssh.user, ssh.key and known_hosts: `ssh USER@HOST true` must work"

    async def look(self) -> str:
        connection = Connection(self.context)
        if not connection.host:
            raise TerminalError("no host (ssh.host)")
        if not self.chosen:
            return f"{connection.name}, not looked at"
        try:
            async with asyncio.timeout(SECONDS):
                channel = await connection.channel("exit 0", lambda _: None)
                await channel.exit
        except TimeoutError:
            said = f"{connection.place} does not answer in {SECONDS:.0f} s"
            raise TerminalError(said) from None
        finally:
            await connection.close()
        return f"{connection.name} lets us in"
