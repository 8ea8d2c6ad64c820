"""The host: what offers become, and what is said of those that cannot."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from hermes import HermesError, NotFound, PluginError, Secret
from hermes.children import ProcessChildren
from hermes.plugins import Host


def offering(kind: str, target: str, name: str = "it", more: str = "") -> str:
    return f"""
@hookimpl
def hermes_{kind}():
    return [Offer("{name}", "{target}", "One line"{more})]
"""


MEMORY = """
from hermes import Memory
class Good(Memory):
    def __init__(self, context):
        self.context = context
    async def recall(self, turn):
        return ""
    async def record(self, turn, result):
        pass
class Lacking(Memory):
    def __init__(self, context): pass
class Alien:
    def __init__(self, context): pass
class Bare(Good):
    def __init__(self): pass
def raises(context): raise ValueError("no luck")
def leaves(context): raise SystemExit(1)
def makes(context): return Good(context)
async def waits(context): return Good(context)
thing = 3
"""


def test_a_class_is_called_with_the_context_once_per_process(site: Any) -> None:
    site.install("m", offering("memory", "hermes_plugin_m.memory:Good"), memory=MEMORY)
    host: Host = site.host()
    assert "hermes_plugin_m" not in sys.modules

    made = host.create("memory", "it")

    assert made is host.create("memory", "it")
    assert made.context.plugin == "m"
    assert made.context.settings is None
    assert made.context.paths.data == site.home / "data" / "m"
    assert (site.home / "data" / "m").stat().st_mode & 0o777 == 0o700
    assert host.offers("memory")["it"].summary == "One line"


@pytest.mark.parametrize(
    ("attribute", "said"),
    [
        ("gone", "has no gone"),
        ("Lacking", "abstract"),
        ("Alien", "it is Alien, not a Memory"),
        ("Bare", "positional argument"),
        ("raises", "ValueError: no luck"),
        ("leaves", "SystemExit: 1"),
        ("waits", "it is coroutine, not a Memory"),
        ("thing", "it is int, not a Memory"),
    ],
)
@pytest.mark.filterwarnings("ignore:coroutine")
def test_what_does_not_fit_is_an_error_that_names_plugin_and_offer(
    site: Any, attribute: str, said: str
) -> None:
    site.install("m", offering("memory", f"hermes_plugin_m.memory:{attribute}"), memory=MEMORY)
    with pytest.raises(PluginError) as caught:
        site.host().create("memory", "it")
    assert str(caught.value).startswith("plugin m: memory it")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_factory_will_do(site: Any) -> None:
    site.install("m", offering("memory", "hermes_plugin_m.memory:makes"), memory=MEMORY)
    assert type(site.host().create("memory", "it")).__name__ == "Good"


def test_a_target_whose_import_fails_names_what_is_missing(site: Any) -> None:
    site.install("m", offering("memory", "hermes_plugin_m.memory:X"), memory="import nothing_here")
    with pytest.raises(PluginError, match="the module nothing_here is missing"):
        site.host().create("memory", "it")


def test_tools_and_commands_are_the_things_themselves(site: Any) -> None:
    init = offering("tools", "hermes_plugin_t.tools:both", "both")
    init += offering("commands", "hermes_plugin_t.tools:hi", "hi")
    site.install(
        "t",
        init,
        tools="""
        from hermes import READ, CommandContext, command, tool
        @tool(effect=READ, needs=set())
        async def one() -> str:
            \"""One.\"""
            return "1"
        both = [one]
        mixed = [one, 3]
        @command()
        async def hi(context: CommandContext) -> None: ...
        """,
    )
    host = site.host()
    assert [tool.name for tool in host.create("tools", "both")] == ["one"]
    assert host.create("commands", "hi").name == "hi"


def test_an_unknown_name_brings_the_nearest(site: Any) -> None:
    site.install("m", offering("memory", "hermes_plugin_m.memory:Good", "honcho"), memory=MEMORY)
    with pytest.raises(NotFound, match=r"no memory named hancho \(did you mean honcho\?\)"):
        site.host().create("memory", "hancho")


def test_a_name_that_two_plugins_claim_answers_when_one_is_preferred(site: Any) -> None:
    for name in ("a", "b"):
        site.install(name, offering("memory", f"hermes_plugin_{name}.memory:Good"), memory=MEMORY)
    host = site.host()
    assert host.offers("memory") == {}
    assert len(host.conflicts()) == 1
    with pytest.raises(PluginError, match=r"plugins prefer memory\.it a"):
        host.create("memory", "it")

    site.write("plugins:\n  prefer: {memory.it: b}\n")
    assert site.host().create("memory", "it").context.plugin == "b"
    assert site.host().conflicts() == []
    assert site.host(plugins__prefer={"memory.it": "a"}).offers("memory")["it"].plugin == "a"


