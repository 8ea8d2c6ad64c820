"""Look at an installed plugin's distribution: its metadata, its files, what listing it imports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from email.message import Message
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import cast
from urllib.parse import unquote, urlsplit

import msgspec

GROUP = "hermes.plugins"
KERNEL = "hermes-kernel"

_LIST = """
import json, sys
import hermes, hermes.offers, msgspec
before = set(sys.modules)
{work}
print(json.dumps(sorted(set(sys.modules) - before)))
"""
_HOOKS = """
import importlib
module = importlib.import_module({name!r})
for name, value in list(vars(module).items()):
    if hasattr(value, "hermes_impl"):
        value()
"""


class Plugin(msgspec.Struct, frozen=True):
    """An installed plugin."""

    name: str
    """Of its entry point, and so of the plugin."""
    module: ModuleType
    dist: metadata.Distribution

    @property
    def folder(self) -> Path:
        """Where its package lies."""
        return Path(str(self.module.__file__)).parent

    @property
    def project(self) -> Path | None:
        """Its source folder, where it is installed editable."""
        text = self.dist.read_text("direct_url.json")
        said = json.loads(text) if text else {}
        if not said.get("dir_info", {}).get("editable"):
            return None
        return Path(unquote(urlsplit(said["url"]).path))


def find(name: str) -> Plugin:
    """Find distribution *name* and import its plugin. Raises AssertionError with the mend."""
    try:
        dist = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        said = f"{name!r} is not installed: pip install -e . (see `distribution`)"
        raise AssertionError(said) from None
    entries = list(dist.entry_points.select(group=GROUP))
    if len(entries) != 1:
        raise AssertionError(f"{name} has {len(entries)} entry points in {GROUP}, expected one")
    return Plugin(entries[0].name, entries[0].load(), dist)


def metadata_problems(plugin: Plugin) -> list[str]:
    """List what the metadata lacks."""
    return list(_metadata_problems(plugin))


def _metadata_problems(plugin: Plugin) -> Iterator[str]:
    said = cast(Message, plugin.dist.metadata)  # it is one, whatever its protocol says
    name = said["Name"]
    module = plugin.module.__name__
    if name.startswith("hermes-plugin-") and name != f"hermes-plugin-{plugin.name}":
        yield f"entry point {plugin.name!r} of {name}: name it {name[len('hermes-plugin-') :]!r}"
    if module != re.sub(r"[-.]", "_", name):
        yield f"{name} holds {module}: a distribution and its module go by one name"
    kernel = [r for r in plugin.dist.requires or () if re.match(rf"{KERNEL}\b(?!-)", r)]
    if not kernel:
        yield f"it does not require {KERNEL}: say for which API it was built"
    elif not (re.search(r"[>~]=", kernel[0]) and re.search(r"<|~=", kernel[0])):
        yield f"{kernel[0]}: give a lower and an upper bound, as {KERNEL}>=1,<2"
    if not said.get("Summary"):
        yield "it has no description"
    if not str(said.get_payload() or said.get("Description") or "").strip():
        yield "it has no README"
    if not (said.get_all("License-File") and (said.get("License-Expression") or said["License"])):
        yield "it has no licence: license and license-files in pyproject.toml"


def file_problems(plugin: Plugin) -> list[str]:
    """List the files that are missing, from the package and (where it is there) its project."""
    problems = []
    if not (plugin.folder / "py.typed").is_file():
        problems.append(f"{plugin.folder.name}/py.typed is missing: its types are for nobody")
    project, version = plugin.project, plugin.dist.version
    if project is None:
        return problems
    names = ("README.md", "CHANGELOG.md", "LICENSE")
    problems += [f"{name} is missing" for name in names if not (project / name).is_file()]
    changes = project / "CHANGELOG.md"
    if changes.is_file() and version not in changes.read_text(encoding="utf-8"):
        problems.append(f"CHANGELOG.md does not mention {version}")
    return problems


def imported_by_listing(module: ModuleType) -> list[str]:
    """Name the modules beyond the rule that importing *module* and calling its hooks brings in."""
    return _imported(_HOOKS.format(name=module.__name__), {module.__name__})


def imported_by_settings(module: str) -> list[str]:
    """Name the modules beyond the rule that importing settings module *module* brings in."""
    parts = module.split(".")
    own = {".".join(parts[: n + 1]) for n in range(len(parts))}
    return _imported(f"import {module}", own)


def _imported(work: str, own: set[str]) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", _LIST.format(work=work)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    if done.returncode:
        raise AssertionError(f"importing it failed\n{done.stderr}")
    names = json.loads(done.stdout.splitlines()[-1])
    return [name for name in names if name not in own and not _allowed(name)]


def _allowed(name: str) -> bool:
    top = name.partition(".")[0]
    return top == "hermes" or top in sys.stdlib_module_names
