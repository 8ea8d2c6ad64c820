"""Writes down every model call as it went over the wire."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

from hermes import (
    Event,
    Failed,
    Failure,
    Middleware,
    ModelRequest,
    ModelResponse,
    Next,
    PluginContext,
    Stage,
    TextChunk,
    ThinkingChunk,
    ToolSpec,
)
from hermes_plugin_replay.recording import Entry, to_line
from hermes_plugin_replay.settings import ReplaySettings

CONVERSATIONS = 1_000
"""How many are remembered; one forgotten has its whole history written once more."""


class Recorder(Middleware):
    """Innermost, so that each attempt is recorded and what others changed is seen."""

    stage = Stage.WIRE

    def __init__(self, context: PluginContext) -> None:
        settings: ReplaySettings = context.settings or ReplaySettings()
        named = os.environ.get("HERMES_RECORD", "")
        self._path: Path | None = None
        if named:
            self._path = Path(named).expanduser().absolute()
        elif settings.record:
            self._path = context.paths.data / Path(settings.record).expanduser()
        self._redact = context.secrets.redact
        self._log = context.log
        # (conversation, purpose) to messages, prompt and tools of its last request
        self._seen: OrderedDict[tuple[str, str], tuple[int, str, tuple[ToolSpec, ...]]]
        self._seen = OrderedDict()

    async def model(
        self, request: ModelRequest, call_next: Next[ModelRequest, ModelResponse]
    ) -> ModelResponse:
        if self._path is None:
            return await call_next(request)
        chunks: list[str] = []
        thinking: list[str] = []

        def listen(event: Event) -> None:
            if isinstance(event, TextChunk):
                chunks.append(event.text)
            elif isinstance(event, ThinkingChunk):
                thinking.append(event.text)
            request.emit(event)

        response: ModelResponse | None = None
        failure: Failure | None = None
        try:
            response = await call_next(request.replace(emit=listen))
        except Failed as failed:
            failure = failed.failure
            raise
        finally:
            if response is not None or failure is not None:
                self._write(self._path, request, response, failure, chunks, thinking)
        return response

    def _write(
        self,
        path: Path,
        request: ModelRequest,
        response: ModelResponse | None,
        failure: Failure | None,
        chunks: list[str],
        thinking: list[str],
    ) -> None:
        spec = request.spec
        key = (spec.session, spec.purpose)
        known, prompt, tools = self._seen.pop(key, (0, None, None))
        known = known if known <= len(spec.messages) else 0  # compacted or taken back
        entry = Entry(
            response=response,
            failure=failure,
            chunks=tuple(chunks),
            thinking=tuple(thinking),
            conversation=spec.session,
            purpose=spec.purpose,
            model=spec.model,
            count=len(spec.messages),
            added=spec.messages[min(known, len(spec.messages) - 1) :],
            prompt=None if spec.prompt == prompt else spec.prompt,
            tools=None if spec.tools == tools else spec.tools,
        )
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as f:
                f.write(to_line(entry, self._redact))
        except OSError as error:
            self._log.warning("model call not recorded", file=str(path), error=str(error))
            return
        self._seen[key] = (len(spec.messages), spec.prompt, spec.tools)
        if len(self._seen) > CONVERSATIONS:
            self._seen.popitem(last=False)
