"""Look at one plugin from inside a process that has it on its path, and nothing undeclared.

Runs in a child of ``hermes plugins check``: what a plugin does there, it does to that child. The
rules are those of the kit's `PluginContract`; here they are told instead of asserted.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import io
import json
import pkgutil
import re
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from importlib import metadata
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from packaging.requirements import InvalidRequirement, Requirement

from hermes import HermesDeprecation, Offer
from hermes.testing.context import make_context
from hermes.testing.contracts import command_rules, distribution as files, offers as rules

T = TypeVar("T")
GROUP = "hermes.plugins"


def main(request: dict[str, Any]) -> None:
    """Answer with one line of JSON: the name of each check, and what it found wrong."""
    answers, sys.stdout = sys.stdout, io.StringIO()  # what the plugin prints is not the answer
    probe = Probe(request["distribution"], Path(request["home"]))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", HermesDeprecation)
        found = {name: list(problems) for name, problems in probe.run()}
    outdated = [str(each.message) for each in heard if each.category is HermesDeprecation]
    answers.write(
        json.dumps(
            {"plugin": probe.name, "found": found, "outdated": list(dict.fromkeys(outdated))}
        )
        + "\n"
    )
    answers.flush()


class Probe:
    """The checks of one distribution, each a name and what is wrong."""

    def __init__(self, distribution: str, home: Path) -> None:
        self.dist = metadata.distribution(distribution)
        self.home = home
        self.name = ""
        self.module: ModuleType

    def run(self) -> Iterator[tuple[str, Iterable[str]]]:
        undeclared = Undeclared(self.dist)
        yield "requirements", undeclared.missing
        sys.meta_path.insert(0, undeclared)
        problem, _ = attempt(self._load)
        yield "import", problem
        if problem:
            return
        plugin = files.Plugin(self.name, self.module, self.dist)
        yield "metadata", files.metadata_problems(plugin) + files.file_problems(plugin)
        hooks = rules.hook_problems(self.module)
        yield "hooks", hooks
        if not hooks:
            raised, offered = attempt(partial(rules.offered, self.module))
            listing = raised or rules.listing_problems(self.module)
            yield "offers", listing
            if offered is not None and not listing:
                yield from self._offers(offered)
        yield "alone", self._whole()

    def _load(self) -> None:
        entries = list(self.dist.entry_points.select(group=GROUP))
        if len(entries) != 1:
            raise LookupError(f"it has {len(entries)} entry points in {GROUP}, expected one")
        self.name = entries[0].name
        self.module = entries[0].load()

    def _offers(self, offered: dict[str, list[Offer]]) -> Iterator[tuple[str, Iterable[str]]]:
        targets = [
            problem
            for kind, some in offered.items()
            for offer in some
            for problem in rules.target_problems(kind, offer, self.module)
        ]
        yield "targets", targets
        if targets:
            return
        settings = [p for o in offered.get("settings", []) for p in rules.settings_problems(o)]
        yield "settings", settings
        yield (
            "commands",
            [
                problem
                for offer in offered.get("commands", [])
                if not offer.family
                for problem in command_rules.command_problems(rules.resolve(offer.target))
            ],
        )
        if not settings:  # without them nothing can be made
            yield "contracts", self._contracts(offered)

    def _contracts(self, offered: dict[str, list[Offer]]) -> Iterator[str]:
        settings = offered.get("settings", [])
        sections = {offer.name: rules.unwritten(rules.resolve(offer.target)) for offer in settings}
        own = sections.get(self.name)
        context = make_context(self.name, home=self.home, settings=own, sections=sections)
        for kind, offers in offered.items():
            for offer in offers:
                wrong, made = attempt(partial(rules.make, offer, kind, context))
                yield from (f"{kind} {offer.name!r} cannot be made: {each}" for each in wrong)
                if not wrong:
                    yield from rules.made_problems(kind, offer, made)

    def _whole(self) -> Iterator[str]:
        """Import every module: what it needs and does not declare shows."""
        start = getattr(self.module, "__path__", ())
        for found in pkgutil.walk_packages(start, f"{self.module.__name__}."):
            if not found.name.endswith(".__main__"):
                wrong, _ = attempt(partial(importlib.import_module, found.name))
                yield from (f"{found.name} cannot be imported: {each}" for each in wrong)


def attempt(work: Callable[[], T]) -> tuple[list[str], T | None]:
    """Do it; give what it raised, in one line or none, and what it gave."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return [], work()
    except BaseException as error:  # noqa: BLE001  (isolation: a plugin's code; SystemExit too)
        first = next(iter(str(error).strip().splitlines()), "")
        return [f"{type(error).__name__}: {first}" if first else type(error).__name__], None


class Undeclared(importlib.abc.MetaPathFinder):
    """Refuses to import what is installed here by chance, and declared by nobody.

    A module belongs to the distributions that brought it; it may be imported where one of them is
    among the plugin's requirements, or theirs.
    """

    def __init__(self, dist: metadata.Distribution) -> None:
        self.missing: list[str] = []
        self._declared: set[str] = set()
        self._follow(dist, ())
        self._brought = brought()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        by = self._brought.get(fullname.partition(".")[0], set())
        if by and not by & self._declared:
            raise ModuleNotFoundError(
                f"{fullname} comes with {' or '.join(sorted(by))}, which it does not require",
                name=fullname,
            )
        return None

    def _follow(self, dist: metadata.Distribution, extras: tuple[str, ...]) -> None:
        name = normal(dist.metadata["Name"])
        first = not self._declared
        self._declared.add(name)
        for line in dist.requires or ():
            try:
                required = Requirement(line)
            except InvalidRequirement:
                self.missing.append(f"{line!r} is no requirement")
                continue
            if not wanted(required, extras):
                continue
            known = normal(required.name) in self._declared
            try:
                found = metadata.distribution(required.name)
            except metadata.PackageNotFoundError:
                self.missing += [f"it requires {required.name}, which is not installed"] * first
                continue
            if first and not required.specifier.contains(found.version, prereleases=True):
                self.missing.append(f"it requires {required}, and {found.version} is installed")
            if not known or required.extras:
                self._follow(found, tuple(sorted(required.extras)))


def wanted(required: Requirement, extras: tuple[str, ...]) -> bool:
    if required.marker is None:
        return True
    return any(required.marker.evaluate({"extra": extra}) for extra in (*extras, ""))


def brought() -> dict[str, set[str]]:
    """Say which distributions brought each top-level module that is not Python's own."""
    found: dict[str, set[str]] = {}
    for top, names in metadata.packages_distributions().items():
        if top not in sys.stdlib_module_names:
            found.setdefault(top, set()).update(map(normal, names))
    for entry in metadata.entry_points(group=GROUP):  # an editable one does not list its modules
        if entry.dist is not None:
            top = entry.value.partition(":")[0].partition(".")[0]
            found.setdefault(top, set()).add(normal(entry.dist.metadata["Name"]))
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
