"""The format: what a person wrote stays to the byte, but for the entry that a change is about."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from hermes_plugin_memory_files import document

HAND_MADE = (
    "  First, with\na second line.\n\n\n§\n\n§\n Second \n   §   \nThird § not a separator\n\n"
)
texts = st.text(alphabet="ab§ \n", max_size=60)
contents = st.text(alphabet="abc §", min_size=1).map(str.strip).filter(lambda s: s and s != "§")


def test_entries_are_what_lies_between_the_separators() -> None:
    assert document.entries(HAND_MADE) == [
        "First, with\na second line.",
        "Second",
        "Third § not a separator",
    ]
    assert document.entries("") == document.entries(" \n§\n ") == []


def test_what_hermes_agent_wrote_is_read_and_written_alike() -> None:
    text = document.added(document.added("", "One."), "Two.")
    assert text == "One.\n§\nTwo.\n"
    assert document.entries("One.\n§\nTwo.") == ["One.", "Two."]
    assert document.size(text) == len("One.\n§\nTwo.")


def test_a_change_leaves_everything_else_as_it_was_laid_out() -> None:
    changed = document.replaced(HAND_MADE, 1, "Other")
    assert changed == HAND_MADE.replace("Second", "Other")
    assert document.removed(HAND_MADE, 1).startswith("  First, with\na second line.\n\n\n§\n")


@given(texts, contents)
def test_adding_adds_one_entry(text: str, content: str) -> None:
    assert document.entries(document.added(text, content)) == [*document.entries(text), content]


@given(texts, st.data())
def test_changing_and_removing_touch_one_entry(text: str, data: st.DataObject) -> None:
    before = document.entries(text)
    if not before:
        return
    number = data.draw(st.integers(0, len(before) - 1))
    content = data.draw(contents)
    others = before[:number] + before[number + 1 :]
    assert document.entries(document.removed(text, number)) == others
    replaced = document.entries(document.replaced(text, number, content))
    assert replaced == [*before[:number], content, *before[number + 1 :]]


@pytest.mark.parametrize("other", ["Likes tea.", "likes tea", "Likes  coffee"])
def test_a_label_is_the_text_s_own(other: str) -> None:
    assert document.label("Likes tea") == document.label("Likes \n tea")
    assert document.label("Likes tea") != document.label(other)
