"""Commands as the policy reads them: what it is sure of, and that it is sure of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermes import Allowance, NotFound, Secret, ShellCommand
from hermes.testing import make_tool
from hermes_plugin_approvals.settings import Rule, Settings
from hermes_plugin_approvals.shell import syntax
from hermes_plugin_approvals.shell.scripts import awk_only_prints, jq_only_reads, sed_only_edits
from hermes_plugin_approvals.shell.syntax import Parser
from hermes_plugin_approvals.shell.walk import Reading, read
from hermes_plugin_approvals.shell.words import ansi_c

shell = make_tool(
    "terminal",
    needs=frozenset({"run"}),
    commands=lambda arguments: (ShellCommand(arguments["command"]),),
)
parser = Parser()


async def reading(command: str) -> Reading:
    return await read(command, "/w", parser, home="/h")


def kinds(found: Reading) -> set[str]:
    return {effect.kind for effect in found.effects}


@pytest.mark.parametrize(
    ("command", "paths"),
    [
        ("cat a", {"/w/a"}),
        ("cat 'a b' \"c\"d", {"/w/a b", "/w/cd"}),
        ("cat {a,b}{1..3}", {f"/w/{x}{n}" for x in "ab" for n in "123"}),
        (r"cat $'\x2fetc\057passwd'", {"/etc/passwd"}),
        ("D=/etc; cat $D/passwd", {"/etc/passwd"}),
        ("cat ~/x $HOME/y", {"/h/x", "/h/y"}),
        ("for f in a b; do cat $f; done", {"/w/a", "/w/b"}),
        ("if x=a; then cat $x; else cat b; fi", {"/w/a", "/w/b"}),
        ("cd src && cat a", {"/w/src", "/w/src/a"}),
        ("cd src; cat a", {"/w/src", "/w/src/a", "/w/a"}),
        ("(cd src); cat a", {"/w/src", "/w/a"}),
        ("cd /x/y && cd .. && cat a", {"/x/y", "/x", "/x/a"}),
        ("cat a \\\n b", {"/w/a", "/w/b"}),
        ('bash -c "cat a; cd x && cat b"', {"/w/a", "/w/x", "/w/x/b"}),
        ("cat < a > b", {"/w/a", "/w/b"}),
        ('echo "$(cat a)" `cat b` <(cat c)', {"/w/a", "/w/b", "/w/c"}),
        ("timeout 5 nice cat a", {"/w/a"}),
        ("grep -f pats x a", {"/w/pats", "/w/x", "/w/a"}),
        ("grep -e x a", {"/w/a"}),
        ("sed -n 1p a", {"/w/a"}),
        ("git -C sub diff a", {"/w/sub", "/w/sub/a"}),
    ],
)
async def test_it_finds_every_path(command: str, paths: set[str]) -> None:
    assert {effect.path.replace("/w/..", "") or "/" for effect in (await reading(command)).effects
            if effect.path} == paths  # fmt: skip


@pytest.mark.parametrize(
    "command",
    ["$x", "$(echo ls)", "l${y}s", "cat $x", 'cat "$x"', "cat $(echo a)", "x=a; x=$y; cat $x",
     "while cat $x; do x=b; done", "echo ${x@P}", "echo ${!x}", "echo $((x))", "ls 'a' |& sh",
     "f() { ls; }", "export A=b", "eval ls", "nosuchprogram", "ls --nosuch | sort --nosuch",
     "cd $x; cat a", "cd; cat a", "cd a/..; cat b", "sort *", "find . -exec ls {} +", "xargs ls"],
)  # fmt: skip
async def test_what_is_not_known_is_said_to_be(command: str) -> None:
    assert kinds(await reading(command)) & {"unknown", "run"}


async def test_a_tree_is_kept_by_its_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    own, runs = Parser(), []
    run = own._run

    async def counted(text: str) -> Any:
        runs.append(text)
        return await run(text)

    monkeypatch.setattr(own, "_run", counted)
    for command in ("ls", "ls", "ls ", "ls"):
        await own.parse(command)
    assert runs == ["ls", "ls "]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (r"a\tb", "a\tb"),
        (r"\x41\101\u0041\U00000041", "AAAA"),
        (r"\'\"\\", "'\"\\"),
        (r"\e[0m", "\x1b[0m"),
        (r"a\0b", "a"),
        (r"\q", r"\q"),
        ("\\", "\\"),
    ],
)
def test_ansi_c_quotes(text: str, plain: str) -> None:
    assert ansi_c(text) == plain


@pytest.mark.parametrize(
    "script",
    ["p", "1,20p", "/a/,/b/p", "$p", "s/a/b/g", "s#a#b#", "1d", "10p;20q", "/^$/d", "s/a/b/;s/c/d/",
     "/a/{p;q}", "y/ab/cd/", "1!d", "0~3p", "s/[/]/x/", "# note\np", "\\,x,p"],
)  # fmt: skip
def test_sed_scripts_that_only_edit(script: str) -> None:
    assert sed_only_edits(script) is not ("[" in script)  # a bracket is more than is understood


@pytest.mark.parametrize(
    "script",
    ["1e touch x", "e", "w x", "s/a/b/w x", "s/a/b/e", "s/a/b/ge", "r x", "p;w x", "{p;w x}", "W x",
     "1!{w x}", "y/a/b/;w x", "s,a,b,w x", "a text", "F", "v", "s/a", "s/a/b", "/a", "\\", "{e"],
)  # fmt: skip
def test_sed_scripts_that_may_do_more(script: str) -> None:
    assert not sed_only_edits(script)


@pytest.mark.parametrize(
    ("program", "prints"),
    [
        ("{print $1}", True),
        ("/a/{print NR, $0}", True),
        ('{s+=$2} END {printf "%d\\n", s}', True),
        ('BEGIN{system("x")}', False),
        ('{print > "x"}', False),
        ('{print | "x"}', False),
        ('"x" | getline', False),
        ('BEGIN{ARGV[1]="/x"}', False),
        ("{print ENVIRON[1]}", False),
        ("@load x", False),
        ('# "\nBEGIN{system("x")} # "', False),
        ('/"/{x} BEGIN{system("x")} /"/{x}', False),
        ('{print "a', False),
    ],
)
def test_awk_programs(program: str, prints: bool) -> None:
    assert awk_only_prints(program) is prints


def test_jq_programs() -> None:
    assert jq_only_reads('.a | "\\(.b)"')
    assert not jq_only_reads('import "/x" as $d; $d')
    assert not jq_only_reads("env.HOME")


# Whether a person is asked


async def test_looking_is_not_asked_about_and_what_it_leads_to_is(
    gate: Any, workspace: Path
) -> None:
    (workspace / "a").write_text("x")
    (workspace / "out").symlink_to("/etc/passwd")
    assert (await gate(shell, {"command": "cat a | wc -l; ls"})).text == "ran"
    assert not gate.asked
    for command in ("cat out", "cat o*", "cat .env", "ls /home", "rm a", "curl http://x.y", "./a"):
        await gate(shell, {"command": command})
        assert gate.asked.pop() or True
        assert len(gate.person.questions) == 1, command
        gate.person.questions.clear()


async def test_the_question_says_why_it_is_asked(gate: Any) -> None:
    await gate(shell, {"command": "cat /etc/passwd; frobnicate"})
    assert "reads /etc/passwd, outside of the workspace" in gate.asked[0]
    assert "frobnicate is not a program that is known to be harmless" in gate.asked[0]


async def test_a_guest_s_looking_is_asked_about(gate: Any) -> None:
    await gate(shell, {"command": "ls"}, role="guest")
    assert gate.asked


async def test_a_function_an_alias_or_a_program_of_the_workspace_is_not_what_it_seems(
    gate: Any, workspace: Path
) -> None:
    evil = workspace / "wc"
    evil.write_text("#!/bin/sh\n")
    evil.chmod(0o755)
    for before in ("wc() { :; }", "alias wc=true", f"export PATH={workspace}:$PATH"):
        gate.terminal = type(gate.terminal)(workspace, before=before)
        await gate(shell, {"command": "wc a"})
        assert gate.asked, before
        gate.person.questions.clear()
    for odd in (
        "export PATH=.:$PATH",
        "export PATH=$PATH:",
        "export LD_PRELOAD=x",
        "export GIT_EXTERNAL_DIFF=x",
        "export BASH_ENV=x",
    ):
        gate.terminal = type(gate.terminal)(workspace, before=odd)
        await gate(shell, {"command": "ls"})
        assert "may change what programs do" in gate.asked[0], odd
        gate.person.questions.clear()


async def test_a_repository_that_runs_something_is_asked_about(gate: Any, workspace: Path) -> None:
    run = type(gate.terminal)(workspace).run
    await run("git init -q && git config user.name a")
    assert (await gate(shell, {"command": "git status"})).text == "ran"
    for key in (
        *("core.fsmonitor", "diff.external", "core.sshCommand", "filter.x.clean", "gpg.program"),
        *("diff.x.textconv", "remote.origin.uploadpack", "include.path", "core.hooksPath"),
    ):
        await run(f"git config {key} ./evil")
        await gate(shell, {"command": "git diff"})
        assert gate.asked, key
        gate.person.questions.clear()
        await run(f"git config --unset {key}")


async def test_a_search_that_would_show_secrets_is_asked_about(gate: Any, workspace: Path) -> None:
    assert (await gate(shell, {"command": "grep -rn x ."})).text == "ran"
    (workspace / "deep").mkdir()
    (workspace / "deep" / ".env").write_text("KEY=x")
    await gate(shell, {"command": "grep -rn x ."})
    assert "may hold secrets" in gate.asked[0]


# What breaks, and that it fails closed


async def test_without_the_parser_everything_is_asked_about(
    gate: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing() -> Path:
        raise syntax.Unreadable("the parser is missing: install shfmt-py beside Hermes")

    monkeypatch.setattr(syntax, "program", missing)
    await gate(shell, {"command": "ls"})
    assert "the parser is missing: install shfmt-py" in gate.asked[0]
    await gate(shell, {"command": "ls"}, yolo=True)
    assert len(gate.asked) == 2
    assert (await gate(shell, {"command": "ls"}, can_ask=False)).is_error
    assert not gate.ran


@pytest.mark.parametrize(
    "body", ["exit 1", "echo nonsense", "echo '{}'", "sleep 60", "kill -9 $$", "echo '['"]
)
async def test_a_parser_that_breaks_leads_to_a_question(
    gate: Any, tmp_path: Path, body: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "shfmt"
    broken.write_text(f"#!/bin/sh\n{body}\n")
    broken.chmod(0o755)
    monkeypatch.setattr(syntax, "program", lambda: broken)
    monkeypatch.setattr(syntax, "SECONDS", 1.0)
    await gate(shell, {"command": "ls"})
    assert "it is not understood" in gate.asked[0]
    assert not gate.ran


async def test_a_terminal_that_cannot_be_had_leads_to_a_question(gate: Any) -> None:
    gate.terminal = None
    await gate(shell, {"command": "ls"})
    assert "its terminal cannot be looked at" in gate.asked[0]


async def test_a_tool_that_says_its_commands_badly_is_asked_about(gate: Any) -> None:
    def breaks(arguments: Any) -> Any:
        raise KeyError("command")

    odd = make_tool("terminal", needs=frozenset({"run"}), commands=breaks)
    await gate(odd, {"command": "ls"})
    assert gate.asked


@pytest.mark.parametrize(
    "command",
    ["ls \x00", "ls \r", "ls \u200b", "ls \u202e", "ls \ue000", "x" * 70_000, "ls (", "if ls", "'"],
)
async def test_what_cannot_be_seen_or_parsed_is_asked_about(gate: Any, command: str) -> None:
    await gate(shell, {"command": command})
    assert gate.asked
    assert not gate.ran


async def test_an_unknown_context_is_denied(gate: Any) -> None:
    todo = make_tool("todo", needs=frozenset())
    for odd in ({"role": "king"}, {"surface": ""}, {"person": ""}):
        assert "is not known" in (await gate(todo, **odd)).text
    assert not gate.ran
    assert not gate.asked


# Rules and modes


async def test_rules_go_by_what_a_call_does(make_gate: Any, workspace: Path) -> None:
    gate = make_gate(
        Settings(
            rules=(
                Rule("allow", commands=("make *",), roles=("owner",)),
                Rule("deny", surfaces=("telegram",), needs=("run",), why="not from the phone"),
                Rule("ask", commands=("ls *",)),
                Rule("allow", tools=("web",), hosts=("docs.example",)),
            ),
            deny=("sudo *",),
        )
    )
    assert (await gate(shell, {"command": "make test && make lint"})).text == "ran"
    assert (await gate(shell, {"command": "make test; rm x"}, can_ask=False)).is_error
    assert (await gate(shell, {"command": "make test"}, role="user", can_ask=False)).is_error
    assert (
        "not from the phone" in (await gate(shell, {"command": "make x"}, surface="telegram")).text
    )
    for command in ("sudo ls", "/usr/bin/sudo ls", "timeout 5 sudo ls", "bash -c 'sudo ls'",
                    "s''udo ls", "x; sudo ls"):  # fmt: skip
        refused = await gate(shell, {"command": command}, yolo=True)
        assert "approvals.deny" in refused.text, command
    assert not gate.asked
    await gate(shell, {"command": "ls -la"})
    assert gate.asked  # a rule asks, where nothing else would
    web = make_tool("web", needs=frozenset({"network"}), hosts=lambda a: (a["host"],))
    assert (await gate(web, {"host": "docs.example"}, can_ask=False)).text == "ran"
    assert (await gate(web, {"host": "docs.example.evil"}, can_ask=False)).is_error
    dumb = make_tool("web", needs=frozenset({"network"}))
    assert (await gate(dumb, {"host": "docs.example"}, can_ask=False)).is_error
    (workspace / "private").mkdir()
    gate = make_gate(
        Settings(
            rules=(
                Rule("deny", hosts=("*.evil.example",), why="not there"),
                Rule("deny", paths=("private",), why="private"),
            )
        )
    )
    assert "not there" in (await gate(shell, {"command": "curl http://a.evil.example/x"})).text
    assert "private" in (await gate(shell, {"command": "cat private/x"})).text
    assert not gate.asked


async def test_a_denied_bound_that_is_not_known_makes_a_question_of_yolo(make_gate: Any) -> None:
    gate = make_gate(Settings(rules=(Rule("deny", hosts=("evil.example",)),)))
    assert (await gate(shell, {"command": "python3 x.py"}, yolo=True)).is_error
    assert gate.asked


async def test_what_goes_on_for_ever_is_asked_about(make_gate: Any) -> None:
    """Looking at something is harmless; looking at it until somebody finds out is not."""
    gate = make_gate(Settings(mode="smart"))
    gate.context.models.answers = ["APPROVE"]
    lasting = make_tool(
        "terminal",
        needs=frozenset({"run"}),
        commands=lambda a: (ShellCommand(a["command"], lasting=a["keep"]),),
    )
    assert (await gate(lasting, {"command": "sleep 1000", "keep": False})).text == "ran"
    assert (await gate(lasting, {"command": "sleep 1000", "keep": True})).is_error
    assert "goes on when the conversation and Hermes end" in gate.asked[0]
    assert not gate.context.models.asked
    reading = (Allowance("a", frozenset({"read"})),)
    unattended = {"allowances": reading, "can_ask": False, "surface": "cron"}
    assert (await gate(lasting, {"command": "sleep 1", "keep": False}, **unattended)).text == "ran"
    assert (await gate(lasting, {"command": "sleep 1", "keep": True}, **unattended)).is_error


async def test_a_denied_command_in_a_text_of_an_unknown_tool_is_asked_about(make_gate: Any) -> None:
    """An MCP server's shell does not say that it runs commands."""
    gate = make_gate(Settings(deny=("sudo *",)))
    unknown = make_tool("mcp__own__do", needs=frozenset({"run", "read", "write", "network"}))
    for arguments in (
        {"what": "sudo ls"},
        {"argv": ["/usr/bin/sudo", "ls"]},
        {"steps": [{"script": "cd /; s''udo ls"}]},
    ):
        gate.person.questions.clear()
        assert (await gate(unknown, arguments, yolo=True)).is_error
        assert "approvals.deny" in gate.asked[0]
    assert (await gate(unknown, {"what": "ls", "why": "not (a command"}, yolo=True)).text == "ran"


