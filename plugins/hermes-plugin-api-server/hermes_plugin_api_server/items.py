"""A response and its output items, as they come and as the journal has them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from hermes import (
    Answer,
    Event,
    Finished,
    Record,
    StoreError,
    Text,
    TextChunk,
    ToolFinished,
    ToolStarted,
    ToolUse,
    TurnFinished,
    Usage,
    one_line,
)
from hermes_plugin_api_server.errors import failed, json_response
from hermes_plugin_api_server.places import Place, headers_of
from hermes_plugin_api_server.sse import event
from hermes_plugin_api_server.turns import Turn

if TYPE_CHECKING:
    from hermes_plugin_api_server.api import API


class Written:
    """One response while it is made."""

    def __init__(
        self,
        api: API,
        place: Place,
        turn: Turn,
        body: dict[str, Any],
        remember: Callable[[str], None],
    ) -> None:
        self._api, self._place, self._turn = api, place, turn
        self._remember = remember
        self.id = f"resp_{place.conversation.info.id.replace('-', '')}{api.token()}"
        self._stored = body["store"]
        self._body: dict[str, Any] = {
            "id": self.id,
            "object": "response",
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
            "temperature": None,
            "top_p": None,
            "usage": None,
            **body,
        }
        self._items: list[dict[str, Any]] = []
        self._sequence = -1
        self._text = ""
        """Of the message under way."""

    async def whole(self) -> Response:
        """Wait for the end. Raises `APIError`."""
        async for heard in self._turn.events():
            for _ in self._write(heard):
                pass
        finished = self._turn.finished
        assert finished is not None
        if finished.status != "ok":
            raise failed(finished)
        return json_response(await self._completed(finished), headers=headers_of(self._place))

    async def stream(self) -> AsyncIterator[bytes]:
        """Give the events of OpenAI's."""
        yield self._event("response.created", response={**self._body, "output": []})
        yield self._event("response.in_progress", response={**self._body, "output": []})
        async for heard in self._turn.events():
            for written in self._write(heard):
                yield written
        finished = self._turn.finished
        assert finished is not None
        if finished.status == "ok":
            yield self._event("response.completed", response=await self._completed(finished))
        else:
            error = failed(finished).body
            said = {"code": error["code"] or "server_error", "message": error["message"]}
            body = {**self._body, "status": "failed", "error": said, "output": self._items}
            yield self._event("response.failed", response=body)

    def _write(self, heard: Event) -> Iterator[bytes]:
        match heard:
            case TextChunk():
                if not self._text:
                    yield from self._begin_message()
                self._text += heard.text
                yield self._text_event("response.output_text.delta", delta=heard.text, logprobs=[])
            case ToolStarted():
                yield from self._end_message()
                yield from self._add(call_item(heard.id, heard.tool, heard.arguments))
            case ToolFinished():
                yield from self._add(result_item(heard.id, heard.text))
            case TurnFinished():
                last = self._items[-1]["type"] if self._items else ""
                if heard.status == "ok" and not self._text and last != "message":
                    yield from self._begin_message()
                    self._text = heard.reply
                    yield self._text_event(
                        "response.output_text.delta", delta=heard.reply, logprobs=[]
                    )
                yield from self._end_message()

    def _begin_message(self) -> Iterator[bytes]:
        item = message_item(self._message, None)
        place = len(self._items)
        yield self._event("response.output_item.added", output_index=place, item=item)
        yield self._text_event("response.content_part.added", part=text_part(""))

    def _end_message(self) -> Iterator[bytes]:
        if not self._text:
            return
        part = text_part(self._text)
        yield self._text_event("response.output_text.done", text=self._text, logprobs=[])
        yield self._text_event("response.content_part.done", part=part)
        item = message_item(self._message, self._text)
        place = len(self._items)
        yield self._event("response.output_item.done", output_index=place, item=item)
        self._items.append(item)
        self._text = ""

    def _add(self, item: dict[str, Any]) -> Iterator[bytes]:
        place = len(self._items)
        begun = {**item, "status": "in_progress"}
        yield self._event("response.output_item.added", output_index=place, item=begun)
        yield self._event("response.output_item.done", output_index=place, item=item)
        self._items.append(item)

    async def _completed(self, finished: TurnFinished) -> dict[str, Any]:
        self._remember(self._items[-1]["content"][0]["text"])
        self._body |= {"status": "completed", "usage": usage_of(finished.usage)}
        if self._stored:
            info = self._place.conversation.info
            kept = {"before": self._turn.before, "head": info.head, "body": self._body}
            try:
                await self._api.state.set(self.id, kept, scope="session", of=info.id)
            except StoreError as error:  # the answer is there; only reading it again is not
                self._api.log.warning("response not kept", error=one_line(error))
                self._body["store"] = False
        return {**self._body, "output": self._items}

    @property
    def _message(self) -> str:
        return f"msg_{self.id[-24:]}_{len(self._items)}"

    def _text_event(self, type: str, **fields: Any) -> bytes:
        return self._event(
            type, item_id=self._message, output_index=len(self._items), content_index=0, **fields
        )

    def _event(self, type: str, **fields: Any) -> bytes:
        self._sequence += 1
        return event({"type": type, "sequence_number": self._sequence, **fields}, type)


def items_of(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Write the output items of a turn from its records."""
    items: list[dict[str, Any]] = []
    for record in records:
        body = record.body
        if isinstance(body, Answer):
            text = "".join(part.text for part in body.parts if isinstance(part, Text))
            if text:
                items.append(message_item(f"msg_{record.seq}", text))
            items += [
                call_item(part.id, part.name, part.arguments)
                for part in body.parts
                if isinstance(part, ToolUse)
            ]
        elif isinstance(body, Finished):
            items.append(result_item(body.id, body.text))
    return items


def message_item(id: str, text: str | None) -> dict[str, Any]:
    """Write a message; with None one that begins."""
    content = [] if text is None else [text_part(text)]
    status = "in_progress" if text is None else "completed"
    return {"type": "message", "id": id, "role": "assistant", "status": status, "content": content}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def call_item(id: str, tool: str, arguments: str) -> dict[str, Any]:
    """Write a call that Hermes made itself."""
    return {
        "type": "function_call",
        "id": f"fc_{id}",
        "call_id": id,
        "name": tool,
        "arguments": arguments,
        "status": "completed",
    }


def result_item(id: str, text: str) -> dict[str, Any]:
    return {
        "type": "function_call_output",
        "id": f"fco_{id}",
        "call_id": id,
        "output": text,
        "status": "completed",
    }


def usage_of(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cache_read},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
