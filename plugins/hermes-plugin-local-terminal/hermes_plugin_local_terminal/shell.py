"""One bash per command, and the snapshot that carries its environment to the next.

A snapshot is a bash file: exported variables, functions, aliases, options of `shopt` and the umask.
A run reads the snapshot it starts from and writes one of its own, so runs that start from the same
snapshot do not disturb each other. Most commands change nothing of it: then the new one is dropped
and the old one stays.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import stat
import tempfile
from collections import OrderedDict
from pathlib import Path

from hermes import TerminalError, TerminalState

_END = r"""
{
  __hermes_code=$?; set +aeux;
  [[ -n $__hermes_out ]] && {
    __hermes_save() {
      unset -f __hermes_save;
      local PWD SHLVL $__hermes_marks;
      export -n PWD SHLVL __hermes_code $__hermes_marks;
      [[ $BASHOPTS == "$__hermes_options" ]] || shopt -p;
      umask -p; export -p; declare -f; declare -F; alias -p;
      printf "\0%s\0" "$__hermes_where";
    };
    __hermes_where=$PWD;
    __hermes_save >"$__hermes_out";
  };
  __hermes_out=;
} </dev/null 2>/dev/null;
exit "$__hermes_code"
""".strip().replace("\n", " ")

SCRIPT = (
    rf"""
builtin ulimit -SHR {2**61} 2>/dev/null;
[[ -z $5 ]] || builtin cd -- "$5" 2>/dev/null || {{ : >"$6"; exit 125; }};
[[ -z $7 ]] || ulimit $7 || {{ : >"$6"; exit 125; }};
shopt -s expand_aliases;
__hermes_options=$BASHOPTS;
[[ -n $1 ]] && source "$1" </dev/null >/dev/null 2>&1;
__hermes_out=$2 __hermes_marks=$4 __hermes_command=$(<"$3");
shopt -s expand_aliases;
__hermes_end='{_END}';
trap 'eval "$__hermes_end"' EXIT;
set --;
eval "$__hermes_command"
""".strip().replace("\n", " ")
    + '\neval "$__hermes_end"'
)
"""Runs ``$3`` (a file) from snapshot ``$1`` and writes snapshot ``$2``, with the directory between
NULs at its end: without that it counts for nothing. ``$4`` names variables to leave out of it.
``$5`` is a folder to enter first, ``$7`` the words of a `ulimit`, and ``$6`` the file that is made
where that cannot be done.

First comes the seal (`Children.seal`), before anything of the command can fork: whatever the
value, a limit of realtime says to a `hermes` further down that a tool started it.

The EXIT trap is for commands that call `exit`, the last line for those that set an EXIT trap of
their own; whichever comes second finds nothing to do. Nothing forks: that is half of what `true`
would cost. One line, so that bash counts the lines of its errors from the command's first.
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
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC  # never through a link
        with os.fdopen(os.open(f"{stem}.sh", flags, 0o600), "wb") as file:
            file.write(command.encode("utf-8", "surrogatepass"))
        return stem

    def collect(self, stem: Path, before: TerminalState) -> TerminalState:
        """Give the state after the run of *stem*; *before* where it left none (it was killed)."""
        self.discard(stem)
        found = _read(stem, LARGEST)
        new, where = _parted(found or b"")
        if found is None or where is None:
            stem.unlink(missing_ok=True)
            return before
        directory = os.fsdecode(where) or before.directory
        if before.snapshot and (old := _read(Path(before.snapshot), LARGEST)) is not None:
            if new == old:
                stem.unlink()
                return TerminalState(directory, before.snapshot)
            self._touch(before.snapshot)
        _cut(stem, len(new))
        self._touch(str(stem))
        return TerminalState(directory, str(stem))

    def discard(self, stem: Path) -> None:
        """Drop the command file of *stem*."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{stem}.sh")  # noqa: PTH108  what is on every command's way is kept short

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


def _parted(found: bytes) -> tuple[bytes, bytes | None]:
    """Give a snapshot and the directory at its end; None where that is not there."""
    if not found.endswith(b"\0"):
        return found, None
    new, nul, where = found[:-1].rpartition(b"\0")
    return new, where if nul else None


def _open(path: Path, flags: int) -> int:
    """Open what a command left: a link of a sandboxed command's making would lead Hermes out.
    Raises OSError for what is missing, or no plain file.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is no plain file")
    return descriptor


def _read(path: Path, most: int) -> bytes | None:
    """Read what a command left; None for what cannot be read or is too large."""
    try:
        descriptor = _open(path, os.O_RDONLY)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        return None if os.fstat(descriptor).st_size > most else file.read(most)


def _cut(path: Path, size: int) -> None:
    descriptor = _open(path, os.O_WRONLY)
    try:
        os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


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
