"""What secrets look like. Each shape has words without which it is not searched for.

The prefixes are those that vendors publish for their own keys, so that scanners find them.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

SHOWN = "[secret]"
_VENDORS = {
    "sk-": r"sk-(?:ant-|or-|proj-|svcacct-|admin-|live-)?[A-Za-z0-9_-]{20,}",  # OpenAI and alike
    "gh": r"gh[pousr]_[A-Za-z0-9]{36,}",
    "github_pat_": r"github_pat_\w{22,}",
    "glpat-": r"glpat-[\w-]{20,}",
    "xox": r"xox[abeoprs]-[\w-]{10,}",  # Slack
    "xapp-": r"xapp-\d-[\w-]{20,}",
    "AIza": r"AIza[\w-]{35}",  # Google
    "ya29.": r"ya29\.[\w-]{20,}",
    "AKIA": r"AKIA[A-Z0-9]{16}",  # AWS
    "ASIA": r"ASIA[A-Z0-9]{16}",
    "hf_": r"hf_[A-Za-z0-9]{30,}",
    "r8_": r"r8_[A-Za-z0-9]{30,}",
    "npm_": r"npm_[A-Za-z0-9]{36}",
    "pypi-": r"pypi-AgE[\w-]{50,}",
    "dop_v1_": r"dop_v1_[a-f0-9]{64}",
    "SG.": r"SG\.[\w-]{16,}\.[\w-]{16,}",
    "k_live_": r"[rs]k_live_[A-Za-z0-9]{20,}",  # Stripe
    "k_test_": r"[rs]k_test_[A-Za-z0-9]{20,}",
    "whsec_": r"whsec_[A-Za-z0-9+/=]{24,}",
    "gsk_": r"gsk_[A-Za-z0-9]{40,}",
    "tvly-": r"tvly-[\w-]{20,}",
    "lin_api_": r"lin_api_[A-Za-z0-9]{30,}",
    "ntn_": r"ntn_[A-Za-z0-9]{40,}",
    "AGE-SECRET-KEY-": r"AGE-SECRET-KEY-1[A-Z0-9]{50,}",
    "eyJ": r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",  # a JSON web token, RFC 7519
}
_NAME = (
    r"(?:api|access|auth|private|secret|client|bot|app)?[_-]?(?:key|token|secret|passwd|password)"
)


class Shape(NamedTuple):
    """A shape: *group* of what *pattern* finds is hidden, where *judge* agrees."""

    words: tuple[str, ...]
    """In lower case; one of them must be in the text."""
    pattern: re.Pattern[str]
    group: int = 0
    judge: Callable[[str], bool] = bool


def random_looking(value: str) -> bool:
    """Whether letters and digits mix as in a generated value, unlike in a name or an expression."""
    changes = sum(a.isdigit() != b.isdigit() for a, b in itertools.pairwise(value))
    return len(value) >= 12 and changes >= 3


SHAPES = (
    *(
        Shape((word.lower(),), re.compile(rf"(?<![A-Za-z0-9]){pattern}"))
        for word, pattern in _VENDORS.items()
    ),
    Shape(
        ("private key",),
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:.*?-----END [A-Z ]*-----|.*)",
            re.DOTALL,
        ),
    ),
    Shape((":aa",), re.compile(r"(?<!\d)\d{8,10}:AA[\w-]{33}(?![\w-])")),  # Telegram's bots
    Shape(
        ("authorization",),
        re.compile(
            r"(?i)authorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic|token)\s+([^\s\"',]{8,})"
        ),
        1,
        lambda value: not value.startswith(("$", "{", "<", "[")),
    ),
    Shape(
        ("://",),  # a password in an address, RFC 3986 section 3.2.1
        re.compile(r"[a-z][a-z0-9+.-]*://[^\s/:@\"']*:([^\s/@\"']{3,})@", re.IGNORECASE),
        1,
        lambda value: not value.startswith(("$", "{", "<", "[", "*")),
    ),
    Shape(
        ("key", "token", "secret", "passw"),
        re.compile(
            rf"(?i)(?<![a-z]){_NAME}[\"']?\s*[:=]\s*[\"']?([A-Za-z0-9+/_.~-]{{12,}}=*)(?![\w(\[])"
        ),
        1,
        random_looking,
    ),
)


def masker(shapes: Iterable[Shape]) -> Callable[[str], str]:
    """Give a function that hides what has one of *shapes*."""
    known = tuple(shapes)
    words = tuple(dict.fromkeys(word for shape in known for word in shape.words))
    always = any(not shape.words for shape in known)

    def mask(text: str) -> str:
        lowered = text.lower()
        for word in words:  # nearly every text has none of them, and there are many texts
            if word in lowered:
                break
        else:
            if not always:
                return text
        for shape in known:
            if not shape.words or any(word in lowered for word in shape.words):
                text = shape.pattern.sub(partial(_hidden, shape), text)
        return text

    return mask


def _hidden(shape: Shape, match: re.Match[str]) -> str:
    value = match[shape.group]
    if not shape.judge(value):
        return match[0]
    start, end = match.start(shape.group) - match.start(), match.end(shape.group) - match.start()
    return match[0][:start] + SHOWN + match[0][end:]
