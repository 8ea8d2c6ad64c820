"""How fast Hermes starts, with every plugin installed from wheels, against a bare interpreter."""

from __future__ import annotations

import tempfile
from pathlib import Path

from measure import in_turn, installed, table


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hermes-bench-") as name:
        folder = Path(name)
        programs = installed(folder)
        env = {"HERMES_HOME": str(folder / "home")}
        hermes = programs / "hermes"
        sides = {
            "python -c pass": [programs / "python", "-c", "pass"],
            "hermes --version (aim 2.5)": [hermes, "--version"],
            "hermes --help (aim 6)": [hermes, "--help"],
            "hermes plugins list": [hermes, "plugins", "list"],
            "hermes config get model": [hermes, "config", "get", "model"],
        }
        table(in_turn(sides, 21, env), "python -c pass")


if __name__ == "__main__":
    main()
