"""A year of somebody's work in small: facts of unrelated projects, what became of them, questions.

Made from a seed, so that the rules of recall can be tuned on one world and measured on others. A
third of the projects have names that are everyday words, which harmless messages use too.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import product

NAMES = (
    "Orion", "Lyra", "Vega", "Rigel", "Cassini", "Tycho", "Kepler", "Hubble", "Zephyr", "Quokka",
    "Mistral", "Ostara", "Fenrir", "Calypso",
    "Harvest", "Compass", "Ledger", "Beacon", "Anchor", "Mosaic",
)  # fmt: skip
PEOPLE = tuple(
    f"{first} {last}"
    for first, last in product(
        ("Mara", "Jonas", "Priya", "Chen", "Olga", "Tunde", "Lucia", "Bram"),
        ("Lindqvist", "Okafor", "Varga", "Hara", "Duarte", "Novak", "Petrov", "Weiss"),
    )
)
DATABASES = ("PostgreSQL", "MariaDB", "SQLite", "MongoDB", "CockroachDB", "DuckDB", "Redis")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
REGIONS = ("Frankfurt", "Oregon", "Mumbai", "Sydney", "Dublin", "Osaka", "Montreal")
COMMANDS = ("make check", "tox -q", "npm test", "cargo test", "go test ./...", "just verify")
TOOLS = ("ruff", "black", "prettier", "gofmt", "rustfmt", "clang-format")
COMPANIES = tuple(
    f"{a} {b}"
    for a, b in product(
        ("Northwind", "Initech", "Globex", "Umbrella", "Hooli"), ("Labs", "AG", "Foods", "Rail")
    )
)

KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "port": (
        "The API of {p} listens on port {v}",
        (
            "Which port does {p} listen on?",
            "{p}: what comes after the colon in its address?",
            "what's the port number for {q} again",
        ),
    ),
    "database": (
        "{p} keeps its data in {v}",
        (
            "What database is behind {p}?",
            "Where does {p} store things?",
            "I need to back up {p}. Which engine is it on?",
        ),
    ),
    "owner": (
        "{v} is responsible for {p}",
        (
            "Whom do I ask about {p}?",
            "{p} is down, who should I ping?",
            "who owns {q}",
        ),
    ),
    "deploys": (
        "{p} is deployed on {v}",
        (
            "When does {p} go out?",
            "On which day do we ship {p}?",
            "Can I still get a change into this week's {p} deployment?",
        ),
    ),
    "branch": (
        "Releases of {p} are cut from branch {v}",
        (
            "Which branch do {p} releases come from?",
            "I fixed {p}. What should I merge the fix into?",
            "release branch of {q}?",
        ),
    ),
    "tests": (
        "The tests of {p} are run with `{v}`",
        (
            "How do I run the tests of {p}?",
            "What do I type to see whether {p} still works?",
            "test command for {q}?",
        ),
    ),
    "region": (
        "{p} is hosted in {v}",
        (
            "In which region is {p} hosted?",
            "Where in the world do {p}'s servers stand?",
            "hosting region of {q}?",
        ),
    ),
    "milestone": (
        "The next milestone of {p} is {v}",
        (
            "What is {p}'s next milestone?",
            "What is {p} working towards right now?",
            "next milestone for {q}?",
        ),
    ),
    "format": (
        "Code of {p} is formatted with {v}",
        (
            "How is {p}'s code formatted?",
            "Which formatter should I run on {p}?",
            "formatter for {q}?",
        ),
    ),
    "customer": (
        "The customer of {p} is {v}",
        (
            "Who is {p}'s customer?",
            "Who pays for {p}?",
            "customer of {q}?",
        ),
    ),
}  # fmt: skip

UNRELATED = (
    "Write a haiku about rain",
    "What is 17 times 23?",
    "Translate 'good morning' into Portuguese",
    "Summarise: the fox went out on a chilly night and prayed for the moon to give him light",
    "Give me a recipe for lentil soup for four people",
    "Explain what a monad is in two sentences",
    "Write a regular expression that matches an ISO date",
    "Name three rivers in South America",
    "Fix the grammar: he go to school yesterday",
    "How do I undo the last git commit but keep the changes?",
    "Write a limerick about a compass that always points at cheese",
    "When is the apple harvest in Normandy?",
    "What does a ledger look like in double-entry bookkeeping?",
    "Draw an ASCII anchor",
    "Describe a Roman mosaic for a museum label",
    "What is a beacon frame in Wi-Fi?",
    "How do I open a port in a firewall?",
    "Which databases support JSON columns?",
    "Is Friday the 13th unlucky in Spain?",
    "How should a release branch be named?",
    "Write a test for a function that reverses a string",
    "Which customer service number does the post office have?",
    "What is the milestone feature of GitHub?",
    "Who was responsible for the Apollo programme?",
    "What time is it in Sydney when it is noon in Dublin?",
    "Format this as a table: a=1, b=2",
    "Tell me a joke about programmers",
    "Suggest a name for a cat",
    "What is the capital of Mongolia?",
    "Rewrite in a friendlier tone: send me the file now",
    "How many bytes are in a kibibyte?",
    "Write a short poem about a lighthouse keeper",
    "What is the difference between TCP and UDP?",
    "Plan a three-day trip to Lisbon",
    "How do I centre a div?",
    "What are good exercises for the lower back?",
    "Compare SQLite and PostgreSQL in one paragraph",
    "Who wrote The Master and Margarita?",
    "Convert 72 degrees Fahrenheit to Celsius",
    "Give me five words that rhyme with stone",
)


@dataclass
class Fact:
    """Something about a project, and every wording that it had, the last first true."""

    project: str
    kind: str
    texts: list[str]
    where: str = "project"
    """The file that it was told for: the project's, or ``memory``."""
    expires: str = ""

    @property
    def current(self) -> str:
        """What holds now; empty where nothing does."""
        return "" if self.expires else self.texts[-1]

    @property
    def stale(self) -> list[str]:
        return self.texts if self.expires else self.texts[:-1]


