"""The plugin and each of its sections pass their suites."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes import PromptSection
from hermes.testing import PluginContract, PromptContract
from hermes.testing.pytest_plugin import MakeContext
from hermes_plugin_context_files.sections import Guidance, Identity, Project, Started


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
