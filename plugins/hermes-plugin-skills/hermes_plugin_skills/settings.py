"""The section ``skills:``."""

from __future__ import annotations

from typing import Annotated

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """Where skills are, and which are used. Keys that Hermes Agent has mean the same here."""

    external_dirs: tuple[str, ...] = ()
    """Further folders of skills, which are only read."""
    disabled: tuple[str, ...] = ()
    """Skills that are not used."""
    platform_disabled: dict[str, list[str]] = {}
    """Surface (``cli``, ``telegram``) to skills that are not used there."""
    template_vars: bool = True
    """Whether ``${HERMES_SKILL_DIR}`` and ``${HERMES_SESSION_ID}`` in a skill are filled in."""
    write_approval: bool = False
    """Whether a person must accept every skill that Hermes wrote, also where its check passed."""
    index_chars: Annotated[int, msgspec.Meta(ge=500, le=50_000)] = 6_800
    """Characters that the index in the prompt may take: about four to a token."""
    trial: Annotated[int, msgspec.Meta(ge=1)] = 30
    """Conversations for which a skill stands in the index without being used. After that it rests:
    it costs no token, `skills_list` still finds it, and using it once brings it back."""