@pytest.mark.parametrize(
    "command",
    ["echo ../*", "echo */../../*", "for f in ../*; do echo $f; done", "x=(../*); echo done",
     ": ../o?her", "echo {.,..}/*", "x=..; echo $x/*"],
)  # fmt: skip
async def test_a_glob_learns_no_names_elsewhere(gate: Any, workspace: Path, command: str) -> None:
    (workspace.parent / "other").mkdir()
    (workspace / "sub").mkdir()
    await gate(shell, {"command": command})
    assert "outside of the workspace" in gate.asked[0]


@pytest.mark.parametrize(
    "command",
    ["echo *", "for f in *.txt; do echo $f; done", "grep -E /api/v[0-9]+ a.txt", "echo what?",
     "echo http://host/?a=1", "[ -f *.txt ]"],
)  # fmt: skip
async def test_what_only_looks_like_one_or_stays_here_is_not_asked_about(
    gate: Any, workspace: Path, command: str
) -> None:
    (workspace / "a.txt").write_text("x")
    assert (await gate(shell, {"command": command})).text == "ran"
    assert not gate.asked


async def test_the_question_says_that_a_file_elsewhere_may_hold_secrets(gate: Any) -> None:
    await gate(shell, {"command": "cat /srv/app/.env /srv/app/notes"})
    assert "/srv/app/.env, outside of the workspace, and may hold secrets" in gate.asked[0]
    assert "/srv/app/notes, outside of the workspace" in gate.asked[0]
    assert "notes, outside of the workspace, and" not in gate.asked[0]


