"""The command line: what a start imports, and what it says."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import hermes
from hermes import HermesError, Notice, TextChunk, TurnFinished
from hermes.plugins import Host
from hermes.shell import ShellContext

COMMANDS = """
import sys
import click
from hermes import CommandContext, NotFound, Question, command, group

@command(surfaces={"cli", "chat"})
@click.argument("name", default="you")
@click.option("--fail", is_flag=True)
async def hello(context: CommandContext, name: str, fail: bool) -> None:
    \"""Greet somebody.\"""
    if fail:
        raise NotFound("nobody of that name")
    context.reply(f"hello {name} from {context.host.paths.home.name}")

@group(surfaces={"cli"})
async def things(context: CommandContext) -> None:
    \"""Many things.\"""
    context.reply("the group itself")

@things.command()
@click.argument("what")
async def count(context: CommandContext, what: str) -> None:
    \"""Count them.\"""
    context.reply(f"one {what}")

@command()
async def crash(context: CommandContext) -> None:
    raise RuntimeError("a bug\\nsecond line")

@command()
async def interrupted(context: CommandContext) -> None:
    raise KeyboardInterrupt

@command()
async def ask(context: CommandContext) -> None:
    context.reply((await context.ask(Question("Sure?", ("once", "deny")))).choice)

@command()
async def flood(context: CommandContext) -> None:
    for _ in range(100_000):
        context.reply("x" * 100)

@command(surfaces={"chat"})
async def only(context: CommandContext) -> None: ...

@command()
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("-q")
async def chat(context: CommandContext, words: tuple[str, ...], q: str) -> None:
    context.reply(f"chat {q} {words}")
"""
NAMES = ["hello", "things", "crash", "interrupted", "ask", "flood", "only", "chat"]


def prepared(site: Any, more: int = 0) -> Any:
    offers = ", ".join(
        f"Offer('{n}', 'hermes_plugin_x.commands:{n}', 'The {n} one')" for n in NAMES
    )
    site.install("x", f"@hookimpl\ndef hermes_commands(): return [{offers}]", commands=COMMANDS)
    for number in range(more):
        site.install(f"more{number}", "@hookimpl\ndef hermes_tools(): return []")
    site.run("version")
    return site


@pytest.fixture(scope="module")
def shell(shared_site: Any) -> Any:
    """Sixteen plugins, listed already. Tests leave it as it is."""
    return prepared(shared_site, 15)


def imports(site: Any, *arguments: str, **variables: str) -> set[str]:
    """Run the command and give the modules that were loaded beyond those of a bare Python."""
    program = """if True:
        import sys
        before = set(sys.modules)
        from hermes.cli import main
        try:
            main(sys.argv[1:])
        except SystemExit:
            pass
        finally:
            sys.stderr.write("\\n".join(sorted(set(sys.modules) - before)))
    """
    return set(site.python(program, *arguments, **variables).stderr.split())


def test_version_imports_nothing(shell: Any) -> None:
    assert imports(shell, "--version") == {"hermes", "hermes.cli"}
    assert shell.run("--version").stdout == f"hermes {hermes.__version__}\n"


HEAVY = {
    "msgspec",
    "pluggy",
    "yaml",
    "structlog",
    "asyncio",
    "importlib.metadata",
    "hermes.plugins",
}


@pytest.mark.parametrize("how", ["help", "complete"])
def test_help_and_completion_import_click_json_and_the_index(site: Any, how: str) -> None:
    shell = prepared(site)
    shell.write("plugins: {disabled: [y]}\n")
    shell.run("version")  # notes the change
    if how == "help":
        loaded = imports(shell, "--help")
    else:
        words = {"COMP_WORDS": "hermes he", "COMP_CWORD": "1"}
        loaded = imports(shell, _HERMES_COMPLETE="bash_complete", **words)
    ours = {name for name in loaded if name.startswith("hermes")}
    assert ours == {"hermes", "hermes.cli", "hermes.index"}
    assert loaded & HEAVY == set()
    assert {"click", "json"} <= loaded


def test_a_command_imports_only_its_own_target(shell: Any) -> None:
    for arguments in (["hello"], ["hello", "--help"]):
        loaded = imports(shell, *arguments)
        plugins = {name for name in loaded if name.startswith("hermes_plugin")}
        assert plugins == {"hermes_plugin_x", "hermes_plugin_x.commands"}
        assert loaded & {"pluggy", "yaml", "structlog", "importlib.metadata"} == set()


def seconds(program: str, env: dict[str, str]) -> float:
    """Give the processor time of a start, which other work on the machine does not lengthen."""
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", program],  # as people start it: with `site`
        env,
        file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)],
    )
    _, status, used = os.wait4(pid, 0)
    assert status == 0
    return used.ru_utime + used.ru_stime


