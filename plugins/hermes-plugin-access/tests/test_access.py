"""Who is let in, as whom, and to which conversation."""

from __future__ import annotations

from typing import Any

import pytest

from hermes import SessionKey
from hermes.testing import make_inbound
from hermes_plugin_access.access import command_of

CASES: list[tuple[dict[str, Any], str, str | None]] = [
    ({}, "1", None),
    ({"allow": {"telegram": [1, "2"]}}, "1", "user"),
    ({"allow": {"telegram": "1, 2"}}, "2", "user"),
    ({"allow": {"telegram": 1}}, "1", "user"),
    ({"allow": {"discord": "1"}}, "1", None),
    ({"allow": {"telegram": "*"}}, "9", "user"),
    ({"allow": {"telegram": "*"}}, "", None),
    ({"owners": {"telegram": [1]}, "allow": {"telegram": [1]}}, "1", "owner"),
    ({"allow": {"telegram": "*"}, "guests": {"telegram": [9]}}, "9", "guest"),
    ({"variables": {"TELEGRAM_ALLOWED_USERS": "7,8"}}, "8", "user"),
    ({"variables": {"TELEGRAM_ALLOWED_USERS": "7,8"}}, "78", None),
    ({"variables": {"GATEWAY_ALLOWED_USERS": "8"}}, "8", "user"),
    ({"variables": {"TELEGRAM_ALLOW_ALL_USERS": "true"}}, "8", "user"),
    ({"variables": {"TELEGRAM_ALLOW_ALL_USERS": "false"}}, "8", None),
    ({"variables": {"GATEWAY_ALLOW_ALL_USERS": "1"}}, "8", "user"),
    ({"variables": {"GATEWAY_ALLOW_ALL_USERS": "1", "TELEGRAM_ALLOWED_USERS": "7"}}, "8", None),
]


@pytest.mark.parametrize(("settings", "user", "role"), CASES)
async def test_lists_say_who_is_let_in_and_as_what(
    make_door: Any, settings: dict[str, Any], user: str, role: str | None
) -> None:
    door = make_door(**settings)
    admission = await door.say(user=user)
    assert admission.outcome == ("admitted" if role else "refused")
    assert [one.role for one in door.admitted] == ([role] if role else [])


async def test_what_a_message_says_of_itself_counts_for_nothing(make_door: Any) -> None:
    door = make_door(allow={"telegram": [1]})
    await door.say(user="1", role="owner", person="owner", bound=SessionKey("x", "y"), fresh=True)
    await door.say(user="2", role="owner", person="owner")
    (one,) = door.admitted
    assert (one.role, one.person, one.bound) == ("user", "telegram:1", None)


async def test_in_a_group_only_what_is_addressed_to_us_is_heard(make_door: Any) -> None:
    group: dict[str, Any] = {"chat": "-100", "group": True, "user": "1"}
    door = make_door(allow={"telegram": [1]}, free_chats={"telegram": ["-200"]})
    assert (await door.say("Who wins?", **group, direct=False)).outcome == "refused"
    assert (await door.say("@hermes who wins?", **group, direct=True)).outcome == "admitted"
    assert (await door.say("once", **group, direct=False, answers="q1")).outcome == "admitted"
    free = {**group, "chat": "-200"}
    assert (await door.say("Who wins?", **free, direct=False)).outcome == "admitted"
    everything = make_door(allow={"telegram": [1]}, require_mention=False)
    assert (await everything.say("Who wins?", **group, direct=False)).outcome == "admitted"


async def test_members_of_a_named_group_are_guests(make_door: Any) -> None:
    door = make_door(groups={"telegram": [-100]}, allow={"telegram": [1]})
    await door.say(user="1", chat="-100", group=True)
    await door.say(user="2", chat="-100", group=True)
    await door.say(user="2", chat="-300", group=True)
    await door.say(user="2")
    assert [(one.sender.id, one.role) for one in door.admitted] == [("1", "user"), ("2", "guest")]
    by_variable = make_door(variables={"TELEGRAM_GROUP_ALLOWED_CHATS": "-100"})
    assert (await by_variable.say(user="2", chat="-100", group=True)).outcome == "admitted"


@pytest.mark.parametrize(
    ("settings", "top", "in_group", "in_thread"),
    [
        ({}, {}, "telegram:1", ""),
        ({"thread_sessions_per_user": True}, {}, "telegram:1", "telegram:1"),
        ({"group_sessions_per_user": False}, {}, "", ""),
        ({}, {"group_sessions_per_user": False}, "", ""),
        ({}, {"thread_sessions_per_user": True}, "telegram:1", "telegram:1"),
    ],
)
async def test_members_of_a_group_have_conversations_of_their_own(
    make_door: Any,
    settings: dict[str, Any],
    top: dict[str, Any],
    in_group: str,
    in_thread: str,
) -> None:
    door = make_door(allow={"telegram": "*"}, top=top, **settings)
    await door.say(user="1", chat="-100", group=True)
    await door.say(user="1", chat="-100", group=True, thread="5")
    await door.say(user="1")
    assert [one.key.person for one in door.admitted] == [in_group, in_thread, ""]
    assert {one.person for one in door.admitted} == {"telegram:1"}


async def test_private_chats_of_one_person_may_share_a_conversation(make_door: Any) -> None:
    door = make_door(allow={"telegram": "*", "discord": "*"}, share_conversation=True)
    code = door.access.persons.offer("telegram:1")
    door.access.persons.join("discord:7", code)
    await door.say(user="1")
    await door.say(user="7", chat="dm-7", platform="discord")
    await door.say(user="2")
    await door.say(user="1", chat="-100", group=True)
    assert [one.bound and one.bound.chat for one in door.admitted] == [
        "telegram:1", "telegram:1", "telegram:2", None,
    ]  # fmt: skip
    assert [one.key.chat for one in door.admitted] == ["1", "dm-7", "2", "-100"]


async def test_a_code_is_never_given_where_others_read(make_door: Any) -> None:
    door = make_door(owners={"telegram": [1]})
    for text in ("/link", "/link@hermes_bot", "/pairing list", "/LINK K7QX2MPA"):
        admission = await door.say(text, user="1", chat="-100", group=True)
        assert admission.outcome == "refused"
        assert "private chat" in admission.notice
    assert (await door.say("/whoami", user="1", chat="-100", group=True)).outcome == "command"
    assert (await door.say("/link", user="1")).outcome == "command"


@pytest.mark.parametrize(
    ("text", "name"),
    [("/new", "new"), ("/New@bot now", "new"), ("/", ""), ("/ x", "x"), ("", ""), ("new", "")],
)
def test_commands_are_told_from_messages(text: str, name: str) -> None:
    assert command_of(make_inbound(text)) == name


async def test_a_file_that_cannot_be_understood_lets_nobody_in(make_door: Any) -> None:
    door = make_door()
    file = door.context.paths.data / "pairing.json"
    file.write_text("{half")
    with pytest.raises(Exception, match="move it away"):
        await door.say(user="1")
    assert file.read_text() == "{half"
    assert door.admitted == []


async def test_what_a_platform_vouches_for_is_no_strangers(make_door: Any) -> None:
    door = make_door(allow={"telegram": [1]})
    await door.say(user="route", vouched=True, role="user", person="owner")
    (one,) = door.admitted
    assert (one.role, one.person) == ("user", "owner")
