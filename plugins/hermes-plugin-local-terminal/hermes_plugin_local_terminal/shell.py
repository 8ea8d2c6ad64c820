"""One bash per command, and the snapshot that carries its environment to the next.

A snapshot is a bash file: exported variables, functions, aliases, options of `shopt` and the umask.
A run reads the snapshot it starts from and writes one of its own, so runs that start from the same
snapshot do not disturb each other. Most commands change nothing of it: then the new one is dropped
and the old one stays.
"""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import stat
import tempfile
from collections import OrderedDict
from pathlib import Path

from hermes import TerminalError, TerminalState

SCRIPT = (
    r"""
[[ -n $1 ]] && source "$1" </dev/null >/dev/null 2>&1;
__hermes_out=$2 __hermes_marks=$4 __hermes_command=$(<"$3");
shopt -s expand_aliases;
__hermes_save() {
  { local code=$?; set +aeux; } 2>/dev/null;
  [[ -n $__hermes_out ]] && (
    where=$PWD; export -n where;
    unset -f __hermes_save;
    unset PWD SHLVL code $__hermes_marks;
    { shopt -p; umask -p; export -p; declare -f; declare -F; alias -p; } >"$__hermes_out" &&
      printf %s "$where" >"$__hermes_out.directory";
  ) </dev/null >/dev/null 2>&1;
  __hermes_out=;
  exit "$code";
};
trap __hermes_save EXIT;
set --;
eval "$__hermes_command"
""".strip().replace("\n", " ")
    + "\n__hermes_save"
)
"""Runs ``$3`` (a file) from snapshot ``$1`` and writes snapshot ``$2``, its directory last: without
that it counts for nothing. ``$4`` names variables to leave out of it. The EXIT trap is for commands
that call `exit`, the last line for those that set an EXIT trap of their own; whichever comes second
finds nothing to do. One line, so that bash counts the lines of its errors from the command's first.
"""

LARGEST = 32_000_000
"""Bytes of a snapshot; a larger one is not kept."""
KEPT = 64
"""Snapshots of one terminal that stay: more than calls of one answer can start from."""


class Snapshots:
    """The folder of one terminal's snapshots and command files. Every method blocks briefly."""

    def __init__(self, parent: Path, scope: str) -> None:
        """Make the folder, and remove those of Hermes processes that are gone."""
        parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_abandoned(parent)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-{scope[:40]}-", dir=parent))
        self._numbers = itertools.count(1)
        self._kept: OrderedDict[str, None] = OrderedDict()

    def prepare(self, command: str) -> Path:
        """Put *command* where the script finds it; the path is also the run's snapshot stem."""
        if "\0" in command:
            raise TerminalError("a command cannot contain a NUL byte")
        stem = self.folder / f"{next(self._numbers)}-{secrets.token_hex(8)}"
        with stem.with_suffix(".sh").open("xb") as file:  # never through somebody's link
            file.write(command.encode("utf-8", "surrogatepass"))
        return stem

    def collect(self, stem: Path, before: TerminalState) -> TerminalState:
        """Give the state after the run of *stem*; *before* where it left none (it was killed)."""
        self.discard(stem)
        told = stem.with_suffix(".directory")
        where, new = _read(told, 65_536), _read(stem, LARGEST)
        told.unlink(missing_ok=True)
        if where is None or new is None:
            stem.unlink(missing_ok=True)
            return before
        directory = os.fsdecode(where) or before.directory
        if before.snapshot and (old := _read(Path(before.snapshot), LARGEST)) is not None:
            if new == old:
                stem.unlink()
                return TerminalState(directory, before.snapshot)
            self._touch(before.snapshot)
        self._touch(str(stem))
        return TerminalState(directory, str(stem))

    def discard(self, stem: Path) -> None:
        """Drop the command file of *stem*."""
        stem.with_suffix(".sh").unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _touch(self, snapshot: str) -> None:
        """Count *snapshot* as used just now and drop those unused for longest."""
        self._kept[snapshot] = None
        self._kept.move_to_end(snapshot)
        while len(self._kept) > KEPT:
            oldest, _ = self._kept.popitem(last=False)
            Path(oldest).unlink(missing_ok=True)


def _read(path: Path, most: int) -> bytes | None:
    """Read what a command left; None for what is missing, too large, or no plain file (a link of a
    sandboxed command's making would lead Hermes out).
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size > most:
            return None
        return file.read(most)


def remove_abandoned(parent: Path) -> None:
    """Remove snapshot folders whose process is gone; their name begins with its pid."""
    for folder in parent.iterdir():
        pid = folder.name.partition("-")[0]
        if not pid.isdigit():
            continue
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:
            continue
