"""What people do on Telegram reaches the inbox once, in order, and nothing is confirmed before."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import msgspec
import pytest

from hermes import Failed, Part, SessionKey
from hermes.testing import MemoryInbox, TelegramServer
from hermes.testing.telegram_chats import PIXEL
from hermes_plugin_telegram.platform import TelegramPlatform
from hermes_plugin_telegram.settings import TelegramSettings


async def test_a_private_message_says_who_and_where(telegram: TelegramServer, inbox):
    anna = telegram.private("Anna", id=77, username="anna")
    said = anna.say("Hello")
    (message,) = await inbox.received(1)
    assert message.text == "Hello"
    assert (message.key.platform, message.key.chat, message.key.thread) == ("telegram", "77", "")
    assert (message.sender.id, message.sender.name) == ("77", "Anna")
    assert message.direct
    assert not message.group
    assert message.id == f"77:{said['message_id']}"
    assert message.time == said["date"] * 1_000_000


async def test_updates_from_before_the_start_are_not_dropped(telegram, make_platform, run):
    chats = [telegram.private(f"P{n}", id=100 + n) for n in range(5)]
    for number in range(50):
        chats[number % 5].say(f"message {number}")
    platform, inbox = make_platform(), MemoryInbox()
    await platform.open()
    async with run(platform, inbox):
        got = await inbox.received(50)
        await telegram.drained()
    await platform.close()
    assert [m.text for m in got] == [f"message {n}" for n in range(50)]


class Watching(MemoryInbox):
    """An inbox that fails now and then, and sees what Telegram thinks it has."""

    def __init__(self, telegram: TelegramServer, random: Random) -> None:
        super().__init__()
        self.telegram, self.random = telegram, random
        self.told_too_early = 0

    async def put(self, messages, *, cursor=""):
        self.look()
        if self.random.random() < 0.3:
            raise OSError("disk full")  # the process might as well be dead
        await super().put(messages, cursor=cursor)

    def look(self):
        """Telegram must not have been told of more than was kept."""
        if self.telegram.updates.confirmed >= int(self.kept_cursor or 1001):
            self.told_too_early += 1


async def test_an_offset_never_passes_what_the_inbox_has(telegram, make_platform, run):
    """AT-02, at the platform: fifty queued, fifty more while it dies and starts again."""
    chat = telegram.private("Anna")
    inbox = Watching(telegram, Random(7))
    for number in range(50):
        chat.say(f"message {number}")
    deaths = 0
    said = 50
    while len(inbox.messages) < 100:
        platform = make_platform()
        await platform.open()
        async with run(platform, inbox) as task:
            while not task.done() and len(inbox.messages) < 100:
                if said < 100:
                    chat.say(f"message {said}")
                    said += 1
                await asyncio.wait([task], timeout=0.01)
            inbox.look()
        deaths += 1
        await platform.close()
    assert deaths > 3
    assert inbox.told_too_early == 0
    assert [m.text for m in inbox.messages] == [f"message {n}" for n in range(100)]


async def test_repeated_and_reordered_updates_are_one_message_each(telegram, inbox):
    chat = telegram.private("Anna")
    telegram.updates.deaf = True
    for number in range(5):
        chat.say(f"message {number}")
    updates = list(telegram.updates.pending)
    telegram.updates.pending.extend(updates[2:4])
    telegram.updates.pending.rotate(2)
    telegram.updates.deaf = False
    telegram.updates.wake()
    await inbox.received(5)
    await telegram.drained()
    telegram.updates.insert(updates[0])
    chat.say("last")
    got = await inbox.received(6)
    assert sorted(m.text for m in got) == ["last", *(f"message {n}" for n in range(5))]


async def test_an_update_that_cannot_be_read_does_not_stop_the_rest(telegram, inbox, platform):
    chat = telegram.private("Anna")
    telegram.updates.insert({"update_id": 1500, "message": {"from": 7, "nonsense": True}})
    chat.say("still here")
    await inbox.received(1)
    telegram.updates.insert({"update_id": 1600, "something_new": {"x": 1}})
    await telegram.drained()
    assert [m.text for m in inbox.messages] == ["still here"]


async def test_edits_are_ignored_unless_asked_for(telegram, make_platform, run):
    chat = telegram.private("Anna")
    for mode, expected in (
        ("ignore", ["frist", "next"]),
        ("note", ["frist", "[edited] first", "next"]),
    ):
        platform, inbox = make_platform(edits=mode), MemoryInbox()
        await platform.open()
        async with run(platform, inbox):
            message = chat.say("frist")
            await inbox.received(1)
            chat.edit(message, "first")
            chat.say("next")
            await inbox.received(len(expected))
            await telegram.drained()
        await platform.close()
        assert [m.text for m in inbox.messages] == expected
        assert len({m.id for m in inbox.messages}) == len(expected)


# -- groups -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "direct", "read"),
    [
        ("good morning all", False, "good morning all"),
        ("@test_bot what is up", True, "what is up"),
        ("@TEST_BOT, hi", True, "hi"),
        ("so @test_bot, what now", True, "so @test_bot, what now"),
        ("@test_bot", True, "@test_bot"),
        ("mail me at x@test_bot.example", False, "mail me at x@test_bot.example"),
        ("/stop", True, "/stop"),
        ("/stop@test_bot now", True, "/stop now"),
    ],
)
async def test_in_a_group_we_are_meant_when_we_are_named(telegram, inbox, text, direct, read):
    group = telegram.group("Team", telegram.person("Bob", id=9))
    group.say(text)
    (message,) = await inbox.received(1)
    assert (message.direct, message.text) == (direct, read)
    assert (message.key.chat, message.sender.id) == (str(group.id), "9")
    assert message.group


async def test_a_command_for_another_bot_is_not_ours(telegram, inbox):
    group = telegram.group()
    group.say("/stop@other_bot")
    group.say("@test_bot hi")
    (message,) = await inbox.received(1)
    assert message.text == "hi"


async def test_a_mention_without_a_user_name_means_us_too(telegram, inbox):
    group = telegram.group()
    mention = {"type": "text_mention", "offset": 3, "length": 3, "user": telegram.bot.json}
    group.say("😀 Bot hi", entities=[mention])
    (message,) = await inbox.received(1)
    assert message.direct


async def test_a_reply_to_us_is_direct_and_quotes_what_it_answers(telegram, inbox):
    group = telegram.group()
    ours = group.add(telegram.bot, {"text": "Shall I\ngo on?"})
    group.say("yes", reply_to=ours["message_id"])
    (message,) = await inbox.received(1)
    assert message.direct
    assert message.reply_to == f"{group.id}:{ours['message_id']}"
    assert message.text == "[in reply to Test Bot: Shall I go on?]\nyes"


async def test_a_topic_is_a_place_of_its_own(telegram, inbox, platform):
    forum = telegram.group("Forum", topics=2)
    forum.say("@test_bot in the topic", topic=2)
    forum.say("@test_bot in general")
    in_topic, general = await inbox.received(2)
    assert (in_topic.key.thread, general.key.thread) == ("2", "")


async def test_those_who_joined_and_other_bots_say_nothing(telegram, inbox):
    group = telegram.group()
    group.share(new_chat_members=[telegram.person("New").json])
    group.say("beep", by=telegram.bot)
    group.say("@test_bot hi")
    (message,) = await inbox.received(1)
    assert message.text == "hi"


# -- buttons ----------------------------------------------------------------------------------


async def test_a_pressed_button_answers_its_question(telegram, inbox, platform):
    chat = telegram.private("Anna")
    key = SessionKey("telegram", str(chat.id))
    choices = ("Once", "Always, for this folder", "Deny")
    await platform.send(Part(key, "May I?", question="0123456789abcdef", choices=choices))
    query = chat.press("Always, for this folder")
    (message,) = await inbox.received(1)
    assert (message.answers, message.text) == ("0123456789abcdef", "Always, for this folder")
    assert message.sender.id == str(chat.id)
    await telegram.called("answerCallbackQuery")
    assert query in telegram.answered


async def test_each_press_is_a_message_of_its_own(telegram, inbox, platform):
    group = telegram.group("Team", telegram.person("A", id=1), telegram.person("B", id=2))
    key = SessionKey("telegram", str(group.id))
    await platform.send(Part(key, "May I?", question="q1", choices=("Yes", "No")))
    group.press("Yes", by=group.people[0])
    group.press("No", by=group.people[1])
    first, second = await inbox.received(2)
    assert (first.text, second.text) == ("Yes", "No")
    assert first.id != second.id


# -- files ------------------------------------------------------------------------------------


async def fetched(platform, inbox, count=1):
    """Give what came with its files, as the gateway has it once the sender was let in."""
    messages = await inbox.received(count)
    return [await platform.fetch(message) for message in messages]


async def test_a_photo_is_seen_and_kept(telegram, platform, inbox):
    telegram.private("Anna").send("photo", caption="what is this?")
    (message,) = await fetched(platform, inbox)
    assert message.text == "what is this?"
    assert [image.media_type for image in message.images] == ["image/jpeg"]
    (attachment,) = message.attachments
    assert Path(attachment.path).read_bytes() == PIXEL


async def test_a_voice_message_is_marked_as_one(telegram, platform, inbox):
    telegram.private("Anna").send("voice", b"OggS...", media_type="audio/ogg")
    (message,) = await fetched(platform, inbox)
    (attachment,) = message.attachments
    assert (attachment.voice, attachment.media_type, message.text) == (True, "audio/ogg", "")


async def test_a_file_waits_on_telegrams_side_until_it_is_asked_for(telegram, inbox):
    telegram.private("Mallory").send("document", b"x" * 1000, name="a.txt")
    (message,) = await inbox.received(1)
    assert (message.attachments[0].path, message.attachments[0].size) == ("", 1000)
    assert not telegram.of("getFile")


@pytest.mark.parametrize(
    "name", ["../../.ssh/authorized_keys", "a/b\\c.txt", "...", "x" * 300 + ".pdf", "é 😀.txt", ""]
)
async def test_a_file_stays_in_its_folder_whatever_its_name(telegram, platform, inbox, home, name):
    telegram.private("Anna").send("document", b"data", name=name, media_type="text/plain")
    (message,) = await fetched(platform, inbox)
    path = Path(message.attachments[0].path)
    assert path.parent == home / "cache" / "telegram" / "files"
    assert path.read_bytes() == b"data"
    assert path.stat().st_mode & 0o77 == 0
    assert not path.name.startswith(".")


async def test_what_is_too_large_is_named_not_fetched(telegram, platform, inbox):
    chat = telegram.private("Anna")
    chat.send("video", b"x", name="film.mp4", file_size=300_000_000, caption="look")
    (message,) = await fetched(platform, inbox)
    assert message.text == "look\n[film.mp4 (300 MB) is too large to be fetched]"
    assert not message.attachments
    assert not telegram.of("getFile")


async def test_a_file_that_is_gone_leaves_a_note(telegram, platform, inbox):
    telegram.refuse(
        "getFile", 400, "Bad Request: wrong file_id or the file is temporarily unavailable"
    )
    telegram.private("Anna").send("document", b"data", name="a.txt")
    (message,) = await fetched(platform, inbox)
    assert message.text.startswith("[a.txt could not be fetched: ")
    assert not message.attachments


async def test_a_fetch_that_fails_is_tried_again(telegram, platform, inbox):
    telegram.refuse("getFile", 500, "Internal Server Error")
    telegram.private("Anna").send("document", b"data", name="a.txt")
    (message,) = await fetched(platform, inbox)
    assert len(message.attachments) == 1


async def test_the_messages_of_an_album_say_that_they_are_one(telegram, platform, inbox):
    chat = telegram.private("Anna")
    chat.say("before")
    for number in range(3):
        chat.send("photo", album="a1", caption="our trip" if number == 0 else "")
    before, *album = await inbox.received(4)
    assert before.album == ""
    assert [each.album for each in album] == ["a1"] * 3
    files = tuple(file for each in album for file in each.attachments)
    joined = await platform.fetch(msgspec.structs.replace(album[0], attachments=files))
    assert len(joined.images) == len({file.path for file in joined.attachments}) == 3


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ({"location": {"latitude": 1.5, "longitude": 2.5}}, "[location: 1.5, 2.5]"),
        ({"contact": {"first_name": "Bob", "phone_number": "+1"}}, "[contact: Bob +1]"),
        ({"dice": {"emoji": "🎲", "value": 6}}, "[dice 🎲: 6]"),
    ],
)
async def test_what_has_no_words_is_put_into_some(telegram, inbox, content, text):
    telegram.private("Anna").share(**content)
    (message,) = await inbox.received(1)
    assert message.text == text


# -- the token --------------------------------------------------------------------------------


async def test_a_token_that_is_revoked_while_it_runs_stops_it(telegram, platform, run):
    async with run(platform, MemoryInbox()) as task:
        await telegram.called("getMe")
        telegram.revoke()
        async with asyncio.timeout(10):
            with pytest.raises(Failed) as raised:
                await task
    assert raised.value.failure.kind == "auth"
    assert "@BotFather" in raised.value.failure.message


async def test_without_a_token_it_says_where_to_put_one(plugin_context):
    platform = TelegramPlatform(plugin_context("telegram", settings=TelegramSettings()))
    with pytest.raises(Failed) as raised:
        await platform.open()
    assert raised.value.failure.kind == "auth"
    assert "TELEGRAM_BOT_TOKEN" in raised.value.failure.message
