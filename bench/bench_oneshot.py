"""A one-shot turn (`hermes -z`) against a bare script that makes the same call with the SDK.

Both talk to the same zero-delay server over loopback. Aim: at most 1.25 times.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from measure import in_turn, installed, served, table

BARE = """
import asyncio, sys
from openai import AsyncOpenAI

async def main():
    client = AsyncOpenAI(base_url=sys.argv[1], api_key="none", max_retries=0)
    stream = await client.chat.completions.create(
        model="test", messages=[{"role": "user", "content": "Hello"}], stream=True,
        stream_options={"include_usage": True},
    )
    text = ""
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            text += chunk.choices[0].delta.content
    print(text)

asyncio.run(main())
"""


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hermes-bench-") as name:
        folder = Path(name)
        programs = installed(folder)
        (folder / "script").write_text('{"text": "Hello to you, whoever you are."}\n')
        server, url = served(folder, "--script", folder / "script", "--loop")
        try:
            (folder / "bare.py").write_text(BARE)
            home = folder / "home"
            home.mkdir()
            (home / "config.yaml").write_text(f"model: openai:test\nopenai:\n  base_url: {url}\n")
            sides = {
                "bare SDK script": [programs / "python", folder / "bare.py", url],
                "import openai alone": [programs / "python", "-c", "import openai"],
                "hermes -z (aim 1.25)": [programs / "hermes", "-z", "Hello"],
            }
            table(in_turn(sides, 15, {"HERMES_HOME": str(home)}), "bare SDK script")
        finally:
            server.kill()
            server.wait()


if __name__ == "__main__":
    main()
