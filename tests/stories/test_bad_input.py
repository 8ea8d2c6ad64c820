"""Bad input: one clear line, no traceback, nothing lost (issue 2), through the real program."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from hermes.testing import OpenAIServer, Raw
from hermes.testing.servers import free_port


def one_line(done: Any, status: int, *says: str, lines: int = 1) -> str:
    """Check that *done* failed with exactly *lines* lines that say all of *says*; give them."""
    assert done.status == status, done
    assert done.out == ""
    assert "Traceback" not in done.errors
    assert len(done.lines) == lines, done.errors
    for text in says:
        assert text in done.errors, done.errors
    assert all(line.startswith("hermes: ") for line in done.lines)
    assert all(len(line) < 400 for line in done.lines)
    return done.errors


def goes_on(done: Any, *says: str, lines: int = 1) -> None:
    """Check that *done* answered, and said *lines* lines beside."""
    assert (done.status, done.out) == (0, "Fine.\n"), done.errors
    assert len(done.lines) == lines, done.errors
    for text in says:
        assert text in done.errors, done.errors


AT_ONCE = {"retries": 0}
"""Else the plugin that retries waits for a better day, which is another story."""


@pytest.fixture
def answering(system: Any) -> Any:
    system.model.always = "Fine."
    return system


async def test_each_unknown_key_is_a_line_and_everything_else_counts(answering: Any) -> None:
    file = answering.home / "config.yaml"
    added = {
        "terminal:\n  timeoutt: 5\n": "terminal.timeoutt: unknown key (did you mean timeout?)",
        "modell: x\n": "modell: unknown key (did you mean model?)",
        "fallback:\n  coolown: 5\n": "fallback.coolown: unknown key",
        "opneai: {base_url: x}\n": "opneai: unknown key (did you mean openai?)",
    }
    text, says = file.read_text(), []
    for lines, said in added.items():
        text += lines
        says.append(f"config.yaml:{text.count(chr(10))}: {said}")
    file.write_text(text)
    goes_on(await answering.run("-z", "go"), *says, lines=len(says))
    assert file.read_text() == text


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("approvals:\n  denny: ['echo *']\n", "approvals.denny: unknown key (did you mean deny?)"),
        ("approvals:\n  deny: {a: b}\n", "approvals.deny: expected a list"),
        ("approvals:\n  rules: [{do: dney, tools: [x]}]\n", "approvals.rules.0.do: expected allow"),
        ("approvals:\n  rules: [{do: deny, tool: [x]}]\n", "approvals.rules.0.tool: unknown key"),
        ("access:\n  owner: {telegram: 1}\n", "access.owner: unknown key (did you mean owners?)"),
        ("redaction:\n  patterns: {a: b}\n", "redaction.patterns: expected"),
    ],
)
async def test_a_guard_whose_settings_are_not_as_they_were_meant_stops_the_start(
    answering: Any, section: str, said: str
) -> None:
    """What was to be denied would be allowed."""
    file = answering.home / "config.yaml"
    file.write_text(file.read_text() + section)
    done = await answering.run("-z", "go", "--yolo")
    assert done.status != 0
    assert done.out == ""
    assert said in done.errors
    assert "so nothing of" in done.errors
    assert "Traceback" not in done.errors
    assert not answering.model.requests


@pytest.mark.parametrize(
    ("terminal", "said"),
    [
        ("terminal: {backend: [ssh]}\n", "terminal.backend: expected text"),
        ("terminal: {bakend: ssh}\n", "terminal.bakend: unknown key (did you mean backend?)"),
        ("terminal: backend ssh\n", "terminal: expected a section"),
        ("terminal: {backend: shh}\n", "no terminal named shh (did you mean ssh?)"),
        ("terminal: {backend: ssh}\nssh: {hots: x}\n", "ssh.hots: unknown key"),
        ("terminal: {backend: docker}\ndocker: {volumes: 5}\n", "docker.volumes: expected"),
        ("terminal: {backend: sandbox}\nsandbox: {read: 5}\n", "sandbox.read: expected"),
    ],
)
async def test_where_it_is_not_certain_where_commands_belong_none_runs(
    answering: Any, asks: Any, terminal: str, said: str
) -> None:
    """AT-35: configuration that cannot be read must not mean this machine."""
    file = answering.home / "config.yaml"
    file.write_text(file.read_text() + terminal)
    answering.model.will(
        asks(
            ("terminal", {"command": "touch ran"}),
            ("terminal", {"command": "touch ran", "background": True}),
            ("write_file", {"path": "ran", "content": "x"}),
        )
    )
    done = await answering.run("-z", "go", "--yolo")
    assert (done.status, done.out) == (0, "Fine.\n"), done.errors
    told = [m["content"] for m in answering.model.requests[-1].json["messages"]][-3:]
    for result in told:
        assert said in result, told
        assert "failed" not in result, "it is nobody's fault but the file's"
    assert not (answering.place / "ran").exists()


async def test_broken_yaml_leaves_the_last_good_file_in_use_and_names_it(answering: Any) -> None:
    file = answering.home / "config.yaml"
    good = file.read_text()
    assert (await answering.run("-z", "go")).status == 0
    file.write_text("model: [\n")
    goes_on(await answering.run("-z", "go"), "is not used until mended", lines=2)
    for broken, says in (
        (b"model: [\n", "config.yaml:2: not valid YAML"),
        (good.encode() + b"\ttab: x\n", "config.yaml:4: not valid YAML"),
        (b"a: b: c\n", "config.yaml:1: not valid YAML"),
        (b"\x00", "config.yaml"),
        (b"- a\n- b\n", "config.yaml"),
        (good.encode() + b"# caf\xe9\n", "config.yaml"),
        (b"terminal:\n  timeout: soon\n", 'terminal.timeout: expected a number, got "soon"'),
    ):
        file.write_bytes(broken)
        done = await answering.run("config", "get", "openai.base_url")
        assert (done.status, done.out) == (0, answering.model.url + "\n"), done.errors
        assert len(done.lines) == 2 and says in done.lines[0], done.errors
        assert "config.good.yaml" in done.lines[1]
        assert file.read_bytes() == broken


async def test_a_first_file_that_is_broken_is_one_line(answering: Any) -> None:
    (answering.home / "config.yaml").write_text("model: [\n")
    one_line(await answering.run("-z", "go"), 2, "config.yaml:", lines=1)


async def test_a_missing_key_is_a_line_that_says_how_to_give_it(system: Any) -> None:
    system.configure(openai={})
    said = one_line(await system.run("-z", "go"), 1, "OPENAI_API_KEY")
    assert ".env" in said or "hermes config set" in said


async def test_a_wrong_key_is_said_in_the_vendors_words_and_not_repeated(system: Any) -> None:
    async with OpenAIServer(key="right") as server:
        system.configure(openai={"base_url": server.url})
        done = await system.run("-z", "go", OPENAI_API_KEY="sk-wrong-0123456789")
    said = one_line(done, 1, "Incorrect API key provided")
    assert "0123456789" not in said


async def test_a_wrong_model_id_is_said_in_the_vendors_words(system: Any) -> None:
    async with OpenAIServer(models=("other",)) as server:
        system.configure(openai={"base_url": server.url})
        said = "The model `test` does not exist or you do not have access to it."
        one_line(await system.run("-z", "go"), 1, said)
        one_line(await system.run("-z", "go", "-m", "opnai:test"), 1, "opnai", "openai")
        one_line(await system.run("-z", "go", "-m", "openai:"), 1)


async def test_an_endpoint_that_is_down_or_no_endpoint_is_a_line(system: Any) -> None:
    port = free_port()
    system.configure(openai={"base_url": f"http://127.0.0.1:{port}/v1"}, retry=AT_ONCE)
    one_line(await system.run("-z", "go"), 1, f"127.0.0.1:{port}")
    system.configure(retry=AT_ONCE)
    for answer in (
        Raw(b"<html><h1>It works!</h1></html>", content_type="text/html"),
        Raw(b"data: {not json}\n\ndata: [DONE]\n\n"),
    ):
        system.model.will(answer)
        one_line(await system.run("-z", "go"), 1, "127.0.0.1")
    system.configure(openai={"base_url": "nonsense"})
    one_line(await system.run("-z", "go"), 1, "openai.base_url")


async def test_a_failed_turn_loses_nothing(system: Any) -> None:
    system.configure(retry=AT_ONCE)
    system.model.will(Raw(b"no", status=502, content_type="text/plain"), "Here.")
    one_line(await system.run("-z", "Remember me"), 1)
    done = await system.run("-c", "-z", "And?")
    assert (done.status, done.out) == (0, "Here.\n"), done.errors
    assert b"Remember me" in system.model.requests[-1].raw


def journal(system: Any) -> Path:
    (found,) = (path for path in system.home.rglob("*.db") if path.is_file())
    return found


@pytest.mark.parametrize("how", ["garbage", "cut", "not ours", "a folder", "newer"])
async def test_an_unreadable_journal_is_a_line_and_stays_as_it_is(how: str, answering: Any) -> None:
    assert (await answering.run("-z", "go")).status == 0
    file = journal(answering)
    for beside in file.parent.glob(file.name + "-*"):
        beside.unlink()
    good = file.read_bytes()
    if how == "garbage":
        file.write_bytes(b"this is no database at all\n" * 400)
    elif how == "cut":
        file.write_bytes(good[: len(good) // 2 + 100])
    elif how == "not ours":
        import sqlite3

        file.unlink()
        with sqlite3.connect(file) as other:
            other.execute("CREATE TABLE theirs (a)")
        other.close()
    elif how == "a folder":
        file.unlink()
        file.mkdir()
    else:
        import sqlite3

        with sqlite3.connect(file) as newer:
            newer.execute("PRAGMA user_version = 9999")
        newer.close()
    now = file.read_bytes() if file.is_file() else b""
    one_line(await answering.run("-z", "go"), 1, file.name)
    one_line(await answering.run("sessions", "list"), 1, file.name)
    assert (file.read_bytes() if file.is_file() else b"") == now


def offering(kind: str, target: str) -> str:
    """Make a plugin's `__init__` that offers one thing named spare."""
    offer = f"Offer('spare', '{target}', 'Spare')"
    return f"@hookimpl\ndef hermes_{kind}():\n    return [{offer}]\n"


