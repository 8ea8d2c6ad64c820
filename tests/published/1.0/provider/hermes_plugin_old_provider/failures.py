"""What a vendor refuses, classified once: what may be retried must be told from what may not."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
from hermes import Failure, FailureKind

SOURCE = "old-provider"
"""Who failed: it stands on every failure."""

BY_STATUS: dict[int, FailureKind] = {
    401: "auth",
    402: "quota",
    403: "auth",
    408: "timeout",
    413: "context_overflow",
    429: "rate_limit",
}
BY_CODE: dict[str, FailureKind] = {
    "insufficient_quota": "quota",
    "context_length_exceeded": "context_overflow",
    "content_filter": "content_filter",
    "invalid_api_key": "auth",
    "rate_limit_exceeded": "rate_limit",
}
"""The vendor's own code says more than the status, where there is one."""


def failure(response: httpx.Response, data: bytes) -> Failure:
    """Classify an answer with an error status."""
    try:
        said = msgspec.json.decode(data, type=dict[str, Any]).get("error")
    except msgspec.DecodeError:
        said = None
    status = response.status_code
    kind = BY_STATUS.get(status, "transient" if status >= 500 else "bad_request")
    return Failure(
        BY_CODE.get(code(said), kind),
        f"the vendor answered {status}: {words(said) or response.reason_phrase}",
        SOURCE,
        status,
        wait(response.headers.get("retry-after")),
    )


def in_stream(said: Any) -> Failure:
    """Classify an error that came instead of the rest of an answer."""
    kind = BY_CODE.get(code(said), "transient")
    return Failure(kind, words(said) or "it failed", SOURCE, 200)


def code(said: Any) -> str:
    return str(said.get("code", "")) if isinstance(said, dict) else ""


def words(said: Any) -> str:
    """Give what the vendor says, in one line."""
    text = said.get("message") if isinstance(said, dict) else said
    return " ".join(str(text or "").split())[:500]


def wait(header: str | None) -> float | None:
    try:
        return float(header) if header else None
    except ValueError:
        return None
