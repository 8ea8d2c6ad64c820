"""Parts arrive as they are meant, and what Telegram refuses is said in the kernel's terms."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from hermes import Attachment, Failed, Part, SessionKey
from hermes.testing import TelegramServer
from hermes.testing.telegram_chats import PIXEL, Chat

pytestmark = pytest.mark.filterwarnings("ignore:.*retry_after")  # it will be another type one day


@pytest.fixture
def anna(telegram: TelegramServer) -> Chat:
    return telegram.private("Anna")


@pytest.fixture
def key(anna: Chat) -> SessionKey:
    return SessionKey("telegram", str(anna.id))


async def failure(platform, part):
    with pytest.raises(Failed) as raised:
        await platform.send(part)
    return raised.value.failure


# -- texts ------------------------------------------------------------------------------------


async def test_marks_arrive_as_entities(platform, anna, key):
    (piece,) = platform.format("😀 **bold** [link](https://example.org)")
    await platform.send(Part(key, piece.text, markup=piece.markup))
    (message,) = anna.of_bot
    assert message["text"] == "😀 bold link"
    assert message["entities"] == [
        {"type": "bold", "offset": 3, "length": 4},
        {"type": "text_link", "offset": 8, "length": 4, "url": "https://example.org"},
    ]


async def test_a_reply_names_what_it_answers(platform, anna, key):
    said = anna.say("Hello")
    await platform.send(Part(key, "Hi", reply_to=f"{anna.id}:{said['message_id']}"))
    assert anna.of_bot[0]["reply_to_message"]["text"] == "Hello"


async def test_a_reply_to_what_is_gone_arrives_all_the_same(platform, anna, key):
    await platform.send(Part(key, "Hi", reply_to=f"{anna.id}:999"))
    assert anna.shown == ["Hi"]


async def test_a_topic_gets_its_reply_and_general_one_without_a_name(telegram, platform):
    forum = telegram.group("Forum", topics=2)
    for thread in ("2", "1", ""):
        place = SessionKey("telegram", str(forum.id), thread=thread)
        await platform.send(Part(place, f"in {thread}"))
        await platform.typing(place)
    given = [call.parameters.get("message_thread_id") for call in telegram.of("sendMessage")]
    assert given == [2, None, None]


async def test_a_topic_that_was_deleted_does_not_lose_the_reply(telegram, platform):
    forum = telegram.group("Forum", topics=1)
    await platform.send(Part(SessionKey("telegram", str(forum.id), thread="77"), "late"))
    assert forum.shown == ["late"]


async def test_a_group_that_became_a_supergroup_gets_its_reply(telegram, platform):
    old, new = telegram.group("Old"), telegram.group("New")
    old.moved_to = new.id
    receipt = await platform.send(Part(SessionKey("telegram", str(old.id)), "moved"))
    assert new.shown == ["moved"]
    assert receipt.id.startswith(f"{new.id}:")


async def test_entities_that_telegram_does_not_like_do_not_lose_the_reply(platform, anna, key):
    await platform.send(Part(key, "short", markup='[{"type":"bold","offset":0,"length":99}]'))
    assert anna.shown == ["short"]


# -- edits ------------------------------------------------------------------------------------


async def test_a_draft_grows_by_edits(platform, anna, key):
    draft = await platform.send(Part(key, "one"))
    for text in ("one two", "one two three"):
        assert await platform.send(Part(key, text, edits=draft.id)) == draft
    assert anna.shown == ["one two three"]


async def test_an_edit_that_changes_nothing_is_fine(telegram, platform, make_platform, anna, key):
    draft = await platform.send(Part(key, "same"))
    assert await platform.send(Part(key, "same", edits=draft.id)) == draft
    assert not telegram.of("editMessageText"), "it knows what the draft shows"
    restarted = make_platform()
    await restarted.open()
    assert await restarted.send(Part(key, "same", edits=draft.id)) == draft
    await restarted.close()
    assert [call.status for call in telegram.of("editMessageText")] == [400]


async def test_an_edit_of_what_was_deleted_is_sent_anew(platform, anna, key):
    draft = await platform.send(Part(key, "draft"))
    anna.messages.clear()
    final = await platform.send(Part(key, "final", edits=draft.id))
    assert anna.shown == ["final"]
    assert final.id != draft.id


async def test_an_edit_without_choices_takes_the_buttons_away(platform, anna, key):
    asked = await platform.send(Part(key, "May I?", question="q", choices=("Yes", "No")))
    assert "reply_markup" in anna.of_bot[0]
    await platform.send(Part(key, "May I?\n✔ Yes", edits=asked.id))
    assert "reply_markup" not in anna.of_bot[0]


async def test_a_question_whose_id_is_too_long_for_a_button_is_asked_without(platform, anna, key):
    await platform.send(Part(key, "May I?", question="q" * 80, choices=("Yes", "No")))
    assert "reply_markup" not in anna.of_bot[0]


async def test_many_choices_are_buttons(platform, anna, key):
    choices = tuple(f"Model number {n} of the catalogue, long enough" for n in range(30))
    await platform.send(Part(key, "Which?", question="0123456789abcdef", choices=choices))
    rows = anna.of_bot[0]["reply_markup"]["inline_keyboard"]
    assert [button["text"] for row in rows for button in row] == list(choices)


# -- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "media_type", "voice", "method"),
    [
        ("a.png", PIXEL, "image/png", False, "sendPhoto"),
        ("a.pdf", b"%PDF", "application/pdf", False, "sendDocument"),
        ("a.ogg", b"OggS", "audio/ogg", True, "sendVoice"),
        ("a.mp3", b"ID3", "audio/mpeg", False, "sendAudio"),
        ("a.mp4", b"mp4", "video/mp4", False, "sendVideo"),
        ("a.gif", b"GIF8", "image/gif", False, "sendAnimation"),
        ("a.svg", b"<svg/>", "image/svg+xml", False, "sendDocument"),
    ],
)
async def test_files_are_shown_as_what_they_are(
    telegram, platform, anna, key, tmp_path, name, data, media_type, voice, method
):
    path = tmp_path / name
    path.write_bytes(data)
    attachment = Attachment(str(path), media_type, voice=voice)
    await platform.send(Part(key, "Here.", attachment=attachment))
    (call,) = telegram.of(method)
    (upload,) = call.files.values()
    assert (upload.name, upload.data) == (name, data)
    assert anna.shown == ["Here."]


async def test_a_picture_that_telegram_cannot_show_comes_as_a_file(
    telegram, platform, key, tmp_path
):
    path = tmp_path / "broken.png"
    path.write_bytes(b"not a picture")
    await platform.send(Part(key, attachment=Attachment(str(path), "image/png")))
    assert [call.status for call in telegram.of("sendPhoto")] == [400]
    assert [call.status for call in telegram.of("sendDocument")] == [200]


async def test_a_text_too_long_for_a_caption_goes_before_the_file(platform, anna, key, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"data")
    await platform.send(Part(key, "x" * 2000, attachment=Attachment(str(path), "text/plain")))
    assert anna.shown == ["x" * 2000, ""]


async def test_a_file_that_is_not_there_is_no_failure_of_telegrams(telegram, platform, key):
    gone = Attachment("/nowhere/a.txt", "text/plain")
    said = await failure(platform, Part(key, attachment=gone))
    assert (said.kind, said.message) == (
        "bad_request",
        "a.txt cannot be sent: No such file or directory",
    )
    assert not telegram.calls


async def test_a_file_that_is_too_large_is_refused_here(telegram, platform, key, tmp_path):
    path = tmp_path / "huge.bin"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    attachment = Attachment(str(path), "application/octet-stream")
    said = await failure(platform, Part(key, attachment=attachment))
    assert said.kind == "bad_request"
    assert "50 MB" in said.message
    assert not telegram.calls


# -- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "description", "parameters", "kind", "retryable"),
    [
        (429, "Too Many Requests: retry after 7", {"retry_after": 7}, "rate_limit", True),
        (403, "Forbidden: bot was blocked by the user", {}, "refused", False),
        (400, "Bad Request: chat not found", {}, "bad_request", False),
        (400, "Bad Request: message is too long", {}, "bad_request", False),
        (413, "Request Entity Too Large", {}, "bad_request", False),
        (401, "Unauthorized", {}, "auth", False),
        (500, "Internal Server Error", {}, "transient", True),
        (502, "Bad Gateway", {}, "transient", True),
    ],
)
async def test_refusals_are_said_in_our_terms(
    telegram, platform, key, status, description, parameters, kind, retryable
):
    telegram.refuse("sendMessage", status, description, **parameters)
    said = await failure(platform, Part(key, "Hello"))
    assert (said.kind, said.retryable, said.source) == (kind, retryable, "telegram")
    assert said.retry_after == parameters.get("retry_after")
    assert telegram.token not in said.message


@pytest.mark.parametrize("fault", ["refuse", "cut", "errors", "black-hole"])
async def test_a_broken_line_is_a_failure_to_try_again(telegram, platform, key, fault):
    await telegram.fault(fault)
    said = await failure(platform, Part(key, "Hello"))
    assert said.retryable
    await telegram.heal()
    await platform.send(Part(key, "Hello"))


async def test_a_flood_limit_is_obeyed_by_who_waits_as_told(telegram, platform, anna, key):
    telegram.limit_floods(3, 1.0, retry_after=1)
    for number in range(8):
        if number in (3, 6):
            said = await failure(platform, Part(key, f"{number}"))
            assert said.kind == "rate_limit"
            await asyncio.sleep(said.retry_after)
        await platform.send(Part(key, f"{number}"))
    assert anna.shown == [f"{number}" for number in range(8)]
    assert telegram.impatient == 0


async def test_nothing_is_shown_while_telegram_asks_to_wait(telegram, platform, key):
    telegram.refuse("sendMessage", 429, "Too Many Requests: retry after 3", retry_after=3)
    await failure(platform, Part(key, "Hello"))
    await platform.typing(key)
    assert not telegram.of("sendChatAction")


# -- what only shows --------------------------------------------------------------------------


async def test_typing_is_shown_and_its_failure_is_nobodys(telegram, platform, anna, key):
    await platform.typing(key)
    assert anna.actions == ["typing"]
    anna.block()
    await platform.typing(key)


async def test_reactions_say_what_becomes_of_a_message(telegram, make_platform, anna, key):
    platform = make_platform(reactions=True)
    await platform.open()
    said = anna.say("Hello")
    id = f"{anna.id}:{said['message_id']}"
    for state, emoji in (("queued", "👀"), ("working", "👀"), ("done", "👍"), ("failed", "👎")):
        await platform.mark(key, id, state)
        assert anna.reactions == {said["message_id"]: emoji}
    await platform.mark(key, f"{id}:press:1", "done")
    await platform.close()
    assert len(telegram.of("setMessageReaction")) == 3


async def test_reactions_are_off_unless_asked_for(telegram, platform, anna, key):
    said = anna.say("Hello")
    await platform.mark(key, f"{anna.id}:{said['message_id']}", "done")
    assert not telegram.calls


async def test_the_menu_has_every_command_that_telegram_can_name(telegram, platform):
    commands = [("new", "Begin anew"), ("gif-search", "Find"), ("Help", ""), ("x" * 40, "Long")]
    await platform.menu([*commands, ("new", "again"), ("日本", "no"), ("long", "d" * 400)])
    assert [c["command"] for c in telegram.commands] == ["new", "gif_search", "help", "long"]
    assert len(telegram.commands[3]["description"]) == 256


async def test_one_connection_serves_many_sends(telegram, platform, key):
    for number in range(20):
        await platform.send(Part(key, f"{number}"))
    assert telegram.connections == 1


async def test_the_token_is_in_no_log(telegram, platform, key, caplog):
    caplog.set_level(0)
    await platform.send(Part(key, "Hello"))
    await telegram.fault("refuse")
    await failure(platform, Part(key, "Hello"))
    assert telegram.token not in caplog.text


def test_importing_the_platform_does_not_import_the_client():
    probe = (
        "import sys, hermes_plugin_telegram.platform, hermes_plugin_telegram.settings;"
        "print([m for m in ('telegram', 'httpx', 'telegramify_markdown') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


async def test_whoever_does_not_wait_is_stopped_before_telegram_is_asked(
    telegram, platform, anna, key
):
    telegram.limit_floods(2, 1.0, retry_after=1)
    bob = SessionKey("telegram", str(telegram.private("Bob", id=55).id))
    refused = 0
    for number in range(20):  # as a draft that grows does
        try:
            await platform.send(Part(key, f"{number}"))
        except Failed:
            refused += 1
        await platform.typing(key)
    assert (len(anna.shown), refused) == (2, 18)
    assert telegram.impatient == 0
    await platform.send(Part(bob, "not your wait"))


async def test_what_is_sent_while_the_line_is_being_made_is_tried_again(make_platform, anna, key):
    platform = make_platform()
    (piece,) = platform.format("**left over**")
    said = await failure(platform, Part(key, piece.text, markup=piece.markup))
    assert said.retryable
    await platform.typing(key)
    await platform.open()
    await platform.send(Part(key, piece.text, markup=piece.markup))
    await platform.close()
    assert anna.shown == ["left over"]
