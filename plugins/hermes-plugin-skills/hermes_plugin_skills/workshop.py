"""Where skills are written, changed, and let in.

Whatever Hermes writes, and whatever is installed, lies in quarantine (``skills/.quarantine``) until
it may be used: because its check passed on exactly these bytes, or because a person said so. A
skill that a person wrote changes only by a person's word. Nothing is deleted: what goes is archived
(``skills/.archive``), what is replaced is kept (``skills/.history``).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from hermes import Role
from hermes_plugin_skills import disk, editing, scan
from hermes_plugin_skills.library import Entry, Library, Lock
from hermes_plugin_skills.skill import (
    FILE,
    Origin,
    Skill,
    SkillError,
    conform,
    name_problem,
    parse,
    read,
)

Verdict: TypeAlias = Literal["untried", "passed", "failed", "person"]
"""``person``: only a person can say: the check needs what nobody allowed."""


class Check(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a candidate's check."""

    verdict: Verdict = "untried"
    digest: str = ""
    """Of the bytes that it was tried with: other bytes are untried."""
    detail: str = ""
    tokens: int = 0
    """What the trial took, input and output."""
    before: int = 0
    """What the conversation that inspired it took."""
    time: int = 0


class By(msgspec.Struct, frozen=True, kw_only=True):
    """Who writes, and where."""

    session: str = ""
    turn: str = ""
    person: str = ""
    role: Role = "owner"
    """Whose turn it is: what others teach is for an owner to let in, since all use it."""
    why: str = ""


