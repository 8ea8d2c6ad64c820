"""Markdown becomes text and entities that Telegram takes, whatever a model writes."""

from __future__ import annotations

import time
from random import Random

import msgspec
import pytest

from hermes import measure
from hermes.testing.markdown import generate
from hermes.testing.telegram_texts import check_text
from hermes_plugin_telegram.formatting import LIMIT, format_text


def shown(piece) -> list[tuple[str, str]]:
    """Give each entity's type and text."""
    units = piece.text.encode("utf-16-le")
    return [
        (e["type"], units[2 * e["offset"] : 2 * (e["offset"] + e["length"])].decode("utf-16-le"))
        for e in entities(piece)
    ]


def entities(piece) -> list[dict]:
    return msgspec.json.decode(piece.markup or "[]")


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.soak)])
def test_generated_texts_are_taken_whole(count):
    """AT-29: the validator refuses none, each part is within the limit, and nothing is lost."""
    random = Random("telegram")
    pieces = 0
    for _ in range(count):
        text = generate(random)
        limit = random.choice((500, LIMIT, LIMIT))
        made = format_text(text, limit)
        pieces += len(made)
        for piece in made:
            assert measure(piece.text, "utf16") <= limit
            kept, marks = check_text(piece.text, entities(piece))
            assert kept == piece.text.strip()
            assert len(marks) <= 100
        whole = format_text(text, 10**9)
        assert squeezed("".join(p.text for p in made)) == squeezed("".join(p.text for p in whole))
    assert pieces > count


@pytest.mark.parametrize(
    ("markdown", "text", "marks"),
    [
        ("**bold** and *it*", "bold and it", [("bold", "bold"), ("italic", "it")]),
        ("😀 `x < y` 😀", "😀 x < y 😀", [("code", "x < y")]),
        ("[here](https://example.org/a_b)", "here", [("text_link", "here")]),
        ("[here](./file.md)", "here", []),
        ("[here](http://localhost:8000/)", "here", []),
        ("# Title", "Title", [("underline", "Title"), ("bold", "Title")]),
        ("- [x] done\n- [ ] open", "✅ done\n☐ open", []),
        ("1 * 2 * 3 _ 4 [a] (b) ! .", "1 * 2 * 3 _ 4 [a] (b) ! .", []),
        ("> said", "said", [("blockquote", "said")]),
    ],
)
def test_marks_are_shown(markdown, text, marks):
    (piece,) = format_text(markdown)
    assert piece.text == text
    assert sorted(shown(piece)) == sorted(marks)


def test_a_code_block_over_two_messages_keeps_its_language_in_both():
    pieces = format_text("Look:\n```python\n" + "print('hello')\n" * 400 + "```\nDone.")
    assert len(pieces) > 1
    for piece in pieces:
        blocks = [e for e in entities(piece) if e["type"] == "pre"]
        assert [block["language"] for block in blocks] == ["python"]
    assert pieces[-1].text.endswith("Done.")


def test_an_entity_is_not_cut_where_it_fits():
    pieces = format_text("a " * 45 + "**" + "b" * 20 + "**", 100)
    assert shown(pieces[1]) == [("bold", "b" * 20)]


def test_no_message_has_more_marks_than_telegram_keeps():
    pieces = format_text("**a** " * 1000)
    assert all(len(entities(piece)) <= 100 for piece in pieces)
    assert sum(len(entities(piece)) for piece in pieces) == 1000


def test_nothing_to_say_is_no_message():
    assert format_text(" \n\n ") == ()


@pytest.mark.parametrize(
    "text",
    ["Some *words* of a `reply`. " * 3800, "x" * 100_000, "```py\n" + "x = 1\n" * 16_000 + "```",
     "\\(" * 50_000, "\\[a" * 33_000],
    ids=["prose", "line", "code", "open formulas", "open displays"],
)  # fmt: skip
def test_a_hundred_kilobytes_take_a_moment(text):
    """The converter needs most of it; left to itself, it takes 25 s for the open formulas."""
    began = time.process_time()
    format_text(text)
    assert time.process_time() - began < 1.5
