"""What a checker tells somebody who runs conversations, in a program or in a test."""

from __future__ import annotations

from pathlib import Path

from hermes import Authority, SessionKey, TextChunk, TurnFinished
from hermes.runtime import Runtime
from hermes.testing import Call, Say, ScriptedProvider, make_key, open_runtime


async def program() -> None:
    async with Runtime.open(Path("home")) as runtime:
        reveal_type(runtime)  # R: hermes.runtime.Runtime
        conversation = runtime.session(SessionKey("program", "me"))
        async for event in conversation.send("Hello", authority=Authority("program")):
            match event:
                case TextChunk():
                    reveal_type(event.text)  # R: str
                case TurnFinished():
                    reveal_type(event.usage.output)  # R: int
        conversation.send("Hello", busy="wait")  # E: incompatible type "Literal['wait']"
        reveal_type(await conversation.stop())  # R: bool
        await conversation.send("Hello")  # E: Incompatible types in "await"
    Runtime.open(surfaces="x")  # E: Unexpected keyword argument "surfaces"
    Authority("program", role="admin")  # E: incompatible type "Literal['admin']"
    SessionKey("program")  # E: Missing positional argument "chat"


async def test(tmp_path: Path) -> None:
    model = ScriptedProvider(Say(calls=(Call("roll"),)), "Done.")
    async with open_runtime(tmp_path, provider=model) as runtime:
        reveal_type(runtime)  # R: hermes.runtime.Runtime
        reveal_type(runtime.session(make_key()))  # R: hermes.conversation.Conversation
    open_runtime(tmp_path, tools=[test])  # E: List item 0 has incompatible type
    Call("roll", {"sides": 6})  # E: incompatible type "dict[str, int]"; expected "str"
