"""Whatever a stored history contains, it opens, and the next turn works (AT-05).

The poison is written into a real journal below the checks that keep it out: payloads as another
program, an older version or a bad disk could have left them. The model's server enforces OpenAI's
rules of pairing and refuses a request that is not UTF-8.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from hermes.messages import Text, ToolUse
from hermes.records import Answer, Body, Ended, Finished, Record, Started, Unknown, UserSaid
from hermes.session import SessionKey
from hermes.store import Append, Lease
from hermes.testing import Raw, Say, kill
from hermes.testing.openai_rules import check, parse

# Not C.UTF-8 by another name: Python's own escapes from an ASCII locale are switched off too.
ASCII = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
MEGABYTES = int(os.environ.get("HERMES_POISON_MEGABYTES", "5"))


def raw(kind: str, payload: str | bytes) -> Unknown:
    """A record of *kind* with exactly this payload."""
    data = payload.encode() if isinstance(payload, str) else payload
    return Unknown(of=kind, of_version=1, payload=data)


def uses(*ids: str, arguments: str = "{}", name: str = "read_file") -> Answer:
    parts = tuple(ToolUse(id, name, arguments) for id in ids)
    return Answer(parts=parts, model="openai:test", stop="tools")


def result(id: str, text: str = "found") -> Finished:
    return Finished(id=id, tool="read_file", text=text)


def said(text: str = "and?") -> UserSaid:
    return UserSaid(text=text)


def answer(text: str = "So it is.") -> Answer:
    return Answer(parts=(Text(text),), model="openai:test")


OK = Ended(status="ok")
HALF_PAIR = r"half a pair \ud83d here"

POISONS: dict[str, Callable[[], tuple[Body, ...]]] = {
    "orphan call": lambda: (said(), uses("a", "b"), result("a"), OK),
    "orphan call before text": lambda: (said(), uses("a"), answer(), OK),
    "orphan result": lambda: (said(), result("nobody"), answer(), result("a"), OK),
    "result twice": lambda: (said(), uses("a"), result("a"), result("a", "again"), answer(), OK),
    "results in another order": lambda: (said(), uses("a", "b"), result("b"), result("a"), OK),
    "one id twice in an answer": lambda: (said(), uses("a", "a"), result("a"), result("a"), OK),
    "one id in two answers": lambda: (
        *(said(), uses("a"), result("a"), answer(), OK),
        *(said(), uses("a"), result("a"), answer(), OK),
    ),
    "ids that are empty": lambda: (said(), uses("", ""), result(""), answer(), OK),
    "lone surrogates": lambda: (
        raw("user", f'{{"text":"{HALF_PAIR}"}}'),
        raw("model", f'{{"parts":[{{"type":"Text","text":"{HALF_PAIR}"}}],"model":"openai:test"}}'),
        OK,
    ),
    "bytes that are no UTF-8": lambda: (raw("user", b'{"text":"caf\xe9 \xff\xfe"}'), answer(), OK),
    "NUL": lambda: (
        said("a\0b"),
        uses("a\0", arguments='{"path":"x\0y"}'),
        result("a\0", "\0\0"),
        answer("\0"),
        OK,
    ),
    "a line of megabytes": lambda: (said("x" * (MEGABYTES * 1_000_000)), answer(), OK),
    "arguments that are no JSON": lambda: (
        *(said(), uses("a", arguments='{"path": '), result("a"), answer()),
        *(uses("b", arguments="[1]"), result("b"), uses("c", arguments=""), result("c"), OK),
    ),
    "a tool with a name that nobody takes": lambda: (
        *(said(), uses("a", name="no such tool! é" * 20), result("a"), OK),
    ),
    "payloads that are no JSON": lambda: (
        *(said(), raw("model", '{"parts":[{"ty'), result("a"), raw("finished", b"\x00\xff"), OK),
    ),
    "payloads of another shape": lambda: (
        *(raw("user", "[]"), raw("model", '{"parts":7,"model":null}'), raw("ended", '"ok"')),
        *(raw("started", "{}"), answer(), OK),
    ),
    "kinds of a newer program": lambda: (said(), raw("hologram", "{}"), answer(), OK),
    "an empty answer": lambda: (said(), Answer(parts=(), model="openai:test"), OK),
    "a start without an end": lambda: (
        *(said(), uses("a"), Started(id="a", tool="terminal", effect="once"), OK),
    ),
    "two messages in a row": lambda: (said(), said("still there?"), OK),
}

KEPT = {
    "lone surrogates": ('"half a pair \ufffd here"', '"half a pair \ufffd here"'),
    "bytes that are no UTF-8": ("caf\ufffd",),
    "orphan call": ("No result was recorded for this call.",),
    "one id in two answers": ('"id":"a"', '"id":"a~"'),
}
"""What of a history is still sent, mended."""


def dead_owner() -> str:
    """Name the holder of a lease as a process would that is gone: its pid is another's by now."""
    from hermes.identity import boot_id

    return "|".join(("cli", os.uname().nodename, boot_id(), str(os.getpid()), "1", "it"))