def test_a_start_costs_little_with_many_plugins_installed(shell: Any) -> None:
    """Times of a bare Python: 2.5 for ``--version``, 6 for ``--help``; best of runs in turn."""
    env = {**shell.environment, "PYTHONDONTWRITEBYTECODE": ""}
    start = "from hermes.cli import main; main([{!r}])"
    bare, version, help_ = [], [], []
    seconds(start.format("--help"), env)
    for _ in range(40):
        bare.append(seconds("pass", env))
        version.append(seconds(start.format("--version"), env))
        help_.append(seconds(start.format("--help"), env))
        if min(version) < 2.5 * min(bare) and min(help_) < 6 * min(bare):
            return
    pytest.fail(f"{min(bare):.4f} s bare, {min(version):.4f} version, {min(help_):.4f} help")


def test_help_lists_every_command_and_no_hidden_plugin_is_needed(shell: Any) -> None:
    done = shell.run("--help")
    assert done.returncode == 0
    for name in (*NAMES, "plugins", "version", "completion"):
        assert f"  {name} " in done.stdout
    assert "The hello one" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["hello", "--help"], "Usage: hermes hello [OPTIONS] [NAME]"),
        (["things", "--help"], "Usage: hermes things [OPTIONS] [COMMAND] [ARGS]..."),
        (["things", "count", "--help"], "Usage: hermes things count [OPTIONS] WHAT"),
        (["plugins", "order", "--help"], "Usage: hermes plugins order [OPTIONS]"),
        (["hello"], "hello you from home"),
        (["hello", "me"], "hello me from home"),
        (["things"], "the group itself"),
        (["things", "count", "sheep"], "one sheep"),
        ([], "chat None ()"),
        (["-q", "hi there"], "chat hi there ()"),
        (["-q", "hi", "--", "--home"], "chat hi ('--home',)"),
        (["ask"], "deny"),
        (["--home", "{other}", "hello"], "hello you from other"),
        (["--home={other}", "hello"], "hello you from other"),
        (["completion", "bash"], "_HERMES_COMPLETE=bash_complete"),
        (
            ["plugins", "info", "x"],
            "commands hello: The hello one (hermes_plugin_x.commands:hello)",
        ),
    ],
)
def test_commands_run(shell: Any, arguments: list[str], said: str) -> None:
    other = shell.folder.parent / "other"
    done = shell.run(*(each.format(other=other) for each in arguments))
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["hello", "--fail"], 1, "hermes: nobody of that name\n"),
        (["crash"], 1, "hermes: RuntimeError: a bug\n"),
        (["interrupted"], 130, ""),
        (["helo"], 2, "hermes: no command named helo (did you mean hello?)\n"),
        (["zzzzzz"], 2, "hermes: no command named zzzzzz (`hermes --help` lists them)\n"),
        (["only"], 2, "hermes: /only is for chats\n"),
        (["--home"], 2, "hermes: --home wants a folder\n"),
        (["plugins", "info", "y"], 1, "hermes: plugin y: is not installed\n"),
    ],
)
def test_errors_are_one_line_and_a_status(
    shell: Any, arguments: list[str], status: int, said: str
) -> None:
    done = shell.run(*arguments)
    assert (done.returncode, done.stderr, done.stdout) == (status, said, "")


def test_wrong_usage_says_how_it_goes(shell: Any) -> None:
    done = shell.run("hello", "--nme", "x")
    assert done.returncode == 2
    assert done.stderr.startswith("hermes: No such option '--nme'")
    assert "Usage: hermes hello [OPTIONS] [NAME]" in done.stderr


def test_debugging_shows_the_traceback(shell: Any) -> None:
    assert "in crash" in shell.run("crash", HERMES_DEBUG="1").stderr


def test_a_reader_that_stops_reading_is_no_error(shell: Any) -> None:
    program = f"{sys.executable} -S -m hermes flood | head -1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program}"],
        env=shell.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "x" * 100 + "\n"
    assert done.stderr == ""


def test_without_a_chat_the_mend_is_said(site: Any) -> None:
    assert site.run().stderr == "hermes: no chat is installed: pip install hermes-plugin-chat\n"


def test_plugins_are_disabled_enabled_and_preferred(site: Any) -> None:
    shell = prepared(site)
    assert shell.run("plugins", "disable", "x").returncode == 0
    assert (
        shell.run("hello").stderr == "hermes: hello: plugin x is disabled; see `hermes plugins`\n"
    )
    assert "disabled" in shell.run("plugins", "info", "x").stdout
    assert shell.run("plugins", "enable", "x").returncode == 0
    assert shell.run("hello").returncode == 0
    shell.install(
        "y",
        "@hookimpl\ndef hermes_commands():"
        " return [Offer('hello', 'hermes_plugin_y.commands:hello', '')]",
        commands=COMMANDS,
    )
    assert "hello is offered by x and y" in shell.run("plugins").stdout
    assert "hermes plugins prefer commands.hello x" in shell.run("hello").stderr
    assert shell.run("plugins", "prefer", "commands.hello", "y").returncode == 0
    assert shell.run("hello").returncode == 0


