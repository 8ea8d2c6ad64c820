"""The suite of plugins passes a whole one and fails each broken one for its own fault.

Every plugin here is a distribution of its own, laid out on disk as an installer would.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from hermes.testing.inner import run_mutants

INIT = """
from hermes import Offer, hookimpl

@hookimpl
def hermes_middleware():
    return [Offer("{name}", "{module}.parts:Policy", "Grants nothing")]

@hookimpl
def hermes_tools():
    return [Offer("{name}", "{module}.parts:tools", "Two tools")]

@hookimpl
def hermes_commands():
    return [Offer("{name}", "{module}.parts:show", "Show it")]

@hookimpl
def hermes_settings():
    return [Offer("{name}", "{module}.settings:Settings", "How it works")]
"""
SETTINGS = '''
import msgspec

class Settings(msgspec.Struct, frozen=True):
    """How it works."""

    limit: int = 3
    """How often."""
'''
PARTS = '''
import json
import click
from hermes import Middleware, command, tool

class Policy(Middleware):
    """Grants nothing."""
    def __init__(self, context):
        self.limit = context.settings.limit
    async def tool(self, call, call_next):
        return await call_next(call)

@tool
async def probe() -> str:
    """Probe."""
    return ""

tools = [probe]

@command()
async def show(context):
    """Show it."""
'''
METADATA = """Metadata-Version: 2.4
Name: {dist}
Version: 1.0.0
Summary: A plugin
License-Expression: MIT
License-File: LICENSE
Requires-Dist: hermes-kernel>=1,<2

