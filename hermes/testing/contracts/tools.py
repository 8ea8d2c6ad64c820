"""What every tool does.

class TestShell(ToolContract):
    @pytest.fixture
    def tools(self, plugin_context):
        return Shell(plugin_context("shell", settings=ShellSettings())).last_seen()

    examples = {"terminal": {"command": "true"}}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import pytest

from hermes.context import PluginContext
from hermes.terminal import Terminal
from hermes.testing.make import make_call
from hermes.testing.pytest_plugin import MakeContext
from hermes.tools import EVERY_NEED, READ, Lane, Tool, ToolResult

NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_-]{0,63}")
"""What the vendors of models agree on."""
ODD: tuple[Mapping[str, Any], ...] = (
    {},
    {"path": None, "command": None, "action": None},
    {"path": 1, "command": ["x"], "patch": {}, "url": "", "todos": "x"},
    {"unknown": "\0", "command": "\udc80", "path": "\udc80"},
)
"""Arguments that a model may send and no schema allows: lanes and paths are asked before checks."""


class ToolContract:
    """Subclass it and give the fixture `tools`."""

    limit: int = 2_000
    """Bytes of schema and description that one tool may have: every request carries them."""
    examples: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Arguments of a call that must work, by tool, and harmless ones."""

    @pytest.fixture
    def tools(self) -> Sequence[Tool]:
        """Give the tools."""
        raise NotImplementedError("give the fixture `tools`")

    @pytest.fixture
    def context(self, plugin_context: MakeContext) -> PluginContext:
        """Give the context that calls get."""
        return plugin_context()

    @pytest.fixture
    def call_terminal(self) -> Terminal | None:
        """Give the terminal that calls get; without one, opening it fails."""
        return None

    def test_names_are_what_vendors_take_and_there_once(self, tools: Sequence[Tool]) -> None:
        names = [tool.name for tool in tools]
        assert names
        assert not [name for name in names if not NAME.fullmatch(name)]
        assert len(set(names)) == len(names)

    def test_descriptions_say_something_in_one_line(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            assert len(tool.spec.description) > 10, tool.name
            assert "\n" not in tool.spec.description, tool.name

    def test_parameters_are_a_schema_of_one_object(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            schema = json.loads(tool.spec.parameters)
            assert schema["type"] == "object", tool.name
            missing = set(schema.get("required", ())) - set(schema.get("properties", ()))
            assert not missing, f"{tool.name}: required and not described: {missing}"

    def test_specs_are_short(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            size = sum(len(part.encode()) for part in _spec(tool))
            assert size <= self.limit, f"{tool.name} takes {size} bytes of every request"

    def test_needs_are_known_and_reading_changes_nothing(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            assert tool.needs <= EVERY_NEED, tool.name
            if tool.effect is READ:
                changing = tool.needs & {"write", "run", "send", "spend", "configure"}
                assert not changing, f"{tool.name} says READ and needs {changing}"

    def test_lanes_and_paths_are_pure_and_bear_anything(self, tools: Sequence[Tool]) -> None:
        for tool in tools:
            for arguments in (*ODD, self.examples.get(tool.name, {})):
                given = dict(arguments)
                lane = tool.lane(given)
                assert isinstance(lane, Lane), tool.name
                assert tool.lane(given) == lane, tool.name
                if tool.paths is not None:
                    paths = tool.paths(given)
                    assert isinstance(paths, tuple), tool.name
                    assert all(isinstance(path, str) for path in paths), tool.name
                assert given == arguments, f"{tool.name} changed its arguments"

    async def test_arguments_of_the_wrong_kind_are_an_error_result(
        self, tools: Sequence[Tool], context: PluginContext
    ) -> None:
        for tool in tools:
            wrong = {"no_such_argument": 1}
            result = await tool.run(make_call(tool, wrong, context=context))
            assert result.is_error, tool.name
            assert result.text, tool.name

    async def test_the_examples_work(
        self, tools: Sequence[Tool], context: PluginContext, call_terminal: Terminal | None
    ) -> None:
        known = {tool.name: tool for tool in tools}
        for name, arguments in self.examples.items():
            call = make_call(known[name], dict(arguments), context=context, terminal=call_terminal)
            result = await known[name].run(call)
            assert isinstance(result, ToolResult)
            assert not result.is_error, f"{name}: {result.text}"


def _spec(tool: Tool) -> tuple[str, str, str]:
    return tool.spec.name, tool.spec.description, tool.spec.parameters
