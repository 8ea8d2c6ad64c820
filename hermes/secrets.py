"""Secrets: where they are read from, and how they are kept out of everything shown (§10).

``.env`` is read into this object and never into ``os.environ``, so no child inherits it. What is
set in the real environment wins over the file, as people expect of an override.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from hermes.context import Secrets
from hermes.errors import HermesError, PluginError
from hermes.files import locked_file, replace_file
from hermes.redaction import Redactor, Rule, looks_random
from hermes.settings import Secret

_LINE = re.compile(
    r"""^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_]\w*)[ \t]*=[ \t]*
    (?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>[^\r\n]*?))
    [ \t]*(?:(?<=\s)\#[^\r\n]*|(?<==)\#[^\r\n]*)?\r?$""",
    re.MULTILINE | re.DOTALL | re.VERBOSE,
)
_LOOKS_SECRET = re.compile(
    r"(?i)(^|_)(api_?key|key|token|secret|password|passwd|credentials?|authorization|cookie)(_|$)"
)


def looks_secret(name: str) -> bool:
    """Whether a variable or key of this name commonly holds a secret."""
    return _LOOKS_SECRET.search(name) is not None


def parse_env(text: str) -> dict[str, str]:
    """Read the ``.env`` format: ``export``, quotes, ``#`` comments after a blank."""
    values = {}
    for match in _LINE.finditer(text):
        if match["double"] is not None:
            value = re.sub(
                r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), match["double"]
            )
        else:
            value = match["bare"] if match["single"] is None else match["single"]
        values[match["name"]] = value
    return values


class SecretStore(Secrets):
    """Reads ``env:``, ``keyring:`` and ``command:`` references, and remembers what to redact."""

    def __init__(self, env_file: Path, environ: Mapping[str, str] | None = None) -> None:
        self.env_file = env_file
        self._environ = os.environ if environ is None else environ
        self._file: tuple[Any, dict[str, str]] = (None, {})
        self._read: dict[str, str] = {}
        self._redactor = Redactor()
        self._declared: set[str] = set()

    def get(self, secret: Secret) -> str | None:
        scheme, _, rest = secret.reference.partition(":")
        if scheme == "env":
            return self.variable(rest)
        if secret.reference not in self._read:
            value = _from_keyring(rest) if scheme == "keyring" else _from_command(rest)
            if value is None:
                return None
            self._read[secret.reference] = value
            self.conceal(value)
        return self._read[secret.reference]

    def variable(self, name: str, *, conceal: bool = True) -> str | None:
        """Give a variable of the environment or of ``.env``; None where it is empty."""
        value = self._environ.get(name) or self.file_values().get(name)
        if value and conceal:
            self._declared.add(name)
            self.conceal(value)
        return value or None

    def origin(self, name: str) -> str:
        """Say where a variable comes from: ``environment``, ``.env``, or nothing."""
        if self._environ.get(name):
            return "environment"
        return ".env" if self.file_values().get(name) else ""

    def file_values(self) -> dict[str, str]:
        """Give what ``.env`` says, read again when it changed. Its secrets are redacted now."""
        try:
            about = self.env_file.stat()
            seen = (about.st_size, about.st_mtime_ns)
            if self._file[0] != seen:
                if about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                    self.env_file.chmod(0o600)
                text = self.env_file.read_text("utf-8", errors="replace")
                self._file = (seen, parse_env(text))
                for name, value in self._file[1].items():
                    if looks_secret(name) or looks_random(value):
                        self.conceal(value)
        except FileNotFoundError:
            self._file = (None, {})
        except OSError as error:
            raise HermesError(f"{self.env_file} cannot be read: {error.strerror}") from None
        return self._file[1]

    def declare(self, reference: str) -> None:
        """A plugin has this reference as a default: no child gets the variable."""
        if reference.startswith("env:"):
            self._declared.add(reference[4:])

    def environment(self) -> frozenset[str]:
        """Name the variables that no child process may inherit."""
        looks = {name for name in self._environ if looks_secret(name)}
        return frozenset(looks | self._declared | set(self.file_values()))

    def withdraw(self) -> frozenset[str]:
        """Take the secrets out of this process's environment; they can still be read from here.

        Gives the names of those that were taken out.
        """
        self._environ = dict(os.environ)
        hidden = self.environment() & os.environ.keys()
        for name in hidden:
            self.conceal(os.environ.pop(name))
        return hidden

    def whole_environment(self) -> dict[str, str]:
        """Give the environment as it was at the start: for another Hermes and nobody else."""
        return dict(self._environ)

    def set(self, name: str, value: str) -> None:
        """Write a variable into ``.env`` (0600), leaving every other line as it is."""
        if not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise HermesError(f"not the name of a variable: {name}")
        self.conceal(value)
        with locked_file(self.env_file):
            text = self.env_file.read_text("utf-8") if self.env_file.exists() else ""
            line = f"{name}={_quoted(value)}"
            here = [match for match in _LINE.finditer(text) if match["name"] == name]
            if here:
                text = text[: here[-1].start()] + line + text[here[-1].end() :]
            else:
                text += ("" if not text or text.endswith("\n") else "\n") + line + "\n"
            replace_file(self.env_file, text, mode=0o600)

    def conceal_file(self, path: Path) -> None:
        """Redact what a JSON file of credentials holds, and let only its owner read it."""
        try:
            held = msgspec.json.decode(path.read_bytes())
            if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                path.chmod(0o600)
        except (OSError, msgspec.DecodeError):
            return
        waiting: list[tuple[str, Any]] = [("", held)]
        while waiting:
            name, value = waiting.pop()
            if isinstance(value, dict):
                waiting += value.items()
            elif isinstance(value, list):
                waiting += [(name, each) for each in value]
            elif isinstance(value, str) and (looks_secret(name) or looks_random(value)):
                self.conceal(value)

    def unset(self, name: str) -> bool:
        """Take a variable out of ``.env``; False where it was not there."""
        with locked_file(self.env_file):
            text = self.env_file.read_text("utf-8") if self.env_file.exists() else ""
            here = [match for match in _LINE.finditer(text) if match["name"] == name]
            for match in reversed(here):
                text = text[: match.start()] + text[match.end() + 1 :]
            if here:
                replace_file(self.env_file, text, mode=0o600)
        return bool(here)

    def conceal(self, value: str) -> None:
        """Redact this value from now on, in the forms that it commonly takes."""
        self._redactor.conceal(value)

    def redact(self, text: str) -> str:
        return self._redactor.redact(text)

    def redact_file(self, path: Path) -> None:
        self._redactor.redact_file(path)

    def holds(self, data: bytes) -> bool:
        return self._redactor.holds(data)

    def add_rule(self, rule: Rule) -> None:
        self._redactor.add_rule(rule)


