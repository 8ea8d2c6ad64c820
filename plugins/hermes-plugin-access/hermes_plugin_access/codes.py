"""Codes that one person reads to another: short, unambiguous, and kept only as hashes."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""32 letters and digits; without I, O, 0 and 1, which look like others."""
LENGTH = 8


class Sealed(msgspec.Struct, frozen=True):
    """A code that can be recognised and not read."""

    salt: str
    digest: str
    """Both as hexadecimal digits."""

    def opens_with(self, code: str) -> bool:
        """Whether *code* is the one; takes as long whatever it is."""
        return hmac.compare_digest(_digest(self.salt, tidy(code)), self.digest)


def new() -> tuple[str, Sealed]:
    """Make a code, and what may be kept of it."""
    code = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    salt = secrets.token_hex(16)
    return code, Sealed(salt, _digest(salt, code))


def tidy(code: str) -> str:
    """Bring a code as a person types it into its form."""
    return code.strip().upper()


def _digest(salt: str, code: str) -> str:
    return hashlib.sha256(bytes.fromhex(salt) + code.encode("utf-8", "replace")).hexdigest()
