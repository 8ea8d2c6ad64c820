"""The contract of long-term memory (§5.6).

One is used at a time, named by ``memory:``, beside those whose offers say ``always``.
"""

from __future__ import annotations

from abc import abstractmethod

from hermes.resource import Resource
from hermes.turn import Turn, TurnResult


class Memory(Resource):
    """Remembers across conversations."""

    @abstractmethod
    async def recall(self, turn: Turn) -> str:
        """Give what is worth knowing for this turn, or an empty string.

        Has 300 ms; the text is recorded beside the user's message and sent as recorded. Only what
        belongs to ``turn.input.authority.memory`` may be in it. What the model sees already is in
        ``turn.prompt`` and ``turn.messages``: it need not be said again, only set right.
        """

    async def record(self, turn: Turn, result: TurnResult) -> None:
        """Learn from a finished turn. Called after the reply, from a queue."""

    async def forget(self, person: str, about: str) -> int:
        """Forget what matches *about* everywhere; say how many memories went."""
        return 0
