"""Output as text."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from hermes_plugin_shell.text import meaning, plain, told


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x1b[1;31mred\x1b[0m\x1b[K", "red"),
        (b"\x1b]0;title\x07a\x1b]8;;http://x\x1b\\link", "alink"),
        (b"10%\r50%\r100%\ndone\r\n", "100%\ndone\n"),
        (b"a\tb\x07\x08", "a\tb"),
        ("é漢\U0001f600".encode(), "é漢\U0001f600"),
    ],
)
def test_escape_sequences_and_overwritten_text_go(data: bytes, text: str) -> None:
    assert plain(data) == text


@given(st.binary(max_size=3_000), st.integers(200, 1_000))
def test_whatever_it_is_it_is_told_within_the_room(data: bytes, room: int) -> None:
    assert len(told(data, len(data), "read it there", room)) <= room + 120


@given(st.text(alphabet="ab\né", max_size=300))
def test_short_text_is_told_as_it_is(text: str) -> None:
    data = text.encode()
    assert told(data, len(data)) == text


def test_a_character_that_the_cut_hit_is_left_out() -> None:
    data = ("é" * 11).encode()  # 22 bytes; halves of 5 are cut within a character
    text = told(data[:5] + data[-5:], len(data))
    assert "\ufffd" not in text
    assert text.startswith("éé\n[…")


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("grep x file", 1, "no match"),
        ("cat f | sudo /usr/bin/grep 'a | b'", 1, "no match"),
        ("LANG=C diff a b", 1, "they differ"),
        ("nope", 127, "command not found"),
        ("sleep 9", 143, "terminated"),
        ("grep x | wc -l", 1, ""),
        ("false", 1, ""),
        ("grep x", 0, ""),
        ("", 1, ""),
    ],
)
def test_exit_codes_are_explained(command: str, code: int, said: str) -> None:
    assert meaning(command, code) == said
