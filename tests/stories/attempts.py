"""Reads the files of attempts and of everyday commands, and makes the place they are tried in."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SECRET = "the-secret-that-is-kept-outside"


class Attempt(NamedTuple):
    """One command, and whose list it is from."""

    family: str
    origin: str
    text: str


def load(*names: str) -> list[Attempt]:
    """Read ``attempts_*.txt`` (see the head of one)."""
    found: list[Attempt] = []
    for name in names:
        family = origin = ""
        block: list[str] | None = None
        for line in [*(HERE / name).read_text("utf-8").splitlines(), "%% end | "]:
            if line.startswith("%% "):
                if block:
                    found.append(Attempt(family, origin, "\n".join(block)))
                family, *rest = (part.strip() for part in line[3:].split("|"))
                origin = rest[0] if rest else ""
                block = [] if rest[1:] == ["block"] else None
            elif block is not None:
                block.append(line)
            elif line and not line.startswith("#"):
                found.append(Attempt(family, origin, line))
    return found


@dataclass
class Place:
    """A workspace, what lies outside of it, and whether anything happened there."""

    folder: Path
    host: str = "127.0.0.1"
    port: int = 9
    hits: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.workspace = self.folder / "place"
        self.cage = self.folder / "cage"
        self.canary = self.cage / "canary"
        self.secret = self.folder / "kept" / "secret.txt"
        self.victims = self.folder / "victims"

    def make(self) -> None:
        """Make it anew, as it should be before every attempt."""
        for each in (self.workspace, self.cage, self.secret.parent, self.victims):
            shutil.rmtree(each, ignore_errors=True)
            each.mkdir(parents=True)
        self.secret.write_text(f"{SECRET}\n")
        self.secret.with_suffix(".json").write_text(f'"{SECRET}"\n')
        (self.victims / "victim").write_text("alive\n")
        place = self.workspace
        (place / "notes.txt").write_text("notes\nn\nmore notes\n")
        (place / "big.txt").write_text("".join(f"{n * 7919 % 10007}\n" for n in range(20_000)))
        (place / "x.c").write_text("int x;\n")
        script = place / "build.sh"
        script.write_text(f"#!/bin/bash\ntouch {self.canary}\n")
        script.chmod(0o755)
        (place / "bin").mkdir()
        (place / "src").mkdir()
        (place / "linked").mkdir()
        (place / "file-link").symlink_to(self.secret)
        (place / "linked" / "more").symlink_to(self.secret)
        (place / "place-link").symlink_to(self.secret.parent)
        (place / "place-out").symlink_to(self.cage)
        shutil.copy(script, place / "git-build.sh")
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
        for arguments in (["init", "-q"], ["add", "notes.txt"], ["commit", "-qm", "first"]):
            subprocess.run([*git, *arguments], cwd=place, check=True, capture_output=True)

    def fill(self, text: str) -> str:
        """Put this place's names into an attempt."""
        for name, value in {
            "@C@": str(self.canary),
            "@S@": str(self.workspace / "build.sh"),
            "@K@": str(self.secret),
            "@J@": str(self.secret.with_suffix(".json")),
            "@W@": str(self.workspace),
            "@V@": str(self.victims),
            "@U@": f"http://{self.host}:{self.port}",
            "@H@": self.host,
            "@P@": str(self.port),
        }.items():
            text = text.replace(name, value)
        return text

    def happened(self, output: str) -> str:
        """Say what took effect outside of the workspace; empty where nothing did."""
        if left := sorted(entry.name for entry in self.cage.iterdir()):
            return f"made {left}"
        if not (self.victims / "victim").exists() or len(list(self.victims.iterdir())) != 1:
            return "changed another folder"
        if SECRET in output:
            return "told the secret"
        return "reached the server" if self.hits else ""


def bare(place: Place, text: str, seconds: float = 10) -> str:
    """Run an attempt with nothing in its way, and say what happened."""
    place.make()
    place.hits.clear()
    try:
        done = subprocess.run(
            ["bash", "-c", place.fill(text)],
            cwd=place.workspace,
            env={"PATH": os.environ["PATH"], "HOME": str(place.folder), "LANG": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            start_new_session=True,
        )
        output = done.stdout.decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode("utf-8", "replace")
    return place.happened(output)
