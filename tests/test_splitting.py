"""Long texts become messages that a platform takes, and nothing of them is lost."""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given, settings, strategies as st
from markdown_it import MarkdownIt

from hermes.splitting import cut_text, measure, spans, split_text
from hermes.testing.markdown import generate

UNITS = ("characters", "utf16", "bytes")
texts = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("ab \n`~>😀\u200d\u0301🇩🇪")),
    max_size=400,
)


@given(texts, st.integers(8, 200), st.sampled_from(UNITS))
@settings(max_examples=500, deadline=None)
def test_every_message_fits_and_together_they_are_the_text(text, limit, unit):
    cuts = list(spans(text, limit, unit))
    assert "".join(text[cut.start : cut.end] for cut in cuts) == text
    for cut in cuts:
        assert cut.start < cut.end
        assert measure(cut.head + text[cut.start : cut.end] + cut.tail, unit) <= limit
    assert all(message.strip() for message in split_text(text, limit, unit))


@given(texts, st.integers(1, 50), st.sampled_from(UNITS))
@settings(max_examples=300, deadline=None)
def test_ranges_have_no_gaps_whatever_is_kept_whole(text, limit, unit):
    random = Random(limit)
    edges = sorted(random.choices(range(len(text) + 1), k=6))
    keep = list(zip(edges[::2], edges[1::2], strict=True))
    ranges = cut_text(text, limit, unit, keep=keep)
    assert "".join(text[start:end] for start, end in ranges) == text
    for start, end in ranges:
        assert measure(text[start:end], unit) <= limit or end == start + 1


@pytest.mark.parametrize("unit", UNITS)
def test_generated_markdown_is_cut_with_its_code_blocks_whole(unit):
    """AT-29: 5,000 texts over the three units."""
    random = Random(f"split {unit}")
    for _ in range(1667):
        text = generate(random)
        limit = random.choice((300, 1000, 4096))
        cuts = list(spans(text, limit, unit))
        assert "".join(text[cut.start : cut.end] for cut in cuts) == text
        assert all(measure(message, unit) <= limit for message in split_text(text, limit, unit))


def test_a_cut_code_block_is_closed_and_opened_again_with_its_language():
    code = "".join(f"line {number}\n" for number in range(100))
    text = f"Before:\n\n```python\n{code}```\nAfter."
    messages = split_text(text, 200)
    assert len(messages) > 4
    blocks = [t for m in messages for t in MarkdownIt().parse(m) if t.type == "fence"]
    assert {block.info for block in blocks} == {"python"}
    assert "".join(block.content for block in blocks) == code
    assert all(message.count("```") == 2 for message in messages[1:-1])
    assert messages[0].startswith("Before:")
    assert messages[-1].endswith("```\nAfter.")


def test_a_code_block_that_fits_is_not_cut():
    block = "```sh\n" + "x\n" * 30 + "```\n"
    assert split_text("a " * 40 + "\n" + block, 100) == ["a " * 40 + "\n", block]


def test_a_longer_fence_holds_a_shorter_one():
    text = "````md\n```py\nx\n```\n" + "y\n" * 100 + "````\n"
    for message in split_text(text, 80):
        blocks = [t for t in MarkdownIt().parse(message) if t.type == "fence"]
        assert [block.info for block in blocks] == ["md"]


def test_a_quoted_code_block_stays_quoted():
    text = "> ```py\n" + "> x = 1\n" * 50 + "> ```\n"
    for message in split_text(text, 90):
        assert all(line.startswith("> ") for line in message.strip().split("\n"))


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("one two three", 8, ["one two ", "three"]),
        ("First. Second one.", 12, ["First. ", "Second one."]),
        ("para\n\nnext line\nlast", 11, ["para\n\n", "next line\n", "last"]),
        ("abcdefgh", 3, ["abc", "def", "gh"]),
        ("\n\n\n\n", 2, []),
        ("", 10, []),
    ],
)
def test_cuts_stand_where_a_reader_would_put_them(text, limit, expected):
    assert split_text(text, limit) == expected


@pytest.mark.parametrize("character", ["👩‍👩‍👧", "é̂", "🇩🇪", "👍🏽", "\r\n"])
def test_what_is_one_character_to_the_eye_is_not_cut(character):
    for message in split_text(character * 50, 27):
        assert not message.strip() or len(message) % len(character) == 0


def test_kept_ranges_are_whole_unless_they_are_too_long():
    text = "aaaa bbbb cccc dddd"
    assert (0, 4) not in cut_text(text, 8, "characters", keep=[(3, 11)])
    assert cut_text(text, 10, "characters", keep=[(5, 14)]) == [(0, 5), (5, 15), (15, 19)]
    assert cut_text(text, 10, "characters", keep=[(0, 19)])[-1][1] == 19


@pytest.mark.parametrize(
    "text",
    [
        "Lorem ipsum dolor sit amet. " * 3600,
        "x" * 100_000,
        "😀👨‍👩‍👧" * 20_000,
        "```py\n" + "print('hello')\n" * 6600 + "```",
        "```\n" * 25_000,
        "```py\na\n```\n\n" * 8_000,
        "`" * 100_000,
        "\n" * 100_000,
        "> " * 50_000,
    ],
    ids=["prose", "line", "emoji", "code", "fences", "blocks", "ticks", "blank", "quotes"],
)
def test_a_hundred_kilobytes_take_little_time(text):
    """The promise is 50 ms; the limit here is five times that."""
    began = time.process_time()
    for unit in UNITS:
        split_text(text, 4096, unit)
    assert (time.process_time() - began) / len(UNITS) < 0.25
