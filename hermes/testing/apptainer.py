"""Install the stand-in for Apptainer's command line, and end what it started.

with installed(folder) as apptainer:
    subprocess.run([apptainer.program, "instance", "start", …])
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from hermes.testing import apptainer_cli
from hermes.testing.machine import PYTHON, container


class Apptainer(msgspec.Struct, frozen=True):
    """The stand-in, and what it did."""

    program: Path
    state: Path

    @property
    def builds(self) -> list[str]:
        """The sources of images that were built."""
        file = self.state / "builds"
        return file.read_text().split() if file.exists() else []

    def running(self) -> dict[str, int]:
        """Give the instances that run, with their pids."""
        instances = apptainer_cli.Instances(self.state)
        root = self.state / "instances"
        names = [each.name for each in root.iterdir()] if root.is_dir() else []
        return {name: pid for name in names if (pid := instances.pid(name))}

    def kill(self, name: str) -> None:
        """End an instance behind everybody's back."""
        os.kill(self.running()[name], signal.SIGKILL)
        (self.state / "instances" / name / "pid").unlink()


@contextmanager
def installed(folder: Path, **config: bool) -> Iterator[Apptainer]:
    """Put the program ``apptainer`` into *folder*. ``cgroups=True``: limits can be set."""
    state = Path(tempfile.mkdtemp(prefix="apptainer-"))  # a socket's path is short
    given = {"python": PYTHON, "bwrap": container("apptainer"), **config}
    (state / "config.json").write_text(json.dumps(given))
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "apptainer"
    script = Path(apptainer_cli.__file__)
    program.write_text(f'#!/bin/sh\nexec {PYTHON} -IS {script} {state} "$@"\n')
    program.chmod(0o755)
    made = Apptainer(program, state)
    try:
        yield made
    finally:
        for name in made.running():
            made.kill(name)
        shutil.rmtree(state, ignore_errors=True)
