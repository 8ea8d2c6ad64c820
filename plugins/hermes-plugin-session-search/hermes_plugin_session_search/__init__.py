"""A tool that searches past conversations, and shows where it found what."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_tools() -> list[Offer]:
    target = "hermes_plugin_session_search.tool:session_search"
    return [Offer("session_search", target, "Search past conversations")]
