"""What lies in a file, for tests that search a home to the byte."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path


def unpacked(path: Path) -> bytes:
    """Give what is in a file, and what git packed in it: an object or a pack of them."""
    if path.suffix == ".pack":
        command = ["git", "--git-dir", str(path.parents[2]), "cat-file", "--batch-all-objects"]
        return subprocess.run([*command, "--batch"], capture_output=True, check=True).stdout
    data = path.read_bytes()
    try:
        return data + zlib.decompress(data)  # an object of git
    except zlib.error:
        return data
