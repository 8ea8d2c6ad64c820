"""git as a store of file contents: no configuration of a person or of a workspace counts."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeAlias

from hermes import HermesError

ATTRIBUTES = "* -text -eol -ident -filter -working-tree-encoding -crlf\n"
"""Stands above any ``.gitattributes`` of a workspace: bytes are kept as they are."""


UNKEPT = "unkept"


class Kept(NamedTuple):
    """A file as it was."""

    mode: str
    """git's: ``100644``, ``100755``, ``120000`` a link; `UNKEPT` where contents are not here."""
    blob: str
    """git's name of the contents; of unkept ones what tells them from others."""
    bits: int = 0
    """Permission bits; 0 for a link."""

    @classmethod
    def unkept(cls, about: os.stat_result, bits: int) -> Kept:
        """Give what is known of a file whose contents are not kept."""
        return cls(UNKEPT, f"{about.st_ino}-{about.st_size}-{about.st_mtime_ns}", bits)

    @property
    def here(self) -> bool:
        """Whether the contents can be given back."""
        return self.mode != UNKEPT


Snapshot: TypeAlias = dict[str, Kept]
"""Absolute path (``surrogateescape``) to what was there."""


class Git:
    """One bare repository. Every method waits for a program: call it in a thread.

    Raises HermesError with git's own words.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = shutil.which("git")

    def __call__(
        self, *arguments: str, stdin: bytes = b"", index: Path | None = None, tree: str = "/"
    ) -> bytes:
        """Run git with *index* over the work tree *tree*, and give its output."""
        if not (self.folder / "HEAD").exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._run(["init", "-q", "--bare", "--template=", str(self.folder)])
            (self.folder / "info").mkdir(exist_ok=True)
            (self.folder / "info" / "attributes").write_text(ATTRIBUTES)
        environment = {"GIT_DIR": str(self.folder), "GIT_WORK_TREE": tree}
        if index is not None:
            environment["GIT_INDEX_FILE"] = str(index)
        return self._run(arguments, stdin, tree, environment)

    def _run(
        self,
        arguments: Iterable[str],
        stdin: bytes = b"",
        place: str = "/",
        environment: dict[str, str] | None = None,
    ) -> bytes:
        if self.program is None:
            raise HermesError("git is not installed")
        who = {"NAME": "Hermes", "EMAIL": "hermes@localhost"}
        done = subprocess.run(
            [self.program, "-c", "gc.auto=0", *arguments],
            input=stdin,
            capture_output=True,
            check=False,
            cwd=place,
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "HOME": str(self.folder),
                "LC_ALL": "C",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": os.devnull,
                **{f"GIT_AUTHOR_{what}": value for what, value in who.items()},
                **{f"GIT_COMMITTER_{what}": value for what, value in who.items()},
                **(environment or {}),
            },
        )
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise HermesError(f"git: {said[-1] if said else f'exit status {done.returncode}'}")
        return done.stdout

    def snapshot(self, paths: Iterable[str], root: str, index: Path) -> Snapshot:
        """Keep the files named by *paths*, relative to *root*, and forget those that are gone.

        What *index* holds of unchanged files is not read again.
        """
        wanted = set(paths)
        known = {path.removeprefix(root.rstrip("/") + "/") for path in self.held(root, index)}
        listed = b"".join(os.fsencode(path) + b"\0" for path in sorted(wanted | known))
        options = ("--add", "--remove", "--replace", "--ignore-skip-worktree-entries")
        self("update-index", *options, "-z", "--stdin", stdin=listed, index=index, tree=root)
        if gone := known - wanted:  # still there, but not to be kept any more
            forced = b"".join(os.fsencode(path) + b"\0" for path in sorted(gone))
            self(
                "update-index",
                "--force-remove",
                "-z",
                "--stdin",
                stdin=forced,
                index=index,
                tree=root,
            )
        return self.held(root, index)

    def held(self, root: str, index: Path) -> Snapshot:
        """Give what *index* holds of the files beneath *root*."""
        if not index.exists():
            return {}
        found = {}
        for entry in self("ls-files", "-s", "-z", index=index, tree=root).split(b"\0")[:-1]:
            about, path = entry.split(b"\t", 1)
            mode, blob, _stage = about.decode().split()
            found[f"{root.rstrip('/')}/{os.fsdecode(path)}"] = Kept(mode, blob)
        return found

    def protect(self, ref: str, index: Path) -> None:
        """Keep what *index* holds from being swept away, under *ref*."""
        tree = self("write-tree", index=index).decode().strip()
        self("update-ref", ref, self("commit-tree", tree).decode().strip())

    def refs(self, prefix: str) -> list[str]:
        """Name the refs that begin with *prefix*, in order."""
        return self("for-each-ref", "--format=%(refname)", prefix).decode().splitlines()

    def commit(self, message: bytes, files: dict[str, Kept], ref: str, index: Path) -> None:
        """Make *files* (path in the commit to content) last under *ref*."""
        lines = b"".join(
            f"{kept.mode} {kept.blob}\t".encode() + os.fsencode(path) + b"\0"
            for path, kept in files.items()
        )
        index.unlink(missing_ok=True)
        try:
            self("update-index", "--add", "-z", "--index-info", stdin=lines, index=index)
            tree = self("write-tree", index=index).decode().strip()
        finally:
            index.unlink(missing_ok=True)
        commit = self("commit-tree", tree, stdin=message).decode().strip()
        self("update-ref", ref, commit)

    def contents(self, blob: str) -> bytes:
        """Give what was kept."""
        return self("cat-file", "blob", blob)

    def messages(self, prefix: str) -> dict[str, bytes]:
        """Give the messages of the commits whose refs begin with *prefix*, by ref, in order."""
        form = "%(refname)%00%(contents)%00%01"
        found = {}
        for entry in self("for-each-ref", f"--format={form}", prefix).split(b"\0\1\n")[:-1]:
            ref, message = entry.split(b"\0", 1)
            found[ref.decode()] = message
        return found
