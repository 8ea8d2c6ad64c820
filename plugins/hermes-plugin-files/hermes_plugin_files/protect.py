"""Which files the file tools refuse, on every backend (architecture §10).

Paths are judged as they really are: absolute, with links followed by the terminal that holds them.
A hard link cannot be seen through.
"""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from hermes import Refused

_OURS = re.compile(
    r"(config\.ya?ml|\.env|auth\.json|credentials)([.~-][^/]*)?$"
    r"|(plugins|cache|run|data|outputs|logs)(/|$)"
    r"|[^/]*\.(db|sqlite3?)([.-][^/]*)?$",
    re.IGNORECASE,
)
"""In a Hermes home: configuration, secrets, plugins, the index, the journal, what plugins keep."""
_SKILLS = re.compile(r"skills(/|$)", re.IGNORECASE)
"""In a Hermes home: read like other files, written by ``skill_manage``, which keeps a person's as
they are.
"""
_SECRET = re.compile(
    r"/\.(ssh|gnupg|aws|azure|kube|password-store)(/|$)"
    r"|/\.config/(gh|gcloud)(/|$)"
    r"|/\.docker/config\.json$"
    r"|/\.(netrc|pgpass|pypirc|npmrc|git-credentials)$"
    r"|/authorized_keys2?$"
    r"|^/etc/(g?shadow-?|sudoers(\.d/.*)?)$"
    r"|^/proc/(\d+|self|thread-self)(/|$)"  # /proc/self/environ holds Hermes's own variables
    r"|^/(dev|sys)/(?!null$)",
    re.IGNORECASE,
)
_RUNS_BY_ITSELF = re.compile(
    r"/\.(bashrc|bash_profile|bash_login|bash_logout|profile|zshrc|zshenv|zprofile|zlogin)$"
    r"|/\.config/(fish|autostart|systemd)(/|$)"
    r"|^/etc/(passwd|group|sudo|pam|ssh|systemd|cron|profile|ld\.so)"
    r"|^/(boot|proc|var/spool/cron)(/|$)"
    r"|/\.git/(hooks|config$)",
    re.IGNORECASE,
)
"""May be read. Who writes it has commands run without being asked."""


class Protection:
    """Judges paths for one Hermes home."""

    def __init__(self, home: Path, more: Iterable[str] = ()) -> None:
        self._homes = {str(home), str(home.resolve())}
        self._more = tuple(str(Path(name).expanduser().resolve()) for name in more)
        paths = sysconfig.get_paths()
        self._code = tuple(str(Path(paths[kind]).resolve()) for kind in ("purelib", "platlib"))

    def refused(self, path: str, *, writing: bool) -> str:
        """Say why the real *path* is refused; empty where it is not."""
        if self._in_home(path, _OURS):
            return "it belongs to Hermes itself (configuration, secrets, plugins or journal)"
        if _SECRET.search(path) or _beneath(path, self._more):
            return "it holds secrets or is a device"
        if writing and self._in_home(path, _SKILLS):
            return "it is a skill: skill_manage changes those"
        if writing and (_RUNS_BY_ITSELF.search(path) or _beneath(path, self._code)):
            return "what is in it runs without being asked"
        return ""

    def check(self, path: str, asked: str, *, writing: bool) -> None:
        """Raise `Refused` for a path that is refused; *asked* is how it was given."""
        if why := self.refused(path, writing=writing):
            shown = asked if asked == path else f"{asked} ({path})"
            raise Refused(f"{shown} is out of bounds for file tools: {why}.")

    def _in_home(self, path: str, names: re.Pattern[str]) -> bool:
        homes = [home for home in self._homes if _beneath(path, (home,))]
        inside = [path[len(home) :].lstrip("/") for home in homes]
        _, found, rest = path.rpartition("/.hermes/")  # a home on another machine
        if found:
            inside.append(rest)
        return any(names.match(name) for name in inside)


def _beneath(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)
