"""What can go wrong, in two forms.

*Failures* are expected: a model endpoint answers 429, a policy says no. They are values
(`Failure`), travel on results, and come from a closed list, so that every layer agrees on what may
be retried. Where a call must stop at once (inside `model` and `tool`), `Failed` carries the value.

*Errors* are for the person or the author: one clear line that names the thing, the place and the
mend. `HermesError.exit_code` is what the command line returns.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Literal, TypeAlias

import msgspec

FailureKind: TypeAlias = Literal[
    "auth",
    "quota",
    "bad_request",
    "context_overflow",
    "content_filter",
    "rate_limit",
    "timeout",
    "transient",
    "refused",
    "plugin",
    "internal",
]
"""Everything that a model call or a tool may fail with: the list is closed (§8)."""

RETRYABLE: frozenset[str] = frozenset({"rate_limit", "timeout", "transient"})
"""Kinds for which the same request may succeed later."""


class Failure(msgspec.Struct, frozen=True):
    """One failure, classified once where it happened."""

    kind: FailureKind
    message: str
    """One line for a person: what failed, in the vendor's own words where there are any."""
    source: str = ""
    """Who failed: ``openai``, ``approvals``, a tool's name."""
    status: int | None = None
    """HTTP status, where there was one."""
    retry_after: float | None = None
    """Seconds the vendor asked to wait."""
    unsure: bool = False
    """No answer came: what was asked for may have been done all the same."""

    @property
    def retryable(self) -> bool:
        return self.kind in RETRYABLE


class HermesError(Exception):
    """Base of the errors that a person sees as one line. Never shown with a traceback."""

    exit_code = 1


class ConfigError(HermesError):
    """The configuration cannot be used: says the key, file and line, and the mend."""

    exit_code = 2


class PluginError(HermesError):
    """A plugin or one of its offers cannot be used."""

    def __init__(self, plugin: str, reason: str, mend: str = "") -> None:
        self.plugin = plugin
        self.reason = reason
        super().__init__(f"plugin {plugin}: {reason}" + (f" ({mend})" if mend else ""))


class NotFound(HermesError):
    """No such session, tool, model, plugin: names the nearest known one."""


class StoreError(HermesError):
    """The journal cannot be read or written."""


class Conflict(StoreError):
    """Somebody else appended to the conversation, or holds its lease now."""


class Busy(HermesError):
    """Another turn, maybe in another process, holds the conversation: says where."""


class Refused(HermesError):
    """Access, rate limit or a missing authority: the text is for the person who asked."""


class Failed(Exception):
    """Carries a `Failure` out of a model or a tool call. Raised only inside those chains."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


def one_line(error: BaseException, limit: int = 300) -> str:
    """Say *error* in one line: its first line, or its type where it says nothing."""
    said = str(error).strip().splitlines()
    line = said[0].strip() if said else ""
    if not isinstance(error, HermesError):
        line = f"{type(error).__name__}: {line}" if line else type(error).__name__
    return line if len(line) <= limit else line[: limit - 1] + "…"


def tell(error: Exception, redact: Callable[[str], str] = str) -> int:
    """Say an error in one line and give the exit status; HERMES_DEBUG asks for a traceback."""
    if os.environ.get("HERMES_DEBUG"):
        import traceback  # noqa: PLC0415

        print(redact("".join(traceback.format_exception(error))), file=sys.stderr)
    told = str(error) if isinstance(error, HermesError) else one_line(error)
    print(f"hermes: {redact(told)}", file=sys.stderr)
    return error.exit_code if isinstance(error, HermesError) else 1
