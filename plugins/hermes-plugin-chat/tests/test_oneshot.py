"""``hermes -z`` and ``-q``: for scripts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

LATE = frozenset({"readline", "structlog", "rich", "prompt_toolkit", "termios"})
"""What answering one prompt has no use for."""


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"calls": [{"name": name, "arguments": json.dumps(arguments)}]}


def test_only_the_final_text_is_printed(run, model) -> None:
    model({"text": "Let me look.", **call("look", path="a")}, "It is empty.")
    done = run("-z", "what is in a?")
    assert (done.stdout, done.stderr, done.returncode) == ("It is empty.\n", "", 0)


def test_a_failure_is_one_line_in_the_vendors_words(run, model) -> None:
    model(model="gpt-real")
    done = run("-z", "hello", "--usage-file", "usage.json")
    assert done.stdout == ""
    assert done.returncode == 1
    assert "The model `test` does not exist or you do not have access to it." in done.stderr
    assert done.stderr.count("\n") == 1


def test_usage_is_written_for_failures_too(run, model, place: Path) -> None:
    model("Fine.", {"kind": "auth", "message": "No."})
    assert run("-z", "hello", "--usage-file", "one.json").returncode == 0
    used = json.loads((place / "one.json").read_text())
    assert used["status"] == "ok"
    assert used["api_calls"] == 1
    assert used["input_tokens"] > 0
    assert run("-z", "hello", "--usage-file", "two.json").returncode == 1
    assert json.loads((place / "two.json").read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["-z", "a", "-q", "b"], 2, "give one"),
        (["-z", ""], 2, "nothing to answer"),
        (["-z", "a", "-m", "nobody:x"], 1, "nobody"),
        (["-z", "a", "-t", "nonsuch"], 1, "no toolset 'nonsuch'"),
        (["-z", "a", "-c"], 1, "no conversation of"),
        (["-z", "a", "-r", "nonsuch"], 1, "no conversation 'nonsuch'"),
        (["-z", "a", "--max-turns", "0"], 2, "max-turns"),
        (["-q", "a", "--usage-file", "x"], 2, "goes with -z"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_be_done_is_said_and_nothing_is_asked(
    run, model, tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    model(record=str(tmp_path / "asked"))
    done = run(*arguments)
    assert done.returncode == status
    assert done.stdout == ""
    assert said in done.stderr
    assert not (tmp_path / "asked").exists()


def test_a_pipe_is_context_or_the_prompt(run, model) -> None:
    model()
    done = run("-z", "sum up", stdin="first line\nsecond line\n")
    assert done.stdout == "You said: sum up\n\n[Standard input]\nfirst line\nsecond line\n"
    assert run("-z", "-", stdin="all of it\n").stdout == "You said: all of it\n"
    assert run("-z", "alone", stdin="").stdout == "You said: alone\n"


def test_it_goes_on_with_the_last_conversation_of_the_folder(run, model, tmp_path: Path) -> None:
    model(record=str(tmp_path / "asked"))
    run("-z", "first")
    run("-z", "second", "-c")
    asked = [json.loads(line)["body"] for line in (tmp_path / "asked").read_text().splitlines()]
    said = [m["content"] for m in asked[-1]["messages"] if m["role"] != "system"]
    assert said == ["first", "You said: first", "second"]


def test_a_chat_keeps_the_model_it_was_started_with(run, model, tmp_path: Path) -> None:
    model(record=str(tmp_path / "asked"))
    run("-m", "openai:gpt-b", stdin="first\n")
    run("-c", stdin="second\n")
    run(stdin="another\n")
    asked = [json.loads(line)["body"] for line in (tmp_path / "asked").read_text().splitlines()]
    assert [each["model"] for each in asked] == ["gpt-b", "gpt-b", "test"]


def test_what_nobody_can_approve_is_denied_unless_yolo_says_so(run, model, place: Path) -> None:
    model(call("run", command="touch here"), "Denied?", call("run", command="touch here"), "Done.")
    assert run("-z", "make it").stdout == "Denied?\n"
    assert not (place / "here").exists()
    assert run("-z", "make it", "--yolo").stdout == "Done.\n"
    assert (place / "here").exists()


def test_the_limit_of_steps_is_kept(run, model) -> None:
    model(*[call("look", path="a")] * 4)
    done = run("-z", "look for ever", "--max-turns", "2")
    assert done.returncode == 1
    assert "2 steps" in done.stderr or "3 steps" in done.stderr


def test_a_query_shows_tools_and_text(run, model) -> None:
    model({"text": "Let me look.", **call("look", path="a")}, "It is empty.")
    done = run("-q", "what is in a?")
    assert done.returncode == 0
    assert done.stdout.startswith("Let me look.\n⚙ look a ✓ 0.0s\nIt is empty.\n")
    assert "\x1b" not in done.stdout
    assert "hermes -r" in done.stderr


def test_a_failed_query_says_so_once(run, model) -> None:
    model({"kind": "quota", "message": "You are out of credits."})
    done = run("-q", "hello")
    assert done.returncode == 1
    assert (done.stdout + done.stderr).count("out of credits") == 1


def test_a_script_of_lines_is_answered_line_by_line(run, model) -> None:
    model()
    done = run(stdin="one\n\n/nonsuch\ntwo \\\nand more\n")
    assert done.stdout == (
        "You said: one\nthere is no command /nonsuch; /help lists them\nYou said: two \nand more\n"
    )
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [
        (signal.SIGINT, 130, "hermes: stopped\n"),
        (signal.SIGTERM, 143, "hermes: ended by SIGTERM\n"),
    ],
)
def test_a_signal_stops_what_runs(
    environment, model, place: Path, tmp_path: Path, number: int, status: int, line: str
) -> None:
    model({"text": "Late.", "delay": 600.0}, record=str(tmp_path / "asked"))
    process = subprocess.Popen(
        [sys.executable, "-m", "hermes", "-z", "wait"],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 30
    while not (tmp_path / "asked").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    os.kill(process.pid, number)
    out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("", line, status)


def test_one_prompt_imports_nothing_that_only_a_prompt_needs(environment, model, place) -> None:
    model()
    code = (
        "import sys\nfrom hermes.cli import main\nstatus = main(['-z', 'hi'])\n"
        f"print(sorted({set(LATE)!r} & set(sys.modules)), file=sys.stderr)\nsys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=place,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "You said: hi\n"
    assert done.stderr == "[]\n"
