"""The test server is used by plain HTTP here: what it checks, says, and does when it is alone."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from hermes.testing.answers import Call, Fail, Say
from hermes.testing.openai_rules import Refusal, check
from hermes.testing.openai_server import OpenAIServer

HELLO = {"model": "test", "messages": [{"role": "user", "content": "Hello"}]}
USE = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
OUTPUT = {"role": "tool", "tool_call_id": "a", "content": "x"}
USER = {"role": "user", "content": "x"}


def post(url: str, body: Any, key: str = "") -> tuple[int, str]:
    """Make a call; give status and body."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    headers |= {"authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"{url}/chat/completions", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def ask(server: OpenAIServer, body: Any = HELLO, key: str = "") -> tuple[int, str]:
    return await asyncio.to_thread(post, server.url, body, key)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": ""}, "you must provide a model parameter"),
        ({"messages": []}, "empty array"),
        ({"messages": None}, "Missing required parameter"),
        ({"frobnicate": 1}, "Unknown parameter: 'frobnicate'"),
        ({"stream_options": {"include_usage": True}}, "only allowed when 'stream'"),
        ({"tools": []}, "empty array"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "does not match pattern"),
        ({"tools": [{"type": "function", "function": {"name": "a" * 65}}]}, "too long"),
        ({"tools": [{"function": {"name": "f", "parameters": {}}}]}, "Invalid schema"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "at the same time"),
        ({"temperature": 3}, "out of range"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "Invalid value: 'robot'"),
        ({"messages": [{"role": "user", "content": None}]}, "got null"),
        ({"messages": [{**USER, "reasoning_content": "x"}]}, "messages[0].reasoning_content"),
        ({"messages": [USER, USE]}, "did not have response messages: a"),
        ({"messages": [USER, USE, USER, OUTPUT]}, "did not have response messages: a"),
        ({"messages": [USER, OUTPUT]}, "must be a response to a preceeding message"),
        ({"messages": [USER, USE, OUTPUT, OUTPUT]}, "must be a response to a preceeding message"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "tool_call_id"),
        ({"messages": [{**USER, "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,@"}}]}]},
         "unsupported image"),
        ({"messages": [USER, USE, {**OUTPUT, "content": [
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]},
         "Invalid content type"),
    ],
)  # fmt: skip
def test_what_openai_refuses_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(Refusal) as caught:
        check({**HELLO, **change})
    assert words in str(caught.value)
    assert set(caught.value.body["error"]) == {"message", "type", "param", "code"}


def test_a_whole_tool_loop_is_taken() -> None:
    check({**HELLO, "messages": [USER, USE, OUTPUT, {"role": "assistant", "content": "x"}, USER]})


async def test_the_script_is_said_in_order_and_its_end_is_told() -> None:
    async with OpenAIServer("One.", Say(calls=(Call("f", '{"a": 1}'),))) as server:
        assert '"content":"One."' in (await ask(server))[1]
        assert '"finish_reason":"tool_calls"' in (await ask(server))[1]
        status, said = await ask(server)
        assert (status, "no answer left" in said) == (500, True)
        assert [exchange.status for exchange in server.requests] == [200, 200, 500]
        assert server.requests[0].json == HELLO


async def test_a_stream_is_events_and_their_end() -> None:
    async with OpenAIServer(Say("One two")) as server:
        streaming = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
        _, said = await ask(server, streaming)
        lines = [line.removeprefix("data: ") for line in said.split("\n\n") if line]
        assert lines.pop() == "[DONE]"
        chunks = [json.loads(line) for line in lines]
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
        assert "".join(delta.get("content", "") for delta in deltas) == "One two"
        assert chunks[-1]["usage"]["completion_tokens"] == 2


async def test_keys_models_and_bad_bodies_are_refused_as_openai_does() -> None:
    async with OpenAIServer("Yes.", key="good", models=("test",)) as server:
        assert (await ask(server))[0] == 401
        assert (await ask(server, key="bad"))[0] == 401
        assert (await ask(server, {**HELLO, "model": "other"}, "good"))[0] == 404
        assert (await ask(server, b'{"model": "te', "good"))[0] == 400
        assert (await ask(server, b'{"model": "\xff"}', "good"))[0] == 400
        assert (await ask(server, key="good"))[0] == 200


async def test_an_answer_may_depend_on_the_request() -> None:
    async with OpenAIServer(always=lambda exchange: exchange.json["messages"][0]["content"]) as s:
        assert "Hello" in (await ask(s))[1]


async def test_a_failure_is_said_with_its_status_and_wait() -> None:
    async with OpenAIServer(Fail("rate_limit", "Slow.", retry_after=3), Fail("quota")) as server:
        assert (await ask(server))[0] == 429
        status, said = await ask(server)
        assert (status, json.loads(said)["error"]["code"]) == (429, "insufficient_quota")


def test_it_runs_alone(tmp_path: Path) -> None:
    script, record = tmp_path / "script.jsonl", tmp_path / "requests.jsonl"
    script.write_text('{"text": "From a file."}\n{"kind": "transient"}\n')
    command = [sys.executable, "-m", "hermes.testing.openai_server", "--key", "good"]
    command += ["--script", str(script), "--record", str(record)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert "From a file." in post(url, HELLO, "good")[1]
            assert post(url, HELLO, "good")[0] == 503
            assert post(url, HELLO, "good")[0] == 500
            assert post(url, HELLO)[0] == 401
        finally:
            process.terminate()
    assert len(record.read_text().splitlines()) == 3


def test_alone_without_a_script_it_echoes() -> None:
    command = [sys.executable, "-m", "hermes.testing.openai_server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "You said: Hello" in post(process.stdout.readline().strip(), HELLO)[1]
        finally:
            process.terminate()
