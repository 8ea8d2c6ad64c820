"""What the methods of the Bot API do in the Telegram that `hermes.testing.telegram` plays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from hermes.testing.telegram_chats import Chat, Json
from hermes.testing.telegram_rules import ACTIONS
from hermes.testing.telegram_texts import bad, check_text
from hermes.testing.telegram_wire import Upload

if TYPE_CHECKING:
    from hermes.testing.telegram import TelegramServer

DOWNLOAD_LIMIT = 20 * 2**20
"""Bytes of a file that a bot may fetch."""
PHOTO_LIMIT = 10 * 2**20


def run(server: TelegramServer, method: str, given: Json, files: Mapping[str, Upload]) -> Any:
    """Do what *method* does and give its result. Raises `Refusal`."""
    simple = _SIMPLE.get(method)
    if simple:
        return simple(server, given)
    if method == "sendMediaGroup":
        return _send_album(server, given, files)
    return _send(server, method, given, files)


# -- sending ----------------------------------------------------------------------------------


def _send(server: TelegramServer, method: str, given: Json, files: Mapping[str, Upload]) -> Json:
    chat = server.chat(given["chat_id"])
    if method == "sendMessage":
        content = _text(given, "text")
        if not content["text"]:
            raise bad("message text is empty")
    else:
        kind = method.removeprefix("send").lower()
        content = {**_file(server, kind, given[kind], files), **_text(given, "caption")}
    topic, reply_to = _place(chat, given)
    server.check_flood(chat.id)
    return _put(server, chat, {**content, **_keyboard(given)}, topic, reply_to)


def _send_album(server: TelegramServer, given: Json, files: Mapping[str, Upload]) -> list[Json]:
    chat = server.chat(given["chat_id"])
    topic, reply_to = _place(chat, given)
    contents = [
        {**_file(server, each["type"], each["media"], files), **_text(each, "caption")}
        for each in given["media"]
    ]
    server.check_flood(chat.id)
    album = {"media_group_id": f"{chat.id}-{len(chat.messages)}"}
    return [_put(server, chat, {**each, **album}, topic, reply_to) for each in contents]


def _put(server: TelegramServer, chat: Chat, content: Json, topic: int, reply_to: int) -> Json:
    return chat.add(server.bot, content, topic=topic, reply_to=reply_to)


def _text(given: Json, name: str) -> Json:
    """Give text (or caption) and entities as they are kept."""
    text = given.get(name, "")
    key = "entities" if name == "text" else "caption_entities"
    if given.get("parse_mode"):
        return {name: text.strip()}
    kept, entities = check_text(text, given.get(key, []), caption=name == "caption")
    if not kept and name == "caption":
        return {}
    return {name: kept, **({key: entities} if entities else {})}


def _file(server: TelegramServer, kind: str, source: str, files: Mapping[str, Upload]) -> Json:
    """Give what a message says of a file that is uploaded, or known by its id."""
    if source.startswith("attach://"):
        upload = files.get(source.removeprefix("attach://"))
        if upload is None:
            raise bad(f"can't find uploaded file {source}")
    elif source in server.files.kept:
        upload = server.files.kept[source][1]
    else:
        raise bad("wrong file identifier/HTTP URL specified")
    if not upload.data:
        raise bad("file must be non-empty")
    if kind == "photo":
        _check_photo(upload)
    said = server.files.keep(upload, kind)
    return {kind: [said] if kind == "photo" else said}


def _check_photo(upload: Upload) -> None:
    if len(upload.data) > PHOTO_LIMIT:
        raise bad(f"file of size {len(upload.data)} bytes is too big for a photo; the maximum size"
                  f" is {PHOTO_LIMIT} bytes")  # fmt: skip
    pictures = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")
    if not upload.data.startswith(pictures):
        raise bad("IMAGE_PROCESS_FAILED")


def _place(chat: Chat, given: Json) -> tuple[int, int]:
    """Give topic and replied message. Raises `Refusal` for what is not there."""
    topic = given.get("message_thread_id", 0)
    chat.check_topic(topic)
    reply: Json = given.get("reply_parameters") or {
        "message_id": given.get("reply_to_message_id", 0),
        "allow_sending_without_reply": given.get("allow_sending_without_reply", False),
    }
    wanted = int(reply["message_id"])
    if wanted and wanted not in chat.messages:
        if not reply.get("allow_sending_without_reply"):
            raise bad("message to be replied not found")
        wanted = 0
    return topic, wanted


def _keyboard(given: Json) -> Json:
    """Only inline keyboards are seen on a message."""
    markup = given.get("reply_markup") or {}
    return {"reply_markup": markup} if markup.get("inline_keyboard") else {}


# -- changing ---------------------------------------------------------------------------------


def _find(server: TelegramServer, given: Json, what: str) -> tuple[Chat, Json]:
    if "chat_id" not in given:
        raise bad("chat_id is empty")
    chat = server.chat(given["chat_id"])
    message = chat.messages.get(given.get("message_id", 0))
    if message is None:
        raise bad(f"message to {what} not found")
    if message["from"]["id"] != server.bot.id and what == "edit":
        raise bad("message can't be edited")
    return chat, message


def _edit_text(server: TelegramServer, given: Json) -> Json:
    chat, message = _find(server, given, "edit")
    if "text" not in message:
        raise bad("there is no text in the message to edit")
    content = _text(given, "text")
    return _change(server, chat, message, ("text", "entities"), {**content, **_keyboard(given)})


def _edit_caption(server: TelegramServer, given: Json) -> Json:
    chat, message = _find(server, given, "edit")
    content = {**_text(given, "caption"), **_keyboard(given)}
    return _change(server, chat, message, ("caption", "caption_entities"), content)


def _edit_markup(server: TelegramServer, given: Json) -> Json:
    chat, message = _find(server, given, "edit")
    return _change(server, chat, message, (), _keyboard(given))


def _change(
    server: TelegramServer, chat: Chat, message: Json, fields: tuple[str, ...], content: Json
) -> Json:
    replaced = (*fields, "reply_markup")
    if {key: message[key] for key in replaced if key in message} == content:
        raise bad(
            "message is not modified: specified new message content and reply markup are exactly"
            " the same as a current content and reply markup of the message"
        )
    server.check_flood(chat.id)
    for key in replaced:
        message.pop(key, None)
    message |= content
    message["edit_date"] = message["date"]
    return message


def _delete(server: TelegramServer, given: Json) -> bool:
    chat, message = _find(server, given, "delete")
    del chat.messages[message["message_id"]]
    return True


def _react(server: TelegramServer, given: Json) -> bool:
    chat, message = _find(server, given, "react")
    reaction = given.get("reaction") or []
    chat.reactions[message["message_id"]] = reaction[0].get("emoji", "") if reaction else ""
    return True


def _act(server: TelegramServer, given: Json) -> bool:
    if given["action"] not in ACTIONS:
        raise bad("wrong parameter action in request")
    chat = server.chat(given["chat_id"])
    chat.check_topic(given.get("message_thread_id", 0))
    chat.actions.append(given["action"])
    return True


# -- the rest ---------------------------------------------------------------------------------


def _answer_query(server: TelegramServer, given: Json) -> bool:
    text = given.get("text", "")
    if len(text) > 200:
        raise bad("MESSAGE_TOO_LONG")
    if given["callback_query_id"] in server.answered:
        raise bad("query is too old and response timeout expired or query ID is invalid")
    server.answered[given["callback_query_id"]] = text
    return True


def _get_me(server: TelegramServer, given: Json) -> Json:
    return {
        **server.bot.json,
        "can_join_groups": True,
        "can_read_all_group_messages": False,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def _get_file(server: TelegramServer, given: Json) -> Json:
    try:
        path, upload = server.files.kept[given["file_id"]]
    except KeyError:
        raise bad("wrong file_id or the file is temporarily unavailable") from None
    if len(upload.data) > DOWNLOAD_LIMIT:
        raise bad("file is too big")
    return {
        "file_id": given["file_id"],
        "file_unique_id": given["file_id"].replace("file-id", "unique"),
        "file_size": len(upload.data),
        "file_path": path,
    }


_GIFTS = (
    "unlimited_gifts",
    "limited_gifts",
    "unique_gifts",
    "premium_subscription",
    "gifts_from_channels",
)


def _get_chat(server: TelegramServer, given: Json) -> Json:
    chat = server.chat(given["chat_id"])
    return {
        **chat.json,
        "accent_color_id": 0,
        "max_reaction_count": 11,
        "accepted_gift_types": dict.fromkeys(_GIFTS, False),
    }


def _set_webhook(server: TelegramServer, given: Json) -> bool:
    url = given["url"]
    if url and not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    secret = given.get("secret_token", "")
    allowed = all(c.isascii() and (c.isalnum() or c in "_-") for c in secret)
    if len(secret) > 256 or not allowed:
        raise bad("secret token contains unallowed characters")
    server.updates.set_webhook(given)
    return True


def _delete_webhook(server: TelegramServer, given: Json) -> bool:
    server.updates.set_webhook({**given, "url": ""})
    return True


def _webhook_info(server: TelegramServer, given: Json) -> Json:
    said: Json = {
        "url": server.updates.webhook.get("url", ""),
        "has_custom_certificate": False,
        "pending_update_count": len(server.updates.pending),
    }
    if server.updates.webhook_error:
        said |= {"last_error_date": 1, "last_error_message": server.updates.webhook_error}
    return said


def _set_commands(server: TelegramServer, given: Json) -> bool:
    server.commands = msgspec.to_builtins(given["commands"])
    return True


def _delete_commands(server: TelegramServer, given: Json) -> bool:
    server.commands = []
    return True


_SIMPLE = {
    "getMe": _get_me,
    "setWebhook": _set_webhook,
    "deleteWebhook": _delete_webhook,
    "getWebhookInfo": _webhook_info,
    "sendChatAction": _act,
    "setMessageReaction": _react,
    "getFile": _get_file,
    "getChat": _get_chat,
    "editMessageText": _edit_text,
    "editMessageCaption": _edit_caption,
    "editMessageReplyMarkup": _edit_markup,
    "deleteMessage": _delete,
    "answerCallbackQuery": _answer_query,
    "setMyCommands": _set_commands,
    "getMyCommands": lambda server, given: server.commands,
    "deleteMyCommands": _delete_commands,
}
"""The methods that do not send."""