def test_an_allow_rule_that_allows_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="must name tools or commands"):
        Rule("allow")


async def test_writing_inside_is_unasked_only_where_it_was_said(
    make_gate: Any, workspace: Path
) -> None:
    write = make_tool(
        "write_file", needs=frozenset({"write"}), paths=lambda arguments: (arguments["path"],)
    )
    gate = make_gate(Settings(write_workspace=True))
    for call in ((shell, {"command": "mkdir x && echo hi > x/y"}), (write, {"path": "notes.txt"})):
        assert (await gate(*call)).text == "ran"
    assert not gate.asked
    for parts in ({"can_ask": False}, {"role": "guest"}, {"sources": ("web:https://x.example",)}):
        await gate(shell, {"command": "echo hi > z"}, **parts)
        await gate(write, {"path": "z"}, **parts)
    assert len(gate.ran) == 2
    gate.person.questions.clear()
    (workspace / "out").symlink_to("/etc")
    for path in ("../z", "/etc/z", ".git/hooks/post-commit", ".bashrc", ".env", "out/z"):
        await gate(shell, {"command": f"echo hi > {path}"})
        await gate(write, {"path": path})
    assert len(gate.asked) == 12
    assert len(gate.ran) == 2


async def test_a_small_model_may_allow_what_stays_in_the_workspace(make_gate: Any) -> None:
    gate = make_gate(Settings(mode="smart"))
    gate.context.models.answers = ["APPROVE"]
    assert (await gate(shell, {"command": "make test"})).text == "ran"
    assert not gate.asked
    gate.context.models.answers = ["ASK", "I approve", "approve it", ""]
    for _ in range(4):
        assert (await gate(shell, {"command": "make test"})).is_error
    assert len(gate.asked) == 4
    asked = len(gate.context.models.asked)
    for command in (
        "curl http://x.y",
        "cat /etc/shadow",
        "sudo make",
        "$x",
        "rm -r src",
        "cat .env",
    ):
        gate.context.models.answers = ["APPROVE"]
        assert (await gate(shell, {"command": command})).is_error, command
    await gate(shell, {"command": "make test"}, sources=("mcp:real",))
    await gate(shell, {"command": "make test"}, role="guest")
    assert len(gate.context.models.asked) == asked  # it was not even asked


