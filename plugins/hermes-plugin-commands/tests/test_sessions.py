"""``sessions``: listing, reading, exporting, forgetting."""

from __future__ import annotations

import json
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hermes import READ, Reply, SessionKey, UsageError, tool
from hermes.runtime import Runtime
from hermes.testing import Asker
from hermes.testing.answers import Call, Say
from hermes.testing.commands import FakeCommandContext, give
from hermes.testing.provider import ScriptedProvider
from hermes.testing.runtime import open_runtime
from hermes.testing.store import MemoryStore
from hermes_plugin_commands.sessions import sessions


@tool(effect=READ, needs={"read"})
async def weather(city: str) -> str:
    """Tell the weather."""
    return f"Rain in {city}. " + "It goes on. " * 2000


@pytest.fixture
async def runtime(home: Path) -> AsyncIterator[Runtime]:
    provider = ScriptedProvider(
        Say(calls=(Call("weather", '{"city": "Oslo"}'),)), "Rain.", "Forty-two."
    )
    async with open_runtime(home, provider=provider, tools=[weather]) as runtime:
        await talk(runtime, "a", "How is Oslo?")
        await talk(runtime, "b", "What is six by\nseven?")
        yield runtime


async def talk(runtime: Runtime, chat: str, text: str) -> str:
    conversation = runtime.session(SessionKey("cli", chat), directory=f"/{chat}")
    async for _ in conversation.send(text):
        pass
    return conversation.info.id


def context(runtime: Runtime, surface: Any = "cli", **more: Any) -> FakeCommandContext:
    return FakeCommandContext(surface, host=runtime.host, runtime=runtime, **more)


async def ids(runtime: Runtime) -> list[str]:
    return [info.id for info in await runtime.store.sessions()]


async def test_a_list_names_each_by_title_or_first_words(runtime: Runtime) -> None:
    second, first = await ids(runtime)
    await give(sessions, "rename", first, "don't panic", context=context(runtime))
    said = (await give(sessions, context=context(runtime))).text
    assert said.splitlines()[0].split() == ["ID", "USED", "RECORDS", "WHERE", "TITLE"]
    assert f"{second[:13]}" in said.splitlines()[1]
    assert "What is six by seven?" in said.splitlines()[1]
    assert "don't panic" in said.splitlines()[2]
    listed = json.loads((await give(sessions, "list", "--json", context=context(runtime))).text)
    assert [each["id"] for each in listed] == [second, first]


async def test_show_gives_what_was_said_and_cuts_what_tools_gave(runtime: Runtime) -> None:
    first = (await ids(runtime))[1]
    said = (await give(sessions, "show", first, context=context(runtime))).text
    assert "you: How is Oslo?" in said
    assert '[call] weather {"city": "Oslo"}' in said
    assert "scripted:model: Rain." in said
    assert len(said) < 1000
    whole = (await give(sessions, "show", first, "--whole", context=context(runtime))).text
    assert len(whole) > 3000
    data = json.loads(
        (await give(sessions, "show", first, "--json", context=context(runtime))).text
    )
    assert data["id"] == first
    assert [e["seq"] for e in data["entries"]] == list(range(1, len(data["entries"]) + 1))


async def test_json_lines_hold_every_record(runtime: Runtime, tmp_path: Path) -> None:
    file = tmp_path / "all.jsonl"
    await give(sessions, "export", "--all", "-o", str(file), context=context(runtime))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["session"]["id"] for line in lines if "session" in line] == await ids(runtime)
    kinds = [line["kind"] for line in lines if "kind" in line]
    assert kinds.count("user") == 2
    assert kinds.count("finished") == 1
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_markdown_reads_well(runtime: Runtime) -> None:
    first = (await ids(runtime))[1]
    given = await give(sessions, "export", first, "--format", "markdown", context=context(runtime))
    assert given.text.startswith(f"# Conversation {first}\n")
    assert "## you\n\nHow is Oslo?" in given.text


async def test_export_wants_one_or_all_and_writes_files_only_from_a_shell(runtime: Runtime) -> None:
    first = (await ids(runtime))[1]
    for wrong in (["export"], ["export", first, "--all"]):
        with pytest.raises(UsageError, match="name one conversation, or say --all"):
            await give(sessions, *wrong, context=context(runtime))
    with pytest.raises(UsageError, match="from a shell"):
        await give(sessions, "export", first, "-o", "/x", context=context(runtime, "chat"))


