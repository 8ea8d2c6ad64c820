"""One bad plugin: a line names it, and everything else works (pain point 20, architecture §4.3).

Each row installs a plugin that is broken in one place beside two that are whole: one that brings a
model, a journal and a policy, and one that brings a tool. Then the real ``hermes`` runs a turn in
which the model calls that tool. What is said of the bad one stands in the log, in `hermes plugins`,
or on standard error, in one line with its name.
"""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any, NamedTuple

import pytest

BASE = {
    "init": """
        @hookimpl
        def hermes_providers():
            return [Offer("echo", "hermes_plugin_base.parts:Echo", "Says it again")]
        @hookimpl
        def hermes_stores():
            return [Offer("kept", "hermes_plugin_base.parts:store", "In memory")]
        @hookimpl
        def hermes_middleware():
            return [Offer("allow", "hermes_plugin_base.parts:allow", "Allows")]
        @hookimpl
        def hermes_commands():
            return [Offer("say", "hermes_plugin_base.say:say", "Run a turn")]
        @hookimpl
        def hermes_platforms():
            return [Offer("line", "hermes_plugin_base.parts:Line", "One message, one answer")]
        """,
    "parts": """
        import asyncio
        import msgspec
        from hermes import (
            Account, Inbound, ModelResponse, Platform, Provider, Receipt, SessionKey, Text,
            ToolOutput, ToolUse,
        )
        from hermes.testing import AllowAll, MemoryStore

        class Line(Platform):
            # Says one thing to us, and keeps in a file what comes back.
            def __init__(self, context): self.file = context.paths.data / "answers"
            async def run(self, inbox):
                key, who = SessionKey("line", "1"), Account("line", "1")
                await inbox.put((Inbound(key, "1", who, "use bad"),))
                await asyncio.Event().wait()
            async def send(self, part):
                with self.file.open("a") as file:
                    file.write(part.text + chr(10))
                return Receipt("1")

        class Let(AllowAll):
            async def receive(self, inbound, call_next):
                return await call_next(msgspec.structs.replace(inbound, person="ann", role="user"))

        class Echo(Provider):
            def __init__(self, context): pass
            async def stream(self, request):
                last = request.spec.messages[-1]
                told = [part.text for part in last.parts if isinstance(part, ToolOutput)]
                names = [tool.name for tool in request.spec.tools]
                if told or not names:
                    text = f"The tool said: {told[0]}" if told else "There are no tools."
                    request.chunk(text)
                    return ModelResponse((Text(text),), request.spec.model)
                wanted = "bad" if "bad" in names and "use bad" in str(last) else "good"
                call = ToolUse("1", wanted, "{}")
                return ModelResponse((call,), request.spec.model, stop="tools")

        def store(context): return MemoryStore()
        def allow(context): return Let()
        """,
    "say": """
        import asyncio
        from hermes import CommandContext, SessionKey, TurnFinished, command
        from hermes import opening, runtime  # the limits of this test are a tenth of the real ones
        opening.OPENING = opening.RENDER = opening.FIRST_WAIT = runtime.OPENING = 0.5

        @command()
        async def say(context: CommandContext) -> None:
            \"""Run two turns, the second in the same process as a broken first.\"""
            opened = await context.runtime()
            for text in ("use bad", "use good"):
                async for event in opened.session(SessionKey("test", text)).send(text):
                    if isinstance(event, TurnFinished):
                        context.reply(f"{text}: {event.status}: {event.reply}")
        """,
}
GOOD = {
    "init": """
        @hookimpl
        def hermes_tools():
            return [Offer("good", "hermes_plugin_good.tools:good", "Works")]
        """,
    "tools": """
        from hermes import READ, tool
        @tool(effect=READ, needs=frozenset())
        async def good() -> str:
            \"""Say that it works.\"""
            return "it works"
        """,
}
CONFIG = "model: echo:m\nstore: kept\n"
WORKS = "ok: The tool said: it works"
HANG = "await __import__('asyncio').Event().wait()"
FAULTS = {"raises": "raise RuntimeError('no luck')", "exits": "raise SystemExit(3)"}


class Row(NamedTuple):
    """A fault: what the plugin is, what is said of it, and what the turn that meets it gives."""

    name: str
    init: str
    part: str
    said: str
    meets: str = WORKS
    config: str = ""


def offer(kind: str, target: str = "it", more: str = "") -> str:
    return f"""
@hookimpl
def hermes_{kind}():
    return [Offer("bad", "hermes_plugin_bad.part:{target}", "Broken"{more})]
"""


