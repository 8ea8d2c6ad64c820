"""Find the installed plugins and have each listed by a process of its own (§4.1).

An import that raises, never ends or ends the process takes only itself with it: the plugin is
named and set aside, the rest are listed. Imported only when the index does not hold.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Set as AbstractSet
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hermes import __version__
from hermes.index import described, unchanged

if TYPE_CHECKING:
    from hermes.index import Entry

GROUP = "hermes.plugins"
KERNEL = "hermes-kernel"
SAME = ("distribution", "version", "info", "module", "kernel")
"""What of an entry the installation says: when it changes, the plugin is listed anew."""
_CHILD = (
    "import json, sys; request = json.loads(sys.stdin.readline()); sys.path[:] = request['path'];"
    " from hermes.listing import main; main(request)"
)


def rebuild(
    known: dict[str, Entry], *, keep_failed: bool, skip: AbstractSet[str], seconds: float
) -> dict[str, Entry]:
    """Give the entries of every installed plugin, listing those that are new or changed.

    *skip* names plugins that must not be imported; *keep_failed* says that nothing was installed
    since, so that those who failed would fail again.
    """
    entries = {entry["name"]: entry for entry in installed()}
    for name, entry in entries.items():
        before = known.get(name)
        if before is None or any(before[key] != entry[key] for key in SAME):
            continue
        if (keep_failed or before["state"] == "active") and unchanged(before["files"]):
            entries[name] = before
    todo = [e for e in entries.values() if e["state"] == "unlisted" and e["name"] not in skip]
    for name, result in listed(todo, seconds).items():
        entries[name] = {**entries[name], **result}
    for entry in entries.values():
        if entry["state"] in ("failed", "incompatible") and not entry["files"]:
            _describe_sources(entry)
    return entries


def installed() -> list[Entry]:
    """Give an entry for each entry point of the group, without importing any."""
    found: dict[str, Entry] = {}
    seen: set[str] = set()
    for distribution in metadata.distributions():
        name = distribution.metadata["Name"] or ""
        if name.lower() in seen:
            continue  # an older one further down the path
        seen.add(name.lower())
        for point in distribution.entry_points:
            if point.group != GROUP:
                continue
            entry = _entry(distribution, name, point)
            if point.name in found:
                others = f"{found[point.name]['distribution']} and {name}"
                entry.update(state="failed", why=f"two distributions have this name: {others}")
            found[point.name] = entry
    return [found[name] for name in sorted(found)]


def _entry(distribution: metadata.Distribution, name: str, point: metadata.EntryPoint) -> Entry:
    own = {file.parts[0] for file in distribution.files or () if file.suffix == ".py"}
    tops = {part.removesuffix(".py") for part in own if not part.endswith(".dist-info")}
    requirement = next(filter(None, map(kernel_range, distribution.requires or ())), "")
    fits = admits(requirement, __version__)
    return {
        "name": point.name,
        "distribution": name,
        "version": distribution.version,
        "info": str(getattr(distribution, "_path", "")),
        "module": point.value,
        "tops": sorted(tops | {point.value.partition(":")[0].partition(".")[0]}),
        "kernel": requirement,
        "state": "unlisted" if fits else "incompatible",
        "why": "" if fits else f"needs {KERNEL} {requirement}, this is {__version__}",
        "warnings": [],
        "offers": [],
        "settings": {},
        "files": [],
        "middleware": False,
    }


def kernel_range(requirement: str) -> str:
    """Give the version range of a ``Requires-Dist`` if it is about the kernel, else nothing."""
    named, _, marker = requirement.partition(";")
    match = re.match(r"\s*([\w.-]+)\s*(?:\[[^]]*\])?\s*\(?([^)]*)\)?\s*$", named)
    if match is None or "extra" in marker or re.sub(r"[-_.]+", "-", match[1]).lower() != KERNEL:
        return ""
    return match[2].replace(" ", "")


def admits(specifiers: str, version: str) -> bool:
    """Whether a range such as ``>=1,<2`` admits the version (releases only, as ours are)."""
    have = _release(version)
    for specifier in filter(None, specifiers.split(",")):
        match = re.match(r"(~=|==|!=|<=|>=|<|>)\s*v?(\d+(?:\.\d+)*)(\.\*)?", specifier)
        if match is None:
            return False
        operator, prefix = match[1], match[3] is not None
        want = _release(match[2])
        cut = tuple(int(part) for part in match[2].split("."))
        same = have[: len(cut)] == cut if prefix else have == want
        if not {
            "==": same,
            "!=": not same,
            "<=": have <= want,
            ">=": have >= want,
            "<": have < want,
            ">": have > want,
            "~=": have >= want and have[: len(cut) - 1] == cut[:-1],
        }[operator]:
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:4]]
    return (*numbers, *(0,) * (4 - len(numbers)))


def listed(todo: list[Entry], seconds: float) -> dict[str, dict[str, Any]]:
    """List plugins in child processes; one that takes its process down is passed over."""
    results: dict[str, dict[str, Any]] = {}
    while waiting := [entry for entry in todo if entry["name"] not in results]:
        culprit, why = _run_child(waiting, seconds, results)
        for name in [culprit] if culprit else [entry["name"] for entry in waiting]:
            results.setdefault(name, {"state": "failed", "why": why})
    return results


def _run_child(
    todo: list[Entry], seconds: float, results: dict[str, dict[str, Any]]
) -> tuple[str, str]:
    """Run one child over *todo*. Give the plugin during which it ended, and how it ended."""
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    late = threading.Event()

    def give_up() -> None:
        late.set()
        _kill(child)

    current = ""
    timer = threading.Timer(seconds + 15, give_up)
    timer.start()
    try:
        child.stdin.write(json.dumps({"path": sys.path, "plugins": todo}) + "\n")
        child.stdin.close()
        for line in child.stdout:
            timer.cancel()
            message = json.loads(line)
            current = message.get("begin", "")
            if "result" in message:
                results[message["name"]] = message["result"]
            timer = threading.Timer(seconds, give_up)
            timer.start()
    except BrokenPipeError:
        pass
    finally:
        timer.cancel()
        _kill(child)
        status = child.wait()
        child.stdout.close()
    if late.is_set():
        return current, f"listing it took longer than {seconds:g} s"
    how = f"signal {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
    return current, f"listing it ended the process ({how})"


def _kill(child: subprocess.Popen[str]) -> None:
    """End the child and what it started: they are a group of their own. Before it is waited for,
    so its number is still its own.
    """
    with contextlib.suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()


def _describe_sources(entry: Entry) -> None:
    """Note the sources of a plugin that could not be listed: their change makes it worth a try.

    Whether it meant to offer middleware is read from the text. A policy that is silently missing
    would be worse than no start (§4.2).
    """
    paths: list[str] = []
    for top in entry["tops"]:
        with contextlib.suppress(ImportError, ValueError):
            spec = util.find_spec(top)
            origin = [spec.origin] if spec is not None and spec.origin else []
            folders = (spec.submodule_search_locations or ()) if spec is not None else ()
            paths += origin + [each.path for folder in folders for each in os.scandir(folder)]
    paths = [path for path in paths if path.endswith(".py")]
    entry["files"] = [described(path) for path in sorted(set(paths))]
    entry["middleware"] = any(_names_middleware(path) for path in paths)


def _names_middleware(path: str) -> bool:
    try:
        text = Path(path).read_text("utf-8", errors="replace")
    except OSError:
        return False
    names: list[str] = re.findall(r"^def (hermes_\w+)", text, re.MULTILINE)
    return any(
        difflib.get_close_matches(name, ["hermes_middleware"], cutoff=0.85) for name in names
    )
