"""One person with several chats: ``/link`` and ``/whoami``."""

from __future__ import annotations

from typing import Any

import pytest

from hermes import HermesError
from hermes.testing import give
from hermes_plugin_access.commands import link, whoami

CHATS = {"telegram": "*", "discord": "*", "slack": "*"}


@pytest.fixture
def door(make_door: Any) -> Any:
    return make_door(allow=CHATS)


async def person(door: Any, platform: str, user: str) -> str:
    await door.say(user=user, platform=platform)
    return str(door.admitted[-1].person)


async def linked(door: Any, giver: str, taker: str, *flags: str) -> str:
    given = await give(link, context=door.commander(person=giver, role="user"))
    code = given.text.partition("/link ")[2].split()[0]
    taking = door.commander(person=taker, role="user")
    return str((await give(link, code, *(flags or ("--yes",)), context=taking)).text)


async def test_two_chats_become_one_persons(door: Any) -> None:
    assert "are one person" in await linked(door, "telegram:1", "discord:7")
    assert await person(door, "discord", "7") == "telegram:1"
    assert await person(door, "telegram", "1") == "telegram:1"
    assert await person(door, "discord", "8") == "discord:8"
    said = await give(whoami, context=door.commander(person="telegram:1", role="user"))
    assert said.replies == [
        "You are telegram:1, here as user.",
        "Your accounts: telegram:1, discord:7.",
    ]


async def test_all_chats_of_both_come_along(door: Any) -> None:
    await linked(door, "discord:7", "slack:3")
    await linked(door, "telegram:1", "discord:7")
    for platform, user in (("telegram", "1"), ("discord", "7"), ("slack", "3")):
        assert await person(door, platform, user) == "telegram:1"


@pytest.mark.parametrize("giver_is_owner", [True, False])
async def test_the_person_at_the_terminal_stays_the_owner(door: Any, giver_is_owner: bool) -> None:
    pair = ("owner", "telegram:1") if giver_is_owner else ("telegram:1", "owner")
    await linked(door, *pair)
    assert await person(door, "telegram", "1") == "owner"
    assert door.admitted[-1].role == "user", "a role is the account's own"


async def test_nothing_is_joined_before_the_person_knows_with_whom(door: Any) -> None:
    given = await give(link, context=door.commander(person="telegram:1", role="user"))
    code = given.text.partition("/link ")[2].split()[0]
    taking = door.commander(person="discord:7", role="user")
    said = (await give(link, code, context=taking)).text
    assert said.startswith("The code is from telegram:1.")
    assert said.endswith(f"/link {code} --yes")
    assert await person(door, "discord", "7") == "discord:7"
    await give(link, *said.partition("/link ")[2].split(), context=taking)
    assert await person(door, "discord", "7") == "telegram:1"


async def test_codes_are_good_once_for_ten_minutes_and_not_for_oneself(
    door: Any, clock: Any
) -> None:
    persons = door.access.persons
    code = persons.offer("telegram:1")
    with pytest.raises(HermesError, match="yours already"):
        persons.join("telegram:1", code)
    persons.join("discord:7", code)
    with pytest.raises(HermesError, match="not good"):
        persons.join("slack:3", code)
    code = persons.offer("telegram:1")
    newer = persons.offer("telegram:1")
    with pytest.raises(HermesError, match="not good"):
        persons.join("slack:3", code)
    clock.now += 601
    with pytest.raises(HermesError, match="not good"):
        persons.join("slack:3", newer)


async def test_who_guesses_is_locked_out_alone(door: Any, clock: Any) -> None:
    persons = door.access.persons
    code = persons.offer("telegram:1")
    for number in range(5):
        with pytest.raises(HermesError, match="not good"):
            persons.join("discord:7", f"AAAA{number:04}")
    with pytest.raises(HermesError, match="in an hour"):
        persons.join("discord:7", code)
    persons.join("slack:3", code)
    clock.now += 3601
    persons.join("discord:7", persons.offer("telegram:1"))


async def test_a_chat_can_be_taken_out_again(door: Any) -> None:
    await linked(door, "telegram:1", "discord:7")
    mine = door.commander(person="telegram:1", role="user")
    with pytest.raises(HermesError, match="linked are: discord:7"):
        await give(link, "--remove", "slack:3", context=mine)
    other = door.commander(person="slack:3", role="user")
    with pytest.raises(HermesError, match="not linked to you; none is linked"):
        await give(link, "--remove", "discord:7", context=other)
    await give(link, "--remove", "discord:7", context=mine)
    assert await person(door, "discord", "7") == "discord:7"


async def test_code_and_person_are_kept_for_the_owner_only(door: Any) -> None:
    code = door.access.persons.offer("telegram:1")
    file = door.context.paths.data / "persons.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert code not in file.read_text()
