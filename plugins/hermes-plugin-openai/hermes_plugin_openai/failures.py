"""What went wrong at an endpoint, classified once (§8).

The status decides, the vendor's code and words refine it: `quota` against `rate_limit` at 429,
`context_overflow` against `bad_request` at 400. A call that might succeed later must never look
final, and a final one never retryable: retrying a refused request is what kept the systems before
us busy for hours.
"""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hermes import Failure, clean

if TYPE_CHECKING:
    from hermes.errors import FailureKind

LIMIT = 500
"""Characters of a vendor's message that a person gets to see."""

OVERFLOW = re.compile(
    r"context.{0,20}(length|window|size|limit)|maximum.{0,12}(context|tokens?\b.{0,20}prompt)"
    r"|prompt.{0,10}too long|too many tokens|exceed.{0,30}context|input.{0,12}too long"
    r"|reduce the length|(input|prompt) tokens?.{0,40}(exceed|limit)|token limit exceeded",
    re.IGNORECASE,
)
FILTERED = re.compile(
    r"content.?(filter|policy|management)|responsibleaipolicy|safety (system|filter|policy)"
    r"|flagged|moderation|data_inspection_failed|sensitive content",
    re.IGNORECASE,
)
NO_CREDIT = re.compile(
    r"insufficient.{0,3}(quota|balance|credit|fund)|out of credit|credit balance|billing"
    r"|spend(ing)? limit|payment required|requires more credits|arrear",
    re.IGNORECASE,
)
BAD_KEY = re.compile(
    r"(invalid|incorrect|missing|no|expired) (api.?key|authentication|credentials)"
    r"|api.?key.{0,20}(invalid|not valid|expired)|invalid_api_key|unauthorized",
    re.IGNORECASE,
)
USAGE_LIMIT = re.compile(r"usage limit", re.IGNORECASE)
TRY_LATER = re.compile(r"try again|retry|per (minute|day|hour)|resource_exhausted", re.IGNORECASE)

BY_STATUS: Mapping[int, FailureKind] = {
    401: "auth",
    402: "quota",
    403: "auth",
    408: "timeout",
    409: "transient",
    413: "context_overflow",
    425: "transient",
    429: "rate_limit",
    501: "bad_request",
}
BY_TYPE: Mapping[str, int] = {
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "insufficient_quota": 402,
    "invalid_request_error": 400,
    "bad_request": 400,
    "content_filter": 400,
    "context_length_exceeded": 400,
    "not_found_error": 404,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "timeout": 408,
}
"""HTTP status that an error without one stands for, by its code or type; else 500."""


def refused(
    status: int, body: Any, headers: Mapping[str, str], *, host: str, source: str
) -> Failure:
    """Classify an answer with an error status. *body* is what the SDK made of it."""
    said, words = vendor_message(body), vendor_words(body)
    wait = retry_after(headers)
    kind = classify(status, words, wait)
    line = f"{host} answered {status}: {said}" if said else f"{host} answered {status}."
    return Failure(kind, line, source, status, wait)


def failed_in_stream(body: Any, headers: Mapping[str, str], *, host: str, source: str) -> Failure:
    """Classify an error that came with status 200, in a stream or instead of one."""
    said, words = vendor_message(body), vendor_words(body)
    status = 500
    if isinstance(body, dict):
        marks = [body.get(key) for key in ("code", "status", "type")]
        numbers = [number for mark in marks if 400 <= (number := _number(mark)) < 600]
        named = [BY_TYPE[mark] for mark in marks if isinstance(mark, str) and mark in BY_TYPE]
        status = (numbers or named or [status])[0]
    wait = retry_after(headers)
    kind = classify(status, words, wait)
    return Failure(
        kind, f"{host} answered with an error: {said or 'no reason given'}", source, 200, wait
    )


def classify(status: int, words: str, wait: float | None = None) -> FailureKind:
    """Give the kind for an HTTP status and the vendor's code, type and message in one string."""
    if status == 429:
        later = wait is not None or TRY_LATER.search(words)
        final = "insufficient_quota" in words or (NO_CREDIT.search(words) and not later)
        return "quota" if final else "rate_limit"
    if status in (402, 403) and USAGE_LIMIT.search(words) and TRY_LATER.search(words):
        return "rate_limit"
    if OVERFLOW.search(words) and status not in (401, 402, 403, 404, 408):
        return "context_overflow"
    if status in (400, 403, 422) or status in BY_STATUS:
        refined = _refine(status, words)
        if refined:
            return refined
    return BY_STATUS.get(status) or ("transient" if status >= 500 else "bad_request")


def _refine(status: int, words: str) -> FailureKind | None:
    if status not in (400, 403, 422):
        return None
    if FILTERED.search(words):
        return "content_filter"
    if NO_CREDIT.search(words):
        return "quota"
    if BAD_KEY.search(words):
        return "auth"
    return None


def vendor_message(body: Any) -> str:
    """Give the vendor's own words in one line."""
    text = _words(body)
    if text[:300].lstrip().lower().startswith(("<!doctype", "<html")):
        title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        text = f"a web page ({title[1].strip() if title else 'HTML'})"
    text = clean(" ".join(text.split()))
    return text if len(text) <= LIMIT else text[: LIMIT - 1] + "…"


def vendor_words(body: Any) -> str:
    """Give the code, the type and the message: all that says what kind of error it is."""
    marks = [body.get(key) for key in ("code", "type", "status")] if isinstance(body, dict) else []
    return " ".join((*(str(mark) for mark in marks if mark), _words(body)))[:4000]


def _words(body: Any) -> str:
    if isinstance(body, list):  # FastAPI's own: a list of {"loc": …, "msg": …, "input": …}
        return "; ".join(filter(None, map(_words, body)))
    if not isinstance(body, dict):
        return "" if body is None else str(body)
    keys = ("message", "msg", "error", "detail", "error_msg", "error_message", "code", "type")
    text = next((said for key in keys if (said := _words(body.get(key)))), "")
    metadata = body.get("metadata")  # OpenRouter: what the vendor behind it said
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    return f"{text}: {raw}" if isinstance(raw, str) and raw.strip() else text


def retry_after(headers: Mapping[str, str], now: float | None = None) -> float | None:
    """Read the wait that a vendor asks for: seconds, an HTTP date, or milliseconds."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / unit
        except (KeyError, ValueError):
            continue
        return seconds if 0 <= seconds < float("inf") else None
    try:
        date = email.utils.parsedate_to_datetime(headers["retry-after"])
    except (KeyError, ValueError, TypeError):
        return None
    return max(0.0, date.timestamp() - (time.time() if now is None else now))


def _number(value: Any) -> int:
    if isinstance(value, bool):
        return 0
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int) else 0
