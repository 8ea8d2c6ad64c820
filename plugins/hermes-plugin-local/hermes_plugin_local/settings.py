"""The ``local:`` section of the configuration."""

from __future__ import annotations

from typing import Annotated

import msgspec


class LocalSettings(msgspec.Struct, frozen=True):
    """A model that runs in this process, on the CPU."""

    model: str = ""
    """A GGUF file, absolute, from ``~``, or relative to Hermes's home. Empty: the small one that
    ``hermes local fetch`` brings."""
    threads: Annotated[int, msgspec.Meta(ge=1)] = 1
    """Threads that compute. They spin while they wait, so more than there are idle cores is slower,
    not faster."""
    temperature: float = 0.0
    """Used where a call does not say. A small model is right most often at 0."""
    window: Annotated[int, msgspec.Meta(ge=256)] = 8192
    """Tokens of context, at most what the model was made for. Memory grows with it (the bundled
    model: 23 KB a token)."""
    max_output: Annotated[int, msgspec.Meta(ge=1)] = 512
    """Tokens of one answer, where a call does not say: a small model may not find its end."""
    fetch: bool = True
    """Fetch the bundled model when it is first needed. If not, only ``hermes local fetch`` does."""