async def poison(system: Any, turn: Any, *names: str, title: str = "poisoned") -> str:
    """Have one real turn, then put what *names* say behind it. Gives the conversation's id."""
    system.model.will("Good morning.")
    async with system.runtime() as runtime:
        key = SessionKey("cli", str(system.place))
        conversation = runtime.session(key, directory=str(system.place))
        assert (await turn(conversation.send("Hello"))).end.status == "ok"
        await conversation.rename(title)
        session = conversation.info.id
        for number, name in enumerate(names):
            records = tuple(Record(f"turn-{number}", body) for body in POISONS[name]())
            await runtime.store.commit((Append(session, records),))
    return session


def check_sent(request: Any) -> dict[str, Any]:
    """Hold a request to OpenAI's rules once more, and give its body."""
    assert request.status == 200, request.raw[-500:]
    body = parse(request.raw)
    check(body)
    text = json.dumps(body, ensure_ascii=False)
    text.encode()  # no lone surrogate
    assert "\0" not in text
    return body


@pytest.mark.parametrize("name", POISONS)
async def test_a_poisoned_history_opens_and_the_next_turn_works(
    name: str, system: Any, turn: Any
) -> None:
    session = await poison(system, turn, name)
    system.model.will("Here again.")
    async with system.runtime() as runtime:
        conversation = await runtime.conversation(id=session)
        last = (await turn(conversation.send("Are you there?"))).end
        assert (last.status, last.reply) == ("ok", "Here again."), last
        seen = await conversation.messages()
        assert seen[0].text == "Hello" and seen[-1].text == "Here again."
    for text in KEPT.get(name, ()):
        assert text.encode() in system.model.requests[-1].raw, text
    body = check_sent(system.model.requests[-1])
    assert body["messages"][-1] == {"role": "user", "content": "Are you there?"}


async def test_all_of_it_in_one_conversation_opens_on_every_surface(system: Any, turn: Any) -> None:
    session = await poison(system, turn, *POISONS)
    system.model.always = Say("Here — again.")
    for arguments, stdin, locale in (
        (("-c", "-z", "There?"), None, {}),
        (("-r", "poisoned", "-z", "There?"), None, ASCII),
        (("chat", "-r", session[:20], "-q", "There?"), None, ASCII),
        (("-r", "poisoned"), "There?\n", {"LANG": "C"}),
        (("-c",), "There?\n", ASCII),
    ):
        done = await system.run(*arguments, stdin=stdin, **locale)
        assert done.status == 0, (arguments, done.errors)
        assert "again." in done.out and "Traceback" not in done.errors
        check_sent(system.model.requests[-1])
    for arguments in (
        ("sessions", "show", "poisoned", "--whole"),
        ("sessions", "show", "poisoned", "--json"),
        ("sessions", "export", "poisoned"),
        ("sessions", "export", "poisoned", "--format", "markdown"),
        ("sessions", "list"),
    ):
        done = await system.run(*arguments, **ASCII)
        assert (done.status, done.errors) == (0, ""), (arguments, done.errors)
        done.out.encode()