async def listing(system: Any, name: str) -> str:
    done = await system.run("plugins")
    assert (done.status, done.errors) == (0, "")
    (line,) = (line for line in done.out.splitlines() if line.startswith(name + " "))
    return line


async def test_a_plugin_that_raises_at_import_is_named_and_the_rest_runs(
    answering: Any, beside: Any
) -> None:
    beside.install("broken", "raise RuntimeError('no engine in here')")
    beside.install("leaving", "import sys; sys.exit(3)")
    beside.install("dying", "import os; os._exit(3)")
    goes_on(await answering.run("-z", "go"), lines=0)
    line = await listing(answering, "broken")
    assert "failed" in line and "RuntimeError: no engine in here" in line
    assert "failed" in await listing(answering, "leaving")
    assert "failed" in await listing(answering, "dying")
    said = one_line(await answering.run("-z", "go", "-t", "broken"), 1, "broken")
    assert "toolset" in said or "plugin" in said


async def test_an_offer_that_raises_when_it_is_used_is_named(answering: Any, beside: Any) -> None:
    init = offering("commands", "hermes_plugin_late.parts:it")
    beside.install("late", init, parts="raise RuntimeError('too late')")
    goes_on(await answering.run("-z", "go"), lines=0)
    one_line(await answering.run("spare"), 1, "plugin late", "too late")