class Candidate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A skill, or a change of one, that waits in quarantine."""

    name: str
    kind: Literal["new", "change", "install"]
    origin: Origin
    path: str
    """Where it will lie, from ``skills/``."""
    base: str = ""
    """Digest of the version that it changes; that one must still be there."""
    of_person: bool = False
    """It changes what a person wrote or installed: only their word lets it in."""
    session: str = ""
    turn: str = ""
    person: str = ""
    role: Role = "owner"
    why: str = ""
    source: str = ""
    revision: str = ""
    signer: str = ""
    time: int = 0
    findings: tuple[str, ...] = ()
    check: Check = Check()


class Workshop:
    """Changes the skills of one home. Blocks; call it in a thread."""

    def __init__(self, library: Library) -> None:
        self.library = library
        self.root = library.root
        self.quarantine = self.root / ".quarantine"
        self.archived = self.root / ".archive"

    # looking ------------------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """List what waits in quarantine, by name."""
        found = []
        for file in sorted(self.quarantine.glob("*.json")):
            candidate = disk.load(file, Candidate | None, None)  # type: ignore[arg-type]
            if candidate is not None and (self.quarantine / candidate.name / FILE).is_file():
                found.append(candidate)
        return found

    def candidate(self, name: str) -> Candidate | None:
        """Give what waits under *name*."""
        return next((each for each in self.candidates() if each.name == name), None)

    def folder(self, candidate: Candidate) -> Path:
        """Give where a candidate lies."""
        return self.quarantine / candidate.name

    def skill(self, candidate: Candidate) -> Skill:
        """Read a candidate."""
        return read(self.folder(candidate), origin=candidate.origin)

    def digest(self, candidate: Candidate) -> str:
        """Give the hash of its bytes now."""
        return disk.digest(disk.digests(self.folder(candidate)))

    def digest_of(self, skill: Skill) -> str:
        """Give the hash of a skill's bytes now."""
        return disk.digest(disk.digests(skill.folder))

    def live(self, name: str) -> Skill | None:
        """Give the skill that is there under *name*, in whatever state."""
        return next((e.skill for e in self.library.all() if e.skill.name == name), None)

    def difference(self, candidate: Candidate) -> str:
        """Show what letting it in would change, as a unified diff."""
        live = self.live(candidate.name)
        return editing.difference(live.folder if live else None, self.folder(candidate))

    # writing ------------------------------------------------------------------------------------

    def create(self, name: str, content: str, *, by: By, category: str = "") -> Candidate:
        """Write a new skill into quarantine. Raises `SkillError` where the name is taken, or where
        another one says the same.
        """
        if problem := name_problem(name):
            raise SkillError(problem)
        if category and (problem := name_problem(category)):
            raise SkillError(problem.replace("skill", "category"))
        text = self._written(name, content, "agent", by)
        if self.live(name) or self.candidate(name):
            raise SkillError(f"there is a skill {name}: change it with patch, or find another name")
        others = [(each.skill.name, each.skill.folder) for each in self.library.all()]
        others += [(each.name, self.folder(each)) for each in self.candidates()]
        if twin := editing.twin(text, others):
            raise SkillError(f"skill {twin} says nearly the same: patch that one instead")
        with disk.locked(self.root):
            disk.write(self.quarantine / name / FILE, text.encode())
            return self._keep(
                Candidate(
                    name=name,
                    kind="new",
                    origin="agent",
                    path=f"{category}/{name}" if category else name,
                    **msgspec.structs.asdict(by),
                )
            )

    def edit(self, name: str, content: str, *, by: By) -> Candidate:
        """Write SKILL.md anew."""
        with disk.locked(self.root):
            candidate = self._opened(name, by)
            return self._put(candidate, FILE, content, by)

    def patch(
        self, name: str, old: str, new: str, *, by: By, file: str = "", every: bool = False
    ) -> Candidate:
        """Replace *old* by *new* in SKILL.md or another file of the skill. Raises `SkillError`."""
        with disk.locked(self.root):
            candidate = self._opened(name, by)
            place = self._place(candidate, file)
            try:
                text = place.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise SkillError(f"{file or FILE} of {name} cannot be read: {error}") from None
            replaced = editing.replaced(text, old, new, every=every)
            return self._put(candidate, file or FILE, replaced, by)

    def write_file(self, name: str, file: str, content: str, *, by: By) -> Candidate:
        """Write a file beside SKILL.md."""
        with disk.locked(self.root):
            return self._put(self._opened(name, by), file, content, by)

    def remove_file(self, name: str, file: str, *, by: By) -> Candidate:
        """Take away a file beside SKILL.md."""
        with disk.locked(self.root):
            candidate = self._opened(name, by)
            place = self._place(candidate, file)
            if place.name == FILE or not place.is_file():
                raise SkillError(f"{name} has no file {file!r} that could be removed")
            place.unlink()
            return self._keep(candidate)

    def discard(self, name: str) -> None:
        """Take a candidate out of quarantine; it goes to the archive."""
        with disk.locked(self.root):
            self._archive(self.quarantine / name, name)
            (self.quarantine / f"{name}.json").unlink(missing_ok=True)

    def put_aside(self, name: str, folder: Path, **fields: Any) -> Candidate:
        """Copy the skill in *folder* into quarantine, to be installed."""
        with disk.locked(self.root):
            disk.copy(folder, self.quarantine / name)
            return self._keep(Candidate(name=name, kind="install", origin="installed", **fields))

    # letting in ---------------------------------------------------------------------------------

    def judge(self, name: str, check: Check) -> Candidate:
        """Keep what a check gave."""
        with disk.locked(self.root):
            candidate = self._need(name)
            return self._save(msgspec.structs.replace(candidate, check=check))

    def obstacle(self, candidate: Candidate) -> str:
        """Say why it cannot be let in without a person; empty where its check is enough."""
        if candidate.kind == "install":
            return "it comes from somewhere else"
        if candidate.of_person:
            return "it changes what a person wrote"
        if candidate.role != "owner":
            return "it was learnt from somebody who is no owner"
        if candidate.findings:
            return f"something in it wants a look: {candidate.findings[0]}"
        if self.library.settings.write_approval:
            return "skills.write_approval asks for a person's word"
        check = candidate.check
        if check.verdict != "passed":
            said = {"untried": "it was not tried yet", "person": "its check needs a person"}
            return f"{said.get(check.verdict, 'its check failed')} {check.detail}".strip()
        if check.digest != self.digest(candidate):
            return "it changed after its check"
        return ""

    def promote(self, name: str, *, person: str = "") -> Skill:
        """Let a candidate in: because its check passed, or by *person*'s word.

        Raises `SkillError` where neither is so, or where the version that it changes is not there
        any more.
        """
        with disk.locked(self.root):
            candidate = self._need(name)
            if not person and (why := self.obstacle(candidate)):
                raise SkillError(f"{name} stays in quarantine: {why}")
            lock = self.library.lock(held=True)
            if candidate.base and self._base(name) != candidate.base:
                raise SkillError(f"{name} was changed since; look at both and try again")
            before = lock.skills.get(name)
            hashes = disk.digests(self.folder(candidate))
            own = candidate.of_person and candidate.kind == "change"
            entry = Entry(
                origin="own" if own else candidate.origin,
                path=before.path if before else candidate.path,
                files={} if own else hashes,
                source=candidate.source,
                revision=candidate.revision,
                signer=candidate.signer,
                session=candidate.session,
                time=int(time.time()),
            )
            self.library.swap(name, self.folder(candidate), entry, lock)
            (self.quarantine / f"{name}.json").unlink(missing_ok=True)
            # A change goes on from the counts; what is new begins its trial.
            changed = candidate.kind == "change"
            self.library.usage.change(name, patched=changed, fresh=not changed)
            self._log(f"let in {name} ({candidate.kind}) by {person or 'its check'}")
        return read(self.root / entry.path, origin=entry.origin)

    def archive(self, name: str, *, why: str) -> None:
        """Take a skill out of use; it can be restored. Raises `SkillError` for one that is pinned
        or does not lie in this home.
        """
        with disk.locked(self.root):
            lock = self.library.lock(held=True)
            entry = lock.skills.get(name)
            if entry is None:
                raise SkillError(f"no skill {name!r} of this home; hermes skills list")
            if self.library.usage.read().skills.get(name) and self.pinned(name):
                raise SkillError(f"{name} is pinned: hermes skills unpin {name}")
            rest = {key: value for key, value in lock.skills.items() if key != name}
            self._archive(self.root / entry.path, name, entry, why)
            self.library.keep(Lock(rest))
            self._log(f"archived {name}: {why}")

    def restore(self, name: str) -> Skill:
        """Bring back what was archived last under *name*. Raises `SkillError`."""
        with disk.locked(self.root):
            found = sorted(self.archived.glob(f"{name}/*/entry.json"))
            lock = self.library.lock(held=True)
            if not found:
                raise SkillError(f"nothing is archived under {name!r}")
            if name in lock.skills:
                raise SkillError(f"there is a skill {name}: archive or rename it first")
            entry = disk.load(found[-1], Entry, Entry(origin="own", path=name))
            disk.move(found[-1].parent / "skill", self.root / entry.path)
            found[-1].unlink()
            self.library.keep(Lock({**lock.skills, name: entry}))
            self.library.usage.change(name, fresh=True)
            self._log(f"restored {name}")
        return read(self.root / entry.path, origin=entry.origin)

    def pinned(self, name: str) -> bool:
        """Whether a person said that it stays."""
        use = self.library.usage.read().skills.get(name)
        return use is not None and use.pinned

    # beneath ------------------------------------------------------------------------------------

    def _written(self, name: str, content: str, origin: Origin, by: By) -> str:
        if origin == "own":  # a person's front matter stays as they wrote it
            parse(content, self.quarantine / name)
            return content
        return conform(content, name, origin="agent", session=by.session)

    def _need(self, name: str) -> Candidate:
        candidate = self.candidate(name)
        if candidate is None:
            raise SkillError(f"nothing waits under {name!r}; hermes skills list --quarantine")
        return candidate

    def _base(self, name: str) -> str:
        live = self.live(name)
        return disk.digest(disk.digests(live.folder)) if live else ""

    def _opened(self, name: str, by: By) -> Candidate:
        """Give the candidate of that name, made of the live skill where there is none."""
        self.library.lock(
            held=True
        )  # finishes what a crash cut short: nobody else can while we hold
        candidate = self.candidate(name)
        if candidate is not None:
            return candidate
        live = self.live(name)
        if live is None:
            raise SkillError(f"there is no skill {name!r}; create it, or see skills_list")
        if self.pinned(name) and live.origin == "agent":
            raise SkillError(f"{name} is pinned: a person wants it as it is")
        disk.copy(live.folder, self.quarantine / name)
        inside = live.folder.is_relative_to(self.root)
        return Candidate(
            name=name,
            kind="change",
            origin="agent",
            path=live.folder.relative_to(self.root).as_posix() if inside else name,
            base=disk.digest(disk.digests(live.folder)),
            of_person=live.origin != "agent",
            **msgspec.structs.asdict(by),
        )

    def _place(self, candidate: Candidate, file: str) -> Path:
        folder = self.folder(candidate)
        if file in ("", FILE):
            return folder / FILE
        editing.check_place(file)
        return folder / file

    def _put(self, candidate: Candidate, file: str, content: str, by: By) -> Candidate:
        place = self._place(candidate, file)
        if place.name == FILE and place.parent == self.folder(candidate):
            origin: Origin = "own" if candidate.of_person else "agent"
            content = self._written(candidate.name, content, origin, by)
        editing.check_content(file, content)
        disk.write(place, content.encode(), executable=content.startswith("#!"))
        return self._keep(candidate)

    def _keep(self, candidate: Candidate) -> Candidate:
        """Write a candidate down after its files changed: looked through, and untried."""
        findings = tuple(str(found) for found in scan.scan(self.folder(candidate)))
        return self._save(
            msgspec.structs.replace(
                candidate, findings=findings, check=Check(), time=int(time.time())
            )
        )

    def _save(self, candidate: Candidate) -> Candidate:
        disk.save(self.quarantine / f"{candidate.name}.json", candidate)
        return candidate

    def _archive(self, folder: Path, name: str, entry: Entry | None = None, why: str = "") -> None:
        if not folder.exists():
            return
        place = self.archived / name / time.strftime("%Y%m%d-%H%M%S")
        while place.exists():
            place = place.with_name(place.name + "x")
        disk.move(folder, place / "skill")
        if entry is not None:
            disk.save(place / "entry.json", entry)
        if why:
            disk.write(place / "why", why.encode())

    def _log(self, line: str) -> None:
        file = self.root / ".hub" / "audit.log"
        with file.open("a", encoding="utf-8") as stream:
            stream.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}\n")
