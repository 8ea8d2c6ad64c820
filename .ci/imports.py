"""Check the import contracts of `pyproject.toml`, writing "hermes_plugin_*" out first.

import-linter wants every package by name; this repository has dozens that follow one rule.
"""

from __future__ import annotations

import configparser
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PATTERN = "hermes_plugin_*"


def plugin_packages() -> list[str]:
    """Name the module of every plugin distribution in the repository."""
    found = [*ROOT.glob(f"plugins/*/{PATTERN}"), *ROOT.glob(f"hermes-plugin-*/{PATTERN}")]
    return sorted(path.name for path in found if (path / "__init__.py").is_file())


def written_out(value: object, packages: list[str]) -> str:
    """Give *value* as an INI option, a list one item a line, the pattern as each package."""
    if not isinstance(value, list):
        return str(value)
    lines = [
        item.replace(PATTERN, package)
        for item in value
        for package in (packages if PATTERN in item else [""])
    ]
    return "\n" + "\n".join(lines)


def main() -> int:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    packages = plugin_packages()
    ini = configparser.ConfigParser(interpolation=None)
    contracts = options.pop("contracts")
    ini["importlinter"] = {key: written_out(value, packages) for key, value in options.items()}
    for contract in contracts:
        ini[f"importlinter:contract:{contract.pop('id')}"] = {
            key: written_out(value, packages) for key, value in contract.items()
        }
    with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
        ini.write(file)
        file.flush()
        lint = Path(sys.executable).with_name("lint-imports")
        return subprocess.run([lint, "--no-logo", file.name], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
