"""What a request asks for, in OpenAI's words, made into one message for a conversation.

A client of OpenAI's sends the whole history each time. What it says the model or a tool said is the
client's word: where a conversation here holds that history already it is not read at all, and where
none does it goes in as text with a label. It is never taken for an answer or a tool's result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from hermes import Image, clean
from hermes_plugin_api_server.errors import bad

T = TypeVar("T")
SETS = ("system", "developer")
"""Roles whose text is instructions."""


class Part(msgspec.Struct, frozen=True):
    """A piece of a message's content; each kind uses its own fields."""

    type: str = ""
    text: str = ""
    refusal: str = ""
    image_url: Any = None


class WireMessage(msgspec.Struct, frozen=True):
    """A message of ``/v1/chat/completions``, or an item of ``input`` of ``/v1/responses``."""

    role: str = ""
    content: str | list[Part] | None = None
    tool_calls: list[dict[str, Any]] | None = None
    type: str = ""
    name: str = ""
    arguments: str = ""
    output: Any = None


class Said(msgspec.Struct, frozen=True):
    """One message, whoever the client says it is from."""

    role: str
    text: str
    images: tuple[Image, ...] = ()


class Prompt(msgspec.Struct, frozen=True):
    """One request: what is new in it, and what came before as the client has it."""

    text: str
    images: tuple[Image, ...] = ()
    instructions: str = ""
    """Of the whole conversation, as this request gives them."""
    history: tuple[Said, ...] = ()
    """All that came before `text`."""


def read(body: bytes, shape: type[T]) -> T:
    """Decode a body. Raises `APIError` that names the field."""
    try:
        return msgspec.json.decode(body or b"{}", type=shape)
    except msgspec.ValidationError as error:
        where = str(error).partition(" - at `$.")[2].rstrip("`")
        raise bad(str(error), param=where or None) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad(f"The body is not JSON: {error}") from None


def said(messages: Sequence[WireMessage], param: str = "messages") -> list[Said]:
    """Read messages. Raises `APIError` for content that cannot be taken."""
    found = []
    for place, message in enumerate(messages):
        where = f"{param}[{place}]"
        if message.type == "function_call":
            found.append(Said("assistant", f"{message.name}({message.arguments})"))
        elif message.type == "function_call_output":
            found.append(Said("tool", _text(message.output)))
        elif message.type == "reasoning":
            continue
        elif message.type not in ("", "message"):
            raise bad(f"{where}: items of type {message.type!r} are not taken.", param=param)
        elif message.role not in ("user", "assistant", "tool", "function", *SETS):
            raise bad(f"{where}: there is no role {message.role!r}.", param=f"{where}.role")
        else:
            found.append(_read_message(message, where))
    return found


def prompt(messages: Sequence[Said], instructions: str = "", param: str = "messages") -> Prompt:
    """Take apart what is new and what came before. Raises `APIError` where nothing is new."""
    start = len(messages)
    while start and messages[start - 1].role in ("user", *SETS):
        start -= 1
    before, new = messages[:start], messages[start:]
    texts = [one.text for one in new if one.role == "user" and one.text]
    images = tuple(image for one in new if one.role == "user" for image in one.images)
    if not texts and not images:
        raise bad("The last message must be one of the user's.", param=param)
    # Instructions may stand anywhere; those among the earlier messages count as well.
    told = [instructions, *(one.text for one in messages if one.role in SETS)]
    return Prompt(
        "\n\n".join(texts),
        images,
        "\n\n".join(text for text in told if text),
        tuple(one for one in before if one.role not in SETS),
    )


def labelled(prompt: Prompt, *, with_history: bool, with_instructions: bool) -> str:
    """Write the message for the conversation: labels first, then what the user says."""
    parts = []
    if with_instructions and prompt.instructions:
        parts.append(
            "[Instructions of the client program for this conversation]\n"
            f"{prompt.instructions}\n[End of the instructions]"
        )
    if with_history and prompt.history:
        lines = "\n".join(f"{one.role}: {one.text}" for one in prompt.history)
        parts.append(
            "[Earlier messages as the client program sent them; nobody has checked them]\n"
            f"{lines}\n[End of the earlier messages]"
        )
    parts.append(prompt.text)
    return "\n\n".join(parts)


def fingerprint(owner: str, prompt: Prompt, answer: str | None = None) -> str:
    """Name a history: that before the request, or with its *answer* that after it.

    White space at the ends does not count, for clients trim it.
    """
    said = [(one.role, one.text.strip(), _digests(one.images)) for one in prompt.history]
    if answer is not None:
        said.append(("user", prompt.text.strip(), _digests(prompt.images)))
        said.append(("assistant", answer.strip(), []))
    whole = msgspec.json.encode((owner, prompt.instructions.strip(), _joined(said)))
    return hashlib.sha256(whole).hexdigest()


def _joined(said: list[tuple[str, str, list[str]]]) -> list[tuple[str, str, list[str]]]:
    """Join neighbours of the same role: `Prompt` joins several messages of the user's too."""
    joined: list[tuple[str, str, list[str]]] = []
    for role, text, images in said:
        if joined and joined[-1][0] == role:
            _, before, more = joined[-1]
            joined[-1] = (role, "\n\n".join(t for t in (before, text) if t), [*more, *images])
        else:
            joined.append((role, text, images))
    return joined


def _read_message(message: WireMessage, where: str) -> Said:
    role = "tool" if message.role == "function" else message.role
    content = message.content or []
    parts = [Part("text", content)] if isinstance(content, str) else content
    text, images = _read_parts(parts, where)
    for call in message.tool_calls or ():
        function = call.get("function")
        if isinstance(function, dict):
            text += f"\n{function.get('name')}({function.get('arguments')})"
    return Said(role, clean(text.strip("\n")), images)


def _read_parts(parts: list[Part], where: str) -> tuple[str, tuple[Image, ...]]:
    texts, images = [], []
    for part in parts:
        if part.type in ("text", "input_text", "output_text", ""):
            texts.append(part.text)
        elif part.type == "refusal":
            texts.append(part.refusal)
        elif part.type in ("image_url", "input_image"):
            images.append(_image(part.image_url, where))
        else:
            said = f"{where}: content of type {part.type!r} is not taken; text and images are."
            raise bad(said, param=f"{where}.content", code="unsupported_content_type")
    return "".join(texts), tuple(images)


def _image(given: Any, where: str) -> Image:
    url = given.get("url") if isinstance(given, dict) else given
    if not isinstance(url, str) or not url.startswith("data:image/"):
        said = f"{where}: send a picture as data:image/…;base64,…; addresses are not fetched."
        raise bad(said, param=f"{where}.content", code="unsupported_content_type")
    head, _, data = url.removeprefix("data:").partition(",")
    media_type, _, encoding = head.partition(";")
    if encoding != "base64" or not data:
        raise bad(f"{where}: the picture is not in base64.", param=f"{where}.content")
    return Image(media_type, data)


def _text(value: Any) -> str:
    return clean(value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _digests(images: Sequence[Image]) -> list[str]:
    return [hashlib.sha256(image.data.encode()).hexdigest() for image in images]
