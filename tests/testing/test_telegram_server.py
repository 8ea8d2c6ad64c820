"""The Telegram of the kit is one to a second client library too, and says no as the real one does.

aiogram checks every answer against its types, and the plugin of the repository uses another
library: what both understand is not made to measure.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiogram
import aiogram.methods
import httpx2
import pytest
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
)

from hermes.testing import TelegramServer
from hermes.testing.telegram_chats import PIXEL
from hermes.testing.telegram_rules import METHODS


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with TelegramServer() as server:
        yield server


@pytest.fixture
async def bot(telegram) -> AsyncIterator[aiogram.Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(telegram.url))
    async with aiogram.Bot(telegram.token, session=session) as bot:
        yield bot


@pytest.fixture
def anna(telegram):
    return telegram.private("Anna")


@pytest.fixture
async def call(telegram):
    """Call a method as no library would let one."""
    async with httpx2.AsyncClient(trust_env=False) as client:

        async def make(method, **parameters):
            url = f"{telegram.url}/bot{telegram.token}/{method}"
            return (await client.post(url, json=parameters)).json()

        yield make


def test_the_table_is_the_published_one():
    """The parameters are those that aiogram knows, and required where they are there."""
    published = {
        method.__api_method__: method.model_fields
        for method in vars(aiogram.methods).values()
        if isinstance(method, type) and hasattr(method, "__api_method__")
    }
    for method, parameters in METHODS.items():
        fields = published[method]
        assert parameters.keys() == fields.keys(), method
        assert {n for n, f in fields.items() if f.is_required()} == {
            n for n, (_, required) in parameters.items() if required
        } - ({"text"} if method == "editMessageText" else set()), method


# -- another library --------------------------------------------------------------------------


async def test_who_we_are(telegram, bot):
    me = await bot.get_me()
    assert (me.id, me.username, me.is_bot) == (telegram.bot.id, "test_bot", True)


async def test_texts_are_shown_edited_and_deleted(anna, bot):
    sent = await bot.send_message(anna.id, "Hello", entities=[
        MessageEntity(type="bold", offset=0, length=5)])  # fmt: skip
    assert (sent.text, sent.chat.id, sent.from_user.is_bot) == ("Hello", anna.id, True)
    assert sent.entities[0].type == "bold"
    edited = await bot.edit_message_text("Bye", chat_id=anna.id, message_id=sent.message_id)
    assert edited.text == "Bye"
    assert anna.shown == ["Bye"]
    await bot.delete_message(anna.id, sent.message_id)
    assert anna.shown == []


async def test_updates_of_every_kind_are_understood(telegram, anna, bot):
    said = anna.say("Hello @test_bot /help https://example.org")
    anna.edit(said, "Hello again")
    anna.send("photo", caption="look")
    anna.send("document", b"data", name="a.txt", media_type="text/plain")
    for kind in ("voice", "audio", "video", "animation"):
        anna.send(kind, b"data", name=f"a.{kind}")
    anna.share(location={"latitude": 1.0, "longitude": 2.0})
    forum = telegram.group("Forum", topics=2)
    forum.say("in a topic", topic=2)
    forum.say("a reply", reply_to=1)
    keyboard = InlineKeyboardMarkup(
        inline_keyboard=[[InlineKeyboardButton(text="Yes", callback_data="q:0")]]
    )
    await bot.send_message(anna.id, "May I?", reply_markup=keyboard)
    query = anna.press("Yes")
    updates = await bot.get_updates()
    assert len(updates) == 12
    assert [e.type for e in updates[0].message.entities] == ["mention", "bot_command", "url"]
    assert updates[1].edited_message.text == "Hello again"
    assert updates[2].message.photo[0].file_size == len(PIXEL)
    assert updates[9].message.is_topic_message
    assert updates[10].message.reply_to_message.text == "in a topic"
    assert updates[11].callback_query.data == "q:0"
    await bot.answer_callback_query(query, "Thanks")
    assert telegram.answered == {query: "Thanks"}


async def test_files_go_up_and_come_down(anna, bot):
    file = BufferedInputFile(b"some data", "a.txt")
    sent = await bot.send_document(anna.id, file, caption="Here")
    assert (sent.document.file_name, sent.caption) == ("a.txt", "Here")
    stored = await bot.get_file(sent.document.file_id)
    assert (await bot.download_file(stored.file_path)).read() == b"some data"
    again = await bot.send_document(anna.id, sent.document.file_id)
    assert again.document.file_size == 9
    photo = BufferedInputFile(PIXEL, "a.png")
    album = await bot.send_media_group(
        anna.id, [InputMediaPhoto(media=photo), InputMediaPhoto(media=photo)]
    )
    assert len({message.media_group_id for message in album}) == 1
    for send in (bot.send_photo, bot.send_voice, bot.send_video, bot.send_audio):
        await send(anna.id, photo)


async def test_signs_and_menus(telegram, anna, bot):
    said = anna.say("Hello")
    await bot.send_chat_action(anna.id, "typing")
    await bot.set_message_reaction(anna.id, said["message_id"], [ReactionTypeEmoji(emoji="👍")])
    await bot.set_my_commands([BotCommand(command="new", description="Begin anew")])
    assert anna.actions == ["typing"]
    assert anna.reactions == {said["message_id"]: "👍"}
    assert [c.command for c in await bot.get_my_commands()] == ["new"]
    assert (await bot.get_chat(anna.id)).first_name == "Anna"


async def test_replies(anna, bot):
    said = anna.say("Hello")
    sent = await bot.send_message(
        anna.id, "Hi", reply_parameters=ReplyParameters(message_id=said["message_id"])
    )
    assert sent.reply_to_message.text == "Hello"


# -- updates ----------------------------------------------------------------------------------


async def test_an_offset_confirms_what_is_before_it(telegram, anna, bot):
    for number in range(5):
        anna.say(f"{number}")
    first = await bot.get_updates(limit=2)
    assert [u.message.text for u in first] == ["0", "1"]
    assert [u.message.text for u in await bot.get_updates(limit=2)] == ["0", "1"]
    rest = await bot.get_updates(offset=first[-1].update_id + 1)
    assert [u.message.text for u in rest] == ["2", "3", "4"]
    assert telegram.updates.confirmed == first[-1].update_id
    last = await bot.get_updates(offset=-1)
    assert [u.message.text for u in last] == ["4"]


async def test_a_long_poll_ends_when_something_is_said(telegram, anna, bot):
    waiting = asyncio.create_task(bot.get_updates(timeout=30))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    anna.say("Hello")
    assert [u.message.text for u in await asyncio.wait_for(waiting, 2)] == ["Hello"]
    anna.say("more")
    offset = telegram.updates.last + 1
    assert await bot.get_updates(offset=offset, timeout=0) == []


async def test_only_the_kinds_that_were_asked_for_come(telegram, anna, bot):
    await bot.get_updates(allowed_updates=["message"])
    anna.edit(anna.say("Hello"), "Bye")
    assert [u.event_type for u in await bot.get_updates()] == ["message"]


async def test_the_second_poller_ends_the_first(telegram, anna, bot):
    first = asyncio.create_task(bot.get_updates(timeout=30))
    await asyncio.sleep(0.05)
    second = asyncio.create_task(bot.get_updates(timeout=30))
    with pytest.raises(TelegramConflictError, match="terminated by other getUpdates request"):
        await asyncio.wait_for(first, 2)
    anna.say("Hello")
    assert len(await second) == 1


async def test_a_webhook_takes_the_updates(telegram, anna, bot):
    got: list[tuple[bytes, bytes]] = []
    answers = [b"500 Oh", b"200 OK", b"200 OK"]

    async def receive(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        got.append((head, await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 " + answers.pop(0) + b"\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(receive, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    await bot.set_webhook(f"http://127.0.0.1:{port}/hook", secret_token="s3cret")
    with pytest.raises(TelegramConflictError, match="webhook is active"):
        await bot.get_updates()
    anna.say("one")
    anna.say("two")
    await telegram.drained()
    assert [b"one" in got[0][1], b"one" in got[1][1], b"two" in got[2][1]] == [True] * 3
    assert all(b"x-telegram-bot-api-secret-token: s3cret" in head for head, _ in got)
    assert (await bot.get_webhook_info()).pending_update_count == 0
    await bot.delete_webhook()
    assert await bot.get_updates() == []
    server.close()


# -- refusals ---------------------------------------------------------------------------------

TOO_LONG = "x" * 4097
BUTTON = {"text": "Yes", "callback_data": "x" * 65}


@pytest.mark.parametrize(
    ("method", "parameters", "said"),
    [
        ("sendMessage", {"text": "Hi"}, "chat_id is empty"),
        ("sendMessage", {"chat_id": 404, "text": "Hi"}, "chat not found"),
        ("sendMessage", {"chat_id": "1x", "text": "Hi"}, "chat not found"),
        ("sendMessage", {"chat_id": 7}, "message text is empty"),
        ("sendMessage", {"chat_id": 7, "text": ""}, "message text is empty"),
        ("sendMessage", {"chat_id": 7, "text": " \n "}, "text must be non-empty"),
        ("sendMessage", {"chat_id": 7, "text": TOO_LONG}, "message is too long"),
        ("sendMessage", {"chat_id": 7, "text": "😀" * 2049}, "message is too long"),
        ("sendMessage", {"chat_id": 7, "text": "Hi", "txet": 1}, "no parameter"),
        ("sendMessage", {"chat_id": 7, "text": "Hi", "message_thread_id": 5}, "thread not found"),
        (
            "sendMessage",
            {"chat_id": 7, "text": "Hi", "reply_parameters": {"message_id": 99}},
            "message to be replied not found",
        ),
        (
            "sendMessage",
            {"chat_id": 7, "text": "Hi", "reply_markup": {"inline_keyboard": [[BUTTON]]}},
            "BUTTON_DATA_INVALID",
        ),
        (
            "sendMessage",
            {"chat_id": 7, "text": "Hi", "reply_markup": {"inline_keyboard": [[{"text": "a"}]]}},
            "Text buttons are unallowed",
        ),
        ("sendMessage", {"chat_id": 7, "text": "Hi", "reply_markup": "{"}, "can't parse"),
        ("sendPhoto", {"chat_id": 7, "photo": "nothing"}, "wrong file identifier"),
        ("editMessageText", {"chat_id": 7, "message_id": 9, "text": "x"}, "to edit not found"),
        ("deleteMessage", {"chat_id": 7, "message_id": 9}, "to delete not found"),
        ("sendChatAction", {"chat_id": 7, "action": "dancing"}, "wrong parameter action"),
        ("getFile", {"file_id": "nothing"}, "wrong file_id"),
        ("setMyCommands", {"commands": [{"command": "A b"}]}, "BOT_COMMAND_INVALID"),
        ("setWebhook", {"url": "http://example.org/"}, "HTTPS URL must be provided"),
        ("setWebhook", {"url": "https://example.org/", "secret_token": "é"}, "unallowed"),
    ],
)
async def test_what_is_wrong_is_refused(telegram, call, method, parameters, said):
    telegram.private("Anna", id=7)
    answer = await call(method, **parameters)
    assert (answer["ok"], answer["error_code"]) == (False, 400)
    assert answer["description"].startswith("Bad Request: ")
    assert said in answer["description"]
    assert telegram.calls[-1].error == answer["description"]


@pytest.mark.parametrize(
    ("text", "entity", "said"),
    [
        ("hello", {"type": "bold", "offset": 100, "length": 1}, "begins after the end of the text"),
        ("hello", {"type": "bold", "offset": 0, "length": 9}, "ends after the end of the text"),
        ("😀", {"type": "bold", "offset": 1, "length": 1}, "in a middle of a UTF-16 symbol"),
        ("hello", {"type": "loud", "offset": 0, "length": 1}, "Unsupported type specified"),
        (
            "hello",
            {"type": "text_link", "offset": 0, "length": 1, "url": "http://localhost/"},
            "Wrong HTTP URL",
        ),
    ],
)
async def test_entities_that_do_not_fit_are_refused(telegram, call, text, entity, said):
    chat = telegram.private("Anna")
    answer = await call("sendMessage", chat_id=chat.id, text=text, entities=[entity])
    assert said in answer["description"]


async def test_entities_that_cross_are_refused(telegram, call):
    chat = telegram.private("Anna")
    crossing = [
        {"type": "bold", "offset": 0, "length": 6},
        {"type": "italic", "offset": 3, "length": 9},
    ]
    answer = await call("sendMessage", chat_id=chat.id, text="x" * 20, entities=crossing)
    assert answer["description"] == (
        "Bad Request: entity beginning at UTF-16 offset 3 ends after the end of the text at UTF-16"
        " offset 12"
    )


async def test_white_space_around_a_text_goes_and_entities_move_with_it(telegram, anna, call):
    entity = {"type": "bold", "offset": 2, "length": 9}
    await call("sendMessage", chat_id=anna.id, text="  Hello    ", entities=[entity])
    assert anna.shown == ["Hello"]
    assert anna.of_bot[0]["entities"] == [{"type": "bold", "offset": 0, "length": 5}]


async def test_an_edit_that_changes_nothing_is_refused(anna, bot):
    sent = await bot.send_message(anna.id, "same")
    with pytest.raises(TelegramBadRequest, match="message is not modified"):
        await bot.edit_message_text("same", chat_id=anna.id, message_id=sent.message_id)
    said = anna.say("mine")
    with pytest.raises(TelegramBadRequest, match="can't be edited"):
        await bot.edit_message_text("ours", chat_id=anna.id, message_id=said["message_id"])


async def test_who_blocked_the_bot_is_not_reached(telegram, anna, bot):
    anna.block()
    with pytest.raises(TelegramForbiddenError, match="bot was blocked by the user"):
        await bot.send_message(anna.id, "Hello")
    old, new = telegram.group("Old"), telegram.group("New")
    old.moved_to = new.id
    with pytest.raises(TelegramMigrateToChat) as raised:
        await bot.send_message(old.id, "Hello")
    assert raised.value.migrate_to_chat_id == new.id


async def test_floods_are_held_back(telegram, anna, bot):
    telegram.limit_floods(2, 1.0, retry_after=1)
    await bot.send_message(anna.id, "1")
    await bot.send_message(anna.id, "2")
    for _ in range(2):
        with pytest.raises(TelegramRetryAfter) as raised:
            await bot.send_message(anna.id, "3")
        assert raised.value.retry_after == 1
        await asyncio.sleep(0.2)
    assert telegram.impatient == 1
    await asyncio.sleep(1.01)
    await bot.send_message(anna.id, "3")
    assert anna.shown == ["1", "2", "3"]


async def test_a_bad_token_and_an_unknown_method(telegram, bot, call):
    answer = await call("doNothing")
    assert answer["error_code"] == 404
    telegram.revoke()
    with pytest.raises(TelegramUnauthorizedError):
        await bot.get_me()


async def test_a_planned_refusal_comes_once(telegram, anna, bot):
    telegram.refuse("sendMessage", 400, "Bad Request: MESSAGE_TOO_LONG")
    with pytest.raises(TelegramBadRequest, match="MESSAGE_TOO_LONG"):
        await bot.send_message(anna.id, "Hello")
    await bot.send_message(anna.id, "Hello")
    assert [c.status for c in telegram.of("sendMessage")] == [400, 200]


# -- faults -----------------------------------------------------------------------------------


async def get_me(telegram, client):
    return await client.get(f"{telegram.url}/bot{telegram.token}/getMe", timeout=0.3)


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("black-hole", httpx2.ReadTimeout),
        ("refuse", httpx2.TransportError),
        ("cut", httpx2.TransportError),
        ("drop", httpx2.RemoteProtocolError),
    ],
)
async def test_faults_look_like_what_they_are(telegram, fault, error):
    async with httpx2.AsyncClient(trust_env=False) as client:
        await get_me(telegram, client)
        await telegram.fault(fault)
        with pytest.raises(error):
            await get_me(telegram, client)
        await telegram.heal()
        assert (await get_me(telegram, client)).status_code == 200


async def test_half_open_connections_are_silent_while_new_ones_work(telegram):
    limits = httpx2.Limits(max_connections=1)
    async with httpx2.AsyncClient(trust_env=False, limits=limits) as old:
        await get_me(telegram, old)
        await telegram.fault("half-open")
        with pytest.raises(httpx2.ReadTimeout):
            await get_me(telegram, old)
        assert (await get_me(telegram, old)).status_code == 200


async def test_a_proxy_in_front_answers_for_it(telegram):
    await telegram.fault("errors")
    async with httpx2.AsyncClient(trust_env=False) as client:
        answer = await get_me(telegram, client)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html")


async def test_a_dropped_answer_is_of_a_call_that_was_done(telegram, anna):
    await telegram.fault("drop")
    async with httpx2.AsyncClient(trust_env=False) as client:
        url = f"{telegram.url}/bot{telegram.token}/sendMessage"
        with pytest.raises(httpx2.RemoteProtocolError):
            await client.post(url, data={"chat_id": str(anna.id), "text": "Hello"})
    assert anna.shown == ["Hello"]


async def test_a_deaf_server_looks_well(telegram, anna, bot):
    await telegram.fault("deaf")
    anna.say("Hello")
    assert await bot.get_updates(timeout=0) == []
    await telegram.heal()
    assert len(await bot.get_updates()) == 1
