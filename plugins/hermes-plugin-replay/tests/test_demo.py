"""``hermes demo`` through the real loop, journal and tools."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hermes import HermesError, TextChunk, ToolFinished, ToolStarted, TurnFinished
from hermes_plugin_replay.demo import authority, lines_of, show

NEEDED = ("approvals", "files", "local-terminal", "shell", "sqlite", "todo")


class Screen:
    """Keeps what a command says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def reply(self, text: str) -> None:
        self.lines.append(text)


async def given(*events):
    for event in events:
        yield event


async def test_a_turn_is_shown_in_lines() -> None:
    screen = Screen()
    events = given(
        TextChunk("Let me "),
        TextChunk("look."),
        ToolStarted("1", "terminal", '{"command": "ls"}'),
        ToolFinished("1", "terminal", "a\nb\n" + "x" * 200),
        ToolStarted("2", "todo", "{}"),
        ToolFinished("2", "todo", "bad", is_error=True),
        TextChunk("Hm.", step=1),
        ToolFinished("3", "send", "denied", is_error=True),
        TextChunk("Done.", step=2),
        TurnFinished("ok", "Done."),
    )
    await show(screen, events)
    said, call, result, _, bad, next_step, denied, end = screen.lines
    assert said == "Hermes (scripted): Let me look."
    assert call == '  → terminal {"command": "ls"}'
    assert result.startswith("  ✓ a b xxx")
    assert len(result) < 110
    assert bad == "  ✗ bad"
    assert next_step == "Hermes (scripted): Hm."
    assert denied == "  ✗ send: denied"
    assert end == "Hermes (scripted): Done."


async def test_a_turn_that_fails_fails_the_command() -> None:
    with pytest.raises(HermesError, match="no such thing"):
        await show(Screen(), given(TurnFinished("failed", "no such thing")))


def test_it_allows_files_in_its_folder_and_commands_and_no_more() -> None:
    given = authority("/tmp/x")
    assert not given.can_ask
    assert not given.yolo
    files, shell = given.allowances
    assert files.folders == ("/tmp/x",)
    assert "run" not in files.needs
    assert shell.tools == ("terminal",)


def test_tools_that_did_nothing_are_told(tmp_path: Path) -> None:
    with pytest.raises(HermesError, match="local-terminal"):
        lines_of(tmp_path / "sorted.txt")
    (tmp_path / "sorted.txt").write_text("\n")
    with pytest.raises(HermesError, match="local-terminal"):
        lines_of(tmp_path / "sorted.txt")


def missing(home: Path) -> str:
    """Name the plugins that the demonstration needs and this environment lacks."""
    from hermes.plugins import Host

    there = {each.name for each in Host.open(home).plugins() if each.state == "active"}
    return ", ".join(name for name in NEEDED if name not in there)


async def test_the_demo_runs_for_real(home: Path) -> None:
    pytest.importorskip("hermes.runtime")
    if lacks := await asyncio.to_thread(missing, home):
        pytest.skip(f"not installed here: {lacks}")
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "hermes", "demo"],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "HERMES_HOME": str(home)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "SCRIPTED" in done.stdout
    assert "On disk, sorted.txt: apples, bread, cherries, pears" in done.stdout
    assert done.stdout.count("✓") == 5
    assert "✗" not in done.stdout
