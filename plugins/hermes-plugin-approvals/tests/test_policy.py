"""Which calls run unasked, which are asked about, and what an answer is worth."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hermes import EVERY_NEED, OWNER, Allowance, Reply, Secret
from hermes.testing import Asker, make_session, make_tool
from hermes_plugin_approvals.settings import Settings

NOW = 1_750_000_000.0


def stated(arguments: Any) -> tuple[str, ...]:
    return (arguments["path"],)


read = make_tool("read_file", needs=frozenset({"read"}), paths=stated)
write = make_tool("write_file", needs=frozenset({"write"}), paths=stated)
shell = make_tool("terminal", needs=frozenset({"read", "write", "run", "network"}))
todo = make_tool("todo", needs=frozenset())
unknown = make_tool("mcp__server__thing")  # says nothing of itself: every need


async def test_what_needs_nothing_runs(gate: Any) -> None:
    assert (await gate(todo)).text == "ran"
    assert not gate.asked


@pytest.mark.parametrize("tool", [read, write, shell, unknown], ids=lambda tool: tool.name)
async def test_the_rest_is_asked_about_and_no_means_not_run(gate: Any, tool: Any) -> None:
    result = await gate(tool, {"path": "/etc/hostname", "command": "ls"})

    assert result.is_error
    assert "denied by owner" in result.text
    assert len(gate.asked) == 1
    assert not gate.ran


async def test_the_model_is_told_why_so_that_it_can_go_on(gate: Any) -> None:
    gate.person.answers = [Reply("deny", "not on a Friday", "Ann")]

    result = await gate(shell, {"command": "deploy"})

    assert "terminal was denied by Ann: not on a Friday" in result.text
    assert "go on without it" in result.text


async def test_no_answer_in_time_means_no(gate: Any) -> None:
    gate.person.answers = [Reply("deny", "nobody answered in time")]

    assert "(no answer): nobody answered in time" in (await gate(shell, {"command": "ls"})).text


async def test_an_answer_that_is_no_choice_means_no(gate: Any) -> None:
    class Odd(Asker):
        async def __call__(self, question: Any) -> Reply:
            self.questions.append(question)
            return Reply("yes please")

    gate.person = Odd()

    assert (await gate(shell, {"command": "ls"})).is_error
    assert not gate.ran


async def test_where_nobody_can_be_asked_nobody_is_and_the_mend_is_told(gate: Any) -> None:
    result = await gate(shell, {"command": "ls"}, can_ask=False, surface="cron")

    assert not gate.asked
    assert "nobody can be asked here (cron)" in result.text
    assert "allowance" in result.text
    assert "--yolo" in result.text


async def test_the_question_carries_what_its_answer_is_bound_to(gate: Any) -> None:
    gate.person.answers = ["once"]
    await gate(shell, {"command": "make"})

    (question,), (call,) = gate.person.questions, gate.ran
    assert question.purpose == "approval"
    assert question.choices == ("once", "session", "always", "deny")
    assert question.digest == call.digest
    assert question.about == call.request.id


# Reading in the workspace


@pytest.mark.parametrize(
    "path", ["notes.txt", "./src/../notes.txt", "src", ".", "new.txt", ".env.example"]
)
async def test_reading_inside_the_workspace_is_not_asked_about(
    gate: Any, workspace: Path, path: str
) -> None:
    (workspace / "src").mkdir()
    (workspace / "notes.txt").touch()

    assert (await gate(read, {"path": path})).text == "ran"
    assert (await gate(read, {"path": str(workspace / path)})).text == "ran"
    assert not gate.asked


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "..", "../other/x", "src/../../x", "~/x", "~root/x", "", "a\0b", "/",
     "outside", "outside/x", "hop/x", "output:another-session-1"],
)  # fmt: skip
async def test_reading_elsewhere_is_asked_about_links_followed(
    gate: Any, workspace: Path, path: str
) -> None:
    other = workspace.parent / "other"
    other.mkdir()
    (workspace / "outside").symlink_to(other)
    (workspace / "hop").symlink_to("inner")
    (workspace / "inner").symlink_to("../other")

    assert (await gate(read, {"path": path})).is_error
    assert len(gate.asked) == 1


async def test_a_neighbour_whose_name_begins_alike_is_elsewhere(gate: Any, workspace: Path) -> None:
    await gate(read, {"path": f"{workspace}-secrets/x"})

    assert gate.asked


async def test_a_workspace_that_is_a_link_is_followed_too(
    gate: Any, workspace: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(workspace)
    gate.session = make_session("session-1", directory=tmp_path / "link")

    assert (await gate(read, {"path": "notes.txt"})).text == "ran"


@pytest.mark.parametrize(
    "path",
    [".env", ".env.local", "config/prod.env", ".ssh/config", "id_rsa", "deploy/server.pem",
     "tls.KEY", ".aws/credentials", "secrets.yaml", ".netrc", ".git-credentials", "innocent"],
)  # fmt: skip
async def test_what_looks_secret_is_asked_about(gate: Any, workspace: Path, path: str) -> None:
    (workspace / ".env").touch()
    (workspace / "innocent").symlink_to(".env")

    await gate(read, {"path": path})

    assert len(gate.asked) == 1


async def test_reading_relative_to_a_folder_that_was_left_is_elsewhere(
    gate: Any, workspace: Path
) -> None:
    await gate(read, {"path": "passwd"}, directory="/etc")

    assert gate.asked


async def test_kept_output_of_this_conversation_is_read_unasked(gate: Any) -> None:
    gate.terminal = None

    assert (await gate(read, {"path": "output:session-1-call-7"})).text == "ran"


@pytest.mark.parametrize("directory", ["", "/"])
async def test_without_a_workspace_nothing_is_inside(gate: Any, directory: str) -> None:
    await gate(read, {"path": "/tmp/x"}, session=make_session(directory=directory))

    assert gate.asked


async def test_what_is_not_known_is_asked_about(gate: Any) -> None:
    def breaks(arguments: Any) -> tuple[str, ...]:
        raise KeyError("path")

    for tool in (
        make_tool("a", needs=frozenset({"read"})),
        make_tool("b", needs=frozenset({"read"}), paths=breaks),
        make_tool("c", needs=frozenset({"read"}), paths=lambda arguments: ()),
        make_tool("d", needs=frozenset({"read", "network"}), paths=stated),
    ):
        await gate(tool, {"path": "x"})
    gate.terminal = None
    await gate(read, {"path": "x"})

    assert len(gate.asked) == 5


async def test_a_guest_s_reading_is_asked_about(gate: Any) -> None:
    await gate(read, {"path": "notes.txt"}, role="guest")

    assert gate.asked


async def test_reading_unasked_can_be_switched_off(make_gate: Any) -> None:
    gate = make_gate(Settings(read_workspace=False))
    await gate(read, {"path": "notes.txt"})

    assert gate.asked


# Permissions


async def test_once_is_once(gate: Any) -> None:
    gate.person.answers = ["once"]
    assert (await gate(shell, {"command": "make"})).text == "ran"
    assert (await gate(shell, {"command": "make"})).is_error
    assert len(gate.asked) == 2


async def test_session_lasts_for_the_conversation_and_no_other(gate: Any) -> None:
    gate.person.answers = ["session"]
    for _ in range(3):
        assert (await gate(shell, {"command": "make"})).text == "ran"
    assert len(gate.asked) == 1

    other = make_session("session-2", directory=gate.folder)
    assert (await gate(shell, {"command": "make"}, session=other)).is_error


async def test_always_outlives_the_process_and_the_conversation(make_gate: Any) -> None:
    before = make_gate()
    before.person.answers = ["always"]
    await before(shell, {"command": "make"})

    after = make_gate(state=before.context.state)
    after.session = make_session("session-2", directory=after.folder)
    assert (await after(shell, {"command": "make"})).text == "ran"
    assert (await after(shell, {"command": "make"}, can_ask=False)).text == "ran"
    assert not after.asked


@pytest.mark.parametrize("lasts", ["session", "always"])
@pytest.mark.parametrize(
    "change",
    [
        {"arguments": {"command": "make clean"}},
        {"arguments": {"command": "make "}},
        {"arguments": {"command": "make", "timeout": 5}},
        {"directory": "/elsewhere"},
        {"backend": "ssh"},
        {"person": "bob"},
        {"tool": make_tool("other", needs=EVERY_NEED)},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_a_permission_is_for_those_bytes_that_place_and_that_person(
    gate: Any, lasts: str, change: dict[str, Any]
) -> None:
    gate.person.answers = [lasts]
    await gate(shell, {"command": "make"})

    other = {"tool": shell, "arguments": {"command": "make"}, **change}
    tool, arguments = other.pop("tool"), other.pop("arguments")
    assert (await gate(tool, arguments, **other)).is_error
    assert len(gate.asked) == 2


async def test_a_permission_is_durable_before_the_call_runs(gate: Any) -> None:
    gate.person.answers = ["always"]
    kept: list[Any] = []
    inner = gate._run

    async def look(call: Any) -> Any:
        kept.append(await gate.context.state.get("always", scope="person", of=OWNER))
        return await inner(call)

    gate._run = look
    await gate(shell, {"command": "make"})

    assert [one["digest"] for one in kept[0]] == [gate.ran[0].digest]


async def test_two_calls_alike_at_once_are_one_question(gate: Any) -> None:
    gate.person.answers = ["session"]
    results = await asyncio.gather(*(gate(shell, {"command": "make"}) for _ in range(4)))

    assert [result.text for result in results] == ["ran"] * 4
    assert len(gate.asked) == 1


async def test_several_questions_at_once_are_answered_each_for_its_own(gate: Any) -> None:
    class ByText(Asker):
        async def __call__(self, question: Any) -> Reply:
            self.questions.append(question)
            await asyncio.sleep(0.01 if "first" in question.text else 0)
            return Reply("once" if "first" in question.text else "deny", by="owner")

    gate.person = ByText()
    first, second = await asyncio.gather(
        gate(shell, {"command": "first"}), gate(shell, {"command": "second"})
    )

    assert (first.text, second.is_error) == ("ran", True)
    assert [call.request.arguments["command"] for call in gate.ran] == ["first"]


async def test_the_oldest_of_very_many_permissions_is_asked_about_again(gate: Any) -> None:
    for number in range(201):
        gate.person.answers = ["always"]
        await gate(shell, {"command": f"echo {number} {'x' * 500}"})

    assert (await gate(shell, {"command": f"echo 200 {'x' * 500}"})).text == "ran"
    assert (await gate(shell, {"command": f"echo 0 {'x' * 500}"})).is_error


async def test_permissions_of_any_length_fit_the_state(gate: Any) -> None:
    for number in range(200):
        gate.person.answers = ["always"]
        await gate(shell, {"command": f"echo {number} {'日' * 500}"}, directory="/" + "日" * 300)

    last = await gate(shell, {"command": f"echo 199 {'日' * 500}"}, directory="/" + "日" * 300)
    assert last.text == "ran"


async def test_state_that_makes_no_sense_permits_nothing(gate: Any) -> None:
    await gate.context.state.set("always", [{"digest": 7}], scope="person", of=OWNER)
    assert (await gate(shell, {"command": "make"})).is_error


# Allowances


def allowance(**bounds: Any) -> Allowance:
    return Allowance(**{"id": "job-1", "needs": frozenset({"read", "write"}), **bounds})


@pytest.mark.parametrize(
    ("bounds", "covered"),
    [
        ({}, True),
        ({"tools": ("write_file",)}, True),
        ({"tools": ("patch",)}, False),
        ({"needs": frozenset({"read"})}, False),
        ({"needs": frozenset()}, False),
        ({"until": int(NOW * 1e6) + 1}, True),
        ({"until": int(NOW * 1e6)}, False),
        ({"until": int(NOW * 1e6) - 1}, False),
        ({"folders": ("/srv/site",)}, True),
        ({"folders": ("/other", "/srv/site/pages")}, True),
        ({"folders": ("/srv/site/pages/index.html",)}, True),
        ({"folders": ("/srv/sit",)}, False),
        ({"folders": ("/other",)}, False),
        ({"hosts": ("example.org",)}, True),  # the tool needs no network
    ],
    ids=str,
)
async def test_an_allowance_covers_what_all_its_bounds_cover(
    gate: Any, bounds: dict[str, Any], covered: bool
) -> None:
    result = await gate(
        write,
        {"path": "/srv/site/pages/index.html"},
        can_ask=False,
        allowances=(allowance(**bounds),),
    )

    assert (result.text == "ran") == covered


async def test_a_folder_bound_follows_links(gate: Any, workspace: Path) -> None:
    (workspace / "etc").symlink_to("/etc")
    within = allowance(folders=(str(workspace),))

    inside = await gate(write, {"path": "x"}, can_ask=False, allowances=(within,))
    outside = await gate(write, {"path": "etc/x"}, can_ask=False, allowances=(within,))

    assert (inside.text, outside.is_error) == ("ran", True)


async def test_a_bound_that_cannot_be_known_to_hold_does_not(gate: Any, workspace: Path) -> None:
    everything = {"needs": EVERY_NEED}
    for bounds in ({"folders": (str(workspace),)}, {"hosts": ("example.org",)}):
        given = (allowance(**everything, **bounds),)
        assert (await gate(shell, {"command": "ls"}, can_ask=False, allowances=given)).is_error
    given = (allowance(**everything),)
    assert (await gate(shell, {"command": "ls"}, can_ask=False, allowances=given)).text == "ran"


# Modes


async def test_yolo_asks_nothing_and_still_refuses_the_worst(gate: Any) -> None:
    assert (await gate(shell, {"command": "make"}, yolo=True)).text == "ran"
    assert (await gate(unknown, {}, yolo=True)).text == "ran"
    refused = await gate(shell, {"command": "sudo rm -rf /"}, yolo=True)

    assert "deletes the root folder" in refused.text
    assert not gate.asked
    assert len(gate.ran) == 2


async def test_off_asks_nothing_inside_an_isolated_terminal_only(make_gate: Any) -> None:
    gate = make_gate(Settings(mode="off"))
    run = make_tool("terminal", needs=frozenset({"read", "write", "run"}))

    await gate(run, {"command": "make"})
    assert len(gate.asked) == 1
    gate.terminal.isolated = True
    assert (await gate(run, {"command": "make"})).text == "ran"
    await gate(make_tool("send", needs=frozenset({"send"})), {})
    assert len(gate.asked) == 2


async def test_the_worst_is_refused_even_when_it_was_allowed(gate: Any) -> None:
    gate.person.answers = ["once"]

    assert (await gate(shell, {"command": "mkfs.ext4 /dev/sda1"})).is_error
    assert not gate.asked


# What is shown


async def test_the_question_shows_the_exact_command_and_where(gate: Any) -> None:
    await gate(shell, {"command": "cd src && make"}, backend="docker", directory="/srv")

    assert gate.asked[0].splitlines() == [
        "terminal wants to read, change files, run commands, use the network:",
        "  cd src && make",
        "in docker:/srv",
    ]


async def test_every_argument_is_shown(gate: Any) -> None:
    await gate(write, {"path": "/etc/motd", "content": "one\ntwo", "mode": 420})

    for shown in ("path: /etc/motd", "content: \n  one\n  two", "mode: 420"):
        assert shown in gate.asked[0]


async def test_what_could_deceive_the_eye_is_spelt_out(gate: Any) -> None:
    await gate(shell, {"command": "ls\x1b[2K\rrm \u202egnp.x\u200b"})

    assert "ls\\x1b[2K\\x0drm \\u202egnp.x\\u200b" in gate.asked[0]


async def test_a_long_argument_says_how_much_is_not_shown(gate: Any) -> None:
    await gate(write, {"path": "x", "content": "a" * 10_000 + "END"})

    assert "[… 6003 characters not shown …]" in gate.asked[0]
    assert "END" in gate.asked[0]


async def test_secrets_are_left_out_of_questions_and_lists(make_gate: Any) -> None:
    gate = make_gate(secrets={"API_KEY": "hunter2hunter2"})
    gate.context.secrets.get(Secret("env:API_KEY"))
    gate.person.answers = ["always"]

    await gate(shell, {"command": "curl -H 'Key: hunter2hunter2' x"})

    kept = await gate.context.state.get("always", scope="person", of=OWNER)
    assert "hunter2" not in gate.asked[0] + str(kept) + gate.context.log.text
    assert "[secret]" in gate.asked[0]
    assert (await gate(shell, {"command": "curl -H 'Key: hunter2hunter2' x"})).text == "ran"