@dataclass(frozen=True)
class Ask:
    """A message, and which fact it is about (None: none)."""

    text: str
    fact: Fact | None
    place: str = ""
    """Project in whose folder it is asked; empty for elsewhere."""
    before: str = ""
    """Said first, in the same conversation."""


@dataclass
class World:
    """All of it."""

    facts: list[Fact] = field(default_factory=list)
    questions: list[Ask] = field(default_factory=list)
    unrelated: list[Ask] = field(default_factory=list)


def world(seed: int, today: date, *, projects: int = 20, questions: int = 100) -> World:
    """Make a world: ten facts a project, three in ten corrected later, some twice, one in eight
    expired; *questions* about them, a seventh of those about what has expired.
    """
    rng = random.Random(seed)
    made = World()
    over = (today - timedelta(days=3)).isoformat()
    for name in rng.sample(NAMES, projects):
        for kind, (template, _) in KINDS.items():
            texts = [template.format(p=name, v=each) for each in _values(rng, kind)]
            fact = Fact(name, kind, texts[:1])
            fate = rng.random()
            if fate < 0.3:
                fact.texts = texts[: 3 if fate < 0.075 else 2]
            elif fate < 0.425:
                fact.expires = over
            if kind in ("owner", "customer"):
                fact.where = "memory"
            made.facts.append(fact)
    expired = [fact for fact in made.facts if fact.expires]
    holds = [fact for fact in made.facts if not fact.expires]
    asked = rng.sample(expired, min(len(expired), questions // 7))
    asked += rng.sample(holds, questions - len(asked))
    rng.shuffle(asked)
    for number, fact in enumerate(asked):
        made.questions.append(_question(rng, fact, number))
    for number, text in enumerate(UNRELATED):
        place = rng.choice(made.facts).project if number % 4 == 3 else ""
        made.unrelated.append(Ask(text, None, place))
    return made


def _question(rng: random.Random, fact: Fact, number: int) -> Ask:
    text = rng.choice(KINDS[fact.kind][1])
    place = fact.project if number % 5 < 2 else ""  # two in five in the project's folder
    if place or number % 10 != 9:
        said = text.format(p=fact.project, q=fact.project.lower())
        return Ask(said, fact, place)
    template = next(each for each in KINDS[fact.kind][1] if "{p}" in each)
    follow = template.format(p="it").replace("it's", "its")
    return Ask(follow, fact, "", before=f"Is {fact.project} still under active development?")


def _values(rng: random.Random, kind: str) -> list[str]:
    """Give three values of a kind that differ."""
    if kind == "port":
        return [str(each) for each in rng.sample(range(3000, 9999), 3)]
    if kind == "branch":
        return [f"release/{each}" for each in rng.sample(range(10, 99), 3)]
    if kind == "milestone":
        return [f"version {each}.0" for each in rng.sample(range(10, 40), 3)]
    if kind == "deploys":
        return [f"{each}s" for each in rng.sample(DAYS, 3)]
    values = {
        "database": DATABASES,
        "owner": PEOPLE,
        "tests": COMMANDS,
        "region": REGIONS,
        "format": TOOLS,
        "customer": COMPANIES,
    }
    return rng.sample(values[kind], 3)
