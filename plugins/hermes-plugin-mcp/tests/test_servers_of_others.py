"""Servers that we did not write: one from PyPI, one from npm, of both eras of the protocol."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hermes import READ, ToolProgress

EVERYTHING = "@modelcontextprotocol/server-everything"


@pytest.fixture(scope="session")
def npm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The npm server, installed once a session."""
    if shutil.which("npm") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("npm is missing (apt-get install npm)", pytrace=False)
        pytest.skip("npm is missing (apt-get install npm)")
    folder = tmp_path_factory.mktemp("npm")
    subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), EVERYTHING],
        check=True,
        capture_output=True,
        timeout=90,
    )
    return folder


async def test_the_time_server_tells_the_time(world: Any) -> None:
    entry = {
        "command": sys.executable,
        "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"],
        "trust_annotations": True,
    }
    toolset = world.family({"time": entry}).toolset("time")

    tools = {tool.name: tool for tool in await toolset.tools()}
    result = await world.run(
        toolset,
        "convert_time",
        source_timezone="Asia/Tokyo",
        time="12:00",
        target_timezone="UTC",
    )
    wrong = await world.run(toolset, "get_current_time", timezone="Mars/Olympus")

    assert json.loads(result.text)["target"]["datetime"].endswith("T03:00:00+00:00")
    assert wrong.is_error
    assert tools["mcp__time__get_current_time"].effect is READ


@pytest.mark.soak  # it needs npm and its registry, which a machine for tests may lack
@pytest.mark.timeout(150)
async def test_the_everything_server_runs_under_npx_and_leaves_nothing(
    world: Any, npm_folder: Path
) -> None:
    entry = {"command": "npx", "args": ["--no-install", "mcp-server-everything"]}
    toolset = world.family({"all": {**entry, "cwd": str(npm_folder)}}).toolset("all")

    await toolset.tools()
    echo = await world.run(toolset, "echo", message="hi")
    picture = await world.run(toolset, "get-tiny-image")
    await world.run(toolset, "trigger-long-running-operation", duration=1, steps=2)
    (token,) = world.children.marked
    assert len(world.children.alive(token)) >= 2  # npx, and what it runs
    await toolset.close()

    assert "hi" in echo.text
    assert picture.images[0].media_type == "image/png"
    assert len(world.events.of(ToolProgress)) == 2
    assert world.children.alive(token) == ()
