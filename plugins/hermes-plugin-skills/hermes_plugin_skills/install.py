"""Bringing skills in from elsewhere, keeping them up to date, and looking them over.

What comes from elsewhere is refused where it is not what its signature or its index says, and where
another key signed it than before. Everything else is a person's to decide, with what the scan found
before their eyes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from hermes_plugin_skills import disk, scan, signing, sources
from hermes_plugin_skills.library import Entry, Library, Listed
from hermes_plugin_skills.skill import SkillError, parse, read
from hermes_plugin_skills.workshop import Candidate, Workshop


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an audit says of one skill."""

    name: str
    origin: str
    state: str
    signer: str = ""
    source: str = ""
    changed: tuple[str, ...] = ()
    """Files that are not what the lock file says."""
    problem: str = ""
    findings: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        return not (self.changed or self.problem or self.state in ("untrusted", "changed"))


class Installer:
    """Installs into one home. Blocks."""

    def __init__(self, library: Library, environment: dict[str, str]) -> None:
        self.library = library
        self.workshop = Workshop(library)
        self._environment = environment

    def bring(
        self, source: str, *, only: str = "", new_signer: bool = False, update: bool = False
    ) -> list[Candidate]:
        """Fetch skills into quarantine, to be let in by a person. Raises `SkillError`.

        *only* names one of several. *new_signer* says that a person agreed to another key than the
        one that signed before. *update*: only what differs from what is there.
        """
        with sources.fetched(source, self._environment) as got:
            if only and only not in got.folders:
                raise SkillError(f"{source} has no skill {only!r}; it has {', '.join(got.folders)}")
            names = [only] if only else list(got.folders)
            return [
                candidate
                for name in names
                if (
                    candidate := self._aside(
                        name, got.folders[name], got, new_signer=new_signer, update=update
                    )
                )
            ]

    def _aside(
        self, name: str, folder: Path, got: sources.Got, *, new_signer: bool, update: bool
    ) -> Candidate | None:
        signer = signing.signer(folder)  # raises for one that was tampered with
        before = self.library.lock().skills.get(name)
        live = self.workshop.live(name)
        if live is not None and (before is None or not before.source):
            raise SkillError(f"there is a skill {name} already, which was not installed from there")
        if before is not None:
            if before.source != got.source:
                raise SkillError(f"{name} comes from {before.source}: uninstall it first")
            if before.signer and signer != before.signer and not new_signer:
                who = f"by another key ({signer})" if signer else "by nobody"
                raise SkillError(
                    f"{name} was signed by {before.signer} and now is signed {who}: not installed;"
                    f" if you know why, say --new-signer"
                )
            if update and disk.digests(folder) == before.files:
                return None
        skill = read(folder)
        return self.workshop.put_aside(
            name,
            folder,
            path=f"{skill.category}/{name}" if skill.category else name,
            base=self.workshop.digest_of(live) if live else "",
            source=got.source,
            revision=got.revision,
            signer=signer,
        )

    def outdated(self, names: list[str]) -> list[tuple[str, Entry]]:
        """List the installed skills to ask for updates. Raises `SkillError` for another."""
        lock = self.library.lock()
        installed = {name: entry for name, entry in lock.skills.items() if entry.source}
        for name in names:
            if name not in installed:
                raise SkillError(f"{name} was not installed from anywhere; hermes skills list")
        return [(name, installed[name]) for name in names or sorted(installed)]

    def look(self, source: str) -> list[tuple[str, str, str, list[str], list[scan.Found]]]:
        """Say what a source holds, without keeping anything: name, description, signer, files and
        findings of each.
        """
        with sources.fetched(source, self._environment) as got:
            return [
                (
                    name,
                    parse((folder / "SKILL.md").read_text(encoding="utf-8"), folder).description,
                    signing.signer(folder),
                    disk.files(folder),
                    scan.scan(folder),
                )
                for name, folder in got.folders.items()
            ]

    def audit(self, names: list[str]) -> list[Report]:
        """Look over skills of this home: offline, digests and signature again, and the scan."""
        lock, every = self.library.lock(), self.library.all()
        known = {each.skill.name for each in every} | set(lock.skills)
        if missing := [name for name in names if name not in known]:
            raise SkillError(f"there is no skill {missing[0]!r}; hermes skills list")
        reports = [
            self._report(each, lock.skills.get(each.skill.name))
            for each in every
            if not names or each.skill.name in names
        ]
        there = {each.skill.name for each in every}
        reports += [
            Report(name=name, origin=entry.origin, state="missing", problem="its files are gone")
            for name, entry in lock.skills.items()
            if name not in there and (not names or name in names)
        ]
        return reports

    def _report(self, listed: Listed, entry: Entry | None) -> Report:
        skill, problem, signer = listed.skill, "", ""
        try:
            signer = signing.signer(skill.folder)
        except SkillError as error:
            problem = str(error)
        if entry is not None and entry.signer and signer != entry.signer:
            problem = problem or f"the lock file says it is signed by {entry.signer}"
        changed: tuple[str, ...] = ()
        if entry is not None and entry.origin != "own":
            now = disk.digests(skill.folder)
            every = sorted({*now, *entry.files})
            changed = tuple(name for name in every if now.get(name) != entry.files.get(name))
        return Report(
            name=skill.name,
            origin=skill.origin,
            state=listed.state,
            signer=signer,
            source=entry.source if entry else "",
            changed=changed,
            problem=problem,
            findings=tuple(str(found) for found in scan.scan(skill.folder)),
        )
