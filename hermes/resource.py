"""Things with a life: opened at first use, closed in reverse order, each by one owner task (§9)."""

from __future__ import annotations

from abc import ABC


class Resource(ABC):
    """Base of everything that may hold a connection, a file or a child process.

    The host calls `open` once, before first use, and `close` once, in the *same task*: clients
    built on cancel scopes (MCP, anyio) demand it. Creating the object must cost nothing; what
    costs belongs into `open`.
    """

    async def open(self) -> None:
        """Acquire what is needed. Raising is reported with the plugin's name; nothing is closed."""

    async def close(self) -> None:
        """Give it all back. Has five seconds, then it is cancelled."""
