"""Make the things that go through middleware, each in a line.

call = make_call(read_file, {"path": "notes.txt"}, ask=Asker("once"))
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from hermes.context import PluginContext
from hermes.events import Event
from hermes.messages import Message, Text, ToolSpec, user
from hermes.platform import Inbound, Outgoing
from hermes.provider import Emit, ModelRequest, Models, ModelSpec
from hermes.session import Account, Authority, SessionInfo, SessionKey
from hermes.terminal import Terminal, TerminalError
from hermes.testing.models import FakeModels
from hermes.tools import Tool, ToolCall, ToolRequest, ToolResult
from hermes.turn import Ask, Question, Reply, Turn, TurnInput

E = TypeVar("E", bound=Event)
_numbers = itertools.count(1)


class Events(list[Event]):
    """A listener: pass it as ``emit`` and look at what it heard."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[E]) -> list[E]:
        """Those of one kind, in order."""
        return [event for event in self if isinstance(event, kind)]


class Asker:
    """A person who answers in order, and "deny" when nothing is left to say.

    An answer is a choice, or a whole `Reply`. It refuses what the real one refuses: an answer that
    was not among the choices.
    """

    def __init__(self, *answers: str | Reply) -> None:
        self.answers = list(answers)
        self.questions: list[Question] = []

    async def __call__(self, question: Question) -> Reply:
        self.questions.append(question)
        answer = self.answers.pop(0) if self.answers else "deny"
        reply = answer if isinstance(answer, Reply) else Reply(answer, by="owner")
        if question.choices and reply.choice not in (*question.choices, "deny"):
            raise ValueError(f"{reply.choice!r} is none of {question.choices}")
        await asyncio.sleep(0)
        return reply


def make_session(id: str = "", *, directory: str | Path = "", **fields: Any) -> SessionInfo:
    """Make a conversation of the owner's in *directory*."""
    return SessionInfo(id or f"session-{next(_numbers)}", directory=str(directory), **fields)


def make_authority(**fields: Any) -> Authority:
    """Make the authority of a person at a terminal who can be asked."""
    return Authority(**{"surface": "cli", "role": "owner", "can_ask": True, **fields})


def make_tool(
    name: str = "probe",
    run: Callable[[ToolCall], Awaitable[ToolResult]] | None = None,
    **facts: Any,
) -> Tool:
    """Make a tool that takes anything; *facts* are those of `Tool`. Unsaid ones are the worst."""

    async def done(call: ToolCall) -> ToolResult:
        return ToolResult("done")

    spec = ToolSpec(name, f"The tool {name}.", '{"type":"object"}')
    return Tool(spec, run or done, **facts)


def make_call(
    tool: Tool,
    arguments: dict[str, Any] | None = None,
    *,
    context: PluginContext,
    session: SessionInfo | None = None,
    authority: Authority | None = None,
    ask: Ask | None = None,
    terminal: Terminal | None = None,
    emit: Emit | None = None,
    models: Models | None = None,
    **request: Any,
) -> ToolCall:
    """Make a call of *tool* as the gate would. *request* are further fields of `ToolRequest`.

    Without a *terminal* opening one raises `TerminalError`, as a backend that is down does.
    """
    session = session or make_session()
    defaults = {"id": f"call-{next(_numbers)}", "directory": session.directory, "backend": "local"}

    async def open_terminal() -> Terminal:
        if terminal is None:
            raise TerminalError("local: there is no terminal in this test")
        return terminal

    return ToolCall(
        ToolRequest(
            tool=tool.name, arguments=arguments or {}, session=session, **{**defaults, **request}
        ),
        tool,
        context=context,
        authority=authority or make_authority(),
        emit=Events() if emit is None else emit,
        ask=ask or Asker(),
        models=models or context.models,
        terminal=open_terminal,
    )


def make_turn(
    text: str = "Hello",
    *,
    session: SessionInfo | None = None,
    authority: Authority | None = None,
    emit: Emit | None = None,
    ask: Ask | None = None,
    models: Models | None = None,
    **fields: Any,
) -> Turn:
    """Make a running turn. *fields* are further ones of `TurnInput`."""
    return Turn(
        TurnInput(
            **{
                "id": f"turn-{next(_numbers)}",
                "session": session or make_session(),
                "text": text,
                "authority": authority or make_authority(),
                "model": "fake:model",
                **fields,
            }
        ),
        emit=Events() if emit is None else emit,
        ask=ask or Asker(),
        cancelled=asyncio.Event(),
        models=models or FakeModels(),
    )


def make_request(
    text: str = "Hello",
    *,
    messages: Iterable[Message] = (),
    emit: Emit | None = None,
    turn: Turn | None = None,
    retractable: bool = True,
    **spec: Any,
) -> ModelRequest:
    """Make a model request. *spec* are further fields of `ModelSpec`."""
    given = tuple(messages) or (user(text),)
    fields = {"model": "fake:model", "prompt": "You are a test.", "messages": given, **spec}
    return ModelRequest(
        ModelSpec(**fields), Events() if emit is None else emit, turn=turn, retractable=retractable
    )


def make_key(chat: str = "", **fields: Any) -> SessionKey:
    """Make the place of a conversation on the fake platform."""
    return SessionKey(**{"platform": "fake", "chat": chat or f"chat-{next(_numbers)}", **fields})


def make_inbound(text: str = "Hello", **fields: Any) -> Inbound:
    """Make a message from a person."""
    defaults = {
        "key": make_key(),
        "id": f"message-{next(_numbers)}",
        "sender": Account("fake", "1", "Ann"),
    }
    return Inbound(text=text, **{**defaults, **fields})


def make_outgoing(text: str = "Hello", **fields: Any) -> Outgoing:
    """Make a reply on its way out."""
    return Outgoing(text=text, **{"key": make_key(), **fields})


def assistant(text: str) -> Message:
    """Make an assistant's message of one text."""
    return Message("assistant", (Text(text),))
