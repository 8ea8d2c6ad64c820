"""What OpenAI's chat completions refuse, in its own words, for the server of `openai_server`.

Shapes and texts follow the API reference and what the service answers; the point is that a request
which passes here passes there.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

import msgspec


class Refusal(Exception):
    """An error answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        param: str | None = None,
        code: str | None = None,
        type: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers: dict[str, str] = {}
        self.body = {"error": {"message": message, "type": type, "param": param, "code": code}}


FIELDS = frozenset(
    """
    audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens
    max_tokens messages metadata modalities model moderation n parallel_tool_calls prediction
    presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention
    reasoning_effort response_format safety_identifier seed service_tier stop store stream
    stream_options temperature tool_choice tools top_logprobs top_p user verbosity
    web_search_options
    """.split()  # noqa: SIM905 - 37 quotes less
)
"""Parameters of `chat.completions.create` in the SDK."""
MESSAGE_FIELDS = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "refusal", "audio"},
    "tool": {"role", "content", "tool_call_id"},
}
NAME = re.compile(r"[a-zA-Z0-9_-]+")
PICTURES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def check(body: dict[str, Any], *, extra_fields: frozenset[str] = frozenset()) -> None:
    """Raise `Refusal` for a body that OpenAI would refuse.

    *extra_fields* are fields of the body or of messages that this endpoint knows besides
    (``reasoning_content``).
    """
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Refusal("you must provide a model parameter")
    for field in body:
        if field not in FIELDS | extra_fields:
            raise _unknown(field)
    _check_options(body)
    messages = body.get("messages")
    if messages is None:
        raise Refusal(
            "Missing required parameter: 'messages'.",
            param="messages",
            code="missing_required_parameter",
        )
    if not isinstance(messages, list):
        raise _bad_type("messages", "an array of objects", messages)
    if not messages:
        raise Refusal(
            "Invalid 'messages': empty array. Expected an array with minimum length 1,"
            " but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    for place, message in enumerate(messages):
        _check_message(f"messages[{place}]", message, extra_fields)
    _check_pairs(messages)
    _check_tools(body)


def _unknown(field: str) -> Refusal:
    return Refusal(f"Unknown parameter: '{field}'.", param=field, code="unknown_parameter")


def _bad_type(param: str, expected: str, got: Any) -> Refusal:
    names = {dict: "an object", list: "an array", str: "a string", int: "an integer",
             bool: "a boolean", float: "a decimal", type(None): "null"}  # fmt: skip
    return Refusal(
        f"Invalid type for '{param}': expected {expected}, but got {names[type(got)]} instead.",
        param=param,
        code="invalid_type",
    )


def _check_options(body: dict[str, Any]) -> None:
    options = body.get("stream_options")
    if options is not None and not body.get("stream"):
        raise Refusal(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    for field in options or {}:
        if field not in ("include_usage", "include_obfuscation"):
            raise _unknown(f"stream_options.{field}")
    if body.get("max_tokens") is not None and body.get("max_completion_tokens") is not None:
        raise Refusal("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not"
                      " supported.", code="invalid_parameter_combination")  # fmt: skip
    temperature = body.get("temperature")
    if temperature is not None and not 0 <= temperature <= 2:
        raise Refusal(
            f"Invalid 'temperature': decimal out of range: {temperature}.", param="temperature"
        )
    wanted = body.get("response_format")
    if wanted is None or wanted.get("type") != "json_schema":
        return
    if not isinstance(wanted.get("json_schema", {}).get("schema"), dict):
        raise Refusal("Missing required parameter: 'response_format.json_schema.schema'.")


def _check_message(where: str, message: Any, extra: frozenset[str]) -> None:
    if not isinstance(message, dict):
        raise _bad_type(where, "an object", message)
    role = message.get("role")
    if role not in MESSAGE_FIELDS:
        raise Refusal(
            f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user',"
            " 'function', 'tool', and 'developer'.",
            param=f"{where}.role",
            code="invalid_value",
        )
    for field in message:
        if field not in MESSAGE_FIELDS[role] | extra:
            raise _unknown(f"{where}.{field}")
    content = message.get("content")
    if content is None and not (role == "assistant" and message.get("tool_calls")):
        raise _bad_type(f"{where}.content", "one of a string or array of objects", content)
    if isinstance(content, list):
        for place, part in enumerate(content):
            _check_part(f"{where}.content[{place}]", part, role)
    elif content is not None and not isinstance(content, str):
        raise _bad_type(f"{where}.content", "one of a string or array of objects", content)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise Refusal(
            f"Missing parameter 'tool_call_id': messages with role 'tool' must have a"
            f" 'tool_call_id'. ({where})",
            param=f"{where}.tool_call_id",
        )
    for place, call in enumerate(message.get("tool_calls") or ()):
        _check_call(f"{where}.tool_calls[{place}]", call)


def _check_part(where: str, part: dict[str, Any], role: str) -> None:
    kind = part.get("type")
    if kind == "text" and isinstance(part.get("text"), str):
        return
    if kind != "image_url" or role != "user":
        raise Refusal(
            f"Invalid content type. {kind} is only supported by certain messages.",
            param=where,
            code="invalid_value",
        )
    url = part.get("image_url", {}).get("url", "")
    head, _, data = url.partition(";base64,")
    if url.startswith(("http://", "https://")):
        return
    try:
        base64.b64decode(data, validate=True)
    except binascii.Error:
        head = ""
    if head.removeprefix("data:") not in PICTURES or not data:
        raise Refusal(
            "You uploaded an unsupported image. Please make sure your image is valid.",
            param=where,
            code="image_parse_error",
        )


def _check_call(where: str, call: dict[str, Any]) -> None:
    function = call.get("function") or {}
    if not isinstance(call.get("id"), str) or not call["id"]:
        raise Refusal(f"Invalid '{where}.id': empty string.", param=f"{where}.id")
    if call.get("type") != "function":
        raise Refusal(f"Invalid value: '{call.get('type')}'.", param=f"{where}.type")
    if not isinstance(function.get("arguments"), str):
        raise _bad_type(f"{where}.function.arguments", "a string", function.get("arguments"))
    _check_name(f"{where}.function.name", function.get("name"))


def _check_name(where: str, name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise Refusal(
            f"Invalid '{where}': string does not match pattern. Expected a string that matches"
            " the pattern '^[a-zA-Z0-9_-]+$'.",
            param=where,
            code="invalid_value",
        )
    if len(name) > 64:
        raise Refusal(
            f"Invalid '{where}': string too long. Expected a string with maximum length 64, but"
            f" got a string with length {len(name)} instead.",
            param=where,
            code="string_above_max_length",
        )


def _check_pairs(messages: list[dict[str, Any]]) -> None:
    """Every call is answered by the tool messages that follow it at once, and nothing else is."""
    open_ids: list[str] = []
    for place, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_ids:
                raise Refusal(
                    "Invalid parameter: messages with role 'tool' must be a response to a"
                    " preceeding message with 'tool_calls'.",
                    param=f"messages.[{place}].role",
                )
            open_ids.remove(message["tool_call_id"])
            continue
        if open_ids:
            break
        open_ids = [call["id"] for call in message.get("tool_calls") or ()]
        if len(set(open_ids)) < len(open_ids):
            raise Refusal(f"Duplicate value for 'tool_call_id' in messages[{place}].")
    if open_ids:
        raise Refusal(
            "An assistant message with 'tool_calls' must be followed by tool messages responding"
            " to each 'tool_call_id'. The following tool_call_ids did not have response messages:"
            f" {', '.join(open_ids)}",
            param="messages",
        )


def _check_tools(body: dict[str, Any]) -> None:
    tools = body.get("tools")
    if tools is None:
        return
    if not tools:
        raise Refusal(
            "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an"
            " empty array instead.",
            param="tools",
            code="empty_array",
        )
    names = []
    for place, tool in enumerate(tools):
        function = tool.get("function") or {}
        _check_name(f"tools[{place}].function.name", function.get("name"))
        names.append(function["name"])
        parameters = function.get("parameters", {"type": "object"})
        if not isinstance(parameters, dict) or parameters.get("type") != "object":
            raise Refusal(
                f"Invalid schema for function '{function['name']}': schema must be a JSON Schema"
                " of 'type: \"object\"'.",
                param=f"tools[{place}].function.parameters",
                code="invalid_function_parameters",
            )
    if len(set(names)) < len(names):
        raise Refusal("Tool names must be unique.", param="tools")


def parse(raw: bytes) -> dict[str, Any]:
    """Read the body. Raises `Refusal` for what is no JSON object in UTF-8."""
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        raise Refusal(
            "We could not parse the JSON body of your request. (HINT: This likely means you aren't"
            " using your HTTP library correctly. The OpenAI API expects a JSON payload, but what"
            " was sent was not valid JSON.)"
        )
    return body
