"""What was learnt, put together: the ledger, what lies in quarantine, and how it is used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import msgspec

from hermes_plugin_nudges.ledger import Event, Ledger
from hermes_plugin_skills.workshop import Workshop


class SkillRow(msgspec.Struct, frozen=True, kw_only=True):
    """A skill that was learnt."""

    name: str
    description: str = ""
    state: str = "archived"
    """As ``hermes skills list`` says; ``archived`` for one that is gone."""
    learnt: int
    """UTC seconds."""
    session: str = ""
    """The conversation that it came from."""
    repaired: tuple[int, ...] = ()
    views: int = 0
    helped: int = 0
    failed: int = 0
    tokens: int = 0
    """That looking back and trying took, for this skill."""
    cost: float = 0.0
    before: int = 0
    """Tokens of the task when it was new."""
    now: int = 0
    """Tokens of the task with the skill, in its trial."""

    @property
    def saved(self) -> int:
        """Tokens that its use saved so far, as its trial says, less what learning it took."""
        return max(0, self.before - self.now) * self.helped - self.tokens


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was remembered by looking back."""

    time: int
    text: str
    session: str = ""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What needs a person's word, or another try."""

    name: str
    kind: str
    why: str
    session: str = ""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that ``hermes learning`` shows."""

    skills: tuple[SkillRow, ...] = ()
    memories: tuple[Memory, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    reviews: int = 0
    trials: int = 0
    tokens: int = 0
    cost: float = 0.0
    today: int = 0
    """Tokens of the last 24 hours."""
    events: tuple[Event, ...] = ()


def summary(ledger: Ledger, workshop: Workshop) -> Summary:
    """Put it together. Blocks."""
    events = ledger.read()
    counts = Counter(event.kind for event in events)
    waiting = [
        Waiting(
            name=each.name,
            kind=each.kind,
            why=workshop.obstacle(each) or "ready",
            session=each.session,
        )
        for each in workshop.candidates()
    ]
    return Summary(
        skills=tuple(_skills(events, workshop)),
        memories=tuple(
            Memory(time=event.time, text=event.detail, session=event.session)
            for event in events
            if event.kind == "memory"
        ),
        waiting=tuple(waiting),
        reviews=counts["review"],
        trials=counts["tried"],
        tokens=sum(event.tokens for event in events),
        cost=sum(event.cost for event in events),
        today=ledger.spent(),
        events=tuple(events),
    )


def _skills(events: Sequence[Event], workshop: Workshop) -> list[SkillRow]:
    listed = {each.skill.name: each for each in workshop.library.all()}
    by_name: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.name:
            by_name[event.name].append(event)
    tokens, cost = _shares(events)
    rows = []
    for name, own in by_name.items():
        first = next((event for event in own if event.kind == "learnt" and not event.change), None)
        repairs = tuple(event.time for event in own if event.kind == "learnt" and event.change)
        if first is None and not repairs:
            continue
        start = first or next(event for event in own if event.kind == "learnt")
        trial = next((e for e in own if e.kind == "tried" and e.detail.startswith("passed")), None)
        there = listed.get(name)
        rows.append(
            SkillRow(
                name=name,
                description=there.skill.description if there else "",
                state=there.state if there else "archived",
                learnt=start.time,
                session=start.session,
                repaired=repairs,
                views=there.use.views if there else 0,
                helped=there.use.helped if there else 0,
                failed=there.use.failed if there else 0,
                tokens=tokens[name],
                cost=cost[name],
                before=start.before,
                now=trial.tokens if trial and start.before else 0,
            )
        )
    return sorted(rows, key=lambda row: row.learnt)


def _shares(events: Sequence[Event]) -> tuple[dict[str, int], dict[str, float]]:
    """Say what each skill took: its trials, and its share of the looks back that wrote it."""
    tokens: dict[str, int] = defaultdict(int)
    cost: dict[str, float] = defaultdict(float)
    written: dict[str, set[str]] = defaultdict(set)
    for event in events:
        if event.kind == "written":
            written[event.review].add(event.name)
        elif event.kind == "tried":
            tokens[event.name] += event.tokens
            cost[event.name] += event.cost
    for event in events:
        names = written.get(event.review, set()) if event.kind == "review" else set()
        for name in names:
            tokens[name] += event.tokens // len(names)
            cost[name] += event.cost / len(names)
    return tokens, cost
