"""Every hook is documented where authors look, and something real comes of what it offers."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from hermes import hookspecs
from hermes.offers import Offer
from hermes.plugins import CONTRACTS, KINDS

HOOKS: dict[str, Callable[[], list[Offer]]] = {
    name: value for name, value in vars(hookspecs).items() if name.startswith("hermes_")
}
ARCHITECTURE = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"

each_hook = pytest.mark.parametrize("name", HOOKS)


def test_each_kind_that_the_host_makes_has_its_hook() -> None:
    assert {name.removeprefix("hermes_") for name in HOOKS} == set(KINDS)


@each_hook
def test_a_hook_says_what_its_targets_are_and_when_they_are_used(name: str) -> None:
    """First what the targets are, by the names of their contracts; then, in a paragraph, when."""
    first, *rest = (inspect.getdoc(HOOKS[name]) or "").split("\n\n")
    kind = name.removeprefix("hermes_")
    contracts = [place.partition(":")[2] for place in CONTRACTS.get(kind, "").split()]

    assert re.search(r"\btargets? (is|are)\b", first)
    assert [c for c in contracts if f"`{c}`" not in first] == []
    assert len(" ".join(rest).split()) >= 8, "say when what it offers is used"


@each_hook
def test_a_hook_is_a_plain_question_without_arguments(name: str) -> None:
    signature = inspect.signature(HOOKS[name])

    assert not signature.parameters
    assert signature.return_annotation == "list[Offer]"


def test_the_architecture_s_table_lists_the_hooks_that_there_are() -> None:
    table = ARCHITECTURE.read_text().partition("### 4.2")[2].partition("\n### ")[0]
    rows = re.findall(r"^\| `(hermes_\w+)` \| (.+) \|$", table, re.MULTILINE)

    assert [name for name, _ in rows] == list(HOOKS)
    for name, text in rows:
        places = CONTRACTS.get(name.removeprefix("hermes_"), "").split()
        classes = [place.partition(":")[2] for place in places]
        said = re.findall(r"`(\w+)`", text)
        assert not {c for c in said if c[0].isupper()} - set(classes), f"{name} makes no such thing"


INIT = "\n".join(
    f"@hookimpl\ndef hermes_{kind}():\n"
    f"    return [Offer('it', 'hermes_plugin_all.{module}:{kind}', 'The {kind} one')]\n"
    for kind in KINDS
    for module in ("shape" if kind == "settings" else "parts",)
)
SETTINGS = '''
import msgspec
class settings(msgspec.Struct, frozen=True):
    loud: bool = False
    """Whether it shouts."""
'''
PARTS = '''
from hermes import (
    Check, CommandContext, Finding, Memory, Middleware, ModelResponse, Observer, Platform,
    PromptSection, Provider, READ, Receipt, Service, TerminalBackend, Text, command, tool,
)
from hermes.testing import MemoryStore

class Made:
    def __init__(self, context):
        self.context = context

class providers(Made, Provider):
    async def stream(self, request):
        return ModelResponse((Text("hi"),), "it:model")

class platforms(Made, Platform):
    async def run(self, inbox): ...
    async def send(self, part):
        return Receipt("1")

class terminals(Made, TerminalBackend):
    async def terminal(self, spec): ...

class memory(Made, Memory):
    async def recall(self, turn):
        return ""

class stores(Made, MemoryStore):
    def __init__(self, context):
        MemoryStore.__init__(self)
        self.context = context

class middleware(Made, Middleware): ...

class prompts(Made, PromptSection):
    async def render(self, session):
        return "Be brief."

class services(Made, Service):
    async def run(self, runtime): ...

class observers(Made, Observer):
    async def observe(self, session, event): ...

class checks(Made, Check):
    async def check(self):
        return (Finding("ok", "it works"),)

@tool(effect=READ, needs=set())
async def tools() -> str:
    """Say one."""
    return "1"

@command()
async def commands(context: CommandContext) -> None:
    """Do it."""
'''


@pytest.fixture
def everything(site: Any) -> Any:
    """A plugin, installed for real, that answers every hook."""
    site.install("all", INIT, parts=PARTS, shape=SETTINGS)
    return site


def test_one_plugin_may_answer_every_hook_and_all_of_it_is_listed(everything: Any) -> None:
    plugin = everything.plugin("all")

    assert (plugin.state, plugin.warnings) == ("active", ())
    assert [offer.kind for offer in plugin.offers] == [h.removeprefix("hermes_") for h in HOOKS]


@pytest.mark.parametrize("kind", CONTRACTS)
def test_the_host_makes_what_each_hook_offers(everything: Any, kind: str) -> None:
    contracts = tuple(
        getattr(import_module(module), name)
        for module, _, name in (place.partition(":") for place in CONTRACTS[kind].split())
    )

    made = everything.host().create(kind, "it")

    assert isinstance(made, contracts)
    if kind not in ("tools", "commands"):
        assert made.context.plugin == "all"


def test_the_host_reads_the_section_that_a_settings_hook_offers(everything: Any) -> None:
    everything.write("it: {loud: true}\n")
    host = everything.host()

    assert host.create("settings", "it").__name__ == "settings"
    assert host.config.problems == []
    assert host.config.section("it").loud is True


def test_first_party_plugins_use_only_hooks_that_there_are() -> None:
    """What is installed here answers to the same names; an unknown one is set aside."""
    from hermes.plugins import Host

    states = {plugin.name: (plugin.state, plugin.reason) for plugin in Host.open().plugins()}

    assert states
    assert {name: s for name, s in states.items() if s[0] != "active"} == {}