async def test_a_model_that_says_half_a_character_poisons_nothing(system: Any, turn: Any) -> None:
    """A lone surrogate and a NUL in text, arguments and an id, as the model's own answer."""
    call = {"index": 0, "id": r"SUR", "type": "function"}
    function = {"name": "todo", "arguments": '{"todos": [{"content": "SURNUL"}]}'}
    deltas: list[dict[str, Any]] = [
        {"role": "assistant", "content": "half SUR and NUL"},
        {"tool_calls": [{**call, "function": function}]},
    ]
    system.model.will(stream(deltas, "tool_calls"), stream([{"content": "SUR done"}], "stop"))
    done = await system.run("-z", "Say something odd", **ASCII)
    assert done.status == 0, done.errors
    assert done.raw.decode() in ("\ufffd done\n", "? done\n")
    system.model.will("Fine.")
    done = await system.run("-c", "-z", "And now?")
    assert (done.status, done.out) == (0, "Fine.\n"), done.errors
    body = check_sent(system.model.requests[-1])
    assert "half \ufffd and " in json.dumps(body, ensure_ascii=False)


def stream(deltas: list[dict[str, Any]], finish: str) -> Raw:
    """A streamed answer with SUR as a lone surrogate and NUL as U+0000, as JSON can say them."""
    chunks = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    chunks.append({"index": 0, "delta": {}, "finish_reason": finish})
    lines = [
        "data: " + json.dumps({"id": "x", "object": "chat.completion.chunk", "created": 1,
                               "model": "test", "choices": [chunk]})
        for chunk in chunks
    ]  # fmt: skip
    text = "\n\n".join([*lines, "data: [DONE]", ""])
    return Raw(text.replace("SUR", r"\ud83d").replace("NUL", r"\u0000").encode())


@pytest.mark.parametrize("point", ["turn.taken", "model.answered", "tool.started"])
async def test_a_turn_left_open_by_a_killed_process_goes_on(
    point: str, system: Any, turn: Any, asks: Any
) -> None:
    system.model.will(asks(("terminal", {"command": "true"})))
    killed = await system.run("--yolo", "-z", "Do it", **kill.armed(point))
    assert killed.status == -9, killed.errors
    system.model.answers.clear()
    system.model.always = lambda exchange: (
        Say("Done.")
        if exchange.json["messages"][-1]["role"] == "tool"
        or exchange.json["messages"][-1]["content"] != "Do it"
        else asks(("terminal", {"command": "true"}))
    )
    done = await system.run("--yolo", "-c", "-z", "Are you there?", **ASCII)
    assert (done.status, done.out) == (0, "Done.\n"), done.errors
    body = check_sent(system.model.requests[-1])
    told = [m["content"] for m in body["messages"] if m["role"] == "tool"]
    if point == "tool.started":
        assert "Unknown outcome" in told[0]


async def test_a_turn_open_since_long_ago_in_a_dead_process_ends_with_a_notice(
    system: Any, turn: Any
) -> None:
    session = await poison(system, turn)
    system.model.will("Here again.")
    async with system.runtime() as runtime:
        long_ago = 1_600_000_000_000_000
        records = (
            Record("old", said("Do it"), time=long_ago),
            Record("old", uses("a"), time=long_ago),
            Record("old", Started(id="a", tool="terminal", effect="once"), time=long_ago),
        )
        lease = Lease(f"session:{session}", dead_owner(), 4_000_000_000_000_000)
        await runtime.store.commit((Append(session, records), lease))
        info = await runtime.store.session(session)
        assert info is not None and info.open_turn == "old"
    done = await system.run("-r", session, "-z", "Are you there?")
    assert (done.status, done.out) == (0, "Here again.\n"), done.errors
    check_sent(system.model.requests[-1])
    assert "interrupted too long ago" in done.errors or not done.errors
