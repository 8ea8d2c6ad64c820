"""What ``config.yaml`` says: read, checked, and which copy of it counts (§8).

A file with a mistake is not used: an earlier copy stands in, or none may.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from hermes import schemas
from hermes.document import Document, KeyPath
from hermes.errors import ConfigError
from hermes.files import replace_file
from hermes.kernel_settings import legacy, translated
from hermes.paths import HomePaths
from hermes.schemas import REFERENCE
from hermes.secrets import SecretStore, looks_secret
from hermes.standing_in import GUARDS, differing, misses, weighs

KERNEL = "hermes"
GOOD = "config.good.yaml"
"""The last file without mistakes."""
SERVED = "config.served.yaml"
"""The last file that a gateway served with."""
VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")


class Problem(msgspec.Struct, frozen=True):
    """One line about the configuration."""

    level: Literal["error", "warning"]
    text: str

    def __str__(self) -> str:
        return self.text


class Reading(msgspec.Struct):
    """One reading of the file."""

    document: Document
    data: dict[str, Any]
    """The file's values, expanded and translated, with the overrides on top."""
    file_data: dict[str, Any]
    problems: list[Problem]
    revision: str
    unusable: str = ""
    instead: str = ""
    """Why an earlier copy is used in the file's place."""
    doubtful: frozenset[str] = frozenset()
    """Guards that may be meant by a key that nobody knows."""
    broken: bool = False
    """A guard has a wrong value whose default would count."""
    spoilt: dict[str, str] = {}
    """Sections in which something is not as it was meant, with the first line about each."""


