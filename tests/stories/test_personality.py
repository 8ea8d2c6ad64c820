"""``/personality``: put on and taken off in a conversation, and said in its journal."""

from __future__ import annotations

from typing import Any

import pytest

from hermes.errors import ConfigError, NotFound
from hermes.records import Reprompted
from hermes.session import SessionKey
from hermes.testing import FakeCommandContext, Say
from hermes.testing.commands import give


def system_of(exchange: Any) -> str:
    return str(exchange.json["messages"][0]["content"])


async def test_it_is_put_on_and_taken_off_and_the_journal_says_so(
    system: Any, turn: Any, owner: Any
) -> None:
    system.configure(
        agent={"personalities": {"Butler": {"system_prompt": "Serve.", "tone": "dry"}}}
    )
    system.model.always = Say("Arr.")
    async with system.runtime() as runtime:
        conversation = runtime.session(SessionKey("cli", "x"), directory=str(system.place))

        async def wear(*name: str) -> str:
            context = FakeCommandContext(
                host=runtime.host, runtime=runtime, conversation=conversation,
                session=await conversation.load(),
            )  # fmt: skip
            return (
                await give(runtime.host.slash.find("personality")[1], *name, context=context)
            ).text

        listed = await wear()
        assert "  pirate: Talk like a pirate" in listed and "  butler: Serve." in listed
        assert "goes on with pirate" in await wear("pirate")  # before the first message
        await turn(conversation.send("Hello", authority=owner()))
        await wear("Butler")
        await turn(conversation.send("Hello again", authority=owner()))
        await wear("butler")  # the same again changes nothing
        assert "* butler" in await wear()
        await wear("none")
        await turn(conversation.send("And now?", authority=owner()))
        with pytest.raises(NotFound, match="no personality 'pirat'"):
            await wear("pirat")
        records = await runtime.store.records(conversation.info.id)

    pirate, butler, bare = map(system_of, system.model.requests)
    assert "# Personality: pirate" in pirate
    assert "# Personality: butler\nServe.\nTone: dry" in butler and "pirate" not in butler
    assert "# Personality" not in bare
    reasons = [each.body.reason for each in records if isinstance(each.body, Reprompted)]
    assert reasons == ["personality butler", "personality none"]
    last = [message["content"] for message in system.model.requests[-1].json["messages"][1:]]
    assert last == ["Hello", "Arr.", "Hello again", "Arr.", "And now?"], "what was said stays"


async def test_from_a_shell_it_is_for_new_conversations(system: Any) -> None:
    system.model.always = Say("Dude.")
    done = await system.run("personality", "surfer")
    assert "New conversations begin with surfer" in done.out, done.errors
    await system.run("-z", "Hello")
    assert "# Personality: surfer" in system_of(system.model.requests[-1])
    assert (await system.run("personality", "none")).status == 0
    await system.run("-z", "Hello")
    assert "# Personality" not in system_of(system.model.requests[-1])


@pytest.mark.parametrize("wrong", [{"x": 5}, {"x": ""}, {"x": {"tone": 3}}])
def test_one_that_is_no_personality_is_named(wrong: Any) -> None:
    from hermes_plugin_context_files.personalities import available

    with pytest.raises(ConfigError, match=r"agent\.personalities\.x"):
        available(wrong)