# {dist}
"""
ENTRY_POINTS = "[hermes.plugins]\n{name} = {module}\n"
PROJECT = {"README.md": "# it", "CHANGELOG.md": "## 1.0.0", "LICENSE": "MIT"}


def replaced(key: str, old: str, new: str) -> dict[str, tuple[str, str]]:
    return {key: (old, new)}


METADATA_FAULT = "its_metadata_is_whole"
FILES = "its_files_are_there"
LIGHT = "listing_it_imports_only_hermes"
HOOKS = "its_hooks_are_known"
LISTS = "it_lists_offers"
TARGETS = "its_targets_are_there_and_its_own"
FITS = "its_offers_fit_their_contracts"
SETTING = "its_settings_are_documented"
MODULES = "its_settings_modules_are_light"
COMMANDS = "its_commands_hold"

# name of the plugin: the rule it breaks, and how (file to text replaced; "" removes the file)
MUTANTS: dict[str, tuple[str, Mapping[str, tuple[str, str]]]] = {
    "whole": ("", {}),
    "misnamed": (METADATA_FAULT, replaced("entry_points.txt", "misnamed =", "other =")),
    "norange": (METADATA_FAULT, replaced("METADATA", "hermes-kernel>=1,<2", "click>=8")),
    "openrange": (METADATA_FAULT, replaced("METADATA", ">=1,<2", ">=1")),
    "nosummary": (METADATA_FAULT, replaced("METADATA", "Summary: A plugin\n", "")),
    "noreadme": (METADATA_FAULT, replaced("METADATA", "\n# hermes-plugin-noreadme\n", "")),
    "nolicence": (METADATA_FAULT, replaced("METADATA", "License-File: LICENSE\n", "")),
    "untyped": (FILES, replaced("py.typed", "", "")),
    "nochanges": (FILES, replaced("CHANGELOG.md", "", "")),
    "oldchanges": (FILES, replaced("CHANGELOG.md", "1.0.0", "0.9.0")),
    "heavy": (LIGHT, replaced("__init__.py", "from hermes", "import click\nfrom hermes")),
    "eager": (LIGHT, replaced("__init__.py", "from hermes",
              "import {module}.parts\nfrom hermes")),
    "late": (LIGHT, replaced("__init__.py", "    return [Offer",
             "    import yaml\n    return [Offer")),
    "typo": (HOOKS, replaced("__init__.py", "hermes_tools", "hermes_tool")),
    "unmarked": (HOOKS, replaced("__init__.py", "@hookimpl\ndef hermes_tools", "def hermes_tools")),
    "takes": (HOOKS, replaced("__init__.py", "hermes_tools()", "hermes_tools(context=None)")),
    "silent": (HOOKS, replaced("__init__.py", "def hermes_", "def _")),
    "strings": (LISTS, replaced("__init__.py",
                                 'Offer("{name}", "{module}.parts:tools", "Two tools")',
                                '"{module}.parts:tools"')),
    "twice": (LISTS, replaced("__init__.py", '"Two tools")]', '"Two tools")] * 2')),
    "summary": (LISTS, replaced("__init__.py", '"Two tools"', '""')),
    "name": (LISTS, replaced("__init__.py", 'Offer("name", "{module}.parts:tools"',
                             'Offer("Bad Name", "{module}.parts:tools"')),
    "target": (LISTS, replaced("__init__.py", ".parts:tools", ".parts.tools")),
    "foreign": (TARGETS, replaced("__init__.py", "{module}.parts:tools", "json:dumps")),
    "missing": (TARGETS, replaced("__init__.py", ".parts:tools", ".parts:toools")),
    "raises": (TARGETS, replaced("parts.py", "import json", "raise RuntimeError('no')")),
    "unfit": (TARGETS, replaced("parts.py", "(Middleware)", "")),
    "abstract": (TARGETS, replaced("parts.py", "class Policy(Middleware):",
                 "from hermes import Memory\nclass Policy(Middleware, Memory):")),
    "nottools": (FITS, replaced("parts.py", "tools = [probe]", "tools = ['probe']")),
    "family": (FITS, replaced("__init__.py", '"Two tools")', '"Two tools", family=True)')),
    "crashes": (FITS, replaced("parts.py", "context.settings.limit", "context.limit")),
    "factory": (FITS, replaced("parts.py", "@tool\n", "Policy = lambda context: None\n@tool\n")),
    "starts": (FITS, replaced("parts.py", "        self.limit",
               "        import subprocess; self.p = subprocess.Popen(['sleep', '60'])\n"
               "        self.limit")),
    "tasks": (FITS, replaced("parts.py", "        self.limit",
              "        import asyncio; self.t = asyncio.ensure_future(asyncio.sleep(9))\n"
              "        self.limit")),
    "mutable": (SETTING, replaced("settings.py", ", frozen=True", "")),
    "undocumented": (SETTING, replaced("settings.py", '    """How often."""\n', "")),
    "fat": (MODULES, replaced("settings.py", "import msgspec", "import click\nimport msgspec")),
    "helpless": (COMMANDS, replaced("parts.py", '    """Show it."""\n', "    pass\n")),
}  # fmt: skip


def lay_out(site: Path, name: str, changes: Mapping[str, tuple[str, str]]) -> None:
    """Install plugin *name* into *site* as an editable one, with *changes* made to its files."""
    dist, module = f"hermes-plugin-{name}", f"hermes_plugin_{name}"
    project = site.parent / "projects" / dist
    info = site / f"{module}-1.0.0.dist-info"
    files = {
        site / module / "__init__.py": INIT,
        site / module / "parts.py": PARTS,
        site / module / "settings.py": SETTINGS,
        site / module / "py.typed": "",
        info / "METADATA": METADATA,
        info / "entry_points.txt": ENTRY_POINTS,
        **{project / file: text for file, text in PROJECT.items()},
    }
    for path, text in files.items():
        words = {"{name}": name, "{module}": module, "{dist}": dist}
        old, new = changes.get(path.name, ("\0", ""))
        for word, value in words.items():
            text, old, new = (part.replace(word, value) for part in (text, old, new))
        if path.name in changes and old == "":
            continue
        assert path.name not in changes or old in text, f"{name}: nothing to change in {path.name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new))
    url = {"url": project.as_uri(), "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(url))


def test_each_fault_fails_its_own_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    for name, (_, changes) in MUTANTS.items():
        lay_out(site, name, changes)
    monkeypatch.setenv("PYTHONPATH", str(site))
    source = "from hermes.testing import PluginContract\n" + "".join(
        f"class Test_{name}(PluginContract):\n    distribution = 'hermes-plugin-{name}'\n"
        for name in MUTANTS
    )

    wrong = run_mutants(tmp_path, source, {f"Test_{n}": rule for n, (rule, _) in MUTANTS.items()})

    assert wrong == {}


def test_one_that_is_not_installed_says_how_to_mend_it() -> None:
    from hermes.testing.contracts.distribution import find

    with pytest.raises(AssertionError, match="'hermes-plugin-nowhere' is not installed: pip"):
        find("hermes-plugin-nowhere")
