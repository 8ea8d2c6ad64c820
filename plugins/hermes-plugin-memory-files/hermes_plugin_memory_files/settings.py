"""The section ``memory-files:``."""

from __future__ import annotations

from typing import Annotated, Any, Protocol

import msgspec

from hermes import ConfigError

Characters = Annotated[int, msgspec.Meta(ge=100, le=100_000)]


class Settings(msgspec.Struct, frozen=True):
    """How much is remembered, and how much of it a turn gets."""

    memory_char_limit: Characters = 2200
    """Characters of MEMORY.md, and of each project's file, as in Hermes Agent."""
    user_char_limit: Characters = 1375
    """Characters of USER.md."""
    memory_enabled: bool = True
    """Whether there is MEMORY.md, and a file for each project."""
    user_profile_enabled: bool = True
    """Whether there is USER.md."""
    write_approval: bool = False
    """Ask the person before anything is remembered; where nobody can be asked nothing is."""
    recall_char_limit: Characters = 1200
    """Characters of memories beside one message."""
    recall_entries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 10
    """How many memories stand beside one message."""


THEIRS = (
    "memory_char_limit",
    "user_char_limit",
    "memory_enabled",
    "user_profile_enabled",
    "write_approval",
)
"""Keys of Hermes Agent's ``memory:`` that mean the same here."""


class Sections(Protocol):
    """What gives sections of the configuration."""

    def section(self, name: str) -> Any: ...


def read(settings: Settings | None, config: Sections) -> Settings:
    """Give the settings; what is not said in our section holds as Hermes Agent's ``memory:`` says.

    Raises ConfigError for a value that cannot be meant.
    """
    ours, default = settings or Settings(), Settings()
    options: dict[str, Any] = getattr(config.section("hermes"), "memory_options", {})
    said = {
        name: options[name]
        for name in THEIRS
        if name in options and getattr(ours, name) == getattr(default, name)
    }
    if not said:
        return ours
    try:
        return msgspec.convert({**msgspec.to_builtins(ours), **said}, Settings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"memory: {error}") from None
