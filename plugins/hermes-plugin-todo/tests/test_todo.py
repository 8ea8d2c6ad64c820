"""The conversation's task list."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from hermes import KEYED, ToolResult
from hermes.testing import make_call, make_context, make_session
from hermes_plugin_todo.todo import Change, changed, problem, todo

SESSION = make_session("s1")
PLAN = [
    {"id": "1", "content": "Read the code", "status": "completed"},
    {"id": "2", "content": "Write the test", "status": "in_progress"},
    {"id": "3", "content": "Mend it"},
]
TOLD = """\
[x] 1: Read the code
[>] 2: Write the test
[ ] 3: Mend it
(3 items: 1 pending, 1 in_progress, 1 completed)"""


@pytest.fixture
def context(plugin_context):
    return plugin_context("todo")


async def run(context, session=SESSION, **arguments: Any) -> ToolResult:
    return await todo.run(make_call(todo, arguments, context=context, session=session))


def test_the_schema_is_short_and_the_facts_are_stated() -> None:
    schema = json.loads(todo.spec.parameters)
    assert len(json.dumps([todo.spec.name, todo.spec.description, schema])) < 800
    assert (todo.effect, todo.needs) == (KEYED, frozenset())
    assert todo.paths is not None
    assert todo.paths({}) == ()


async def test_a_list_is_kept_and_given_back_whole(context) -> None:
    assert (await run(context, todos=PLAN)).text == TOLD
    assert (await run(context)).text == TOLD


async def test_merging_changes_items_by_id_and_adds_new_ones(context) -> None:
    await run(context, todos=PLAN)
    change = [{"id": "2", "status": "completed"}, {"id": "4", "content": "Ship it"}]
    lines = (await run(context, todos=change, merge=True)).text.split("\n")
    assert lines[1:4] == ["[x] 2: Write the test", "[ ] 3: Mend it", "[ ] 4: Ship it"]


async def test_without_merge_the_list_is_another_one(context) -> None:
    await run(context, todos=PLAN)
    assert (await run(context, todos=[])).text == "The list is empty."
    assert (await run(context)).text == "The list is empty."


async def test_it_outlives_a_restart_and_is_the_conversation_s_own(context, home) -> None:
    await run(context, todos=PLAN)
    later = make_context("todo", home=home, state=context.state)
    assert (await run(later)).text == TOLD
    assert (await run(later, session=make_session("s2"))).text == "The list is empty."


async def test_it_goes_with_its_conversation(context) -> None:
    await run(context, todos=PLAN)
    context.state.forget("session", "s1")
    assert (await run(context)).text == "The list is empty."


@pytest.mark.parametrize(
    ("todos", "said"),
    [
        ([{"id": str(n), "content": "x"} for n in range(257)], "257 items"),
        ([{"id": "1", "content": "x" * 4_001}], "too long"),
        ([{"id": str(n), "content": "x" * 4_000} for n in range(20)], "bytes"),
        ([{"id": "1", "content": " "}], "needs an id and content"),
        ([{"id": "", "content": "x"}], "needs an id and content"),
        ([{"id": "1", "content": "x", "status": "done"}], "Invalid"),
        ([{"content": "x"}], "Invalid"),
        ("nonsense", "Invalid"),
    ],
)
async def test_what_cannot_be_kept_is_an_error_and_changes_nothing(context, todos, said) -> None:
    await run(context, todos=PLAN)
    result = await run(context, todos=todos)
    assert result.is_error
    assert said in result.text
    assert (await run(context)).text == TOLD


STATUS = st.sampled_from(["pending", "in_progress", "completed", "cancelled", None])
CHANGES = st.lists(
    st.builds(Change, st.sampled_from("abcd"), st.text(max_size=5), STATUS), max_size=8
)


@given(CHANGES, CHANGES)
def test_the_same_change_again_changes_nothing(first, second) -> None:
    """What `KEYED` promises: recovery may run the call again."""
    once = changed(changed((), first), second)
    assert changed(once, second) == once


@given(CHANGES)
def test_ids_are_there_once(changes) -> None:
    items = changed((), changes)
    assert len({item.id for item in items}) == len(items)
    assert problem(items) == "" or any(not item.content for item in items)
