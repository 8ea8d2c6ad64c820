"""What Telegram's Bot API refuses, in its own words, for the server of `hermes.testing.telegram`.

`METHODS` is the published table of the methods that the server plays: names of parameters, their
types, which are required. Limits and texts follow the documentation and what the service answers;
the point is that a call which passes here passes there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from hermes.testing.telegram_texts import Refusal, bad, check_link

_ALBUM = """business_connection_id:str message_thread_id:int direct_messages_topic_id:int
    disable_notification:bool protect_content:bool allow_paid_broadcast:bool message_effect_id:str
    reply_parameters:reply allow_sending_without_reply:bool reply_to_message_id:int"""
_ANY_SEND = f"""{_ALBUM} suggested_post_parameters:object reply_markup:markup
    ephemeral_message_parameters:object receiver_user_id:int callback_query_id:str"""
_CAPTION = "caption:str parse_mode:str caption_entities:entities"
_VISIBLE = "show_caption_above_media:bool has_spoiler:bool"
_PLACE = "business_connection_id:str chat_id:chat message_id:int inline_message_id:str"

_TABLE = f"""
getMe
getUpdates offset:int limit:int timeout:int allowed_updates:strings
setWebhook url!:str certificate:file ip_address:str max_connections:int allowed_updates:strings
    drop_pending_updates:bool secret_token:str
deleteWebhook drop_pending_updates:bool
getWebhookInfo
sendMessage chat_id!:chat text!:str parse_mode:str entities:entities link_preview_options:object
    disable_web_page_preview:bool {_ANY_SEND}
sendPhoto chat_id!:chat photo!:file {_CAPTION} {_VISIBLE} {_ANY_SEND}
sendAudio chat_id!:chat audio!:file {_CAPTION} duration:int performer:str title:str thumbnail:file
    {_ANY_SEND}
sendDocument chat_id!:chat document!:file thumbnail:file {_CAPTION}
    disable_content_type_detection:bool {_ANY_SEND}
sendVideo chat_id!:chat video!:file duration:int width:int height:int thumbnail:file cover:file
    start_timestamp:int supports_streaming:bool {_CAPTION} {_VISIBLE} {_ANY_SEND}
sendAnimation chat_id!:chat animation!:file duration:int width:int height:int thumbnail:file
    {_CAPTION} {_VISIBLE} {_ANY_SEND}
sendVoice chat_id!:chat voice!:file duration:int {_CAPTION} {_ANY_SEND}
sendMediaGroup chat_id!:chat media!:media {_ALBUM}
sendChatAction chat_id!:chat action!:str business_connection_id:str message_thread_id:int
setMessageReaction chat_id!:chat message_id!:int reaction:reactions is_big:bool
getFile file_id!:str
getChat chat_id!:chat
editMessageText {_PLACE} text!:str parse_mode:str entities:entities link_preview_options:object
    disable_web_page_preview:bool reply_markup:markup rich_message:object
editMessageCaption {_PLACE} {_CAPTION} show_caption_above_media:bool reply_markup:markup
editMessageReplyMarkup {_PLACE} reply_markup:markup
deleteMessage chat_id!:chat message_id!:int
answerCallbackQuery callback_query_id!:str text:str show_alert:bool url:str cache_time:int
setMyCommands commands!:commands scope:object language_code:str
getMyCommands scope:object language_code:str
deleteMyCommands scope:object language_code:str
"""


def _read_table(table: str) -> dict[str, dict[str, tuple[str, bool]]]:
    methods: dict[str, dict[str, tuple[str, bool]]] = {}
    method = ""
    for word in table.split():
        name, colon, kind = word.partition(":")
        if colon:
            methods[method][name.rstrip("!")] = (kind, name.endswith("!"))
        else:
            method = word
            methods[method] = {}
    return methods


METHODS = _read_table(_TABLE)
"""Method to parameter to (type, whether it is required)."""
_BY_LOWER = {name.lower(): name for name in METHODS}

ACTIONS = frozenset(
    """
    typing upload_photo record_video upload_video record_voice upload_voice upload_document
    choose_sticker find_location record_video_note upload_video_note
    """.split()  # noqa: SIM905
)
REACTIONS = frozenset(
    """
    ❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤\u200d🔥 🌚 🌭 💯 🤣
    ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨\u200d💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪
    🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷\u200d♂ 🤷 🤷\u200d♀ 😡
    """.split()  # noqa: SIM905
)
COMMAND = re.compile(r"[a-z0-9_]{1,32}")


def method_named(path: str) -> str:
    """Give the method's name as published; Telegram does not mind upper and lower case."""
    try:
        return _BY_LOWER[path.lower()]
    except KeyError:
        raise Refusal(404, "Not Found: method not found") from None


def check(method: str, given: Mapping[str, Any], files: frozenset[str]) -> dict[str, Any]:
    """Give the parameters of a call in their types. Raises `Refusal`.

    *given* is what a form (texts) or a JSON body says, *files* names what was uploaded. Telegram
    ignores a parameter that it does not know; here it is refused, since it is a mistake.
    """
    table = METHODS[method]
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name not in table:
            if name in files or name.startswith("attach"):
                continue
            raise bad(f'{method} has no parameter "{name}" (Telegram would ignore it)')
        if value is not None:
            read[name] = _READERS[table[name][0]](name, value)
    for name, (kind, required) in table.items():
        if kind == "file" and name in files:
            read[name] = f"attach://{name}"
        if required and name not in read:
            missing = {"chat_id": "chat_id is empty", "text": "message text is empty"}
            raise bad(missing.get(name, f'parameter "{name}" is required'))
    return read


