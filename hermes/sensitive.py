"""Which files look as if they held secrets: one list for the policy and for tools that read many.

A policy asks before such a file is read; a tool that is given a folder passes over those in it,
since nobody was asked about them.
"""

from __future__ import annotations

import fnmatch
from pathlib import PurePosixPath

SECRET_FOLDERS = frozenset(
    {".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".password-store", ".hermes"}
)
SECRET_FILES = (
    ".env", ".env.*", "*.env", ".envrc", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".npmrc",
    ".pypirc", ".git-credentials", ".htpasswd", "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*",
    "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.ppk", "credentials",
    "credentials.*", "secret.*", "secrets.*", "*.secret", "*_secret", "auth.json", "token.json",
    "*.tfstate", "terraform.tfvars", "wallet.dat",
)  # fmt: skip
HARMLESS = (".env.example", ".env.sample", ".env.template", ".env.dist", "*.pub")
"""Look like secrets and are made to be shared."""


def looks_secret(path: str, root: str = "/") -> bool:
    """Whether the name of *path*, or of a folder beneath *root* that it lies in, says secrets."""
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).is_relative_to(root):  # a workspace may itself lie below such a folder
        parts = PurePosixPath(path).relative_to(root).parts
    if SECRET_FOLDERS & {part.lower() for part in parts}:
        return True
    name = parts[-1].lower() if parts else ""
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in HARMLESS):
        return False
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in SECRET_FILES)