def part(contract: str, **methods: str) -> str:
    """Write a class of that contract with these methods; *init* is its constructor."""
    lines = [f"from hermes import *\nclass it({contract}):", "    name = 'bad'"]
    lines.append(f"    def __init__(self, context):\n        {methods.pop('init', 'pass')}")
    for signature, body in methods.items():
        name, _, arguments = signature.partition("__")
        taken = ", ".join(["self", *filter(None, arguments.split("_"))])
        lines.append(f"    async def {name}({taken}):\n        {body}")
    return "\n".join(lines)


TOOLSET = {"tools": "return ()"}
MEMORY = {"recall__turn": "return ''", "record__turn_result": "pass"}


def rows() -> list[Row]:
    found = []
    for fault, body in {**FAULTS, "hangs": HANG}.items():
        said = {"raises": "RuntimeError: no luck", "exits": "SystemExit: 3"}.get(fault, "")
        found += [
            Row(f"toolset-open-{fault}", offer("tools"),
                part("Toolset", **TOOLSET, open=body), f"toolset left out|bad|{said}"),
            Row(f"toolset-tools-{fault}", offer("tools"),
                part("Toolset", tools=body), f"toolset left out|bad|{said}"),
            Row(f"memory-open-{fault}", offer("memory"), part("Memory", **MEMORY, open=body),
                f"memory|bad|{said}", config="memory: bad\n"),
            Row(f"memory-recall-{fault}", offer("memory"),
                part("Memory", **{**MEMORY, "recall__turn": body}),
                f"memory|{said}", config="memory: bad\n"),
            Row(f"section-{fault}", offer("prompts"),
                part("PromptSection", render__session=body), f"prompt section left out|bad|{said}"),
        ]  # fmt: skip
    for fault, body in FAULTS.items():
        said = {"raises": "RuntimeError: no luck", "exits": "SystemExit: 3"}[fault]
        found += [
            Row(f"tool-import-{fault}", offer("tools"), body, f"toolset left out|bad|{said}"),
            Row(f"tool-call-{fault}", offer("tools"), f'''
from hermes import READ, tool
@tool(effect=READ, needs=frozenset(), name="bad")
async def it() -> str:
    """Break when it is called."""
    {body}
''', f"tool raised|bad|{said}", f"ok: The tool said: bad failed: {said}"),
            Row(f"memory-record-{fault}", offer("memory"),
                part("Memory", **{**MEMORY, "record__turn_result": body}),
                f"memory failed to record|{said}", config="memory: bad\n"),
            Row(f"section-made-{fault}", offer("prompts"),
                part("PromptSection", init=body, render__session="return ''"),
                f"prompt section left out|bad|{said}"),
            Row(f"observer-{fault}", offer("observers"),
                part("Observer", observe__session_event=body), f"observer raised|bad|{said}"),
            Row(f"observer-made-{fault}", offer("observers"),
                part("Observer", init=body, observe__session_event="pass"),
                f"observer left out|bad|{said}"),
            *(
                Row(f"middleware-{point}-{fault}", offer("middleware"),
                    part("Middleware", **{f"{point}__thing_next": body}), "",
                    f"{status}plugin bad: middleware bad failed at {point}: {said}")
                for point, status in (
                    ("turn", "failed: "), ("model", "failed: "),
                    ("tool", "ok: The tool said: Not run: "),
                )
            ),
            Row(f"middleware-optional-{fault}", offer("middleware", more=", optional=True"),
                part("Middleware", turn__thing_next=body), ""),
            Row(f"middleware-optional-made-{fault}", offer("middleware", more=", optional=True"),
                part("Middleware", init=body, turn__thing_next="pass"),
                f"bad cannot be made|{said}"),
        ]  # fmt: skip
    found += [
        Row("tool-of-the-wrong-type", offer("tools"), "it = 3", "toolset left out|it is int"),
        Row("tool-taken", offer("tools"), "from hermes_plugin_good.tools import good as it",
            "tool name taken|good"),
        Row("toolset-without-methods", offer("tools"),
            "from hermes import *\nclass it(Toolset):\n    def __init__(self, context): pass",
            "toolset left out|abstract"),
        Row("middleware-gives-nothing", offer("middleware"),
            part("Middleware", turn__thing_next="return None"), "",
            "failed: plugin bad: middleware bad failed at turn: TypeError: turn returned NoneType"),
        Row("observer-hangs", offer("observers"),
            part("Observer", observe__session_event=HANG), ""),
    ]  # fmt: skip
    return found


