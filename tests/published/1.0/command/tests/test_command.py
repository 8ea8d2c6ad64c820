"""What a person sees who gives the command."""

from __future__ import annotations

import pytest
from hermes import UsageError
from hermes.testing import FakeCommandContext, give

from hermes_plugin_old_command.commands import notes


@pytest.fixture
def context() -> FakeCommandContext:
    """Every test has a home of its own, and the context is of it."""
    return FakeCommandContext("cli")


async def test_notes_are_kept_in_order(context: FakeCommandContext) -> None:
    await give(notes, "Water", "the oak", context=context)
    await give(notes, "Feed the squirrels", context=context)
    await give(notes, context=context)

    assert context.replies == [
        "Noted as 1.",
        "Noted as 2.",
        "1. Water the oak\n2. Feed the squirrels",
    ]


async def test_a_note_that_is_done_goes(context: FakeCommandContext) -> None:
    await give(notes, "Water the oak", context=context)
    await give(notes, "--done", "1", context=context)
    await give(notes, context=context)

    assert context.replies[1:] == ["Done: Water the oak", "There are no notes."]


async def test_a_number_that_is_not_there_is_a_usage_error(context: FakeCommandContext) -> None:
    with pytest.raises(UsageError, match="there is no note 3; there are 0"):
        await give(notes, "--done", "3", context=context)
