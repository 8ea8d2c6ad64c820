"""What ``hermes learning`` puts together, and shows."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hermes_plugin_nudges.commands import text
from hermes_plugin_nudges.ledger import Event, Ledger
from hermes_plugin_nudges.picture import page
from hermes_plugin_nudges.summary import Summary, summary
from hermes_plugin_skills.library import Library
from hermes_plugin_skills.workshop import By, Workshop

T = 1_790_000_000
SKILL = "---\nname: {name}\ndescription: <b>Do</b> {name}\n---\n1. Do {name} {name}ly."


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


@pytest.fixture
def workshop(plugin_context: Any) -> Workshop:
    return Workshop(Library(plugin_context("skills")))


@pytest.fixture
def found(ledger: Ledger, workshop: Workshop) -> Summary:
    for name in ("report", "release"):
        workshop.create(name, SKILL.format(name=name), by=By(session="s-old"))
        workshop.promote(name, person="owner")
    workshop.library.usage.used("report", "t1")
    workshop.library.usage.ended("t1", well=True)
    workshop.library.usage.used("report", "t2")
    workshop.library.usage.ended("t2", well=False)
    workshop.create("fresh", SKILL.format(name="fresh"), by=By())
    for event in (
        Event(kind="review", time=T, session="s1", review="r1", tokens=1000, cost=0.01),
        Event(kind="memory", time=T, session="s1", review="r1", detail="add Likes <tea>"),
        Event(kind="written", time=T + 1, name="report", session="s1", review="r1"),
        Event(kind="written", time=T + 1, name="release", session="s1", review="r1"),
        Event(kind="tried", time=T + 2, name="report", review="r1", tokens=300, detail="passed: x"),
        Event(kind="learnt", time=T + 3, name="report", session="s1", review="r1", before=900),
        Event(kind="tried", time=T + 2, name="release", review="r1", tokens=50, detail="failed: y"),
        Event(kind="review", time=T + 9, session="s2", review="r2", tokens=400),
        Event(kind="written", time=T + 9, name="report", change=True, review="r2"),
        Event(kind="learnt", time=T + 10, name="report", change=True, session="s2", review="r2"),
    ):
        ledger.add(event)
    return summary(ledger, workshop)


def test_a_skill_s_row_says_when_from_where_how_often_and_what_it_took(found: Summary) -> None:
    (row,) = found.skills
    assert (row.name, row.session, row.learnt, row.repaired) == ("report", "s1", T + 3, (T + 10,))
    assert (row.views, row.helped, row.failed) == (2, 1, 1)
    assert row.tokens == 500 + 300 + 400, (
        "half of the look back that wrote two, its trial, a repair"
    )
    assert (row.before, row.now) == (900, 300)
    assert (found.reviews, found.trials, found.tokens) == (2, 2, 1750)
    assert found.today == 0, "it was long ago"


def test_it_reads_as_lines(found: Summary) -> None:
    said = "\n".join(text(found, 1000))
    assert "report (active): <b>Do</b> report" in said
    assert "read 2, helped 1, failed 1; took 1,200 tokens; the task: 900 tokens before, 300" in said
    assert "waits: fresh (new): it was not tried yet" in said
    assert "remembered" in said and "Likes <tea>" in said


class Parsed(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)
        if tag not in ("meta", "rect", "circle"):
            self.open.append(tag)
        elif tag != "meta" and self.get_starttag_text().endswith("/>"):  # type: ignore[union-attr]
            return

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag


def test_the_page_is_whole_and_nothing_in_it_is_run(found: Summary) -> None:
    html = page(found)
    parsed = Parsed()
    parsed.feed(html)
    assert parsed.open == []
    assert "script" not in parsed.seen and "b" in parsed.seen
    assert "&lt;b&gt;Do&lt;/b&gt; report" in html and "Likes &lt;tea&gt;" in html
    assert parsed.seen.count("section") == 1
    assert "http://" not in html and "https://" not in html, "it fetches nothing"


def test_nothing_learnt_is_a_page_too(ledger: Ledger, workshop: Workshop) -> None:
    found = summary(ledger, workshop)
    assert "Nothing yet." in page(found)
    assert text(found, 10) == [
        "0 looks back, 0 trials, 0 tokens; 0 of 10 tokens in the last 24 hours"
    ]


def test_a_line_that_a_crash_cut_is_passed_over(ledger: Ledger, tmp_path: Path) -> None:
    ledger.add(Event(kind="review", tokens=5))
    with (tmp_path / "learning.jsonl").open("ab") as file:
        file.write(b'{"kind":"rev')
    assert [event.tokens for event in ledger.read()] == [5]
    assert ledger.spent() == 5
    assert abs(ledger.read()[0].time - time.time()) < 60