def test_problems_of_the_configuration_are_said_once_it_is_read(site: Any) -> None:
    shell = prepared(site)
    shell.write("modle: x\n")
    assert shell.run("hello").stderr == ""
    said = "hermes: config.yaml:1: modle: unknown key (did you mean model?)\n"
    assert shell.run("plugins", "enable", "x").stderr == said


MIDDLEWARE = """
from hermes import Middleware, Stage
class Outer(Middleware):
    stage = Stage.GUARD
    def __init__(self, context): pass
    async def turn(self, turn, call_next): return await call_next(turn)
class Inner(Outer):
    stage = Stage.RETRY
    async def model(self, request, call_next): return await call_next(request)
"""


def test_order_prints_the_chains(site: Any) -> None:
    names = {"a-inner": "Inner", "z-outer": "Outer"}
    offers = ", ".join(f"Offer('{n}', 'hermes_plugin_m.m:{c}', '')" for n, c in names.items())
    site.install("m", f"@hookimpl\ndef hermes_middleware(): return [{offers}]", m=MIDDLEWARE)
    lines = site.run("plugins", "order").stdout.splitlines()
    turn = lines[lines.index("turn:") + 1 :][:2]
    assert [line.split()[:2] for line in turn] == [["GUARD", "z-outer"], ["RETRY", "a-inner"]]


ADDED = """
import click
from hermes import CommandContext, command
@command(surfaces={"cli"})
@click.argument("name")
async def grow(context: CommandContext, name: str) -> None:
    \"""Grow a plugin, from seed.\"""
    context.reply(f"{name} grows")
"""


def test_a_plugin_adds_a_sub_command_to_a_group_of_the_kernel_s(site: Any) -> None:
    offers = ", ".join(
        f"Offer('plugins {word}', 'hermes_plugin_g.c:{place}', 'The {word} one', surfaces=('cli',))"
        for word, place in {"grow": "grow", "order": "grow", "gone": "gone"}.items()
    )
    site.install("g", f"@hookimpl\ndef hermes_commands(): return [{offers}]", c=ADDED)

    assert site.run("plugins", "grow", "oak").stdout == "oak grows\n"
    assert "Grow a plugin, from seed." in site.run("plugins", "grow", "--help").stdout
    assert "plugin g: command plugins gone: " in site.run("plugins", "gone").stderr
    assert site.run("plugins", "order").stdout.startswith("receive:"), "the kernel's own stays"
    shown = site.run("plugins", "--help").stdout
    assert "The grow one" in shown
    assert "The order one" not in shown
    assert "plugins grow" not in site.run("--help").stdout
    assert site.run("plugins grow", "oak").returncode == 2
    assert "pip install hermes-plugin-dev" in site.run("plugins", "install", "x").stderr
    assert "hermes_plugin_g.c" not in imports(site, "plugins", "--help")


def test_the_list_for_programs_is_json(shell: Any) -> None:
    found = {plugin["name"]: plugin for plugin in json.loads(shell.run("plugins", "--json").stdout)}
    assert found["x"]["state"] == "active"
    assert found["x"]["offers"][0]["name"] == "hello"


def test_a_question_is_asked_on_the_terminal(shell: Any) -> None:
    ours, theirs = pty.openpty()
    asking = subprocess.Popen(
        [sys.executable, "-S", "-m", "hermes", "ask"],
        env=shell.environment,
        stdin=theirs,
        stderr=theirs,
        stdout=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    shown = b""
    while b"Sure? [once/deny] " not in shown:
        shown += os.read(ours, 1000)
    os.write(ours, b"maybe\n")
    while shown.count(b"Sure?") < 2:
        shown += os.read(ours, 1000)
    os.write(ours, b"o\n")
    assert asking.communicate(timeout=30) == ("once\n", None)
    os.close(ours)


async def test_a_turn_is_shown_as_it_comes(site: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def turn(*events: Any) -> AsyncIterator[Any]:
        for event in events:
            yield event

    context = ShellContext(site.host())
    await context.stream(turn(TextChunk("Hel"), TextChunk("lo"), TurnFinished("ok", "Hello")))
    await context.stream(turn(Notice("slow"), TurnFinished("ok", "Whole")))
    with pytest.raises(HermesError, match="quota"):
        await context.stream(turn(TurnFinished("failed", "quota is used up")))
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("Hello\nWhole\n", "slow\n")


def test_what_is_printed_to_a_terminal_cannot_steer_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    context = ShellContext(Host.open(tmp_path))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    context.reply("a\x1b]52;c;cm0gLXJm\x07b\tc\x9b2J")
    assert capsys.readouterr().out == "a]52;c;cm0gLXJmb\tc2J\n"
