"""What a plugin's settings may be made of beyond plain types: `Secret`.

A plugin describes its config section by a frozen msgspec struct with a default for every field and
a docstring line per field. The struct's schema is kept in the index, so that the file is checked
without importing the plugin (§8).
"""

from __future__ import annotations

from typing import Any

import msgspec

SCHEMES = ("env", "keyring", "command")


class Secret:
    """A reference to a secret, never the secret: ``env:NAME``, ``keyring:NAME/KEY``, ``command:…``.

    As a default it names the variable people expect: ``Secret("env:OPENAI_API_KEY")``.
    ``context.secrets.get(settings.api_key)`` reads it. Its `repr` says the reference only.
    """

    __slots__ = ("reference",)

    def __init__(self, reference: str) -> None:
        """Raise ValueError for anything that is not a reference; the message never repeats it."""
        scheme, _, rest = reference.partition(":")
        if scheme not in SCHEMES or not rest:
            raise ValueError(
                "expected a reference, not the secret itself: put it in .env and write env:NAME"
                " (or keyring:SERVICE/NAME, command:COMMAND)"
            )
        self.reference = reference

    def __repr__(self) -> str:
        return f"Secret({self.reference!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)


def decode_hook(kind: type, value: Any) -> Any:
    """Let msgspec read the types of this module (``dec_hook``)."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise msgspec.ValidationError(f"Expected `{kind.__name__}`")


def encode_hook(value: Any) -> Any:
    """Let msgspec write them (``enc_hook``)."""
    if isinstance(value, Secret):
        return value.reference
    raise NotImplementedError(type(value).__name__)


def schema_hook(kind: type) -> dict[str, Any]:
    """Let msgspec describe them (``schema_hook``)."""
    if kind is Secret:
        return {"type": "string", "format": "secret-reference"}
    raise NotImplementedError(kind.__name__)