class PluginSecrets(Secrets):
    """What one plugin may read: anything but what only others declared."""

    def __init__(self, store: SecretStore, plugin: str, foreign: Mapping[str, str]) -> None:
        self._store, self._plugin, self._foreign = store, plugin, foreign

    def get(self, secret: Secret) -> str | None:
        owner = self._foreign.get(secret.reference)
        if owner is not None:
            raise PluginError(
                self._plugin,
                f"may not read {secret.reference}, which is declared by plugin {owner}",
                "declare it in the plugin's own settings",
            )
        return self._store.get(secret)

    def redact(self, text: str) -> str:
        return self._store.redact(text)

    def redact_file(self, path: Path) -> None:
        self._store.redact_file(path)

    def holds(self, data: bytes) -> bool:
        return self._store.holds(data)

    def add_rule(self, rule: Rule) -> None:
        self._store.add_rule(rule)


def _quoted(value: str) -> str:
    if re.fullmatch(r"[\w./:@%+,=-]*", value):
        return value
    if "'" not in value and "\n" not in value:
        return f"'{value}'"
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _from_keyring(rest: str) -> str | None:
    service, _, name = rest.rpartition("/")
    try:
        import keyring  # type: ignore[import-not-found, unused-ignore]  # noqa: PLC0415
    except ImportError:
        raise HermesError(
            f"keyring:{rest} needs the keyring package: pip install keyring"
        ) from None
    try:
        value: str | None = keyring.get_password(service or name, name)
    except Exception as error:  # noqa: BLE001  any backend's own errors
        raise HermesError(f"keyring:{rest} cannot be read: {type(error).__name__}") from None
    return value


def _from_command(command: str) -> str | None:
    import subprocess  # noqa: PLC0415

    try:
        done = subprocess.run(
            command, shell=True, capture_output=True, text=True, timeout=15, check=False
        )
    except subprocess.TimeoutExpired:
        raise HermesError(f"command:{command} gave nothing within 15 s") from None
    if done.returncode:
        raise HermesError(f"command:{command} failed with exit status {done.returncode}")
    return done.stdout.rstrip("\r\n") or None
