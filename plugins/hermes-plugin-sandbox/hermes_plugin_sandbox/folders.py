"""What commands of a sandbox see of this machine."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hermes import Paths, TerminalError, TerminalSpec

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store")
"""Programs. Without what a person keeps there."""
SETTINGS = tuple(
    f"/etc/{name}"
    for name in (
        "alternatives", "bash.bashrc", "ca-certificates", "debian_version", "fonts", "group",
        "host.conf", "hosts", "inputrc", "ld.so.cache", "ld.so.conf", "ld.so.conf.d",
        "localtime", "magic", "mime.types", "nsswitch.conf", "os-release", "passwd", "pki",
        "profile", "protocols", "resolv.conf", "services", "shells", "ssl/certs",
        "ssl/openssl.cnf", "terminfo", "timezone", "xattr.conf",
    )
)  # fmt: skip
"""Settings of programs; no password, key or account among them."""


class Folders(msgspec.Struct, frozen=True):
    """The folders of one scope. All are of this machine and lie at the same path in the sandbox."""

    workspace: Path
    home: Path
    temporary: Path
    """Seen as ``/tmp``."""
    own: Path | None
    """The scope's folder in Hermes's data where the workspace is in it."""

    def remove(self, *, files: bool) -> None:
        """Remove what is temporary, and with *files* a workspace of Hermes's making."""
        shutil.rmtree(self.temporary, ignore_errors=True)
        if files and self.own is not None:
            shutil.rmtree(self.own, ignore_errors=True)


def folders(paths: Paths, spec: TerminalSpec) -> Folders:
    """Make the folders of a scope. Raise `TerminalError` for a workspace that would open a way to
    Hermes's own files or to a whole home.
    """
    own = paths.data / "scopes" / spec.scope
    temporary = paths.cache / "tmp" / spec.scope
    workspace = Path(spec.directory).resolve() if spec.directory else own / "workspace"
    if spec.directory:
        check(workspace, paths.home)
    for folder in (own / "home", temporary, workspace):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return Folders(workspace, own / "home", temporary, own)


def check(workspace: Path, hermes: Path) -> None:
    """Refuse to make *workspace* writable where it holds more than a person's project."""
    home = Path.home().resolve()
    for kept, what in ((hermes.resolve(), "Hermes's own files"), (home, "your home folder")):
        if kept.is_relative_to(workspace):
            raise TerminalError(
                f"sandbox: {workspace} holds {what}; start in a folder of the project"
                " (terminal.cwd, gateway.directory)"
            )
    if workspace.is_relative_to(hermes.resolve()):
        raise TerminalError(f"sandbox: {workspace} lies among Hermes's own files; start elsewhere")
    for system in (*SYSTEM, "/etc", "/boot", "/dev", "/proc", "/sys", "/var", "/run"):
        if workspace == Path(system):
            raise TerminalError(f"sandbox: {workspace} is the system's; start elsewhere")


def readable(more: Sequence[str]) -> list[str]:
    """List what exists of the system's programs and settings, and what the person adds."""
    named = [str(Path(path).expanduser()) for path in more]
    return [path for path in (*SYSTEM, *SETTINGS, *named) if Path(path).exists()]
