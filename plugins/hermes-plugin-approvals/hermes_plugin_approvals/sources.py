"""Whose words the model had read when it asked for something."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from typing import Any

from hermes import ToolCall, is_own

CONVERSATIONS = 64
TEXTS = 20
SIZE = 20_000
"""Conversations, texts of each and characters of each text that are remembered. Their loss is a
hint less, no more."""
SHORTEST = 8
"""Characters of an argument that are enough to find it again."""


def untrusted(sources: Iterable[str]) -> tuple[str, ...]:
    """Give those of *sources* that are somebody else's."""
    return tuple(source for source in sources if not is_own(source))


def own(sources: Iterable[str]) -> tuple[str, ...]:
    """Give those of *sources* that are of the person's own machine. What is in a file somebody else
    may have written, so it still cannot allow anything; but it is where the person sent the model.
    """
    return tuple(filter(is_own, sources))


class Heard:
    """The last texts that tools gave back, to tell a person whose idea a call was."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, deque[tuple[str, str]]] = OrderedDict()

    def note(self, session: str, source: str, text: str) -> None:
        if not source:
            return
        kept = self._texts.setdefault(session, deque(maxlen=TEXTS))
        kept.append((source, text[:SIZE]))
        self._texts.move_to_end(session)
        while len(self._texts) > CONVERSATIONS:
            self._texts.popitem(last=False)

    def who_asked(self, call: ToolCall) -> str:
        """Name the source whose text holds an argument of *call* word for word; empty: none."""
        kept = self._texts.get(call.request.session.id, ())
        wanted = [text for text in _texts(call.request.arguments) if len(text) >= SHORTEST]
        for source, text in reversed(kept):
            if any(each in text for each in wanted):
                return source
        return ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)
