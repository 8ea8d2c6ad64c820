"""An answer on its way to whoever shows it: a secret that comes in pieces is hidden as a whole."""

from __future__ import annotations

from collections.abc import Callable

from hermes import Event, StreamRestarted, TextChunk, ThinkingChunk

LONGEST = 4_000
"""Characters of a word that are held back; a longer one goes as it comes."""


class Words:
    """Passes events on. Of text it holds back the last word, which may yet become a secret."""

    def __init__(self, emit: Callable[[Event], None], redact: Callable[[str], str]) -> None:
        self._emit, self._redact = emit, redact
        self._held: TextChunk | ThinkingChunk | None = None

    def __call__(self, event: Event) -> None:
        if isinstance(event, (TextChunk, ThinkingChunk)):
            self._text(event)
            return
        if isinstance(event, StreamRestarted):
            self._held = None  # what was said so far is dropped, so is the rest of it
        self.end()
        self._emit(event)

    def end(self) -> None:
        """No more comes: let go of what is held."""
        if self._held is not None:
            held, self._held = self._held, None
            self._send(held, held.text)

    def _text(self, event: TextChunk | ThinkingChunk) -> None:
        held = self._held
        if held is not None and not _continues(held, event):
            self.end()
            held = None
        text = (held.text if held is not None else "") + event.text
        start = len(text)
        while start and not text[start - 1].isspace():
            start -= 1
        if len(text) - start > LONGEST:
            start = len(text)
        whole, rest = text[:start], text[start:]
        self._held = type(event)(rest, event.step, event.attempt) if rest else None
        if whole:
            self._send(event, whole)

    def _send(self, like: TextChunk | ThinkingChunk, text: str) -> None:
        self._emit(type(like)(self._redact(text), like.step, like.attempt))


def _continues(held: TextChunk | ThinkingChunk, event: TextChunk | ThinkingChunk) -> bool:
    before, after = (held.step, held.attempt), (event.step, event.attempt)
    return type(held) is type(event) and before == after
