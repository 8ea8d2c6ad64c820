"""Hermes's messages as llama.cpp takes them: OpenAI's shape, as plain data."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from hermes import Image, Message, ModelSpec, Text, ToolOutput, ToolSpec, ToolUse, clean

NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}}


class Writer:
    """Writes requests for one model.

    *tools* says whether its template shows tools; without, calls and outputs of a conversation
    that began with another model become text. *control* are the texts that the tokenizer takes for
    its control tokens (``<|im_start|>``): in a message they would end it and begin another one in
    any role, so they are broken up with a zero width space.
    """

    def __init__(self, *, tools: bool, control: Sequence[str] = ()) -> None:
        self._tools = tools
        self._control = re.compile("|".join(map(re.escape, control))) if control else None

    def body(self, spec: ModelSpec, **fields: Any) -> dict[str, Any]:
        """Make the body of a streaming request; *fields* are further ones."""
        body: dict[str, Any] = {
            "messages": self.messages(spec),
            "stream": True,
            "stream_options": {"include_usage": True},
            "return_progress": True,  # calls back within the prompt too, where a cancel is heard
            **fields,
        }
        if spec.tools and self._tools:
            body["tools"] = [_tool(tool) for tool in spec.tools]
        if spec.answer_schema:
            schema = msgspec.json.decode(spec.answer_schema)
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": schema},
            }
        return body

    def messages(self, spec: ModelSpec) -> list[dict[str, Any]]:
        """Make the messages, the system prompt first."""
        made: list[dict[str, Any]] = []
        if spec.prompt:
            made.append({"role": "system", "content": self._safe(spec.prompt)})
        for message in spec.messages:
            for each in self._message(message):
                last = made[-1] if made else {}
                if not self._tools and last.get("role") == each["role"]:
                    # Many small models' templates refuse two in a row of one role.
                    last["content"] = f"{last['content']}\n\n{each['content']}"
                else:
                    made.append(each)
        return made

    def _message(self, message: Message) -> list[dict[str, Any]]:
        if message.role == "tool":
            return [self._output(part) for part in message.parts if isinstance(part, ToolOutput)]
        text = "\n\n".join(filter(None, map(self._text, message.parts)))
        if message.role != "assistant" or not self._tools or not message.tool_uses:
            return [{"role": message.role, "content": text}]
        calls = [_call(use) for use in message.tool_uses]
        return [{"role": "assistant", "content": text, "tool_calls": calls}]

    def _text(self, part: object) -> str:
        if isinstance(part, Text):
            return self._safe(part.text)
        if isinstance(part, Image):
            return f"[A picture ({part.media_type}); this model sees none.]"
        if isinstance(part, ToolUse) and not self._tools:
            return self._safe(f"[Called {part.name} with {part.arguments}]")
        return ""

    def _output(self, part: ToolOutput) -> dict[str, Any]:
        pictures = [f"[A picture ({p.media_type}); this model sees none.]" for p in part.images]
        text = "\n\n".join((self._safe(part.text), *pictures))
        if not self._tools:
            return {"role": "user", "content": f"[{self._safe(part.name)} answered]\n{text}"}
        return {"role": "tool", "tool_call_id": clean(part.id), "content": text}

    def _safe(self, text: str) -> str:
        text = clean(text)
        if self._control is None:
            return text
        return self._control.sub(lambda found: f"{found[0][0]}\u200b{found[0][1:]}", text)


def _tool(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {
            "name": clean(tool.name),
            "description": clean(tool.description),
            "parameters": msgspec.json.decode(clean(tool.parameters)) or NO_PARAMETERS
            if tool.parameters
            else NO_PARAMETERS,
        },
    }


def _call(use: ToolUse) -> dict[str, Any]:
    return {
        "id": clean(use.id),
        "type": "function",
        "function": {"name": clean(use.name), "arguments": _arguments(use.arguments)},
    }


def _arguments(text: str) -> str:
    """Give arguments as the model wrote them, quoted where a template could not read them."""
    text = clean(text)
    try:
        msgspec.json.decode(text or "{}", type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return msgspec.json.encode({"invalid_json": text}).decode()
    return text or "{}"
