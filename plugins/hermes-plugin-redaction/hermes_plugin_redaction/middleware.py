"""The middleware: known secrets and secret shapes go no further."""

from __future__ import annotations

import re

import msgspec

from hermes import (
    ConfigError,
    Content,
    Middleware,
    ModelRequest,
    ModelResponse,
    Next,
    Notice,
    Outgoing,
    Part,
    PluginContext,
    Stage,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    TurnResult,
)
from hermes_plugin_redaction.settings import Settings
from hermes_plugin_redaction.shapes import SHAPES, SHOWN, Shape, masker
from hermes_plugin_redaction.streaming import Words

TAKEN_OUT = (
    "🔑 Something in your message looks like a secret; it was taken out and the model does not see"
    " it. To give Hermes a key, run `hermes secrets set` in a terminal."
)
CHANGES = frozenset({"write", "run", "send", "configure"})


class Redaction(Middleware):
    """Adds the shapes to what the host redacts everywhere (journal, logs, errors, tool output),
    and does what only a middleware can: tell the person, and refuse to write a placeholder back.
    """

    stage = Stage.GUARD

    def __init__(self, context: PluginContext) -> None:
        self._settings: Settings = context.settings
        self._secrets = context.secrets

    async def open(self) -> None:
        shapes = list(SHAPES) if self._settings.shapes else []
        for pattern in self._settings.patterns:
            try:
                shapes.append(Shape((), re.compile(pattern)))
            except re.error as error:
                raise ConfigError(f"redaction.patterns: {pattern!r}: {error}") from None
        self._secrets.add_rule(masker(shapes))

    async def turn(self, turn: Turn, call_next: Next[Turn, TurnResult]) -> TurnResult:
        """Tell the person that a secret was taken out; what is recorded comes without it anyway."""
        text = self._secrets.redact(turn.input.text)
        if SHOWN in text:
            turn.emit(Notice(TAKEN_OUT))
        return await call_next(turn.replace(text=text) if text != turn.input.text else turn)

    async def model(
        self, request: ModelRequest, call_next: Next[ModelRequest, ModelResponse]
    ) -> ModelResponse:
        """A model can put a secret together from pieces that nobody looks for: what it says goes
        no further than to itself.
        """
        words = Words(request.emit, self._secrets.redact)
        try:
            response = await call_next(request.replace(emit=words))
        finally:
            words.end()
        parts = tuple(self._said(part) for part in response.parts)
        return (
            msgspec.structs.replace(response, parts=parts) if parts != response.parts else response
        )

    def _said(self, part: Content) -> Content:
        if not isinstance(part, Text):
            return part
        text = self._secrets.redact(part.text)
        return part if text == part.text else msgspec.structs.replace(part, text=text)

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        """Refuse a change that would put the placeholder where the secret itself stands."""
        if (
            CHANGES & call.tool.needs
            and SHOWN in msgspec.json.encode(call.request.arguments).decode()
        ):
            return ToolResult.error(
                f"Not run: {SHOWN} stands for a value that is hidden from you and would replace it."
                " Change only the text around it, or refer to it by the name of its variable."
            )
        return await call_next(call)

    async def deliver(
        self, outgoing: Outgoing, call_next: Next[Outgoing, tuple[Part, ...]]
    ) -> tuple[Part, ...]:
        text = self._secrets.redact(outgoing.text)
        changed = text != outgoing.text
        return await call_next(
            msgspec.structs.replace(outgoing, text=text) if changed else outgoing
        )
