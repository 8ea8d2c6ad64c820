"""``config.yaml``: read with the place of every value, checked without importing plugins (§8).

What counts, most to least: what the command line says, the file, the default of the settings
struct. Secrets are references; their values come from the environment or ``.env``.

A file that cannot be used is not used: the last good copy stands in, and one line says so, unless
the two differ in who may do what (`hermes.standing_in`).
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from hermes import schemas
from hermes.config_reading import (
    GOOD,
    KERNEL,
    SERVED,
    VARIABLE,
    Problem,
    Reader,
    Reading,
    merged,
    nested,
    read_text,
)
from hermes.context import ConfigView
from hermes.document import Document, KeyPath
from hermes.errors import ConfigError, PluginError
from hermes.files import locked_file, replace_file
from hermes.kernel_settings import KernelSettings
from hermes.paths import HomePaths
from hermes.redaction import SHOWN
from hermes.schemas import REFERENCE
from hermes.secrets import SecretStore, looks_secret
from hermes.settings import decode_hook


class Explanation(msgspec.Struct, frozen=True):
    """What a key is, and why."""

    value: Any
    source: str
    """``file:line``, ``override``, ``default``."""
    shadows: tuple[str, ...] = ()
    """What would hold otherwise, nearest first: ``config.yaml:12 = 60``, ``default = 180``."""


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
        self._paths, self._secrets, self._load_type = paths, secrets, load
        self._overrides = dict(overrides or {})
        kernel = msgspec.json.schema(KernelSettings, ref_template="#/$defs/{name}")
        kernel = {**schemas.resolve(kernel, kernel), "$defs": kernel.get("$defs", {})}
        self._schemas = {**plugin_schemas, KERNEL: kernel}
        self._reader = Reader(
            paths,
            secrets,
            self._schemas,
            silent=silent,
            guards=guards,
            refused=refused,
            overrides=self._overrides,
        )
        self._state: Reading | None = None
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
            if self._reader.whole(name):
                if name in state.spoilt:
                    raise ConfigError(f"{state.spoilt[name]}; so nothing of {name} counts")
                data = {k: v for k, v in data.items() if not self._reader.foreign((name, str(k)))}
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
        if (given := _find(nested(self._overrides), path)) is not None:
            layers.append(("override", given))
        value = functools.reduce(merged, (each for _, each in layers))
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
            before = read_text(self.file)
            after = change(Document(before, self.file.name))
            if after != before:
                replace_file(self.file, after)
        self.reload()

    def _explain_written(self, path: KeyPath) -> Any:
        return _find(Document(read_text(self.file), self.file.name).data, path)

    # how ----------------------------------------------------------------------------------------

    def _now(self) -> Reading:
        if self._state is None:
            self._state = self._reader.read()
            for problem in self._state.problems:
                raised = problem.text == self._state.unusable  # and so said by whoever catches it
                if self.report is not None and problem not in self._reported and not raised:
                    self.report(problem)
                self._reported.add(problem)
        return self._state

    def _usable(self) -> Reading:
        state = self._now()
        if state.unusable:
            raise ConfigError(state.unusable)
        return state

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


def plugin_choices(home: str) -> dict[str, Any]:
    """Read only the ``plugins`` section, for the index; of the last good copy if need be."""
    for file in (Path(home, "config.yaml"), Path(home, "cache", GOOD)):
        try:
            found = Document(read_text(file)).data.get("plugins") or {}
            disabled = found.get("disabled") or []
            disabled = [str(x) for x in ([disabled] if isinstance(disabled, str) else disabled)]
            prefer = {str(k): str(v) for k, v in (found.get("prefer") or {}).items()}
        except (ConfigError, AttributeError, TypeError):
            continue
        return {"disabled": disabled, "prefer": prefer}
    return {}


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


def _refers(value: str) -> bool:
    return bool(REFERENCE.match(value) or VARIABLE.search(value))
