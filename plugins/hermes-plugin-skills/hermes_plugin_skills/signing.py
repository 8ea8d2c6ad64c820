"""Who signed a skill: an SSH signature over the digests of its files, in its file `FILE`.

SSH keys are what people have and publish; ``ssh-keygen -Y sign`` and ``-Y check-novalidate`` are in
every OpenSSH since 8.1. A signature says who made a skill, not that it is good; its use is that the
key is pinned: an update that another key signed is refused until a person agrees.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from hermes_plugin_skills import disk
from hermes_plugin_skills.skill import SkillError

FILE = "SIGNATURE"
NAMESPACE = "hermes-skill"
_GOOD = re.compile(r"Good \"hermes-skill\" signature with \S+ key (SHA256:\S+)")


def signer(folder: Path) -> str:
    """Give the fingerprint of the key that signed the skill; empty where nobody did.

    Raises `SkillError` for a signature that is not one of these very bytes.
    """
    file = folder / FILE
    if not file.is_file():
        return ""
    done = subprocess.run(
        [_program(), "-Y", "check-novalidate", "-n", NAMESPACE, "-s", file],
        input=_signed(folder),
        capture_output=True,
        timeout=30,
        check=False,
    )
    good = _GOOD.search(done.stdout.decode("utf-8", "replace"))
    if done.returncode or good is None:
        raise SkillError(f"{folder.name}: its signature is not one of these files: not installed")
    return good[1]


def sign(folder: Path, key: Path) -> str:
    """Sign the skill with an SSH key (a private one, or a public one that the agent holds); give
    the fingerprint. Raises `SkillError`.
    """
    (folder / FILE).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as place:
        data = Path(place) / "manifest"
        data.write_bytes(_signed(folder))
        done = subprocess.run(
            [_program(), "-Y", "sign", "-n", NAMESPACE, "-f", key, data],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            said = " ".join(done.stderr.decode("utf-8", "replace").split())
            raise SkillError(f"{key} cannot sign: {said}")
        disk.write(folder / FILE, data.with_name("manifest.sig").read_bytes())
    return signer(folder)


def _signed(folder: Path) -> bytes:
    hashes = disk.digests(folder)
    hashes.pop(FILE, None)
    return disk.manifest(hashes)


def _program() -> str:
    found = shutil.which("ssh-keygen")
    if found is None:
        raise SkillError("signatures need ssh-keygen (Debian: openssh-client)")
    return found