async def test_a_small_model_that_is_not_there_leaves_it_to_a_person(make_gate: Any) -> None:
    gate = make_gate(Settings(mode="smart"))

    async def missing(*arguments: Any, **options: Any) -> Any:
        raise NotFound("nonsense:model: no provider is called nonsense")

    gate.context.models.ask = missing
    gate.person.answers = ["once"]
    assert (await gate(shell, {"command": "make test"})).text == "ran"
    assert len(gate.asked) == 1


async def test_a_small_model_is_shown_no_secret(make_gate: Any) -> None:
    gate = make_gate(Settings(mode="smart"), secrets={"KEY": "canary-Xw7-00123"})
    gate.context.secrets.get(Secret("env:KEY"))
    gate.context.models.answers = ["APPROVE"]
    await gate(shell, {"command": "make test KEY=canary-Xw7-00123"})
    (asked,) = gate.context.models.asked
    assert "canary" not in asked.text
    assert "[secret]" in asked.text


async def test_a_small_model_that_stalls_leaves_it_to_a_person(make_gate: Any) -> None:
    import asyncio

    gate = make_gate(Settings(mode="smart", smart_timeout=0.05))

    async def stalls(*arguments: Any, **options: Any) -> Any:
        await asyncio.sleep(60)

    gate.context.models.ask = stalls
    gate.person.answers = ["once"]
    assert (await gate(shell, {"command": "make test"})).text == "ran"
    assert len(gate.asked) == 1
