"""Grants that people give beforehand: what they cover, and that they can be taken back."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from hermes import Allowance, Enqueue, ShellCommand, UsageError
from hermes.grants import QUEUE, Grants
from hermes.testing import MemoryStore, make_authority, make_session, make_tool
from hermes.testing.commands import FakeCommandContext, give
from hermes_plugin_approvals.grants import grants as command, seconds

shell = make_tool(
    "terminal",
    needs=frozenset({"run"}),
    commands=lambda arguments: (ShellCommand(arguments["command"]),),
)


@pytest.fixture
def grants(gate: Any) -> Grants:
    """Give the grants that the gate asks."""
    made = Grants(MemoryStore())
    gate.context.runtime = SimpleNamespace(grants=made)
    return made


def run(**bounds: Any) -> Allowance:
    return Allowance("", **{"needs": frozenset({"run", "read", "write"}), **bounds})


async def unattended(gate: Any, grants: Grants, holder: str, text: str = "") -> Any:
    """Make a call as a job's turn does."""
    held = await grants.of(holder, text=text)
    return await gate(
        shell, {"command": "make test"}, can_ask=False, surface="cron", allowances=held
    )


async def test_a_job_runs_what_its_grant_covers_until_it_is_revoked(
    gate: Any, grants: Grants
) -> None:
    assert (await unattended(gate, grants, "job:nightly")).is_error
    given = await grants.give("job:nightly", run(), by="owner")
    assert (await unattended(gate, grants, "job:nightly")).text == "ran"
    assert (await unattended(gate, grants, "job:other")).is_error
    held = await grants.of("job:nightly")
    assert await grants.revoke(given.id)
    assert not await grants.revoke(given.id)
    late = await gate(
        shell, {"command": "make test"}, can_ask=False, surface="cron", allowances=held
    )
    assert late.is_error  # the turn that runs already has it no more


async def test_a_grant_is_for_its_text_and_its_time(gate: Any, grants: Grants) -> None:
    await grants.give("job:a", run(), by="owner", text="Run the tests")
    assert (await unattended(gate, grants, "job:a", "Run the tests")).text == "ran"
    assert (await unattended(gate, grants, "job:a", "Run the tests!")).is_error
    assert (await unattended(gate, grants, "job:a")).is_error
    until = int((time.time() - 1) * 1e6)
    await grants.give("job:b", run(until=until), by="owner")
    assert (await unattended(gate, grants, "job:b")).is_error
    assert [given.holder for given in await grants.all()] == ["job:a"]


@pytest.mark.parametrize("holder", ["route:site", "surface:api"])
async def test_routes_and_keys_hold_grants_that_count_from_the_next_call_on(
    gate: Any, grants: Grants, holder: str
) -> None:
    """Given while a turn runs, found; revoked, gone; another route, another prompt have none."""
    kind, _, name = holder.partition(":")

    async def call(named: str = name, text: str = "Build") -> Any:
        who = {"surface": named} if kind == "surface" else {"surface": "webhook"}
        authority = make_authority(**who, can_ask=False, person="webhook", role="user")
        if kind == "route":
            authority = msgspec.structs.replace(authority, holder=f"route:{named}", text=text)
        return await gate.through(shell, {"command": "make test"}, authority)

    assert (await call()).is_error
    given = await grants.give(holder, run(), by="owner")
    assert (await call()).text == "ran"
    assert (await call("other")).is_error
    assert await grants.revoke(given.id)
    assert (await call()).is_error
    if kind == "route":
        await grants.give(holder, run(), by="owner", text="Build")
        assert (await call()).text == "ran"
        assert (await call(text="Build all")).is_error


async def test_a_bound_must_be_known_to_hold(gate: Any, grants: Grants, workspace: Any) -> None:
    await grants.give("person:owner", run(folders=(str(workspace),)), by="owner")
    alone = {"can_ask": False}
    assert (await gate(shell, {"command": "touch a && cat a"}, **alone)).text == "ran"
    assert (await gate(shell, {"command": "touch /etc/a"}, **alone)).is_error
    assert (await gate(shell, {"command": "make"}, **alone)).is_error  # nobody knows where it goes
    await grants.give("person:owner", Allowance("", frozenset({"network"}), hosts=("a.example",)),
                      by="owner")  # fmt: skip
    assert (await gate(shell, {"command": "curl -s http://a.example/x"}, **alone)).text == "ran"
    for command_ in (
        *("curl -s http://b.example/", "curl -sL http://a.example", "curl -so f a.example"),
        *("curl -s http://a.example http://b.example", "wget http://a.example"),
    ):
        assert (await gate(shell, {"command": command_}, **alone)).is_error, command_