class Reader:
    """Reads the file of one home."""

    def __init__(
        self,
        paths: HomePaths,
        secrets: SecretStore,
        all_schemas: Mapping[str, dict[str, Any]],
        *,
        silent: frozenset[str],
        guards: frozenset[str],
        refused: str,
        overrides: Mapping[str, Any],
    ) -> None:
        """*all_schemas*: the sections' and the kernel's own; the rest is as `Config` has it."""
        self.file = paths.config_file
        self._paths, self._secrets, self._schemas = paths, secrets, all_schemas
        self._silent, self._guards, self._refused = silent, guards | GUARDS, refused
        self._overrides = overrides

    def read(self) -> Reading:
        problems: list[Problem] = []
        state: Reading | None
        try:
            state = self._checked(Document(read_text(self.file), self.file.name))
            problems = state.problems
        except ConfigError as error:
            state, problems = None, [Problem("error", str(error))]
        good = self._good(GOOD)
        if state is not None and good is not None:
            here, there = state.document.data, good.document.data
            lost = [name for name in state.doubtful if misses(here.get(name), there.get(name))]
            said = [problem.text for problem in problems if "unknown key" in problem.text]
            problems = [*(Problem("error", each) for each in said if lost), *problems]
        if self._refused:
            good = self._good(SERVED)
            problems = [Problem("error", self._refused), *problems]
        if state is not None and not any(problem.level == "error" for problem in problems):
            if not state.doubtful:
                self._keep_good(state.document.text)
            return state
        return self._instead(state, problems, good)

    def _instead(
        self, state: Reading | None, problems: list[Problem], good: Reading | None
    ) -> Reading:
        """Let the *good* copy stand in for a file with mistakes, or say why it may not."""
        first = next(problem for problem in problems if problem.level == "error")
        why = first.text
        if good is not None:
            kept = self._paths.home / "cache" / good.document.name
            document = state.document if state else None
            names = differing(self._guards, self.file, document, good.document)
            if not names:
                note = (
                    f"{self.file.name} is not used until mended, the last good version is ({kept})"
                )
                good.problems, good.instead = [*problems, Problem("warning", note)], why
                return good
            why += (
                f"; {', '.join(names)} changed as well, so what held before ({kept}) is not used"
                f" either: mend {self.file.name}"
            )
            problems = [
                Problem("error", why),
                *(each for each in problems if each.text != first.text),
            ]
        elif state is not None and not self._refused and not state.broken:
            state.problems = problems
            return state  # without the values that are wrong
        unusable = self._checked(Document("", self.file.name))
        unusable.unusable, unusable.problems = why, problems
        return unusable

    def _good(self, name: str) -> Reading | None:
        """Read an earlier copy; None where there is none that is good still."""
        file = self._paths.home / "cache" / name
        with contextlib.suppress(ConfigError):
            found = self._checked(Document(read_text(file), name)) if file.exists() else None
            if found is not None and not any(p.level == "error" for p in found.problems):
                return found
        return None

    def _keep_good(self, text: str) -> None:
        good = self._paths.home / "cache" / GOOD
        if text.strip() and (not good.exists() or good.read_bytes() != text.encode()):
            with contextlib.suppress(OSError):
                replace_file(self._paths.cache / GOOD, text, mode=0o600)

    def _checked(self, document: Document) -> Reading:
        """Expand, translate and check. Wrong values are taken out of the data."""
        problems: list[Problem] = []
        spoilt: dict[str, str] = {}
        data = self._expanded(document.data, document, problems)
        data = self._reworded(translated(data))
        for key, line in document.repeated:
            problems.append(Problem("warning", f"{document.name}:{line}: {key} is written twice"))
        foreign: list[str] = []
        doubtful: frozenset[str] = frozenset()
        broken = False
        for issue in self._issues(data):
            if issue.unknown and self.foreign(issue.path):
                foreign.append(".".join(issue.path))
                continue
            where = f"{document.name}:{document.line(issue.path)}: {'.'.join(issue.path)}"
            level: Literal["error", "warning"] = "warning" if issue.unknown else "error"
            problems.append(Problem(level, f"{where}: {issue.text}"))
            spoilt.setdefault(str(issue.path[0]), f"{where}: {issue.text}")
            if issue.unknown:
                doubtful |= self._maybe(issue.path)
            else:
                data = _dropped(data, issue.path)
                broken |= weighs(issue.path, self._guards) and not self.whole(str(issue.path[0]))
        if foreign:
            some = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if foreign[5:] else "")
            text = f"{document.name}: keys of Hermes Agent that nothing here reads: {some}"
            problems.append(Problem("warning", text))
        whole = merged(data, translated(self._override_data()))
        seen = json.dumps([document.text, self._overrides], default=str, sort_keys=True)
        revision = hashlib.blake2b(seen.encode("utf-8", "replace"), digest_size=8).hexdigest()
        return Reading(
            document,
            whole,
            data,
            problems,
            revision,
            spoilt=spoilt,
            doubtful=doubtful,
            broken=broken,
        )

    def _maybe(self, path: KeyPath) -> frozenset[str]:
        """Name the guards that an unknown key may be meant for."""
        return self._guards.intersection(
            path[:1] if len(path) > 1 else schemas.close(path[0], self._guards)
        )

    def whole(self, name: str) -> bool:
        """Whether a section counts whole or not at all, which whoever asks for it is told."""
        schema = self._schemas.get(name, {})
        strict = schemas.resolve(schema, schema).get("additionalProperties") is False
        return strict or name == "terminal"

    def foreign(self, path: KeyPath) -> bool:
        """Whether a key is one of Hermes Agent's that we lack."""
        if not legacy(path, owned=path[0] in self._schemas):
            return False
        root = self._schemas.get(path[0], {})
        return not (len(path) == 2 and schemas.declared(root, path[1:]))

    def _issues(self, data: dict[str, Any]) -> list[schemas.Issue]:
        kernel = self._schemas[KERNEL]
        found: list[schemas.Issue] = []
        for name, value in data.items():
            if name in kernel["properties"]:
                part, root, path = kernel["properties"][name], kernel, (name,)
            elif name in self._schemas:
                part = root = self._schemas[name]
                path = (name,)
            elif name in self._silent:
                continue
            elif theirs := _of_backend(name, value):  # translated, and that backend is not here
                found += [schemas.Issue(path, "unknown key", unknown=True) for path in theirs]
                continue
            else:
                known = [*kernel["properties"], *self._schemas]
                text = "unknown key" + schemas.nearest(str(name), known)
                found.append(schemas.Issue((str(name),), text, unknown=True))
                continue
            if value is not None:
                found += schemas.check(value, part, root, path)
        return found

    def _reworded(self, data: dict[str, Any]) -> dict[str, Any]:
        kernel, made = self._schemas[KERNEL], dict(data)
        for name, value in data.items():
            root = kernel if name in kernel["properties"] else self._schemas.get(name, {})
            schema = root.get("properties", {}).get(name, root) if root is kernel else root
            made[name] = schemas.reworded(value, schema, root)
        return made

    def _override_data(self) -> dict[str, Any]:
        data = nested(self._overrides)
        for issue in self._issues(data):
            raise ConfigError(f"{'.'.join(issue.path)} (given for this run): {issue.text}")
        return data

    def _expanded(
        self, value: Any, document: Document, problems: list[Problem], path: KeyPath = ()
    ) -> Any:
        """Put variables in the place of ``${NAME}``; one that is not set stays as written."""

        def variable(match: re.Match[str]) -> str:
            found = self._secrets.variable(match[1])
            if found is None:
                where = f"{document.name}:{document.line(path)}: {'.'.join(path)}"
                problems.append(Problem("warning", f"{where}: ${{{match[1]}}} is set nowhere"))
            return match[0] if found is None else found

        if isinstance(value, str):
            if path and looks_secret(path[-1]) and not REFERENCE.match(value):
                self._secrets.conceal(value)
                self._secrets.conceal(value.rpartition(" ")[2])  # of "Bearer …"
            return VARIABLE.sub(variable, value)
        if isinstance(value, dict):
            return {
                k: self._expanded(v, document, problems, (*path, str(k))) for k, v in value.items()
            }
        if isinstance(value, list):
            return [self._expanded(each, document, problems, path) for each in value]
        return value


def _of_backend(section: str, value: Any) -> list[tuple[str, str]]:
    """Give the keys of Hermes Agent's ``terminal:`` that *section* was made of, if it was."""
    keys = [("terminal", f"{section}_{key}") for key in value] if isinstance(value, dict) else []
    return keys if all(legacy(key) for key in keys) else []


def read_text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for dotted, value in flat.items():
        inner = made
        *above, last = dotted.split(".")
        for name in above:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return made


def merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{k: merged(below.get(k), v) if k in below else v for k, v in above.items()}}


def _dropped(data: Any, path: KeyPath) -> Any:
    """Leave a wrong value out; of a list, the whole list."""
    if not isinstance(data, dict) or path[0] not in data:
        return data
    inner = data[path[0]]
    if len(path) == 1 or not isinstance(inner, dict):
        return {key: value for key, value in data.items() if key != path[0]}
    return {**data, path[0]: _dropped(inner, path[1:])}
