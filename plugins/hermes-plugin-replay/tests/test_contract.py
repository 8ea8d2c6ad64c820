"""A replay is a provider like any other."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from hermes import Command, Middleware, Provider
from hermes.testing.answers import Fail, Say
from hermes.testing.contracts.commands import CommandContract
from hermes.testing.contracts.middleware import MiddlewareContract
from hermes.testing.contracts.plugin import PluginContract
from hermes.testing.contracts.provider import ProviderContract
from hermes_plugin_replay.demo import demo
from hermes_plugin_replay.provider import ReplayProvider
from hermes_plugin_replay.recorder import Recorder
from hermes_plugin_replay.recording import Entry, to_line
from hermes_plugin_replay.settings import ReplaySettings


class TestReplayProvider(ProviderContract):
    @pytest.fixture
    def provider(self, plugin_context, tmp_path: Path) -> Provider:
        self.file = tmp_path / "recording.jsonl"
        self.file.write_bytes(b"")
        self.model = f"replay:{self.file}"
        return Counting(plugin_context("replay", settings=ReplaySettings()))

    def will(self, *answers: Say | Fail) -> None:
        Counting.asked = 0
        for answer in answers:
            if isinstance(answer, Say):
                if answer.hold is not None or answer.cut:
                    pytest.skip("a recording neither waits nor breaks")
                usage = msgspec.structs.replace(answer.used(100), calls=1)
                response = msgspec.structs.replace(answer.response("x:y"), usage=usage)
                thinking = (answer.thinking,) if answer.thinking else ()
                entry = Entry(response, chunks=answer.pieces, thinking=thinking)
            else:
                entry = Entry(failure=answer.failure("somebody"))
            with self.file.open("ab") as file:
                file.write(to_line(entry, str))

    def asked(self) -> int:
        return Counting.asked


class Counting(ReplayProvider):
    asked = 0

    async def stream(self, request):
        Counting.asked += 1
        # Answers may have come since; a recording is read once.
        self._players = {p: player for p, player in self._players.items() if player._places}
        return await super().stream(request)


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-replay"


class TestRecorder(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context, tmp_path: Path) -> Middleware:
        settings = ReplaySettings(record=str(tmp_path / "calls.jsonl"))
        return Recorder(plugin_context("replay", settings=settings))


class TestDemo(CommandContract):
    @pytest.fixture
    def command(self) -> Command:
        return demo