async def test_a_plan_s_grant_is_for_just_its_calls(gate: Any, grants: Grants) -> None:
    gate.person.answers = ["once", "once"]
    for each in ("make one", "make two"):
        await gate(shell, {"command": each})
    digests = tuple(call.digest for call in gate.ran)
    await grants.give("session:session-1", run(calls=digests), by="owner")
    for each in ("make one", "make two"):
        assert (await gate(shell, {"command": each}, can_ask=False)).text == "ran"
    assert (await gate(shell, {"command": "make three"}, can_ask=False)).is_error


async def test_a_guest_holds_nothing_and_nothing_lifts_the_list(gate: Any, grants: Grants) -> None:
    await grants.give("person:owner", run(), by="owner")
    assert (await gate(shell, {"command": "make"}, role="guest", can_ask=False)).is_error
    assert "No approval lifts" in (await gate(shell, {"command": "rm -rf /"})).text


async def test_corrupt_grants_are_none(gate: Any, grants: Grants) -> None:
    store = grants._store
    for number, item in enumerate((b"", b"{}", b"[1]", b"\xff", b'{"holder":"person:owner"}')):
        await store.commit((Enqueue(QUEUE, f"g-{number}", item),))
    assert await grants.all() == ()
    assert (await gate(shell, {"command": "make"}, can_ask=False)).is_error


async def test_a_store_that_breaks_fails_closed(gate: Any, grants: Grants) -> None:
    async def breaks(*arguments: Any, **options: Any) -> Any:
        raise OSError("the disk is gone")

    grants._store.pending = breaks  # type: ignore[method-assign]
    with pytest.raises(OSError, match="disk"):  # the chain makes a refusal of it
        await gate(shell, {"command": "make"}, can_ask=False)
    assert not gate.ran


async def test_a_grant_must_say_for_whom_and_what() -> None:
    grants = Grants(MemoryStore())
    with pytest.raises(ValueError, match="KIND:NAME"):
        await grants.give("nightly", run(), by="owner")
    with pytest.raises(ValueError, match="needs"):
        await grants.give("job:x", Allowance(""), by="owner")


@pytest.mark.parametrize(("text", "found"), [("30m", 1800), ("2h", 7200), ("7d", 604_800)])
def test_times(text: str, found: int) -> None:
    assert seconds(text) == found
    for wrong in ("", "h", "2", "0h", "-1h", "2y"):
        with pytest.raises(UsageError):
            seconds(wrong)


# The command


async def test_they_are_given_shown_and_revoked_by_command(gate: Any, grants: Grants) -> None:
    def here(**parts: Any) -> FakeCommandContext:
        return FakeCommandContext("cli", runtime=SimpleNamespace(grants=grants), **parts)

    assert "No grants" in (await give(command, context=here())).replies[0]
    given = await give(
        command, "give", "job:nightly", "--need", "run", "--need", "read", "--folder", "/srv/x",
        "--for", "2h", "--why", "tests", context=here(),
    )  # fmt: skip
    (one,) = await grants.all()
    assert f"{one.id}  job:nightly  read,run  folders=/srv/x  until" in given.replies[0]
    shown = await give(command, "show", one.id, context=here())
    assert f"{one.id} for job:nightly" in shown.replies[0]
    assert any("/srv/x" in line for line in shown.replies)
    assert (await give(command, "list", "job:other", context=here())).replies[0].startswith("No")
    assert "Revoked" in (await give(command, "revoke", one.id[-5:], context=here())).replies[0]
    assert await grants.all() == ()
    session = make_session("s-1")
    await give(command, "give", "here", "--need", "run", context=here(session=session))
    assert [held.holder for held in await grants.all()] == ["session:s-1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("give", "nightly", "--need", "run"), "KIND:NAME"),
        (("give", "job:x", "--need", "everything"), "one of"),
        (("give", "job:x", "--need", "run", "--folder", "x"), "from / on"),
        (("give", "job:x", "--need", "run", "--for", "soon"), "as 2h"),
        (("give", "here", "--need", "run"), "session:ID"),
        (("show", "g-none"), "no grant"),
        (("revoke", "g-"), "no grant"),
    ],
)
async def test_what_it_does_not_understand_it_says(
    grants: Grants, arguments: tuple[str, ...], said: str
) -> None:
    context = FakeCommandContext("cli", runtime=SimpleNamespace(grants=grants))
    with pytest.raises(UsageError, match=said):
        await give(command, *arguments, context=context)
