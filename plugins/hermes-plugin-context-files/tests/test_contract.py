"""The plugin and each of its sections pass their suites."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from hermes import Command, Middleware, PromptSection
from hermes.testing import (
    CommandContract,
    MiddlewareContract,
    PluginContract,
    PromptContract,
)
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_context_files.command import personality
from hermes_plugin_context_files.personalities import Personality
from hermes_plugin_context_files.sections import Guidance, Identity, Project, Started
from hermes_plugin_context_files.settings import Settings
from hermes_plugin_context_files.subfolders import Subfolders


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-context-files"


class Files(PromptContract):
    """With something to read everywhere."""

    kind: type[Identity | Guidance | Project | Started]

    @pytest.fixture
    def section(self, plugin_context: MakeContext) -> PromptSection:
        context = plugin_context("context-files")
        (context.paths.home / "SOUL.md").write_text("You are Ada. " + "Be kind. " * 200)
        return self.kind(context)

    @pytest.fixture
    def workspace(self, tmp_path: Path) -> Path:
        folder = tmp_path / "workspace"
        (folder / ".cursor" / "rules").mkdir(parents=True)
        (folder / ".cursor" / "rules" / "style.mdc").write_text("Use tabs.")
        (folder / ".cursorrules").write_text("Use spaces.")
        return folder


class TestIdentity(Files):
    kind = Identity


class TestGuidance(Files):
    kind = Guidance


class TestProject(Files):
    kind = Project


class TestStarted(Files):
    kind = Started


class TestPersonality(PromptContract):
    """With one that is configured, and one that is chosen."""

    @pytest.fixture
    def section(self, plugin_context: MakeContext) -> PromptSection:
        agent = SimpleNamespace(personalities={"kind": "Be kind. " * 60})
        return Personality(
            plugin_context(
                "context-files",
                settings=Settings(personality="kind"),
                sections={"hermes": SimpleNamespace(agent=agent)},
            )
        )


class TestCommand(CommandContract):
    @pytest.fixture
    def command(self) -> Command:
        return personality


class TestSubfolders(MiddlewareContract):
    @pytest.fixture
    def middleware(self, plugin_context: MakeContext) -> Middleware:
        return Subfolders(plugin_context("context-files"))
