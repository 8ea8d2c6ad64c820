"""``config.yaml``: read with the place of every value, checked without importing plugins (§8).

What counts, most to least: what the command line says, the file, the default of the settings
struct. Secrets are references; their values come from the environment or ``.env``.

A file that cannot be used is not used: the last good copy stands in, and one line says so, unless
the two differ in who may do what (`hermes.standing_in`).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from hermes import schemas
from hermes.context import ConfigView
from hermes.document import Document, KeyPath
from hermes.errors import ConfigError, PluginError
from hermes.files import locked_file, replace_file
from hermes.kernel_settings import KernelSettings, legacy, translated
from hermes.paths import HomePaths
from hermes.redaction import SHOWN
from hermes.schemas import REFERENCE
from hermes.secrets import SecretStore, looks_secret
from hermes.settings import decode_hook
from hermes.standing_in import GUARDS, differing, misses, weighs

KERNEL = "hermes"
GOOD = "config.good.yaml"
"""The last file without mistakes."""
SERVED = "config.served.yaml"
"""The last file that a gateway served with."""
_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")


class Problem(msgspec.Struct, frozen=True):
    """One line about the configuration."""

    level: Literal["error", "warning"]
    text: str

    def __str__(self) -> str:
        return self.text


class Explanation(msgspec.Struct, frozen=True):
    """What a key is, and why."""

    value: Any
    source: str
    """``file:line``, ``override``, ``default``."""
    shadows: tuple[str, ...] = ()
    """What would hold otherwise, nearest first: ``config.yaml:12 = 60``, ``default = 180``."""


class _State(msgspec.Struct):
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


class Config(ConfigView):
    """The configuration of one home. Read when first asked."""

    def __init__(
        self,
        paths: HomePaths,
        secrets: SecretStore,
        plugin_schemas: Mapping[str, dict[str, Any]],
        load: Callable[[str], Any],
        *,
        silent: frozenset[str] = frozenset(),
        guards: frozenset[str] = frozenset(),
        refused: str = "",
        overrides: Mapping[str, Any] | None = None,
        report: Callable[[Problem], None] | None = None,
    ) -> None:
        """*load* gives a section's settings type; *silent* names sections of plugins that are not
        active, which are nobody's mistake; *guards* those that say who may do what; *refused* why
        the file is not to be used but the one that a gateway served with last; *report* hears each
        problem of a reading once.
        """
        self.file = paths.config_file
        self.report = report
        self._paths, self._secrets, self._load_type, self._silent = paths, secrets, load, silent
        self._guards, self._refused = guards | GUARDS, refused
        self._overrides = dict(overrides or {})
        kernel = msgspec.json.schema(KernelSettings, ref_template="#/$defs/{name}")
        kernel = {**schemas.resolve(kernel, kernel), "$defs": kernel.get("$defs", {})}
        self._schemas = {**plugin_schemas, KERNEL: kernel}
        self._state: _State | None = None
        self._sections: dict[str, Any] = {}
        self._reported: set[Problem] = set()

    # reading ------------------------------------------------------------------------------------

    @property
    def problems(self) -> list[Problem]:
        """What is wrong with the file, a line each."""
        return list(self._now().problems)

    @property
    def unusable(self) -> str:
        """Why neither the file nor an earlier copy can be used; empty where one can."""
        return self._now().unusable

    @property
    def instead(self) -> str:
        """Why an earlier copy is used in the file's place; empty where the file is."""
        return self._now().instead

    def keep_served(self) -> None:
        """Keep the file that is in use as the one that a gateway could serve with."""
        state = self._now()
        if state.document.text.strip() and not (state.instead or state.unusable):
            with contextlib.suppress(OSError):
                replace_file(self._paths.cache / SERVED, state.document.text, mode=0o600)

    @property
    def revision(self) -> str:  # type: ignore[override]
        """Changes when the configuration does."""
        return self._now().revision

    def reload(self) -> bool:
        """Read the file again. Whether anything changed."""
        before = self._state.revision if self._state else None
        self._state, self._sections = None, {}
        return self._now().revision != before

    def section(self, name: str) -> Any:
        """Give a section as its validated struct; ``hermes`` is the kernel's own.

        Raises ConfigError for a section that nobody owns, or a file that cannot be used. Where the
        struct forbids unknown fields, the section counts as it is written or not at all: a rule
        that was misspelt must not leave what it forbids allowed.
        """
        if name not in self._sections:
            state = self._usable()
            kind = KernelSettings if name == KERNEL else self._type(name)
            schema = self._schemas.get(name, {})
            data = schemas.prune(self._part(state.data, name), schema, schema)
            if self._whole(name):
                if name in state.spoilt:
                    raise ConfigError(f"{state.spoilt[name]}; so nothing of {name} counts")
                data = {k: v for k, v in data.items() if not self._foreign((name, str(k)))}
            try:
                made = msgspec.convert(data, kind, dec_hook=decode_hook, strict=False)
            except (msgspec.ValidationError, ValueError) as error:
                line = state.document.line((name,))
                where = f"{self.file.name}:{line}" if line else self.file.name
                raise ConfigError(f"{where}: {name}: {error}") from None
            self._sections[name] = made
        return self._sections[name]

    def spoilt(self, name: str) -> str:
        return self._usable().spoilt.get(name, "")

    def variable(self, name: str) -> str | None:
        if looks_secret(name):
            raise PluginError(KERNEL, f"{name} looks like a secret", "read it as a Secret")
        return self._secrets.variable(name, conceal=False)

    def get(self, dotted: str) -> Any:
        """Give the value of a key as plain data: what is written, else the default; or None."""
        return self.explain(dotted).value

    def explain(self, dotted: str) -> Explanation:
        """Say what a key is, where that comes from, and what it shadows.

        Raises ConfigError for a key that nothing knows.
        """
        state, path = self._usable(), tuple(dotted.split("."))
        schema, root = self._schema(path)
        layers: list[tuple[str, Any]] = [("default", schemas.defaults(schema, root))]
        if (written := _find(state.file_data, path)) is not None:
            layers.append((f"{state.document.name}:{state.document.line(path)}", written))
        if (given := _find(_nested(self._overrides), path)) is not None:
            layers.append(("override", given))
        value = functools.reduce(_merged, (each for _, each in layers))
        source, *below = reversed(layers)
        shadows = [f"{where} = {json.dumps(each, default=str)}" for where, each in below]
        if schema.get("format") == schemas.SECRET and str(value).startswith("env:"):
            shadows += self._explain_variable(str(value)[4:])
        return Explanation(value, source[0], tuple(shadows))

    # writing ------------------------------------------------------------------------------------

    def set(self, dotted: str, value: Any) -> str:
        """Write one key, leave every other byte, and say what was done in one line.

        Text is read as YAML would, unless the key wants text. A secret goes to ``.env`` and the
        file keeps the reference: where a secret belongs, and where in a map of one's own names
        (variables, headers) the name says that it is one. Raises ConfigError, with nothing written,
        for an unknown key or a value that does not fit.
        """
        path = tuple(dotted.split("."))
        if isinstance(value, str) and SHOWN in value:
            raise ConfigError(
                f"{dotted}: the value was taken out of the message (`hermes secrets set {dotted}`)"
            )
        schema, root = self._schema(path)
        if schema.get("format") == schemas.SECRET and isinstance(value, str):
            fits = not list(schemas.check(value, schema, root, path))
            if not fits:
                return self._set_secret(path, schema, value)
        if isinstance(value, str) and self._names_secret(path) and not _refers(value):
            for issue in schemas.check(value, schema, root, path):
                raise ConfigError(f"{'.'.join(issue.path)}: {issue.text}")
            return self._keep_secret(path, value, "${%s}")
        value = schemas.reworded(_parsed(value, schema, root), schema, root)
        for issue in schemas.check(value, schema, root, path):
            raise ConfigError(f"{'.'.join(issue.path)}: {issue.text}")
        self._write(lambda document: document.setting(path, value))
        if self._explain_written(path) != value:
            raise ConfigError(f"{self.file}: {dotted} reads back differently: look at the file")
        return f"{dotted} = {json.dumps(value, ensure_ascii=False)} ({self.file})"

    def unset(self, dotted: str) -> None:
        """Take a key out of the file, so that its default holds."""
        path = tuple(dotted.split("."))
        self._write(lambda document: document.unsetting(path))

    def _set_secret(self, path: KeyPath, schema: dict[str, Any], value: str) -> str:
        dotted, state = ".".join(path), self._now()
        present = str(_find(state.file_data, path) or schema.get("default") or "")
        if not present.startswith("env:"):
            return self._keep_secret(path, value, "env:%s")
        self._secrets.set(present[4:], value)
        return f"{dotted}: kept as {present[4:]} in {self._secrets.env_file}"

    def _keep_secret(self, path: KeyPath, value: str, reference: str) -> str:
        """Write *value* into ``.env`` under the key's name, and *reference* to it into the file."""
        name = re.sub(r"\W", "_", "_".join(path)).upper()
        self._secrets.set(name, value)
        self._write(lambda document: document.setting(path, reference % name))
        return f"{'.'.join(path)}: kept as {name} in {self._secrets.env_file}"

    def _names_secret(self, path: KeyPath) -> bool:
        """Whether the last name is one that a person chose, and says that a secret stands there."""
        _, root = self._schema(path)
        within = path if root is self._schemas[KERNEL] else path[1:]
        return bool(within) and looks_secret(path[-1]) and not schemas.declared(root, within)

    def _write(self, change: Callable[[Document], str]) -> None:
        with locked_file(self.file):
            before = _read(self.file)
            after = change(Document(before, self.file.name))
            if after != before:
                replace_file(self.file, after)
        self.reload()

    def _explain_written(self, path: KeyPath) -> Any:
        return _find(Document(_read(self.file), self.file.name).data, path)

    # how ----------------------------------------------------------------------------------------

    def _now(self) -> _State:
        if self._state is None:
            self._state = self._read_file()
            for problem in self._state.problems:
                raised = problem.text == self._state.unusable  # and so said by whoever catches it
                if self.report is not None and problem not in self._reported and not raised:
                    self.report(problem)
                self._reported.add(problem)
        return self._state

    def _usable(self) -> _State:
        state = self._now()
        if state.unusable:
            raise ConfigError(state.unusable)
        return state

    def _read_file(self) -> _State:
        problems: list[Problem] = []
        state: _State | None
        try:
            state = self._checked(Document(_read(self.file), self.file.name))
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
        self, state: _State | None, problems: list[Problem], good: _State | None
    ) -> _State:
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

    def _good(self, name: str) -> _State | None:
        """Read an earlier copy; None where there is none that is good still."""
        file = self._paths.home / "cache" / name
        with contextlib.suppress(ConfigError):
            found = self._checked(Document(_read(file), name)) if file.exists() else None
            if found is not None and not any(p.level == "error" for p in found.problems):
                return found
        return None

    def _keep_good(self, text: str) -> None:
        good = self._paths.home / "cache" / GOOD
        if text.strip() and (not good.exists() or good.read_bytes() != text.encode()):
            with contextlib.suppress(OSError):
                replace_file(self._paths.cache / GOOD, text, mode=0o600)

    def _checked(self, document: Document) -> _State:
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
            if issue.unknown and self._foreign(issue.path):
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
                broken |= weighs(issue.path, self._guards) and not self._whole(str(issue.path[0]))
        if foreign:
            some = ", ".join(foreign[:5]) + (f" and {len(foreign) - 5} more" if foreign[5:] else "")
            text = f"{document.name}: keys of Hermes Agent that nothing here reads: {some}"
            problems.append(Problem("warning", text))
        whole = _merged(data, translated(self._override_data()))
        seen = json.dumps([document.text, self._overrides], default=str, sort_keys=True)
        revision = hashlib.blake2b(seen.encode("utf-8", "replace"), digest_size=8).hexdigest()
        return _State(
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

    def _whole(self, name: str) -> bool:
        """Whether a section counts whole or not at all, which whoever asks for it is told."""
        schema = self._schemas.get(name, {})
        strict = schemas.resolve(schema, schema).get("additionalProperties") is False
        return strict or name == "terminal"

    def _foreign(self, path: KeyPath) -> bool:
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
        data = _nested(self._overrides)
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
            return _VARIABLE.sub(variable, value)
        if isinstance(value, dict):
            return {
                k: self._expanded(v, document, problems, (*path, str(k))) for k, v in value.items()
            }
        if isinstance(value, list):
            return [self._expanded(each, document, problems, path) for each in value]
        return value

    def _schema(self, path: KeyPath) -> tuple[dict[str, Any], dict[str, Any]]:
        """Give the schema of a key and the one it is part of."""
        kernel = self._schemas[KERNEL]
        root, rest = (kernel, path) if path[0] in kernel["properties"] else (
            self._schemas.get(path[0], {"type": "object", "properties": {}}), path[1:]
        )  # fmt: skip
        found = schemas.at(root, rest)
        if (
            found is None
            or (path[0] == KERNEL)
            or (root is not kernel and path[0] not in self._schemas)
        ):
            known = [*kernel["properties"], *(name for name in self._schemas if name != KERNEL)]
            if len(path) > 1 and path[0] in known:
                above = schemas.at(root, rest[:-1]) or {}
                raise ConfigError(
                    f"unknown key {'.'.join(path)}"
                    + schemas.nearest(path[-1], above.get("properties", {}))
                )
            raise ConfigError(f"unknown key {'.'.join(path)}" + schemas.nearest(path[0], known))
        own = root["properties"].get(path[0]) if root is kernel and len(path) == 1 else None
        return (own or found), root

    def _type(self, name: str) -> Any:
        if name not in self._schemas:
            raise ConfigError(
                f"no plugin has a section {name}" + schemas.nearest(name, self._schemas)
            )
        return self._load_type(name)

    def _part(self, data: dict[str, Any], name: str) -> Any:
        if name == KERNEL:
            return {key: data[key] for key in KernelSettings.__struct_fields__ if key in data}
        written = data.get(name)
        return schemas.empty(self._schemas.get(name, {})) if written is None else written

    def _explain_variable(self, name: str) -> list[str]:
        origin = self._secrets.origin(name)
        also = origin == "environment" and name in self._secrets.file_values()
        said = f"{name} is set in {origin}" if origin else f"{name} is set nowhere"
        return [said + (", which shadows .env" if also else "")]


class PluginConfig(ConfigView):
    """The configuration as one plugin may see it."""

    def __init__(self, config: Config, plugin: str, sections: frozenset[str]) -> None:
        self._config, self._plugin, self._own = config, plugin, sections

    @property
    def revision(self) -> str:  # type: ignore[override]
        return self._config.revision

    def section(self, name: str) -> Any:
        if name != KERNEL and name not in self._own:
            raise PluginError(self._plugin, f"reads the section {name}, which is not its own")
        return self._config.section(name)

    def spoilt(self, name: str) -> str:
        return self._config.spoilt(name)

    def variable(self, name: str) -> str | None:
        return self._config.variable(name)


def _of_backend(section: str, value: Any) -> list[tuple[str, str]]:
    """Give the keys of Hermes Agent's ``terminal:`` that *section* was made of, if it was."""
    keys = [("terminal", f"{section}_{key}") for key in value] if isinstance(value, dict) else []
    return keys if all(legacy(key) for key in keys) else []


def plugin_choices(home: str) -> dict[str, Any]:
    """Read only the ``plugins`` section, for the index; of the last good copy if need be."""
    for file in (Path(home, "config.yaml"), Path(home, "cache", "config.good.yaml")):
        try:
            found = Document(_read(file)).data.get("plugins") or {}
            disabled = found.get("disabled") or []
            disabled = [str(x) for x in ([disabled] if isinstance(disabled, str) else disabled)]
            prefer = {str(k): str(v) for k, v in (found.get("prefer") or {}).items()}
        except (ConfigError, AttributeError, TypeError):
            continue
        return {"disabled": disabled, "prefer": prefer}
    return {}


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from None


def _parsed(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> Any:
    import yaml  # noqa: PLC0415

    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, str) or schema.get("type") == "string":
        return value
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        return value
    return parsed if parsed is None or isinstance(parsed, (bool, int, float, list, dict)) else value


def _find(data: Any, path: KeyPath) -> Any:
    for name in path:
        if not isinstance(data, dict) or name not in data:
            return None
        data = data[name]
    return data


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for dotted, value in flat.items():
        inner = made
        *above, last = dotted.split(".")
        for name in above:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return made


def _merged(below: Any, above: Any) -> Any:
    if not isinstance(below, dict) or not isinstance(above, dict):
        return above
    return {**below, **{k: _merged(below.get(k), v) if k in below else v for k, v in above.items()}}


def _refers(value: str) -> bool:
    return bool(REFERENCE.match(value) or _VARIABLE.search(value))


def _dropped(data: Any, path: KeyPath) -> Any:
    """Leave a wrong value out; of a list, the whole list."""
    if not isinstance(data, dict) or path[0] not in data:
        return data
    inner = data[path[0]]
    if len(path) == 1 or not isinstance(inner, dict):
        return {key: value for key, value in data.items() if key != path[0]}
    return {**data, path[0]: _dropped(inner, path[1:])}