LISTED = [
    ("import raises", "1 / 0", "ZeroDivisionError"),
    ("import exits", "raise SystemExit(3)", "SystemExit: 3"),
    ("import ends the process", "import os; os._exit(7)", "exit status 7"),
    ("import is killed", "import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
    ("import hangs", "import time; time.sleep(600)", "took longer than 5 s"),
    ("hook raises", "@hookimpl\ndef hermes_tools(): 1 / 0", "ZeroDivisionError"),
    ("hook is misspelt", "@hookimpl\ndef hermes_tolls(): return []", "did you mean hermes_tools?"),
    ("hook takes something", "@hookimpl\ndef hermes_tools(app): return []", "app"),
    ("hook gives nothing useful", "@hookimpl\ndef hermes_tools(): return {}", "returned dict"),
    (
        "target is missing",
        "@hookimpl\ndef hermes_tools(): return [Offer('x', 'hermes_plugin_bad.gone:x', '')]",
        "there is no module hermes_plugin_bad.gone",
    ),
]
"""What is found when a plugin is listed."""


@pytest.fixture(scope="module")
def whole(shared_site: Any) -> Any:
    """A site with the two plugins that are whole, listed already."""
    for name, files in (("base", BASE), ("good", GOOD)):
        shared_site.install(name, **files)
    shared_site.write(CONFIG)
    shared_site.run("version")
    return shared_site


@pytest.fixture
def bad(whole: Any, request: pytest.FixtureRequest) -> Any:
    """The same site, for a test that installs a bad plugin into it; afterwards it is removed."""
    log = whole.home / "logs" / "hermes.log"
    log.unlink(missing_ok=True)
    yield whole
    whole.remove("bad")
    whole.write(CONFIG)


def lines(site: Any) -> list[str]:
    log = site.home / "logs" / "hermes.log"
    return log.read_text().splitlines() if log.exists() else []


def turns(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith("use ")]


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.name)
def test_one_line_names_it_and_the_rest_works(bad: Any, row: Row) -> None:
    bad.install("bad", row.init, part=row.part)
    bad.write(CONFIG + row.config)

    done = bad.run("say")

    assert done.returncode == 0, done.stderr
    first, second = turns(done)
    assert first.startswith(row.meets), done.stdout
    failed_closed = "failed at" in row.meets
    assert failed_closed or second.startswith(WORKS), done.stdout
    wanted = row.said.split("|") if row.said else []
    named = [line for line in lines(bad) if all(word in line for word in wanted)]
    assert named or not wanted, lines(bad)
    assert "Traceback" not in done.stdout + done.stderr + "\n".join(lines(bad))


@pytest.mark.parametrize(("init", "said"), [row[1:] for row in LISTED], ids=[r[0] for r in LISTED])
def test_one_that_cannot_be_listed_is_set_aside(bad: Any, init: str, said: str) -> None:
    bad.install("bad", init)

    done = bad.run("say")
    listed = [line for line in bad.run("plugins").stdout.splitlines() if line.startswith("bad")]

    assert turns(done) == [WORKS, WORKS], done.stderr
    assert len(listed) == 1
    assert "failed" in listed[0]
    assert said in listed[0]


def served() -> list[Row]:
    """Faults that a gateway meets; each must leave the other platform working."""
    run = {"run__inbox": HANG, "send__part": "pass"}
    found = []
    for fault, body in {**FAULTS, "hangs": HANG}.items():
        said = {"raises": "RuntimeError: no luck", "exits": "SystemExit: 3"}.get(fault, "")
        named = f"restarting|bad|{said}" if said else ""
        found += [
            Row(f"platform-open-{fault}", offer("platforms"),
                part("Platform", **run, open=body), named),
            Row(f"platform-run-{fault}", offer("platforms"),
                part("Platform", **{**run, "run__inbox": body}), named),
            Row(f"service-open-{fault}", offer("services"),
                part("Service", run__runtime=HANG, open=body), named),
        ]  # fmt: skip
    for fault, body in FAULTS.items():
        said = {"raises": "RuntimeError: no luck", "exits": "SystemExit: 3"}[fault]
        missing = f"\n    def missing(self):\n        {body}"
        found += [
            Row(f"platform-made-{fault}", offer("platforms"),
                part("Platform", **run, init=body), f"platform left out|bad|{said}"),
            Row(f"platform-missing-{fault}", offer("platforms"),
                part("Platform", **run) + missing, f"not started|bad|{said}"),
            Row(f"platform-menu-{fault}", offer("platforms"),
                part("Platform", **run, menu__commands=body), ""),
            Row(f"service-run-{fault}", offer("services"),
                part("Service", run__runtime=body), f"restarting|service bad|{said}"),
            Row(f"receive-{fault}", offer("middleware"),
                part("Middleware", receive__thing_next=body), f"bad|{said}",
                "⚠️ Your message could not be taken in: the plugin bad failed."),
            Row(f"deliver-{fault}", offer("middleware"),
                part("Middleware", deliver__thing_next=body), f"bad|{said}", "⚠️"),
        ]  # fmt: skip
    return found


