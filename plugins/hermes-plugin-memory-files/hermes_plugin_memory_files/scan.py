"""What may be remembered: no orders to the model, no secrets, nothing unseen.

A memory is read again in every later conversation, so one that speaks to the model instead of
telling it something would be an order for ever. What is written is refused; what a person's editor
or another program put into the file is left there and withheld from the model.
"""

from __future__ import annotations

import re

from hermes_plugin_context_files.scan import revealed, withheld

_STRICT = {
    "opens a door on this machine": r"authorized_keys|\bssh-(rsa|ed25519)\s+AAAA",
    "changes what Hermes is told": (
        r"\b(edit|change|write|append|modify|overwrite)\b[^\n]{0,60}"
        r"(SOUL\.md|AGENTS\.md|\.hermes\b|config\.yaml|MEMORY\.md)"
    ),
    "fetches and runs": r"\b(curl|wget)\b[^\n|]{0,200}\|\s*(sudo\s+)?(ba|z|da)?sh\b",
    "holds a secret": (
        r"\b(sk-[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|AKIA[0-9A-Z]{16}|xox[abpr]-[\w-]{10,}"
        r"|glpat-[\w-]{16,}|AIza[\w-]{30,}|eyJ[\w-]{20,}\.[\w-]{10,}\.[\w-]+)"
        r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    ),
}
STRICT = {why: re.compile(pattern, re.IGNORECASE) for why, pattern in _STRICT.items()}
_ASSIGNED = re.compile(
    r"(?:api[_-]?key|token|secret|passw(?:or)?d|passphrase)\w*[\"']?\s*(?:[:=]|\bis\b)\s*[\"']?"
    r"(?=[^\s\"']*\d)[^\s\"']{8,}",
    re.IGNORECASE,
)


def threat(text: str) -> str:
    """Say why *text* is not to be remembered; empty where nothing is wrong with it."""
    if revealed(text)[1]:
        return "has characters that are never seen"
    notes = withheld(text, "")[1]
    if notes:
        return notes[0].split(" ", 2)[2]
    for why, pattern in STRICT.items():
        if pattern.search(text):
            return why
    return "holds a secret" if _ASSIGNED.search(text) else ""
