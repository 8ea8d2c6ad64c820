"""The chat at a terminal, as a person has it."""

from __future__ import annotations

import os
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PROMPT = "❯ "


def call(name: str, **arguments: Any) -> dict[str, Any]:
    import json

    return {"calls": [{"name": name, "arguments": json.dumps(arguments)}]}


def test_text_streams_and_the_chat_is_left_by_ctrl_d(terminal, model, home: Path) -> None:
    model({"chunks": ["Good ", "morning", "."]}, "And again.")
    term = terminal("-t", "probe")  # all there are would not fit
    banner = term.expect(PROMPT)
    assert "Hermes 1.0.0" in banner
    assert "openai:test" in banner
    assert "probe" in banner
    term.send("hello\r")
    term.expect("Good morning.")
    term.expect(PROMPT)
    term.send("more\r")
    term.expect("And again.")
    term.expect(PROMPT)
    term.send("\x04")
    assert term.ends() == 0
    assert "hermes -r" in term.text
    assert term.echoes()
    history = home / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert history.read_text() == '"hello"\n"more"\n'


def test_an_approval_is_asked_for_and_answered_by_a_key(terminal, model) -> None:
    model(call("run", command="true"), "It worked.", call("run", command="false"), "You said no.")
    term = terminal()
    term.expect(PROMPT)
    term.send("do it\r")
    term.expect("? run wants to run:")
    term.expect("true")
    assert "[o]nce  [s]ession  [a]lways  [d]eny" in term.expect("eny") + "eny"
    term.send("zo")  # a key that means nothing is passed over
    term.expect("→ once")
    line = term.expect("It worked.")
    assert "⚙ run true ✓" in line
    term.expect(PROMPT)
    term.send("and this\r")
    term.expect("false")
    term.send("d")
    term.expect("→ deny")
    term.expect("You said no.")
    assert "run false" not in term.text.partition("→ deny")[2], "a denied call is not shown as run"


def test_what_was_typed_before_a_question_does_not_answer_it(terminal, model) -> None:
    model({**call("run", command="true"), "delay": 1.0}, "Done.")
    term = terminal()
    term.expect(PROMPT)
    term.send("do it\r")
    term.expect("working")
    term.send("o")
    term.expect("eny")
    with pytest.raises(AssertionError):
        term.expect("→", seconds=0.5)
    term.send("o")
    term.expect("Done.")


def test_a_free_question_takes_a_line(terminal, model) -> None:
    model(call("inquire", question="Which colour?"), "Blue it is.")
    term = terminal()
    term.expect(PROMPT)
    term.send("paint\r")
    term.expect("? Which colour?")
    term.expect("> ")
    term.send("blue é\r")
    term.expect("Blue it is.")


def test_ctrl_c_stops_a_turn_within_a_second_and_the_next_message_works(terminal, model) -> None:
    model(call("run", command="sleep 600"), "Here again.")
    term = terminal("--yolo")
    term.expect(PROMPT)
    term.send("sleep\r")
    term.expect("⚙ run sleep 600")
    began = time.monotonic()
    term.send("\x03")
    term.expect("stopping", seconds=5.0)
    term.expect("Stopped.", seconds=5.0)
    took = time.monotonic() - began
    term.expect(PROMPT)
    assert took < 5.0, f"{took:.2f} s"  # five times the promise; alone it takes 0.2 s
    assert not sleeping(), "the command goes on"
    term.send("hello?\r")
    term.expect("Here again.")


def wait_for(fact: Callable[[], object], seconds: float = 20.0) -> None:
    until = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)


def test_ctrl_c_before_the_turn_runs_stops_it_too(terminal, model) -> None:
    model("Never seen.")
    term = terminal()
    term.expect(PROMPT)
    term.send("quick\r")
    term.expect("working")
    term.send("\x03")
    assert "Never seen." not in term.expect("Stopped.")


def sleeping() -> list[str]:
    return [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and command(entry) == b"sleep\x00600\x00"
    ]


def command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def test_ctrl_c_stops_a_slow_answer_and_a_question(terminal, model, tmp_path: Path) -> None:
    slow = {"text": "Late.", "delay": 600.0}
    model(slow, call("run", command="true"), "Fine.", record=str(tmp_path / "asked"))
    term = terminal()
    term.expect(PROMPT)
    term.send("slow\r")
    term.expect("working")
    wait_for((tmp_path / "asked").exists)
    term.send("\x03")
    term.expect("Stopped.", seconds=5)
    term.expect(PROMPT)
    term.send("do it\r")
    term.expect("eny")
    term.send("\x03")
    term.expect("Stopped.", seconds=5)
    term.expect(PROMPT)
    term.send("so?\r")
    term.expect("Fine.")


def test_ctrl_c_at_the_prompt_leaves_only_the_second_time(terminal, model) -> None:
    model("Hello.")
    term = terminal()
    term.expect(PROMPT)
    term.send("never sent\x03")
    term.expect("Ctrl+C again leaves")
    term.expect(PROMPT)
    term.send("hi\r")
    term.expect("Hello.")
    term.expect(PROMPT)
    time.sleep(2.1)  # the first one no longer counts
    term.send("\x03")
    term.expect("Ctrl+C again leaves")
    term.expect(PROMPT)
    term.send("\x03")
    assert term.ends() == 0
    assert term.echoes()


