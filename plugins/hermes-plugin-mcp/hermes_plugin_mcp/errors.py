"""How a connection can fail, without the SDK's own exceptions."""

from __future__ import annotations


class ConnectionFailed(Exception):
    """The connection could not be had; the text says why."""

    def __init__(self, why: str, *, lasting: bool = False) -> None:
        super().__init__(why)
        self.lasting = lasting
        """Trying again soon is no use."""


class NotSent(Exception):
    """The connection was gone before the call went out: it may be made again."""


class Lost(Exception):
    """The call went out and no answer will come: whether it took effect is not known."""
