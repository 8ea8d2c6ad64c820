"""`hermes doctor`: every check is run, none is in another's way, and errors are the status."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest

from hermes import Check, Finding, HermesError, NotFound, PluginError
from hermes.testing import FakeCommandContext, MemoryStore, give
from hermes_plugin_doctor import doctor as module
from hermes_plugin_doctor.doctor import doctor


class Good(Check):
    async def check(self) -> tuple[Finding, ...]:
        return (Finding("ok", "it works"), Finding("warning", "it is old", "renew it"))


class Raises(Check):
    async def check(self) -> tuple[Finding, ...]:
        raise RuntimeError("no luck\nat all")


class Leaves(Check):
    async def check(self) -> tuple[Finding, ...]:
        raise SystemExit(3)


class Hangs(Check):
    async def check(self) -> tuple[Finding, ...]:
        await asyncio.Event().wait()
        return ()


def context(*checks: Check, plugins: tuple[Any, ...] = (), store: Any = None) -> FakeCommandContext:
    """Give a surface over a host that offers these checks."""
    made = {type(check).__name__.lower(): check for check in checks}

    def create(kind: str, name: str) -> Check:
        if isinstance(made[name], type):
            raise PluginError("x", f"check {name} cannot be made")
        return made[name]

    host = SimpleNamespace(
        offers=lambda kind: {n: SimpleNamespace(name=n, plugin="x") for n in made},
        create=create,
        plugins=lambda: list(plugins),
        conflicts=list,
        config=SimpleNamespace(problems=[]),
    )
    runtime = SimpleNamespace(store=store or MemoryStore())
    return FakeCommandContext("cli", host=host, runtime=runtime)


async def test_what_each_check_found_is_told_with_its_mend() -> None:
    given = await give(doctor, context=context(Good()))

    assert given.replies == [
        "ok    plugins  0 of 0 plugins take part",
        "ok    config   the configuration is understood",
        "ok    journal  0 conversations, 0 records, nothing damaged",
        "ok    good     it works",
        "warn  good     it is old",
        "               renew it",
    ]


async def test_a_check_that_fails_is_one_line_and_the_others_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SECONDS", 0.2)
    given = context(Raises(), Leaves(), Hangs(), Good())
    began = time.monotonic()

    with pytest.raises(HermesError, match="3 things to mend"):
        await give(doctor, context=given)

    assert "FAIL  raises   RuntimeError: no luck" in given.replies
    assert "FAIL  leaves   SystemExit: 3" in given.replies
    assert "FAIL  hangs    it took longer than 0 s" in given.replies
    assert "ok    good     it works" in given.replies
    assert time.monotonic() - began < 10


async def test_a_plugin_that_could_not_be_loaded_is_an_error() -> None:
    broken = SimpleNamespace(name="bad", state="failed", reason="RuntimeError: no luck")
    given = context(plugins=(broken,))

    with pytest.raises(HermesError, match="1 thing to mend"):
        await give(doctor, context=given)

    assert "FAIL  plugins  bad: RuntimeError: no luck" in given.text
    assert "hermes plugins disable bad" in given.text


async def test_a_damaged_journal_is_an_error() -> None:
    class Damaged(MemoryStore):
        async def check(self) -> list[str]:
            return ["page 7 is torn"]

    given = context(store=Damaged())
    with pytest.raises(HermesError):
        await give(doctor, context=given)
    assert "FAIL  journal  page 7 is torn" in given.replies


async def test_names_choose() -> None:
    given = await give(doctor, "good", "--json", context=context(Good(), Raises()))

    assert {said["check"] for said in json.loads(given.text)} == {"good"}
    with pytest.raises(NotFound, match="no check of gone; there are: good"):
        await give(doctor, "gone", context=context(Good()))


async def test_the_installed_plugins_checks_run_for_real(home: Any) -> None:
    """With the plugins of this environment, in an empty home: nothing is raised, all is told."""
    from hermes.runtime import Runtime

    async with Runtime.open(home) as runtime:
        given = FakeCommandContext("cli", host=runtime.host, runtime=runtime)
        try:
            await give(doctor, "--json", context=given)
        except HermesError:
            pass
    said = json.loads(given.text)
    offered = set(runtime.host.offers("checks"))

    assert offered <= {each["check"] for each in said}
    assert not [each for each in said if "Error:" in each["text"]]