def test_a_message_may_have_several_lines(terminal, model) -> None:
    model()
    term = terminal()
    term.expect(PROMPT)
    term.send("one\\\r")
    term.expect("… ")
    term.send("two\r")
    term.expect("You said: one\ntwo\n")
    term.expect(PROMPT)
    term.send("\x1b[200~three\nfour\x1b[201~")
    term.send("\r")
    term.expect("You said: three\nfour\n")
    term.expect(PROMPT)
    term.send("\x1b[A\x1b[A\r")  # a message of two lines is one of the history
    term.expect("You said: one\ntwo\n")


def test_a_killed_turn_goes_on_with_a_notice(terminal, model) -> None:
    model(call("run", command="sleep 600"), "It may have happened.")
    term = terminal("--yolo")
    term.expect(PROMPT)
    term.send("sleep\r")
    term.expect("⚙ run sleep 600")
    while not (pids := sleeping()):  # the call was shown before its process was there
        time.sleep(0.02)
    for pid in pids:
        os.kill(int(pid), signal.SIGKILL)
    term = again(terminal, term)
    recap = term.expect("Going on with the turn that was interrupted.")
    assert "> sleep" in recap
    term.expect("It may have happened.")
    term.expect(PROMPT)


def again(terminal, term):
    term.process.send_signal(signal.SIGKILL)
    term.process.wait()
    return terminal("-c")


def test_undo_title_and_continue(terminal, model) -> None:
    model()
    term = terminal()
    for said in ("first", "second"):
        term.expect(PROMPT)
        term.send(f"{said}\r")
        term.expect(f"You said: {said}")
    term.expect(PROMPT)
    term.send("/title don't panic\r")
    term.expect("don't panic", seconds=5)
    term.expect(PROMPT)
    term.send("/undo\r")
    term.expect("second")
    term.expect(PROMPT)
    term.send("/quit\r")
    assert term.ends() == 0
    term = terminal("-c")
    banner = term.expect(PROMPT)
    assert "don't panic" in banner
    assert "You said: first" in banner
    assert "second" not in banner
    term.send("\x04")
    term.ends()
    assert "don't panic" in terminal("-r", "don't panic").expect("❯")


def test_an_unknown_command_is_no_message(terminal, model, tmp_path: Path) -> None:
    model(record=str(tmp_path / "asked"))
    term = terminal()
    term.expect(PROMPT)
    term.send("/titel x\r")
    term.expect("there is no command /titel; did you mean /title?")
    term.expect(PROMPT)
    term.send("/sess\t")
    term.expect("/sessions ")
    term.send("\r")
    term.expect(PROMPT)
    assert not (tmp_path / "asked").exists()
    term.send("/etc/hosts is a file\r")
    term.expect("You said: /etc/hosts is a file")


@pytest.mark.parametrize("locale", [{"LANG": "C"}, {"LC_ALL": "C"}, {"LC_ALL": "POSIX"}])
def test_characters_survive_an_ascii_locale(terminal, model, locale: dict[str, str]) -> None:
    model()
    term = terminal(env={"LANG": "", **locale})
    term.expect(PROMPT)
    term.send("grüß 日本x\x7f\x7f語\r")
    term.expect("You said: grüß 日語\n")


def test_escape_sequences_of_others_are_not_written(terminal, model) -> None:
    evil = "\x1b]52;c;aGFja2Vk\x07\x1b[2Jgone\u009b31m"
    model(
        {"text": f"{evil} indeed"}, call("run", command="echo \u202e fr- mr\x1b[8m hidden"), "Done."
    )
    term = terminal()
    term.expect(PROMPT)
    term.send("hi\r")
    term.expect("indeed")
    assert "\x1b]52" not in term.raw
    assert "\x1b[2J" not in term.raw
    assert "\x9b31m" not in term.raw
    term.expect(PROMPT)
    term.send("go\r")
    term.expect("<U+202E> fr- mr[8m hidden")
    assert "\x1b[8m" not in term.raw
    term.send("o")
    term.expect("Done.")


def test_no_color_and_dumb_terminals_get_plain_text(terminal, model) -> None:
    model("Plain.")
    term = terminal(env={"NO_COLOR": "1"})
    term.expect(PROMPT)
    term.send("hi\r")
    term.expect("Plain.")
    assert "\x1b[1m" not in term.raw
    assert "\x1b[2m" not in term.raw


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_it_gives_the_terminal_back(terminal, model, number: int) -> None:
    model()
    term = terminal()
    term.expect(PROMPT)
    term.process.send_signal(number)
    assert term.ends() == 128 + number
    assert term.echoes()


def test_a_query_at_a_terminal_may_ask(terminal, model) -> None:
    model(call("run", command="true"), "It worked.")
    term = terminal("-q", "do it")
    term.expect("eny")
    term.send("o")
    term.expect("It worked.")
    assert term.ends() == 0
    assert term.echoes()


def test_ctrl_c_ends_a_query(terminal, model) -> None:
    model(call("run", command="sleep 600"), "Never.")
    term = terminal("-q", "do it", "--yolo")
    term.expect("⚙ run sleep 600")
    term.send("\x03")
    assert term.ends() == 130
    assert not sleeping()


def test_yolo_is_refused_beneath_a_tool(run, model) -> None:
    model()
    done = run("-z", "hi", "--yolo", env={"HERMES_CHILD": "1:abc"})
    assert done.returncode == 1
    assert done.stdout == ""
    assert "--yolo is refused" in done.stderr
