"""What was learnt as a page to look at: one HTML file, no script, nothing fetched."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from html import escape

from hermes_plugin_nudges.ledger import Event
from hermes_plugin_nudges.summary import SkillRow, Summary

WIDTH, LANE, LEFT = 920, 34, 110
LANES = (
    ("review", "looked back", "review"),
    ("memory", "remembered", "memory"),
    ("tried", "tried", "tried"),
    ("learnt", "learnt", "learnt"),
    ("archived", "archived", "archived"),
)
STYLE = """
:root { color-scheme: light dark; --ink: #1b1b1f; --soft: #6a6a76; --line: #d9d9e0; --page: #fbfbfd;
  --card: #fff; --good: #2e8b57; --bad: #c0504d; --one: #4667b0; --two: #8a63b0; --three: #b07d2b; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececf1; --soft: #9a9aa8; --line: #3a3a45;
  --page: #17171b; --card: #202027; --good: #56b881; --bad: #e07a76; --one: #7f9ce0; --two: #b793dc;
  --three: #dcae62; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page);
  max-width: 960px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .6rem; }
p.lead { color: var(--soft); margin: 0 0 1.2rem; }
.totals { display: flex; flex-wrap: wrap; gap: .8rem; margin: 0 0 1rem; padding: 0;
  list-style: none; }
.totals li { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .5rem .8rem; min-width: 5.4rem; }
.totals b { display: block; font-size: 1.3rem; } .totals span, small { color: var(--soft); }
svg { width: 100%; height: auto; display: block; } svg text { font: 12px system-ui, sans-serif;
  fill: var(--soft); }
.skill { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: .7rem 1rem; margin: .6rem 0; }
.skill h3 { margin: 0; font-size: 1rem; } .skill p { margin: .15rem 0 .5rem; }
.tag { font-size: .75rem; border: 1px solid var(--line); border-radius: 9px; padding: 0 .5rem;
  margin-left: .4rem; color: var(--soft); font-weight: normal; }
.review { fill: var(--one); } .memory { fill: var(--two); } .tried { fill: var(--three); }
.learnt, .helped { fill: var(--good); } .archived, .failed { fill: var(--bad); }
.empty { fill: var(--line); }
ul.plain { padding-left: 1.1rem; }
"""


def page(found: Summary) -> str:
    """Write the page."""
    body = "".join(
        [
            "<h1>What Hermes has learnt</h1>",
            f"<p class=lead>{_when(found)}</p>",
            _totals(found),
            _timeline(found.events),
            _skills(found.skills),
            *_lists(found),
        ]
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>What Hermes has learnt</title><style>{STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )


def _when(found: Summary) -> str:
    if not found.events:
        return "Nothing yet."
    return f"From {_day(found.events[0].time)} to {_day(found.events[-1].time)}."


def _totals(found: Summary) -> str:
    used = sum(row.helped for row in found.skills)
    figures = [
        (len(found.skills), "skills learnt"),
        (sum(len(row.repaired) for row in found.skills), "repairs"),
        (used, "turns helped"),
        (sum(row.failed for row in found.skills), "turns failed"),
        (len(found.memories), "memories"),
        (found.reviews, "looks back"),
        (f"{found.tokens:,}", "tokens" + (f", ${found.cost:.2f}" if found.cost else "")),
    ]
    items = "".join(f"<li><b>{figure}</b><span>{name}</span></li>" for figure, name in figures)
    return f"<ul class=totals>{items}</ul>"


def _timeline(events: Sequence[Event]) -> str:
    """Draw what happened when: a lane for each kind, a dot for each event."""
    if not events:
        return ""
    first, last = events[0].time, max(events[-1].time, events[0].time + 1)
    height = LANE * len(LANES) + 28
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="What happened when">']
    for number, (kind, title, css) in enumerate(LANES):
        y = LANE * number + 20
        parts.append(f'<text x="0" y="{y + 4}">{title}</text>')
        parts.append(f'<rect class="empty" x="{LEFT}" y="{y}" width="{WIDTH - LEFT}" height="1"/>')
        mine = [event for event in events if event.kind == kind]
        for event in sorted(mine, key=lambda each: each.detail.startswith("failed")):
            x = LEFT + 8 + (event.time - first) / (last - first) * (WIDTH - LEFT - 16)
            failed = event.detail.startswith("failed")
            said = escape(f"{_day(event.time)} {event.name} {event.detail}".strip(), quote=True)
            css_of = "failed" if failed else css
            dot = f'<circle class="{css_of}" cx="{x:.1f}" cy="{y}" r="6">'
            parts.append(f"{dot}<title>{said}</title></circle>")
    base = height - 6
    parts.append(f'<text x="{LEFT}" y="{base}">{_day(first)}</text>')
    parts.append(f'<text x="{WIDTH}" y="{base}" text-anchor="end">{_day(last)}</text></svg>')
    return "".join(parts)


def _skills(rows: Sequence[SkillRow]) -> str:
    if not rows:
        return ""
    most = max(row.helped + row.failed for row in rows) or 1
    return "<h2>Skills</h2>" + "".join(_skill(row, most) for row in rows)


def _skill(row: SkillRow, most: int) -> str:
    facts = [f"learnt {_day(row.learnt)} from {escape(row.session[:13])}"]
    if row.repaired:
        facts.append(f"repaired {', '.join(_day(each) for each in row.repaired)}")
    facts.append(f"read {row.views}×, helped {row.helped}×, failed {row.failed}×")
    facts.append(f"learning it took {row.tokens:,} tokens")
    if row.before:
        facts.append(f"the task took {row.before:,} tokens, with it {row.now:,}")
        facts.append(f"{'saved' if row.saved >= 0 else 'to be earned back'} {abs(row.saved):,}")
    head = f"<h3>{escape(row.name)}<span class=tag>{escape(row.state)}</span></h3>"
    said = f"<p>{escape(row.description)}</p>{_bar(row, most)}<small>{' · '.join(facts)}</small>"
    return f"<section class=skill>{head}{said}</section>"


def _bar(row: SkillRow, most: int) -> str:
    wide = WIDTH - 40
    helped, failed = row.helped / most * wide, row.failed / most * wide
    return (
        f'<svg viewBox="0 0 {wide} 12" role="img" aria-label="helped {row.helped}, failed'
        f' {row.failed}"><rect class="empty" y="3" width="{wide}" height="6" rx="3"/>'
        f'<rect class="helped" y="3" width="{helped:.1f}" height="6" rx="3"/>'
        f'<rect class="failed" x="{helped:.1f}" y="3" width="{failed:.1f}" height="6" rx="3"/>'
        "</svg>"
    )


def _lists(found: Summary) -> Iterator[str]:
    if found.waiting:
        yield "<h2>Waits for you</h2><ul class=plain>"
        for each in found.waiting:
            yield f"<li><b>{escape(each.name)}</b> ({escape(each.kind)}): {escape(each.why)}</li>"
        yield "</ul>"
    if found.memories:
        yield "<h2>Memories</h2><ul class=plain>"
        for memory in reversed(found.memories):
            yield f"<li>{escape(memory.text)} <small>{_day(memory.time)}</small></li>"
        yield "</ul>"


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
