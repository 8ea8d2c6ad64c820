"""Trying a skill: its check's task, done by a model that has the skill and an empty folder.

A trial is a conversation of its own; what its model may do is what it was allowed beforehand, in
that folder. What must come of it is compared by code, not judged by the model that wrote it. A
trial that went well is kept as a recording and played back at once, tools and all: only what comes
out the same way twice can be checked again later without a model.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from hermes import (
    Allowance,
    Answer,
    Authority,
    ModelResponse,
    PluginContext,
    SessionInfo,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    Usage,
)
from hermes_plugin_nudges.settings import Settings
from hermes_plugin_replay.recording import Entry, to_line
from hermes_plugin_skills import reading
from hermes_plugin_skills.editing import CheckFile
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.skill import Skill
from hermes_plugin_skills.tools import TRIAL

if TYPE_CHECKING:
    from hermes.runtime import Runtime

FOLDER = "${HERMES_TRIAL_FOLDER}"
"""Stands in a recording for the folder that the trial ran in."""
TOOLSETS = ("files", "shell", "skills", "todo")
WHY = "a trial of a skill, in a folder made for it"


class Tried(msgspec.Struct, frozen=True):
    """How a trial went."""

    unmet: tuple[str, ...] = ()
    """What was expected and is not so; empty means that it passed."""
    refused: tuple[str, ...] = ()
    """Tools that nobody allowed."""
    usage: Usage = Usage()
    recording: bytes = b""

    @property
    def passed(self) -> bool:
        return not self.unmet

    @property
    def tokens(self) -> int:
        return self.usage.input + self.usage.output


class Trials:
    """Runs trials in one runtime."""

    def __init__(self, context: PluginContext) -> None:
        self.settings: Settings = context.settings or Settings()
        self._redact = context.secrets.redact
        self._data = context.paths.data
        self._runtime: Runtime = context.runtime

    async def run(
        self,
        skill: Skill,
        check: CheckFile,
        *,
        model: str,
        parent: SessionInfo | None = None,
        commands: bool = False,
        recording: bytes = b"",
    ) -> Tried:
        """Do *check* with *skill* in a new folder. With a *recording* its model is played back.

        *commands* says that a person allowed them, in this folder.
        """
        with tempfile.TemporaryDirectory(prefix="hermes-trial-") as made:
            folder = await asyncio.to_thread(os.path.realpath, made)
            await asyncio.to_thread(_laid_out, Path(folder), check)
            if recording:
                file = Path(folder).with_suffix(".jsonl")
                await asyncio.to_thread(
                    file.write_bytes, recording.replace(FOLDER.encode(), folder.encode())
                )
                model = f"replay:{file}"
            try:
                return await self._in(folder, skill, check, model, parent, commands)
            finally:
                Path(folder).with_suffix(".jsonl").unlink(missing_ok=True)

    async def _in(
        self,
        folder: str,
        skill: Skill,
        check: CheckFile,
        model: str,
        parent: SessionInfo | None,
        commands: bool,
    ) -> Tried:
        runtime = self._runtime
        info = runtime.unborn(
            None,
            folder,
            parent.id if parent else "trial",
            person=parent.person if parent else "",
        )
        conversation = await runtime.conversation(id=info.id)
        skills = runtime.host.context("skills")
        await skills.state.set(TRIAL, skill.name, scope="session", of=info.id)
        text = reading.message(skill, Library(skills).settings, info.id, check.task)
        authority = await self._authority(info, folder, commands)
        started, refused = set[str](), list[str]()
        end = TurnFinished("failed", "The trial did not run.")
        known = runtime.host.offers("tools")
        async for event in conversation.send(
            text,
            authority=authority,
            model=model,
            toolsets=tuple(name for name in TOOLSETS if name in known),
            steps=self.settings.steps,
        ):
            if isinstance(event, ToolStarted):
                started.add(event.id)
            elif isinstance(event, ToolFinished) and event.is_error and event.id not in started:
                refused.append(event.tool)
            elif isinstance(event, TurnFinished):
                end = event
        missed = [f"the turn ended {end.status}: {end.reply}"] if end.status != "ok" else []
        missed += await asyncio.to_thread(unmet, check, Path(folder), end.reply)
        records = await runtime.store.records(info.id)
        answers = [record.body for record in records if isinstance(record.body, Answer)]
        return Tried(
            tuple(missed),
            tuple(dict.fromkeys(refused)),
            end.usage,
            self._recorded(answers, folder),
        )

    async def _authority(self, info: SessionInfo, folder: str, commands: bool) -> Authority:
        """Files in the folder; commands where a person allowed them, or the terminal keeps them
        from this machine.
        """
        given = [Allowance("trial-files", frozenset({"read", "write"}), folders=(folder,), why=WHY)]
        mode = self.settings.commands
        if mode == "isolated" and not commands:
            try:
                commands = (await self._runtime.terminal(info)).isolated
            except Exception:  # noqa: BLE001  isolation: a backend that is not there runs nothing
                commands = False
        if commands or mode == "always":
            needs = frozenset({"read", "write", "run"})
            given.append(Allowance("trial-commands", needs, tools=("terminal",), why=WHY))
        return Authority("nudges", info.person, "user", allowances=tuple(given))

    def _recorded(self, answers: list[Answer], folder: str) -> bytes:
        lines = []
        for answer in answers:
            response: Any = ModelResponse(
                answer.parts,
                answer.model,
                answer.usage,
                answer.stop,  # type: ignore[arg-type]
            )
            lines.append(to_line(Entry(response=response), self._redact))
        return b"".join(lines).replace(folder.encode(), FOLDER.encode())

    # recordings ---------------------------------------------------------------------------------

    def keep(self, name: str, check: str, recording: bytes) -> None:
        """Keep the recording of a trial that went well."""
        file = self._place(name, check)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            stream.write(recording)

    def kept(self, name: str, check: str) -> bytes:
        """Give the recording of a check; empty where there is none."""
        file = self._place(name, check)
        return file.read_bytes() if file.is_file() else b""

    def _place(self, name: str, check: str) -> Path:
        return self._data / "recordings" / name / f"{Path(check).stem}.jsonl"


def _laid_out(folder: Path, check: CheckFile) -> None:
    for name, content in check.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")


def unmet(check: CheckFile, folder: Path, reply: str) -> list[str]:
    """Say what of a check's expectations is not so."""
    return [said for each in check.expect if (said := _unmet(each, folder, reply))]


def _unmet(expected: dict[str, str], folder: Path, reply: str) -> str:
    name = expected.get("file", "")
    if "exists" in expected:
        there = (folder / name).exists()
        wanted = expected["exists"] == "yes"
        return "" if there == wanted else f"{name} is {'' if there else 'not '}there"
    where = name or "the reply"
    try:
        text = (folder / name).read_text(encoding="utf-8") if name else reply
    except (OSError, UnicodeDecodeError):
        return f"{name} cannot be read"
    if "equals" in expected and text.strip() != expected["equals"].strip():
        return f"{where} is not what was expected: {text.strip()[:200]!r}"
    if "contains" in expected and expected["contains"] not in text:
        return f"{where} does not contain {expected['contains'][:100]!r}: {text.strip()[:200]!r}"
    if "lacks" in expected and expected["lacks"] in text:
        return f"{where} contains {expected['lacks'][:100]!r}"
    return ""
