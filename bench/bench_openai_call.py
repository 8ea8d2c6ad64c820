"""CPU of one streaming model call: ours against the bare SDK, over a loop of tool calls.

Both sides make the same calls to the same zero-delay server (a process of its own), with a history
that grows by two messages a step, as a tool loop's does. Interleaved; median and spread of the
rounds, in milliseconds of CPU of this process a call.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from hermes import Message, ModelRequest, ModelSpec, Provider, ToolOutput, ToolSpec, ToolUse, user
from hermes.testing import make_context
from hermes_plugin_openai.provider import OpenAIProvider
from hermes_plugin_openai.settings import OpenAISettings

STEPS, ROUNDS = 50, 7
OUTPUT = "line of output\n" * 40
TOOLS = tuple(
    ToolSpec(f"tool_{n}", "Does something " * 10, '{"type":"object","properties":{}}')
    for n in range(12)
)
ANSWER = (
    '{"chunks": ["I ", "will ", "look ", "at ", "it."],'
    ' "calls": [{"name": "tool_1", "arguments": "{\\"path\\": \\"a.txt\\"}"}]}'
)


async def ours(provider: Provider) -> float:
    """Run the loop; give milliseconds of CPU a call."""
    messages: tuple[Message, ...] = (user("Do it."),)
    began = time.process_time()
    for step in range(STEPS):
        spec = ModelSpec("openai:test", "You are a test." * 200, messages, TOOLS, step=step)
        response = await provider.stream(ModelRequest(spec, lambda event: None))
        (use,) = response.tool_uses
        use = ToolUse(f"call_{step}", use.name, use.arguments)
        answer = Message("assistant", (*response.parts[:-1], use))
        messages += (answer, Message("tool", (ToolOutput(use.id, use.name, OUTPUT),)))
    return (time.process_time() - began) * 1000 / STEPS


async def bare(client: AsyncOpenAI) -> float:
    """The same with the SDK as its documentation shows it."""
    messages: list[Any] = [
        {"role": "system", "content": "You are a test." * 200},
        {"role": "user", "content": "Do it."},
    ]
    tools: Any = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": {"type": "object", "properties": {}},
            },
        }
        for tool in TOOLS
    ]
    began = time.process_time()
    for step in range(STEPS):
        stream = await client.chat.completions.create(
            model="test",
            messages=messages,
            tools=tools,
            stream=True,
            stream_options={"include_usage": True},
        )
        text, name, arguments = "", "", ""
        async for chunk in stream:
            for choice in chunk.choices:
                text += choice.delta.content or ""
                for call in choice.delta.tool_calls or ():
                    if call.function is not None:
                        name += call.function.name or ""
                        arguments += call.function.arguments or ""
        function = {"name": name, "arguments": arguments}
        call_id = f"call_{step}"
        calls = [{"id": call_id, "type": "function", "function": function}]
        messages.append({"role": "assistant", "content": text, "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": call_id, "content": OUTPUT})
    return (time.process_time() - began) * 1000 / STEPS


async def measure(url: str, home: Path) -> None:
    """Measure against the server at *url* and print the figures."""
    provider = OpenAIProvider(
        make_context("openai", home=home, settings=OpenAISettings(base_url=url))
    )
    await provider.open()
    figures: dict[str, list[float]] = {"ours": [], "bare SDK": []}
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        await bare(client)
        await ours(provider)
        for _ in range(ROUNDS):
            figures["ours"].append(await ours(provider))
            figures["bare SDK"].append(await bare(client))
    await provider.close()
    for name, each in figures.items():
        middle = statistics.median(each)
        print(f"{name:9} {middle:6.2f} ms CPU a call   ({min(each):.2f}-{max(each):.2f})")
    ratio = statistics.median(figures["ours"]) / statistics.median(figures["bare SDK"])
    print(f"ours / bare SDK: {ratio:.2f}  ({STEPS} calls a round, {ROUNDS} rounds)")


def main() -> None:
    """Start the server, measure, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "script.jsonl"
        script.write_text(ANSWER + "\n")
        command = [sys.executable, "-m", "hermes.testing.openai_server"]
        command += ["--loop", "--script", str(script)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            try:
                asyncio.run(measure(server.stdout.readline().strip(), Path(folder)))
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
