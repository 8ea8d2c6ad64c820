"""What every command must do that is given in a chat as well as in a shell (architecture §8)."""

from __future__ import annotations

import pytest

from hermes.commands import Command, Group
from hermes.testing.commands import FakeCommandContext
from hermes.testing.contracts.command_rules import command_problems, walk


class CommandContract:
    """Subclass and give the fixture `command`: a `Command`, or a `Group` with all beneath it."""

    @pytest.fixture
    def command(self) -> Command | Group:
        raise NotImplementedError("the suite needs a fixture `command`")

    def test_its_definition_holds(self, command: Command | Group) -> None:
        problems = command_problems(command)
        assert not problems, "\n".join(problems)

    async def test_its_help_is_a_reply_and_nothing_else(
        self, command: Command | Group, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for path, each in walk(command):
            context = FakeCommandContext()
            await command.run(context, [*path[1:], "--help"])
            assert "Usage:" in context.text
            assert (each.help or "").strip().splitlines()[0][:40] in context.text
        said = capsys.readouterr()
        assert said.out + said.err == "", "help was written to the terminal of the process"
