"""A task list that the model keeps for a conversation."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_tools() -> list[Offer]:
    return [Offer("todo", "hermes_plugin_todo.todo:todo", "Keep a list of what is to be done")]
