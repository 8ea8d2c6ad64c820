"""The section of the system prompt."""

from __future__ import annotations

from hermes import PluginContext, PromptSection, PromptSession


class HouseRules(PromptSection):
    """The rules of the house.

    The same conversation must always get the same bytes: no time of day, no name of the model.
    """

    rank = 30  # guidance: after who the model is, before what the project is
    cap = 4_000

    def __init__(self, context: PluginContext) -> None:
        self._rules: tuple[str, ...] = context.settings.rules

    async def render(self, session: PromptSession) -> str:
        if session.brief or not self._rules:
            return ""
        return "# Rules of the house\n" + "\n".join(f"- {rule}" for rule in self._rules)
