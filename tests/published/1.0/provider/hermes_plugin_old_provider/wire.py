"""A request as the vendor wants it."""

from __future__ import annotations

from typing import Any

import msgspec
from hermes import Content, Image, Message, ModelSpec, Text, ToolOutput, ToolUse


def body(spec: ModelSpec) -> dict[str, Any]:
    """Make the body of a call. It is a pure function of the request: the vendor caches by bytes."""
    said: dict[str, Any] = {
        "model": spec.model.partition(":")[2],
        "messages": [{"role": "system", "content": spec.prompt}] if spec.prompt else [],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    for message in spec.messages:
        said["messages"] += told(message)
    if spec.tools:
        said["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description,
                    "parameters": msgspec.json.decode(tool.parameters),
                },
            }
            for tool in spec.tools
        ]
    if spec.max_output is not None:
        said["max_completion_tokens"] = spec.max_output
    if spec.temperature is not None:
        said["temperature"] = spec.temperature
    if spec.answer_schema:
        schema = {"name": "answer", "schema": msgspec.json.decode(spec.answer_schema)}
        said["response_format"] = {"type": "json_schema", "json_schema": schema}
    return said


def told(message: Message) -> list[dict[str, Any]]:
    """Give the vendor's messages for one of ours. What a model thought is not sent back."""
    match message.role:
        case "tool":
            return outputs(message)
        case "assistant":
            return [assistant(message)]
    return [{"role": "user", "content": content(message.parts)}]


def assistant(message: Message) -> dict[str, Any]:
    text = "".join(part.text for part in message.parts if isinstance(part, Text))
    said: dict[str, Any] = {"role": "assistant", "content": text or None}
    calls = [
        {
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": part.arguments},
        }
        for part in message.parts
        if isinstance(part, ToolUse)
    ]
    return {**said, "tool_calls": calls} if calls else said


def outputs(message: Message) -> list[dict[str, Any]]:
    """Give a message for each output, and one of a user's with their pictures, if there are any."""
    found = [part for part in message.parts if isinstance(part, ToolOutput)]
    said: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": part.id, "content": part.text} for part in found
    ]
    if pictures := tuple(image for part in found for image in part.images):
        said.append({"role": "user", "content": content(pictures)})
    return said


def content(parts: tuple[Content, ...]) -> str | list[dict[str, Any]]:
    """Give text as it is, and text with pictures as a list."""
    if all(isinstance(part, Text) for part in parts):
        return "".join(part.text for part in parts if isinstance(part, Text))
    said: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Text):
            said.append({"type": "text", "text": part.text})
        elif isinstance(part, Image):
            url = f"data:{part.media_type};base64,{part.data}"
            said.append({"type": "image_url", "image_url": {"url": url}})
    return said
