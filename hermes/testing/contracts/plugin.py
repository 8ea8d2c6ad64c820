"""What every plugin must be: a whole distribution that lists honest offers cheaply (§2, §4)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hermes.testing import processes
from hermes.testing.contracts.command_rules import command_problems
from hermes.testing.contracts.distribution import (
    Plugin,
    file_problems,
    find,
    imported_by_listing,
    imported_by_settings,
    metadata_problems,
)
from hermes.testing.contracts.offers import (
    hook_problems,
    listing_problems,
    made_problems,
    make,
    offered,
    resolve,
    settings_problems,
    target_problems,
    unwritten,
)
from hermes.testing.pytest_plugin import MakeContext


class PluginContract:
    """Subclass and name the distribution, which must be installed (editable will do).

    The settings are their defaults; override `settings` where an offer cannot be made with them.
    """

    distribution: str = ""

    @pytest.fixture
    def plugin(self) -> Plugin:
        return find(self.distribution)

    @pytest.fixture
    def settings(self, plugin: Plugin) -> dict[str, Any]:
        """Give what each section of the plugin is where nothing is written."""
        offers = offered(plugin.module).get("settings", [])
        return {offer.name: unwritten(resolve(offer.target)) for offer in offers}

    def test_its_metadata_is_whole(self, plugin: Plugin) -> None:
        problems = metadata_problems(plugin)
        assert not problems, "\n".join(problems)

    def test_its_files_are_there(self, plugin: Plugin) -> None:
        problems = file_problems(plugin)
        assert not problems, "\n".join(problems)

    def test_listing_it_imports_only_hermes_and_the_standard_library(self, plugin: Plugin) -> None:
        imported = imported_by_listing(plugin.module)
        assert not imported, f"its __init__ imports {', '.join(imported)}: name it in an offer"

    def test_its_hooks_are_known(self, plugin: Plugin) -> None:
        problems = hook_problems(plugin.module)
        assert not problems, "\n".join(problems)

    def test_it_lists_offers(self, plugin: Plugin) -> None:
        problems = listing_problems(plugin.module)
        assert not problems, "\n".join(problems)

    def test_its_targets_are_there_and_its_own(self, plugin: Plugin) -> None:
        problems = [
            problem
            for kind, offers in offered(plugin.module).items()
            for offer in offers
            for problem in target_problems(kind, offer, plugin.module)
        ]
        assert not problems, "\n".join(problems)

    async def test_its_offers_fit_their_contracts_and_cost_nothing_to_make(
        self,
        plugin: Plugin,
        settings: dict[str, Any],
        plugin_context: MakeContext,
        off_loopback: list[str],
    ) -> None:
        context = plugin_context(plugin.name, settings=settings.get(plugin.name), sections=settings)
        tasks, before = asyncio.all_tasks(), processes.snapshot()
        problems = []
        for kind, offers in offered(plugin.module).items():
            for offer in offers:
                made = make(offer, kind, context)
                problems += made_problems(kind, offer, made)
        assert not problems, "\n".join(problems)
        assert not asyncio.all_tasks() - tasks, "making an offer started a task: do it in open()"
        assert not off_loopback, "making an offer connected somewhere: do it in open()"
        started = {(p.pid, p.started) for p in processes.descendants(processes.me())} - before
        assert not started, "making an offer started a process: do it in open()"

    def test_its_settings_are_documented_and_have_defaults(self, plugin: Plugin) -> None:
        problems = [
            problem
            for offer in offered(plugin.module).get("settings", [])
            for problem in settings_problems(offer)
        ]
        assert not problems, "\n".join(problems)

    def test_its_settings_modules_are_light(self, plugin: Plugin) -> None:
        for offer in offered(plugin.module).get("settings", []):
            module = offer.target.partition(":")[0]
            imported = imported_by_settings(module)
            assert not imported, f"{module} imports {', '.join(imported)}: its schema is indexed"

    def test_its_commands_hold(self, plugin: Plugin) -> None:
        problems = [
            problem
            for offer in offered(plugin.module).get("commands", [])
            if not offer.family
            for problem in command_problems(resolve(offer.target))
        ]
        assert not problems, "\n".join(problems)
