"""What the provider needs of a loaded model, without the library that loads it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

Heard: TypeAlias = Callable[[dict[str, Any]], bool]
"""Takes one chunk in OpenAI's shape; True ends the answer."""


class EngineError(Exception):
    """The library refused a request: one line."""


class LoadError(Exception):
    """The library cannot load the file. It does not say why."""


class Loaded(ABC):
    """A loaded model. Every method blocks: they are called in the provider's one thread."""

    @abstractmethod
    def run(self, body: dict[str, Any], heard: Heard) -> None:
        """Answer *body* (chat completions), giving each chunk to *heard*.

        What *heard* raises ends the answer and comes out. Raises `EngineError`.
        """

    @abstractmethod
    def close(self) -> None:
        """Give its memory back."""
