"""The section ``access:``, and the keys of Hermes Agent that say the same at the top level."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from hermes import ConfigView

Ids: TypeAlias = list[str | int] | str | int
"""A list, one, or several with commas; ``*`` is everybody."""
Behavior: TypeAlias = Literal["pair", "ignore"]
Switch: TypeAlias = bool | None
Choice: TypeAlias = Behavior | None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may talk to Hermes, and as whom. Nobody is let in who is not named or paired."""

    owners: dict[str, Ids] = {}
    """Platform to the ids of those who may do everything."""
    allow: dict[str, Ids] = {}
    """Platform to the ids of those who may use it; ``*`` for everybody."""
    guests: dict[str, Ids] = {}
    """Platform to the ids of those who may talk, and little more."""
    groups: dict[str, Ids] = {}
    """Platform to the ids of group chats whose members are guests without being named."""
    unauthorized_dm_behavior: dict[str, Behavior] | Choice = None
    """What a stranger's private message gets: ``pair`` (a code to give you) or ``ignore``; by
    platform, or for all. Left out: a code, unless any list names anybody."""
    require_mention: bool = True
    """In a group, only what is addressed to Hermes is heard."""
    free_chats: dict[str, Ids] = {}
    """Platform to the ids of group chats where everything is heard."""
    group_sessions_per_user: bool = True
    """In a group, everybody has a conversation of their own."""
    thread_sessions_per_user: bool = False
    """In a thread of a group, too. Else a thread is one conversation of all who write in it."""
    share_conversation: bool = False
    """All private chats of a person (see ``/link``) are one conversation."""


class SessionReset(msgspec.Struct, frozen=True):
    """When the next message begins a new conversation by itself."""

    mode: Literal["none", "idle", "daily", "both"] = "none"
    """``idle``: after a time without a message; ``daily``: at an hour; ``both``: whichever is
    first."""
    idle_minutes: Annotated[float, msgspec.Meta(gt=0)] = 1440
    """Minutes without a message."""
    at_hour: Annotated[int, msgspec.Meta(ge=0, le=23)] = 4
    """Hour of the day in your time zone."""
    notify: bool = True
    """The person is told."""
    notify_exclude_platforms: tuple[str, ...] = ("api_server", "webhook")
    """Platforms where nobody is told."""
    bg_process_max_age_hours: float = 24
    """Hermes Agent's; without effect."""


def read(config: ConfigView) -> Settings:
    """Give the section with what stands at the top level put into it."""
    settings: Settings = config.section("access")
    given = {
        name: value
        for name in (
            "group_sessions_per_user",
            "thread_sessions_per_user",
            "unauthorized_dm_behavior",
        )
        if (value := config.section(name)) is not None
    }
    return msgspec.structs.replace(settings, **given) if given else settings