async def test_a_policy_that_cannot_be_loaded_stops_the_start(answering: Any, beside: Any) -> None:
    init = offering("middleware", "hermes_plugin_guard.parts:Guard")
    beside.install("guard", init, parts="raise RuntimeError('asleep')")
    one_line(await answering.run("-z", "go"), 1, "plugin guard", "asleep")
    assert not answering.model.requests
    assert (await answering.run("plugins", "disable", "guard")).status == 0
    goes_on(await answering.run("-z", "go"), lines=0)


async def test_two_plugins_that_offer_one_name_wait_for_a_choice(
    answering: Any, beside: Any
) -> None:
    parts = (
        "from hermes import CommandContext, command\n"
        "@command()\nasync def spare(context: CommandContext) -> None:\n"
        '    """Spare."""\n    context.reply("{0}")\n'
    )
    for name in ("left", "right"):
        init = offering("commands", f"hermes_plugin_{name}.parts:spare")
        beside.install(name, init, parts=parts.format(name))
    said = one_line(
        await answering.run("spare"), 1, "left", "right", "hermes plugins prefer commands.spare"
    )
    assert "spare" in said
    goes_on(await answering.run("-z", "go"), lines=0)
    chosen = await answering.run("plugins", "prefer", "commands.spare", "right")
    assert chosen.status == 0, chosen.errors
    done = await answering.run("spare")
    assert (done.status, done.out) == (0, "right\n"), done.errors


async def test_a_misspelt_hook_is_an_error_that_names_the_right_one(
    answering: Any, beside: Any
) -> None:
    beside.install("typo", "@hookimpl\ndef hermes_tolls():\n    return []\n")
    line = await listing(answering, "typo")
    assert "failed" in line and "hermes_tolls" in line and "hermes_tools" in line
    goes_on(await answering.run("-z", "go"), lines=0)
    beside.install("guard", "@hookimpl\ndef hermes_midleware():\n    return []\n")
    said = one_line(await answering.run("-z", "go"), 1, "plugin guard", "hermes_midleware")
    assert "hermes plugins disable guard" in said


async def test_what_is_typed_wrong_is_a_line(answering: Any) -> None:
    for arguments, status, says in (
        (("sesions",), 2, "did you mean sessions?"),
        (("config", "explain", "terminal.timeoutt"), 2, "did you mean timeout?"),
        (("config", "set", "terminal.timeout", "soon"), 2, "expected a number"),
        (("-r", "nothing", "-z", "go"), 1, "nothing"),
        (("-c", "-z", "go"), 1, "no conversation"),
        (("-t", "fils", "-z", "go"), 1, "fils"),
        (("-z", ""), 2, "empty"),
    ):
        one_line(await answering.run(*arguments), status, says)
    assert re.fullmatch(r"(.*\n){1,4}", (await answering.run("chat", "--nope")).errors)


async def test_a_home_that_cannot_be_written_is_a_line(answering: Any, tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.write_text("")
    done = await answering.run("-z", "go", HERMES_HOME=str(file / "home"))
    assert done.status != 0 and len(done.lines) == 1 and "Traceback" not in done.errors
