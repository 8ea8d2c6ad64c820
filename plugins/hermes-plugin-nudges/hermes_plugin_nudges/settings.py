"""The section ``nudges:``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
Natural = Annotated[int, msgspec.Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True):
    """When Hermes looks back at a conversation, and what that may cost."""

    enabled: bool = True
    """Whether it learns by itself; ``hermes learning review`` does either way."""
    every: Positive = 10
    """Messages of a conversation after which it is looked at."""
    complex: Positive = 8
    """Tool calls in one turn that make it worth a look."""
    delay: Annotated[float, msgspec.Meta(ge=0)] = 5.0
    """Seconds after a turn: who has more to say comes first."""
    model: str = ""
    """``provider:name`` that looks back; empty is ``auxiliary: {background_review: …}``, else the
    conversation's own."""
    trial_model: str = ""
    """``provider:name`` that a skill is tried with; empty is the conversation's own, which will use
    it."""
    steps: Positive = 16
    """Model calls of one look back, and of one trial."""
    tries: Positive = 2
    """How often a skill whose check failed may be mended before it is left alone."""
    tokens_per_day: Natural = 400_000
    """Tokens that looking back and trying may take in 24 hours; then it waits."""
    commands: Literal["isolated", "always", "never"] = "isolated"
    """Whether a trial may run commands when nobody is there to ask: where the terminal keeps them
    from this machine, always, or never. A check that needs more waits for a person."""
    archive_after_days: Natural = 90
    """Days after which a skill that Hermes wrote and nobody used is archived; 0 means never."""
