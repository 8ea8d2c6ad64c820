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

    def learns(self, turn: Turn, result: TurnResult) -> bool:
        """Say whether `record` is to be called for a turn that ends now; must not wait.

        What is to be learned goes into the journal's queue with the turn's end: a memory that finds
        nothing in most turns says so here and costs them nothing.
        """
        return True

    async def record(self, turn: Turn, result: TurnResult) -> None:
        """Learn from a finished turn. Called after the reply, in the order in which turns ended.

        Has 60 s. The turn is read from the journal: its texts come without secrets, what the model
        saw before (``prompt``, ``messages``) is not there, and nobody listens or can be asked. A
        turn that was being learned when its process died comes again to the next one.
        """

    async def forget(self, person: str, about: str) -> int:
        """Forget what matches *about* everywhere; say how many memories went."""
        return 0
