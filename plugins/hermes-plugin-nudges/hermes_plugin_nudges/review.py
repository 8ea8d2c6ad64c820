"""One look back at a conversation: what it leaves is tried before it counts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from hermes import (
    Allowance,
    Authority,
    PluginContext,
    SessionInfo,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    Usage,
)
from hermes_plugin_nudges import wording
from hermes_plugin_nudges.due import Due
from hermes_plugin_nudges.ledger import Event, Ledger
from hermes_plugin_nudges.settings import Settings
from hermes_plugin_nudges.trial import Trials, Tried
from hermes_plugin_skills import editing
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.skill import SkillError
from hermes_plugin_skills.tools import TRIAL
from hermes_plugin_skills.workshop import Candidate, Check, Verdict, Workshop

if TYPE_CHECKING:
    from hermes.runtime import Runtime

TOOLS = ("memory", "skills_list", "skill_view", "skill_manage")
TOOLSETS = ("memory", "skills")
SEEN = "seen"
"""State of a conversation: the last record that was looked at."""


class Reviews:
    """Looks back at conversations of one runtime."""

    def __init__(self, context: PluginContext) -> None:
        self.settings: Settings = context.settings or Settings()
        self.context = context
        self.runtime: Runtime = context.runtime
        self.ledger = Ledger(context.paths.data)
        self.trials = Trials(context)
        self.workshop = Workshop(Library(self.runtime.host.context("skills")))

    def affordable(self) -> bool:
        """Whether the day's tokens are not spent yet."""
        return self.ledger.spent() < self.settings.tokens_per_day

    async def run(self, due: Due) -> list[str]:
        """Look back at one conversation; give a line for each thing that a person may want to know.

        Raises nothing that a model or a tool does; what they do wrong leaves nothing.
        """
        store, context = self.runtime.store, self.context
        info = await store.session(due.session)
        if info is None:  # forgotten meanwhile
            return []
        if not (
            await self.runtime.models.info(self.runtime.models.resolve(self._model(due)))
        ).tools:
            return []  # a model that calls no tools can keep nothing
        seen = int(await context.state.get(SEEN, scope="session", of=due.session) or 0)
        records = await store.records(due.session, after=0 if "asked" in due.why else seen)
        if not records:
            return []
        waiting = [
            each.name
            for each in await asyncio.to_thread(self.workshop.candidates)
            if each.session == due.session and each.check.verdict == "untried"
        ]
        review = self.runtime.unborn(None, "", due.session, person=due.person)
        skills = self.runtime.host.context("skills")
        await skills.state.set(TRIAL, "*", scope="session", of=review.id)
        text = wording.asked(records, memory=not due.group, failed=due.failed, waiting=waiting)
        await self._said(review, due, text)
        lines = await self._settled(review, due, set(waiting))
        await context.state.set(SEEN, records[-1].seq, scope="session", of=due.session)
        return lines

    async def _said(self, review: SessionInfo, due: Due, text: str) -> None:
        """Say *text* in the look back's own conversation, and write down what came of it."""
        conversation = await self.runtime.conversation(id=review.id)
        toolsets = TOOLSETS[1:] if due.group else TOOLSETS
        known = self.runtime.host.offers("tools")
        allowed = Allowance("nudges", frozenset({"read", "write"}), tools=TOOLS, why="looks back")
        arguments: dict[str, str] = {}
        memories: list[str] = []
        end = TurnFinished("failed", "It did not run.")
        async for event in conversation.send(
            text,
            authority=Authority(
                "nudges", due.person, due.role, allowances=(allowed,), group=due.group
            ),
            model=self._model(due),
            toolsets=tuple(name for name in toolsets if name in known),
            steps=self.settings.steps,
        ):
            if isinstance(event, ToolStarted) and event.tool == "memory":
                arguments[event.id] = event.arguments
            elif isinstance(event, ToolFinished) and event.id in arguments and not event.is_error:
                memories.append(wording.remembered(arguments[event.id]))
            elif isinstance(event, TurnFinished):
                end = event
        said = "" if end.status == "ok" else f"{end.status}: {end.reply}"
        await self._note(due, review, "review", usage=end.usage, detail=said, why=due.why)
        for each in filter(None, memories):
            await self._note(due, review, "memory", detail=each)

    async def _settled(self, review: SessionInfo, due: Due, waiting: set[str]) -> list[str]:
        """Try what was written; let in what passed; ask for a mend of what did not."""
        lines: list[str] = []
        told: set[tuple[str, str]] = set()
        for attempt in range(self.settings.tries):
            failed: list[Candidate] = []
            for candidate in await asyncio.to_thread(self.workshop.candidates):
                mine = candidate.session == review.id or candidate.name in waiting
                key = (candidate.name, await asyncio.to_thread(self.workshop.digest, candidate))
                if not mine or key in told:
                    continue
                told.add(key)
                change = candidate.kind == "change"
                await self._note(due, review, "written", name=candidate.name, change=change)
                judged = await self.tried(candidate, due, review)
                if judged.check.verdict == "failed":
                    failed.append(judged)
                else:
                    lines += await self.let_in(judged, due, review)
            if not failed or attempt + 1 == self.settings.tries or not self.affordable():
                break
            again = [
                wording.AGAIN.format(name=each.name, detail=each.check.detail) for each in failed
            ]
            await self._said(review, due, "\n".join(again))
        return lines

    async def let_in(self, candidate: Candidate, due: Due, review: SessionInfo) -> list[str]:
        """Let a candidate in that passed; say so, or why it waits."""
        name = candidate.name
        change = candidate.kind == "change"
        try:
            await asyncio.to_thread(self.workshop.promote, name)
        except SkillError as error:
            await self._note(due, review, "waits", name=name, change=change, detail=str(error))
            return [f"{error}. See: hermes skills show {name}; hermes skills accept {name}"]
        check = candidate.check
        await self._note(
            due,
            review,
            "learnt",
            name=name,
            change=change,
            before=check.before,
            detail=check.detail,
        )
        return [f"Repaired the skill {name}." if change else f"Learnt the skill {name}."]

    async def tried(
        self, candidate: Candidate, due: Due, review: SessionInfo, *, commands: bool = False
    ) -> Candidate:
        """Try a candidate by its checks, and keep the verdict."""
        digest = await asyncio.to_thread(self.workshop.digest, candidate)
        verdict, detail, usage = await self._verdict(candidate, due, review, commands)
        check = Check(
            verdict,
            digest,
            detail,
            usage.input + usage.output,
            due.tokens if candidate.kind == "new" else 0,
            int(time.time()),
        )
        judged = await asyncio.to_thread(self.workshop.judge, candidate.name, check)
        change = candidate.kind == "change"
        said = f"{verdict}: {detail}" if detail else verdict
        await self._note(
            due, review, "tried", name=candidate.name, change=change, usage=usage, detail=said,
            before=check.before,
        )  # fmt: skip
        return judged

    async def _verdict(
        self, candidate: Candidate, due: Due, review: SessionInfo, commands: bool
    ) -> tuple[Verdict, str, Usage]:
        usage = Usage()
        try:
            skill = await asyncio.to_thread(self.workshop.skill, candidate)
            checks = await asyncio.to_thread(editing.checks, self.workshop.folder(candidate))
        except SkillError as error:
            return "failed", str(error), usage
        if not checks:
            return "failed", "it has no check (checks/NAME.json)", usage
        model = self.settings.trial_model or due.model
        recordings: dict[str, bytes] = {}
        for name, check in checks.items():
            first = await self.trials.run(
                skill, check, model=model, parent=review, commands=commands
            )
            usage += first.usage
            if not first.passed:
                return *_why(name, first), usage
            again = await self.trials.run(
                skill,
                check,
                model=model,
                parent=review,
                commands=commands,
                recording=first.recording,
            )
            if not again.passed:
                said = f"{name} does not come out the same way twice: {'; '.join(again.unmet)}"
                return "failed", said, usage
            recordings[name] = first.recording
        tokens = usage.input + usage.output
        if candidate.kind == "new" and due.tokens and tokens > due.tokens * len(checks):
            said = f"with it the task took {tokens:,} tokens, without it {due.tokens:,}"
            return "failed", said, usage
        for name, recording in recordings.items():
            await asyncio.to_thread(self.trials.keep, candidate.name, name, recording)
        return "passed", f"{len(checks)} of {len(checks)} checks, and played back", usage

    async def tidy(self) -> list[str]:
        """Archive what Hermes wrote and nobody used for long; pinned skills stay."""
        days = self.settings.archive_after_days
        if not days:
            return []
        before = time.time() - days * 86_400
        names = []
        for each in await asyncio.to_thread(self.workshop.library.all):
            last = max(each.use.last, each.use.created)
            if each.skill.origin == "agent" and not each.use.pinned and last and last < before:
                why = f"not used for {days} days"
                await asyncio.to_thread(self.workshop.archive, each.skill.name, why=why)
                event = Event(kind="archived", name=each.skill.name, detail=why)
                await asyncio.to_thread(self.ledger.add, event)
                names.append(each.skill.name)
        return names

    async def recheck(self, name: str) -> list[tuple[str, Tried | None]]:
        """Play back every recorded check of a skill that is in use, without a model. Raises
        `SkillError`; None stands for a check that was never recorded.
        """
        skill = await asyncio.to_thread(self.workshop.library.find, name)
        results: list[tuple[str, Tried | None]] = []
        for check, held in (await asyncio.to_thread(editing.checks, skill.folder)).items():
            recording = await asyncio.to_thread(self.trials.kept, name, check)
            tried = None
            if recording:
                tried = await self.trials.run(skill, held, model="", recording=recording)
            results.append((check, tried))
        return results

    def _model(self, due: Due) -> str:
        kernel = self.runtime.host.config.section("hermes")
        return self.settings.model or kernel.auxiliary.get("background_review", "") or due.model

    async def _note(
        self,
        due: Due,
        review: SessionInfo,
        kind: str,
        *,
        usage: Usage | None = None,
        **fields: object,
    ) -> None:
        usage = usage or Usage()
        event = msgspec.convert(
            {
                "kind": kind,
                "session": due.session,
                "review": review.id,
                "person": due.person,
                "tokens": usage.input + usage.output,
                "cost": usage.cost or 0.0,
                **fields,
            },
            Event,
        )
        await asyncio.to_thread(self.ledger.add, event)


def _why(name: str, tried: Tried) -> tuple[Verdict, str]:
    said = f"{name}: {'; '.join(tried.unmet)}"
    if tried.refused:
        return "person", f"{said} (nobody allowed: {', '.join(tried.refused)})"
    return "failed", said