@pytest.mark.parametrize("row", served(), ids=lambda row: row.name)
def test_a_gateway_goes_on_beside_it(bad: Any, row: Row) -> None:
    bad.install("bad", row.init, part=row.part)
    answers = bad.home / "data" / "base" / "answers"
    answers.unlink(missing_ok=True)
    wanted = row.said.split("|") if row.said else []

    def ready() -> bool:
        told = not wanted or any(all(w in line for w in wanted) for line in lines(bad))
        return told and answers.exists() and bool(answers.read_text())

    program = "import sys; from hermes.cli import main; sys.exit(main())"
    gateway = subprocess.Popen(
        [sys.executable, "-S", "-c", program, "gateway", "run"],
        env=bad.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while not ready() and gateway.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    gateway.terminate()
    _, errors = gateway.communicate(timeout=30)

    first = answers.read_text().splitlines()[0]
    expected = row.meets.removeprefix("ok: ")
    assert first.startswith(expected), (first, errors)
    assert ready(), lines(bad)
    assert "Traceback" not in errors + "\n".join(lines(bad))


@pytest.mark.parametrize("fault", [*FAULTS.values(), "import nothing_of_this_name"])
@pytest.mark.parametrize("where", ["import", "make"])
def test_a_policy_that_cannot_load_stops_the_start(bad: Any, fault: str, where: str) -> None:
    body = {"import": f"{fault}\n", "make": part("Middleware", init=fault)}[where]
    bad.install("bad", offer("middleware"), part=body)

    done = bad.run("say")

    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("hermes: plugin bad: middleware bad cannot be ")


@pytest.mark.parametrize(
    "init",
    [
        "import nothing_here" + offer("middleware"),
        "raise SystemExit" + offer("middleware"),
        offer("middlewares"),
    ],
    ids=["import", "exit", "misspelt"],
)
def test_a_policy_that_cannot_be_listed_stops_it_too(bad: Any, init: str) -> None:
    bad.install("bad", init, part=part("Middleware"))

    done = bad.run("say")

    assert done.returncode != 0
    assert done.stderr.startswith("hermes: plugin bad: its middleware is missing: ")
    assert "hermes plugins disable bad" in done.stderr
    bad.write(CONFIG + "plugins: {disabled: [bad]}\n")
    assert turns(bad.run("say")) == [WORKS, WORKS]


@pytest.mark.parametrize(("fault", "body"), FAULTS.items())
def test_a_journal_that_cannot_be_opened_is_one_line(bad: Any, fault: str, body: str) -> None:
    text = "from hermes.testing import MemoryStore\nclass it(MemoryStore):\n"
    text += "    def __init__(self, context): super().__init__()\n"
    bad.install("bad", offer("stores"), part=f"{text}    async def open(self):\n        {body}")
    bad.write("model: echo:m\nstore: bad\n")

    done = bad.run("say")

    assert done.returncode == 1
    assert done.stderr.startswith("hermes: plugin bad: store bad cannot be opened: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise RuntimeError('no luck')", "command bad cannot be loaded: RuntimeError: no luck"),
        ("raise SystemExit(3)", "command bad cannot be loaded: SystemExit: 3"),
        ("it = 3", "it is int, not a Command or Group"),
    ],
)
def test_a_command_that_cannot_be_loaded_is_one_line(bad: Any, body: str, said: str) -> None:
    bad.install("bad", offer("commands"), part=body)

    done = bad.run("bad")

    assert done.returncode == 1
    assert done.stderr.startswith("hermes: plugin bad: ")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert turns(bad.run("say")) == [WORKS, WORKS]
    assert "Broken" in bad.run("--help").stdout


def test_a_handle_stays_good_across_conversations(bad: Any) -> None:
    """What a plugin got when it was made (its context) it may keep and use at any time."""
    keeps = """
from hermes import READ, ToolCall, tool
kept = []
@tool(effect=READ, needs=frozenset(), name="good")
async def it(*, call: ToolCall) -> str:
    \'\'\'Count the calls.\'\'\'
    kept.append(call.context)
    count = (await kept[0].state.get("count") or 0) + 1
    await kept[0].state.set("count", count)
    return f"call {count}"
"""
    bad.install("bad", offer("tools"), part=keeps)
    bad.remove("good")
    try:
        done = bad.run("say")
    finally:
        bad.install("good", **GOOD)

    assert turns(done) == [f"ok: The tool said: call {n}" for n in (1, 2)], done.stderr