async def test_delete_asks_and_forgets_the_outputs_too(runtime: Runtime) -> None:
    first = (await ids(runtime))[1]
    outputs = runtime.host.paths.outputs
    assert len(list(outputs.iterdir())) == 1, "the long answer was kept whole"
    asked = context(runtime, ask=Asker("no"))
    await give(sessions, "delete", first, context=asked)
    assert "How is Oslo?" in asked.asker.questions[0].text
    assert len(await ids(runtime)) == 2
    await give(sessions, "delete", first, context=context(runtime, ask=Asker("yes")))
    assert first not in await ids(runtime)
    assert not list(outputs.iterdir())
    for record in await runtime.store.records(first):
        assert record.body.kind == "erased"


async def test_delete_without_a_person_says_yes_is_missing(runtime: Runtime) -> None:
    first = (await ids(runtime))[1]
    with pytest.raises(UsageError, match="--yes"):
        await give(sessions, "delete", first, context=context(runtime, ask=Asker(Reply("deny"))))
    assert len(await ids(runtime)) == 2
    await give(sessions, "delete", first, "--yes", context=context(runtime))
    assert len(await ids(runtime)) == 1


async def test_the_conversation_one_is_in_is_not_deleted(runtime: Runtime) -> None:
    first = (await ids(runtime))[1]
    here = context(runtime, "chat", session=await runtime.store.session(first))
    with pytest.raises(UsageError, match="you are in"):
        await give(sessions, "delete", first, "--yes", context=here)


async def test_prune_forgets_only_what_is_old(home: Path) -> None:
    now = 1_000_000_000.0
    store = MemoryStore(clock=lambda: now)
    provider = ScriptedProvider("Old.")
    async with open_runtime(home, provider=provider, store=store) as runtime:
        await talk(runtime, "a", "long ago")
    import time

    now = time.time()
    provider = ScriptedProvider("New.")
    async with open_runtime(home, provider=provider, store=store) as runtime:
        await talk(runtime, "b", "just now")
        dry = await give(sessions, "prune", "--dry-run", context=context(runtime))
        assert "long ago" in dry.text
        assert "just now" not in dry.text
        assert len(await ids(runtime)) == 2
        await give(sessions, "prune", "--yes", context=context(runtime))
        assert len(await ids(runtime)) == 1
        again = await give(sessions, "prune", "--yes", context=context(runtime))
        assert "No conversation was left alone for 90 days." in again.text


async def test_stats_count(runtime: Runtime) -> None:
    assert "2 conversations" in (await give(sessions, "stats", context=context(runtime))).text
    data = json.loads((await give(sessions, "stats", "--json", context=context(runtime))).text)
    assert data["sessions"] == 2


@pytest.mark.parametrize(
    "order",
    ["search six", "search --in {} six", "show {}", "export {}", "export --all", "rename {} x",
     "delete {} -y", "prune -y", "stats"],
)  # fmt: skip
async def test_what_others_said_is_for_owners(order: str, runtime: Runtime) -> None:
    words = order.format((await ids(runtime))[0]).split()
    user = context(runtime, "chat", person="ann", role="user")
    with pytest.raises(UsageError, match="for owners"):
        await give(sessions, *words, context=user)
    assert user.replies == []


async def test_a_search_says_where_and_the_number_reads_on(runtime: Runtime) -> None:
    said = await given(runtime, "search", "six", "by")
    assert "user:" in said and "What is six by seven?" in said and "1 hit" in said
    hit = json.loads(await given(runtime, "search", "--json", "six"))[0]
    around = await given(runtime, "show", hit["session"], "--around", str(hit["seq"]))
    assert "What is six by" in around
    inside = await given(runtime, "search", "--in", hit["session"], "Oslo")
    assert "Nobody said 'Oslo'" in inside
    assert "2 hits" in await given(runtime, "search", "--tools", "--sort", "oldest", "Oslo")
    assert "Nobody said" in await given(runtime, "search", "--person", "ann", "Oslo")


async def test_a_journal_without_an_index_says_so(runtime: Runtime) -> None:
    async def none(*_: Any, **__: Any) -> Any:
        raise NotImplementedError

    runtime.store.search = none  # type: ignore[method-assign]
    with pytest.raises(UsageError, match="cannot be searched"):
        await given(runtime, "search", "x")


async def given(runtime: Runtime, *arguments: str) -> str:
    context = await give(sessions, *arguments, context=FakeCommandContext(runtime=runtime))
    return context.text
