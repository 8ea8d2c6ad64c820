"""Every error of a vendor has its kind: a table of what they really answer."""

from __future__ import annotations

import pytest

from hermes_plugin_openai.failures import (
    failed_in_stream,
    refused,
    retry_after,
    vendor_message,
)

QUOTA = "You exceeded your current quota, please check your plan and billing details."
LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000"


@pytest.mark.parametrize(
    ("kind", "status", "body", "headers"),
    [
        ("auth", 401, {"message": "Incorrect API key provided", "code": "invalid_api_key"}, {}),
        ("auth", 403, {"message": "Country, region, or territory not supported"}, {}),
        ("auth", 400, {"message": "API key not valid. Please pass a valid API key."}, {}),
        ("content_filter", 403, {"message": "Your input was flagged by moderation"}, {}),
        ("quota", 403, {"message": "Your team has used all credits or its spending limit"}, {}),
        ("quota", 402, {"message": "Insufficient Balance"}, {}),
        ("rate_limit", 402, {"message": "Usage limit reached, try again in 5 minutes"}, {}),
        ("quota", 429, {"message": QUOTA, "code": "insufficient_quota"}, {}),
        ("quota", 429, {"message": "Insufficient balance or no resource package"}, {}),
        ("rate_limit", 429, {"message": QUOTA, "status": "RESOURCE_EXHAUSTED"}, {}),
        ("rate_limit", 429, {"message": "Rate limit reached: requests per minute"}, {}),
        ("rate_limit", 429, {"message": QUOTA}, {"retry-after": "20"}),
        ("rate_limit", 429, None, {}),
        ("context_overflow", 400, {"message": LONG, "code": "context_length_exceeded"}, {}),
        ("context_overflow", 400, {"message": "prompt is too long: 210000 tokens"}, {}),
        ("context_overflow", 400, {"message": "request exceeds the available context size"}, {}),
        ("context_overflow", 500, {"message": "context size has been exceeded"}, {}),
        ("context_overflow", 413, "Request Entity Too Large", {}),
        ("content_filter", 400, {"message": "x", "code": "content_filter"}, {}),
        ("content_filter", 400, {"message": "triggered our content management policy"}, {}),
        ("bad_request", 400, {"message": "Unknown parameter: 'foo'."}, {}),
        ("bad_request", 400, {"message": "max_tokens is too large: 100000"}, {}),
        ("bad_request", 404, {"message": "No model `x`", "code": "model_not_found"}, {}),
        ("bad_request", 405, None, {}),
        ("bad_request", 422, [{"loc": ["body"], "msg": "bad", "input": "flagged billing"}], {}),
        ("timeout", 408, None, {}),
        ("transient", 409, {"message": "lock timeout"}, {}),
        ("transient", 500, {"message": "The server had an error"}, {}),
        ("transient", 500, {"message": "context deadline exceeded"}, {}),
        ("transient", 502, "<html><head><title>502 Bad Gateway</title></head></html>", {}),
        ("transient", 503, None, {}),
        ("transient", 529, {"message": "Overloaded", "type": "overloaded_error"}, {}),
        ("bad_request", 501, None, {}),
    ],
)  # fmt: skip
def test_a_refusal_has_its_kind(kind, status, body, headers) -> None:
    failure = refused(status, body, headers, host="api.example.com", source="openai")
    assert failure.kind == kind
    assert failure.status == status
    assert failure.message.startswith(f"api.example.com answered {status}")
    assert "\n" not in failure.message


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("transient", {"message": "Provider returned error", "code": 502}),
        ("rate_limit", {"message": "slow down", "code": "429"}),
        ("rate_limit", {"message": "slow down", "type": "rate_limit_error"}),
        ("quota", {"message": QUOTA, "type": "insufficient_quota"}),
        ("auth", {"message": "no", "code": "invalid_api_key"}),
        ("context_overflow", {"message": LONG, "type": "invalid_request_error"}),
        ("bad_request", {"message": "no", "type": "invalid_request_error"}),
        ("transient", {"message": "The server had an error", "type": "server_error"}),
        ("transient", {"message": "Overloaded", "type": "overloaded_error"}),
        ("transient", "something"),
        ("transient", {}),
    ],
)
def test_an_error_in_a_stream_has_its_kind(kind, body) -> None:
    failure = failed_in_stream(body, {}, host="api.example.com", source="openai")
    assert failure.kind == kind
    assert failure.status == 200


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:10 GMT"}, 10.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_the_wait_is_read_in_each_of_its_forms(headers, seconds) -> None:
    assert retry_after(headers, now=1445412480.0) == seconds


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"message": "one\n two"}, "one two"),
        ({"error": {"message": "deep"}}, "deep"),
        ({"error": "flat"}, "flat"),
        ({"detail": [{"loc": ["body", "x"], "msg": "missing", "input": "secret"}]}, "missing"),
        ({"message": "Provider returned error", "metadata": {"raw": "their words"}},
         "Provider returned error: their words"),
        ("<!DOCTYPE html><title> 504 </title><p>x", "a web page (504)"),
        (None, ""),
        ({"message": "x\ud800"}, "x\ufffd"),
    ],
)  # fmt: skip
def test_the_vendors_own_words_are_shown(body, said) -> None:
    assert vendor_message(body) == said


def test_a_long_message_is_cut() -> None:
    assert len(vendor_message({"message": "x" * 9000})) == 500
