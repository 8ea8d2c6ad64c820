"""The parts of the chat, each alone."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import pytest
from hypothesis import given, strategies

from hermes import (
    Notice,
    StreamRestarted,
    TextChunk,
    ThinkingChunk,
    ToolFinished,
    ToolStarted,
    TurnFinished,
)
from hermes_plugin_chat import history
from hermes_plugin_chat.asking import assign
from hermes_plugin_chat.screen import Screen, clip, columns, plain, shown
from hermes_plugin_chat.show import Show, telling


def screen(*, live: bool = True) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    made = Screen(out, live=live)
    made.colours = False
    made.symbols = type(made.symbols)("⚙", "✓", "✗", "…", "❯", "·", "■")
    return made, out


def test_a_turn_is_shown_as_it_comes() -> None:
    where, out = screen()
    show = Show(where)
    show(ThinkingChunk("hmm"))
    show(TextChunk("\n\nLet me ", 0))
    show(TextChunk("look.", 0))
    show(ToolStarted("1", "look", '{"path": "a\\nb", "deep": true}'))
    show(ToolFinished("1", "look", "empty", elapsed=0.25))
    show(TextChunk("It is empty.", 1))
    show(TurnFinished("ok", "It is empty."))
    assert out.getvalue() == "Let me look.\n⚙ look a b ✓ 0.2s\nIt is empty.\n"


def test_calls_that_overlap_have_a_line_each() -> None:
    where, out = screen()
    show = Show(where)
    show(ToolStarted("1", "one", "{}"))
    show(ToolStarted("2", "two", "{}"))
    show(ToolFinished("2", "two", "no such file\nat all", is_error=True, elapsed=1))
    show(ToolFinished("1", "one", "", elapsed=2))
    show(TurnFinished("ok", "Done."))
    assert out.getvalue() == ("⚙ one …\n⚙ two ✗ 1.0s\n  no such file\n⚙ one ✓ 2.0s\nDone.\n")


def test_text_of_an_attempt_that_does_not_count_is_said_to() -> None:
    where, out = screen()
    show = Show(where)
    show(TextChunk("The answer is fo", 0, 0))
    show(StreamRestarted(0, 1, "the connection was cut"))
    show(TextChunk("The answer is 42.", 0, 1))
    show(TurnFinished("ok", "The answer is 42."))
    assert out.getvalue() == (
        "The answer is fo\n· what this answer said so far does not count: the connection was cut\n"
        "The answer is 42.\n"
    )


def test_without_a_terminal_only_what_counts_is_written() -> None:
    where, out = screen(live=False)
    show = Show(where)
    show(TextChunk("The answer is fo", 0, 0))
    show(StreamRestarted(0, 1, "the connection was cut"))
    show(TextChunk("The answer is ", 0, 1))
    show(TextChunk("42.", 0, 1))
    show(TurnFinished("ok", "The answer is 42."))
    assert out.getvalue() == "The answer is 42.\n"


@pytest.mark.parametrize("said", ["", "Half of th", "Something else."])
def test_the_whole_reply_is_there_whatever_chunks_came(said: str) -> None:
    where, out = screen()
    show = Show(where)
    if said:
        show(TextChunk(said, 0))
    show(TurnFinished("ok", "Half of the truth."))
    assert out.getvalue().endswith("Half of the truth.\n")


@pytest.mark.parametrize(
    ("status", "line"),
    [("failed", "✗ No credit."), ("blocked", "✗ No credit."), ("cancelled", "■ No credit.")],
)
def test_an_end_that_is_no_answer_is_a_line(status: str, line: str) -> None:
    where, out = screen()
    show = Show(where)
    show(TextChunk("Half", 0))
    show(Notice("openai is slow"))
    show(TurnFinished(status, "No credit."))  # type: ignore[arg-type]
    assert out.getvalue() == f"Half\n· openai is slow\n{line}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"path": "x", "command": "ls"}', "ls"),
        ('{"deep": 3, "b": "x"}', "3"),
        ("{}", ""),
        ("[1]", ""),
        ("{broken", "{broken"),
    ],
)
def test_a_call_is_told_by_what_says_most(arguments: str, said: str) -> None:
    assert telling(arguments) == said


@given(strategies.text())
def test_nothing_written_can_move_the_cursor(text: str) -> None:
    left = {c for c in plain(text) if ord(c) < 32 or 127 <= ord(c) < 160}
    assert left <= {"\t", "\n"}
    assert "\u202e" not in shown(text)


@given(strategies.text(), strategies.integers(2, 40))
def test_a_clipped_line_fits(text: str, width: int) -> None:
    assert columns(clip(text, width)) <= width
    assert "\n" not in clip(text, width)


@given(strategies.lists(strategies.text(min_size=1), min_size=1, max_size=9, unique=True))
def test_every_choice_has_a_key_of_its_own(choices: list[str]) -> None:
    keys = assign(choices)
    assert list(keys.values()) == choices
    assert all(len(key) == 1 and key == key.lower() for key in keys)


def test_approvals_have_their_initials() -> None:
    assert "".join(assign(("once", "session", "always", "deny"))) == "osad"


@given(strategies.lists(strategies.text(min_size=1), max_size=5))
def test_history_keeps_what_was_typed(
    tmp_path_factory: pytest.TempPathFactory, said: list[str]
) -> None:
    file = tmp_path_factory.mktemp("home") / "history"
    for each in said:
        history.add(file, each)
    assert history.load(file) == [each for each in said if each.strip() and each[0] != " "]
    if file.exists():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_history_is_cut_and_survives_damage(tmp_path: Path) -> None:
    file = tmp_path / "history"
    file.write_bytes(b'"old"\n' * 2 * history.KEPT + b'\xff\xfe\n{"a": 1}\n"new"\n')
    assert history.load(file)[-1] == "new"
    assert len(file.read_bytes().splitlines()) == history.KEPT
    assert history.load(tmp_path / "missing") == []
