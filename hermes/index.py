"""What the installed plugins offer, kept in a file so that a start imports none of them (§4.1).

Runs in every start: it may import `sys`, `os` and `json`, nothing else. A miss goes to
`hermes.discovery`, which costs what it costs.

The file is a cache. It holds for one set of installed distributions (their dist-info folders, with
times), one Python and one kernel; each plugin's entry also for the files that were loaded to list
it. A folder that cannot be written only means that the list is made anew at each start.
"""

from __future__ import annotations

import json
import os
import sys

from hermes import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    Entry: TypeAlias = dict[str, Any]
    """name, distribution, version, info (its dist-info folder), module, tops (its top-level
    modules), kernel (range), state (unlisted, active, incompatible, failed), why, warnings, offers,
    settings (section -> schema), files ([path, size, mtime_ns]), middleware (meant to offer some).
    """
    Stamp: TypeAlias = dict[str, Any]

FORMAT = 1
SECONDS = 5.0
"""How long a plugin may take to be listed."""
_KERNEL = ("offers.py", "hookspecs.py", "settings.py", "schemas.py", "listing.py", "discovery.py",
           "index.py")  # fmt: skip


def home_folder(given: str = "") -> str:
    """Say where the home is: *given*, ``HERMES_HOME``, or ``~/.hermes``."""
    return os.path.abspath(
        os.path.expanduser(given or os.environ.get("HERMES_HOME") or "~/.hermes")
    )


class Index:
    """The plugins there are, and what config.yaml says about plugins."""

    def __init__(self, entries: dict[str, Entry], choices: dict[str, Any]) -> None:
        self.entries = entries
        self.disabled: frozenset[str] = frozenset(map(str, choices.get("disabled") or ()))
        self.prefer: dict[str, str] = dict(choices.get("prefer") or {})

    def state(self, entry: Entry) -> str:
        """``active``, ``disabled``, ``incompatible`` or ``failed``."""
        return "disabled" if entry["name"] in self.disabled else entry["state"]

    def active(self) -> list[Entry]:
        return [entry for entry in self.entries.values() if self.state(entry) == "active"]

    def offers(self, kind: str) -> dict[str, list[dict[str, Any]]]:
        """Give the offers of one kind by name, each with its plugin: one, or several that are in
        each other's way because ``plugins.prefer`` does not say which.
        """
        found: dict[str, list[dict[str, Any]]] = {}
        for entry in self.active():
            for offer in entry["offers"]:
                if offer["kind"] == kind:
                    found.setdefault(offer["name"], []).append({**offer, "plugin": entry["name"]})
        for name, several in found.items():
            wanted = self.prefer.get(f"{kind}.{name}")
            if len(several) > 1 and any(each["plugin"] == wanted for each in several):
                found[name] = [each for each in several if each["plugin"] == wanted]
        return dict(sorted(found.items()))


def open_index(
    home: str,
    *,
    choices: dict[str, Any] | None = None,
    seconds: float = SECONDS,
    fresh: bool = False,
) -> Index:
    """Read the index of *home*, and make anew what does not hold any more.

    *choices* stands for the ``plugins`` section of config.yaml; *fresh* lists every plugin again.
    """
    now = stamp()
    file = os.path.join(home, "cache", _file_name(now))
    saved = {} if fresh else _read(file)
    config = _config(home, saved.get("config"))
    index = Index(saved.get("plugins") or {}, config["plugins"] if choices is None else choices)
    installed_same = saved.get("stamp") == now
    if installed_same and all(
        name in index.disabled or (entry["state"] != "unlisted" and unchanged(entry["files"]))
        for name, entry in index.entries.items()
    ):
        if config != saved["config"]:
            _write(file, {**saved, "config": config})
        return index
    from hermes.discovery import rebuild  # noqa: PLC0415

    runs_same = bool(saved) and all(saved["stamp"][key] == now[key] for key in ("kernel", "python"))
    index.entries = rebuild(
        index.entries if runs_same else {},
        keep_failed=installed_same,
        skip=index.disabled,
        seconds=seconds,
    )
    _write(file, {"stamp": now, "config": config, "plugins": index.entries})
    return index


def stamp() -> Stamp:
    """Say what is installed: each folder of the path that holds distributions, and these."""
    folders = []
    for folder in dict.fromkeys(sys.path):
        try:
            with os.scandir(folder or ".") as listing:
                infos = [
                    [one.name, one.stat().st_mtime_ns]
                    for one in listing
                    if one.name.endswith((".dist-info", ".egg-info"))
                ]
        except OSError:
            continue
        if infos:
            folders.append([os.path.abspath(folder), sorted(infos)])
    here = os.path.dirname(__file__)
    return {
        "format": FORMAT,
        "kernel": [__version__, *(described(os.path.join(here, name)) for name in _KERNEL)],
        "python": [sys.executable, sys.version],
        "path": folders,
    }


def described(path: str) -> list[Any]:
    """Give [path, size, mtime_ns], with -1 for a file that is not there."""
    try:
        about = os.stat(path)
    except OSError:
        return [path, -1, -1]
    return [path, about.st_size, about.st_mtime_ns]


def unchanged(files: Iterable[list[Any]]) -> bool:
    """Whether the files are still as `described`."""
    return all(described(file[0]) == file for file in files)


def _config(home: str, saved: dict[str, Any] | None) -> dict[str, Any]:
    """Give what config.yaml says about plugins, reading it only if it changed."""
    file = described(os.path.join(home, "config.yaml"))
    if saved is not None and saved["file"] == file:
        return saved
    plugins: dict[str, Any] = {}
    if file[1] > 0:
        from hermes.config import plugin_choices  # noqa: PLC0415

        plugins = plugin_choices(home)
    return {"file": file, "plugins": plugins}


def _file_name(now: Stamp) -> str:
    """One file per set of folders, so that two environments can share a home."""
    from binascii import crc32  # noqa: PLC0415  (built in)

    where = json.dumps([now["python"][0], [folder for folder, _ in now["path"]]])
    return f"plugins-{crc32(where.encode()):08x}.json"


def _read(file: str) -> dict[str, Any]:
    try:
        with open(file, encoding="utf-8") as stream:
            saved = json.load(stream)
        return saved if saved["stamp"]["format"] == FORMAT else {}
    except (OSError, ValueError, LookupError, TypeError):
        return {}


def _write(file: str, content: dict[str, Any]) -> None:
    """Replace the file in one step; where that is not possible, go on without it."""
    new = f"{file}.{os.getpid()}"
    try:
        for folder in (os.path.dirname(os.path.dirname(file)), os.path.dirname(file)):
            if not os.path.isdir(folder):
                os.makedirs(folder, mode=0o700, exist_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
            json.dump(content, stream)
        os.replace(new, file)
    except OSError:
        try:
            os.unlink(new)
        except OSError:
            pass
