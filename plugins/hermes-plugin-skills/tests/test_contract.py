"""The plugin is whole, and its parts keep their contracts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from hermes import PromptSection, Tool
from hermes.testing import PluginContract, PromptContract, ToolContract
from hermes_plugin_skills.prompt import SkillIndex
from hermes_plugin_skills.tools import TOOLS


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-skills"


class TestTools(ToolContract):
    limit = 1_400
    examples = {  # noqa: RUF012
        "skills_list": {},
        "skill_manage": {
            "action": "create",
            "name": "tidy",
            "content": "---\nname: tidy\ndescription: Tidy up\n---\n1. Tidy.",
        },
    }

    @pytest.fixture
    def tools(self) -> Sequence[Tool]:
        return TOOLS


class TestIndex(PromptContract):
    @pytest.fixture
    def section(self, plugin_context, put) -> PromptSection:
        put("tidy", "Tidy up a folder")
        return SkillIndex(plugin_context("skills"))
