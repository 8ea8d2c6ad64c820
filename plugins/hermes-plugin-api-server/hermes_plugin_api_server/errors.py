"""Errors as OpenAI says them, and what a turn's failure is in HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from hermes import Failure, TurnFinished

STATUS: dict[str, tuple[int, str]] = {
    "auth": (502, "upstream_auth"),
    "quota": (502, "upstream_quota"),
    "bad_request": (400, "upstream_bad_request"),
    "context_overflow": (400, "context_length_exceeded"),
    "content_filter": (400, "content_filter"),
    "rate_limit": (503, "upstream_rate_limit"),
    "timeout": (504, "upstream_timeout"),
    "transient": (502, "upstream_error"),
    "refused": (403, "refused"),
    "plugin": (500, "plugin_error"),
    "internal": (500, "internal_error"),
}
"""Kind of failure to status and code. The vendor's 401 and 429 are about our key and our use of it,
so a client, for whom they would be about its own, gets others."""


class APIError(Exception):
    """A refusal, in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        kind = "server_error" if status >= 500 else "invalid_request_error"
        self.body: dict[str, Any] = {
            "message": message,
            "type": "authentication_error" if status == 401 else kind,
            "param": param,
            "code": code,
        }

    def response(self) -> Response:
        return json_response({"error": self.body}, self.status, self.headers)


def bad(message: str, *, param: str | None = None, code: str | None = None) -> APIError:
    """A request that cannot be understood or that asks for what there is not."""
    return APIError(400, message, param=param, code=code)


def failed(finished: TurnFinished) -> APIError:
    """Say in HTTP how a turn ended that has no answer.

    Clients of OpenAI's repeat a request that got a 5xx. Hermes has tried again already where that
    could help, and the message is in the conversation: ``x-should-retry`` tells them not to.
    """
    headers = {"x-should-retry": "false"}
    if finished.status == "cancelled":
        return APIError(409, "The turn was stopped.", code="cancelled", headers=headers)
    failure = finished.failure or Failure("internal", finished.reply or "The turn failed.")
    if finished.status == "blocked":
        return APIError(409, finished.reply or failure.message, code="blocked", headers=headers)
    status, code = STATUS.get(failure.kind, (500, "internal_error"))
    if failure.retry_after is not None:
        headers["retry-after"] = f"{failure.retry_after:g}"
    return APIError(status, finished.reply or failure.message, code=code, headers=headers)


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(body), status, headers, "application/json")