MIDDLEWARE = """
from hermes import Middleware
class Good(Middleware):
    def __init__(self, context): pass
    async def turn(self, turn, call_next):
        return await call_next(turn)
class Bad(Good):
    def __init__(self, context): raise ValueError("no luck")
"""


def test_two_middlewares_of_one_name_stop_the_start(site: Any) -> None:
    for name in ("a", "b"):
        site.install(name, offering("middleware", f"hermes_plugin_{name}.m:Good"), m=MIDDLEWARE)
    with pytest.raises(PluginError, match="offered by a and b"):
        site.host().middleware()


def test_middleware_that_cannot_be_made_stops_the_start_unless_it_is_optional(site: Any) -> None:
    site.install("a", offering("middleware", "hermes_plugin_a.m:Bad"), m=MIDDLEWARE)
    with pytest.raises(PluginError, match="plugin a: middleware it cannot be made"):
        site.host().middleware()
    optional = offering("middleware", "hermes_plugin_a.m:Bad", more=", optional=True")
    site.install("a", optional, m=MIDDLEWARE)
    assert site.host().middleware() == []
    assert "no luck" in (site.home / "logs" / "hermes.log").read_text()


@pytest.mark.parametrize(
    ("init", "requires"),
    [
        ("import nothing_here" + offering("middleware", "hermes_plugin_a.m:Good"), ""),
        (offering("middlewares", "hermes_plugin_a.m:Good"), ""),
        ("import os\nos._exit(1)" + offering("middleware", "hermes_plugin_a.m:Good"), ""),
        (offering("middleware", "hermes_plugin_a.m:Good"), "hermes-kernel>=7"),
    ],
    ids=["import", "misspelt", "exit", "range"],
)
def test_a_policy_that_could_not_be_listed_stops_the_start_until_it_is_disabled(
    site: Any, init: str, requires: str
) -> None:
    site.install("a", init, requires=requires, m=MIDDLEWARE)
    with pytest.raises(PluginError, match="plugin a: its middleware is missing"):
        site.host().middleware()
    site.write("plugins: {disabled: [a]}\n")
    assert site.host().middleware() == []


def test_a_disabled_plugin_s_offer_says_how_to_enable_it(site: Any) -> None:
    site.install("m", offering("memory", "hermes_plugin_m.memory:Good"), memory=MEMORY)
    site.host()
    site.write("plugins: {disabled: [m]}\n")
    with pytest.raises(PluginError, match="hermes plugins enable m"):
        site.host().create("memory", "it")


SETTINGS = """
import msgspec
from hermes import Secret
class Settings(msgspec.Struct, frozen=True):
    key: Secret = Secret("env:{name}_KEY")
    other: str = ""
"""


def test_a_secret_goes_only_to_the_plugin_that_declared_it(
    site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        init = offering("settings", f"hermes_plugin_{name}.s:Settings", name)
        site.install(name, init, s=SETTINGS.format(name=name.upper()))
    monkeypatch.setenv("A_KEY", "the-key-of-a")
    host = site.host()

    a, b = host.context("a"), host.context("b")
    assert a.secrets.get(a.settings.key) == "the-key-of-a"
    assert b.secrets.redact("so: the-key-of-a") == "so: [secret]"
    with pytest.raises(PluginError, match="may not read env:A_KEY, which is declared by plugin a"):
        b.secrets.get(Secret("env:A_KEY"))
    with pytest.raises(PluginError, match="section a, which is not its own"):
        b.config.section("a")
    assert b.config.section("hermes").store == "sqlite"
    assert "A_KEY" in host.secrets.environment()


def test_what_only_a_runtime_has_is_an_error_until_it_is_there(site: Any) -> None:
    site.install("m", offering("memory", "hermes_plugin_m.memory:Good"), memory=MEMORY)
    host = site.host()
    context = host.create("memory", "it").context
    with pytest.raises(HermesError, match="children need a running Hermes"):
        context.children.mark({}, what="x")

    children = ProcessChildren(host.paths.run, host.secrets)
    with pytest.raises(HermesError, match="conversations need a running Hermes"):
        context.runtime.store  # noqa: B018
    host.attach(
        models=None,
        state=lambda plugin: f"state of {plugin}",
        children=children,
        runtime="the runtime",
    )
    assert context.children is children
    assert context.runtime == "the runtime"
    assert context.state == "state of m"
