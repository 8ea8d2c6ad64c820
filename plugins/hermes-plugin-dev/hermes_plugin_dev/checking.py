"""Check one plugin, from its project or as it is installed, as a CI would."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec

from hermes import HermesError
from hermes_plugin_dev.building import build_wheel, project_of, unpack

PATIENCE = 60.0
"""Seconds that looking at a plugin may take."""
SLOW = 0.25
"""Seconds of this processor that listing a plugin may take; every new index pays it."""
CHILD = (
    "import json, sys; request = json.loads(sys.stdin.readline()); sys.path[:] = request['path'];"
    " from hermes_plugin_dev.{module} import main; main(request)"
)


class Result(msgspec.Struct, frozen=True):
    """One check, and what it found wrong."""

    name: str
    wrong: tuple[str, ...] = ()
    figures: str = ""
    """What was measured, where something was."""


class Report(msgspec.Struct, frozen=True):
    """Everything that was looked at."""

    distribution: str
    version: str
    plugin: str
    results: tuple[Result, ...]
    outdated: tuple[str, ...] = ()
    """What it uses that will go: no fault yet."""

    @property
    def ok(self) -> bool:
        return not any(result.wrong for result in self.results)


def check_project(folder: Path) -> Report:
    """Build the wheel of the project in *folder* and check what is in it. Raises HermesError."""
    name = str(project_of(folder)["project"]["name"])
    with tempfile.TemporaryDirectory(prefix="hermes-check-") as scratch:
        out, site = Path(scratch, "dist"), Path(scratch, "site")
        try:
            wheel = build_wheel(folder, out)
        except HermesError as error:
            return Report(name, "", "", (Result("wheel", (str(error),)),))
        unpack(wheel, site)
        size = f"{wheel.stat().st_size / 1000:.0f} kB"
        report = check_path(name, [str(site), *sys.path], Path(scratch, "home"))
    first = (Result("wheel", (), size), Result("files", files(folder, report.version)))
    return msgspec.structs.replace(report, results=(*first, *report.results))


def files(folder: Path, version: str) -> tuple[str, ...]:
    """Say which files of a whole project are missing, or behind."""
    names = ("README.md", "CHANGELOG.md", "LICENSE")
    missing = [f"{name} is missing" for name in names if not (folder / name).is_file()]
    changes = folder / "CHANGELOG.md"
    if changes.is_file() and version not in changes.read_text("utf-8", errors="replace"):
        missing.append(f"CHANGELOG.md does not mention {version}")
    return tuple(missing)


def check_installed(name: str) -> Report:
    """Check an installed distribution: an editable one from its project, built anew."""
    if project := source_of(metadata.distribution(name)):
        return check_project(project)
    with tempfile.TemporaryDirectory(prefix="hermes-check-") as scratch:
        return check_path(name, sys.path, Path(scratch))


def source_of(dist: metadata.Distribution) -> Path | None:
    """Give the project that a distribution is installed from as editable."""
    said = json.loads(dist.read_text("direct_url.json") or "{}")
    if not said.get("dir_info", {}).get("editable"):
        return None
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415

    folder = Path(unquote(urlsplit(said["url"]).path))
    return folder if (folder / "pyproject.toml").is_file() else None


def check_path(name: str, path: list[str], home: Path) -> Report:
    """Check distribution *name* as it is found on *path*."""
    (dist,) = list(metadata.distributions(name=name, path=path))[:1]
    entries = [entry for entry in dist.entry_points if entry.group == "hermes.plugins"]
    request = {"distribution": name, "path": path, "home": str(home)}
    results = []
    if entries:
        module = entries[0].value.partition(":")[0]
        results.append(light(ask("listing", {**request, "module": module})))
    answer = ask("probing", request)
    results += [Result("import", (answer["failed"],))] if "failed" in answer else [
        Result(each, tuple(wrong)) for each, wrong in answer["found"].items()
    ]  # fmt: skip
    outdated = tuple(answer.get("outdated", ()))
    return Report(name, dist.version, answer.get("plugin", ""), tuple(results), outdated)


def light(answer: dict[str, Any]) -> Result:
    """Judge what listing the plugin brought in: it happens whenever an index is made."""
    if "failed" in answer:
        return Result("light", (answer["failed"],))
    wrong = [f"listing it imports {', '.join(answer['beyond'])}"] if answer["beyond"] else []
    if answer["seconds"] > SLOW:
        wrong.append(f"listing it takes {answer['seconds']:.2f} s, at most {SLOW} are taken")
    figures = f"{answer['seconds'] * 1000:.0f} ms, {answer['modules']} modules"
    return Result("light", tuple(wrong), figures)


def ask(module: str, request: dict[str, Any]) -> dict[str, Any]:
    """Have a child answer. What goes wrong with it is the answer ``failed``."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", CHILD.format(module=module)],
            input=json.dumps(request) + "\n",
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"looking at it took longer than {PATIENCE:.0f} s"}
    try:
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = done.stderr.strip().splitlines()
        why = f": {said[-1]}" if said and done.returncode == 1 else ""
        return {"failed": f"it ended the process (exit status {done.returncode}){why}"}
    return answer