# -- types ------------------------------------------------------------------------------------


def _integer(name: str, value: Any) -> int:
    try:
        if isinstance(value, (bool, float)):
            raise ValueError
        return int(value)
    except (TypeError, ValueError):
        raise bad(f"invalid {name} specified") from None


def _string(name: str, value: Any) -> str:
    if isinstance(value, (dict, list)):
        raise bad(f'parameter "{name}" must be of type String')
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad("strings must be encoded in UTF-8") from None
    return text


def _boolean(name: str, value: Any) -> bool:
    if value in (True, "true", "True", "1"):
        return True
    if value in (False, "false", "False", "0", ""):
        return False
    raise bad(f'parameter "{name}" must be of type Boolean')


def _chat(name: str, value: Any) -> int | str:
    text = str(value).strip()
    if not text:
        raise bad("chat_id is empty")
    if text.startswith("@"):
        return text
    return _integer(name, text) if re.fullmatch(r"-?\d+", text) else _no_chat()


def _no_chat() -> int:
    raise bad("chat not found")


def _json(name: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise bad(f"can't parse {name} JSON object") from None


def _of(kind: type, what: str) -> Callable[[str, Any], Any]:
    def read(name: str, value: Any) -> Any:
        made = _json(name, value)
        if not isinstance(made, kind):
            raise bad(f"can't parse {name}: expected {what}")
        return made

    return read


def _strings(name: str, value: Any) -> list[str]:
    made = _of(list, "an Array of String")(name, value)
    if not all(isinstance(each, str) for each in made):
        raise bad(f"can't parse {name}: expected an Array of String")
    return list(made)


def _objects(name: str, value: Any) -> list[dict[str, Any]]:
    made = _of(list, "an Array of Object")(name, value)
    if not all(isinstance(each, dict) for each in made):
        raise bad(f"can't parse {name}: expected an Object")
    return list(made)


def _reply(name: str, value: Any) -> dict[str, Any]:
    made: dict[str, Any] = _of(dict, "an Object")(name, value)
    if not isinstance(made.get("message_id"), int):
        raise bad("can't parse reply parameters: Can't find field \"message_id\"")
    return made


def _markup(name: str, value: Any) -> dict[str, Any]:
    made: dict[str, Any] = _of(dict, "an Object")(name, value)
    if "inline_keyboard" in made:
        check_keyboard(made["inline_keyboard"])
    return made


def check_keyboard(rows: Any) -> None:
    """Raise `Refusal` for an inline keyboard that is wrong."""
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise bad('field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays')
    for button in (button for row in rows for button in row):
        if not isinstance(button, dict) or not isinstance(button.get("text"), str):
            raise bad("can't parse inline keyboard button: Can't find field \"text\"")
        if not button["text"].strip():
            raise bad("can't parse inline keyboard button: Button text must be non-empty")
        actions = [key for key in button if key not in ("text", "style", "icon_custom_emoji_id")]
        if len(actions) != 1:
            raise bad(
                "can't parse inline keyboard button: Text buttons are unallowed in the inline"
                " keyboard"
            )
        data = button.get("callback_data")
        if data is not None and not 1 <= len(str(data).encode()) <= 64:
            raise bad("BUTTON_DATA_INVALID")
        if "url" in button:
            check_link(f"inline keyboard button URL '{button['url']}'", button["url"])
    if sum(map(len, rows)) > 100:
        raise bad("reply markup is too long")


def _reactions(name: str, value: Any) -> list[dict[str, Any]]:
    made = _objects(name, value)
    for each in made:
        if each.get("type") not in ("emoji", "custom_emoji", "paid"):
            raise bad("can't parse reaction type: Unsupported type specified")
        if each["type"] == "emoji" and each.get("emoji", "").replace("️", "") not in REACTIONS:
            raise bad("REACTION_INVALID")
    if len(made) > 1:
        raise bad("REACTIONS_TOO_MANY")
    return list(made)


def _commands(name: str, value: Any) -> list[dict[str, str]]:
    made = _objects(name, value)
    if len(made) > 100:
        raise bad("BOT_COMMANDS_TOO_MUCH")
    for each in made:
        if not COMMAND.fullmatch(str(each.get("command", "")).removeprefix("/")):
            raise bad("BOT_COMMAND_INVALID")
        if not 1 <= len(str(each.get("description", "")).strip()) <= 256:
            raise bad("BOT_COMMAND_DESCRIPTION_INVALID")
    return list(made)


def _media(name: str, value: Any) -> list[dict[str, Any]]:
    made = _objects(name, value)
    if not 2 <= len(made) <= 10:
        raise bad("wrong number of media in the album, 2-10 items are expected")
    return list(made)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "int": _integer,
    "str": _string,
    "bool": _boolean,
    "chat": _chat,
    "file": _string,
    "object": _of(dict, "an Object"),
    "strings": _strings,
    "reply": _reply,
    "markup": _markup,
    "entities": _objects,
    "reactions": _reactions,
    "commands": _commands,
    "media": _media,
}
