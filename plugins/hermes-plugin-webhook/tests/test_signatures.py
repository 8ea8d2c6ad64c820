"""Who sent it: every style, good and bad."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given, strategies

from hermes_plugin_webhook.signatures import STYLES, Refused, sign, verify

SECRET, NOW, BODY = "s3cret", 1_800_000_000.0, b'{"a": 1}'
KEY = base64.b64encode(b"bytes of a key").decode()


def mac(signed: bytes, secret: bytes = SECRET.encode()) -> bytes:
    return hmac.new(secret, signed, hashlib.sha256).digest()


def standard(prefix: str = "webhook", at: int = int(NOW), key: bytes = SECRET.encode()) -> Any:
    signature = base64.b64encode(mac(f"msg_1.{at}.".encode() + BODY, key)).decode()
    return {
        f"{prefix}-id": "msg_1",
        f"{prefix}-timestamp": str(at),
        f"{prefix}-signature": f"v1a,other v1,{signature}",
    }


def v2(at: int = int(NOW)) -> dict[str, str]:
    signature = mac(f"{at}.".encode() + BODY).hex()
    return {"x-webhook-signature-v2": signature, "x-webhook-timestamp": str(at)}


GOOD: dict[str, tuple[str, dict[str, str]]] = {
    "github": ("auto", {"x-hub-signature-256": f"sha256={mac(BODY).hex()}"}),
    "gitlab": ("auto", {"x-gitlab-token": SECRET}),
    "standard": ("auto", standard()),
    "svix": ("auto", standard("svix")),
    "v2": ("auto", v2()),
    "v2, a little late": ("auto", v2(int(NOW) - 299)),
    "bearer": ("auto", {"authorization": f"Bearer {SECRET}"}),
    "v1, asked for": ("v1", {"x-webhook-signature": mac(BODY).hex()}),
    "github, asked for": ("github", {"x-hub-signature-256": f"sha256={mac(BODY).hex().upper()}"}),
}
BAD: dict[str, tuple[str, dict[str, str], str]] = {
    "none": ("auto", {}, "no signature"),
    "v1 unasked": ("auto", {"x-webhook-signature": mac(BODY).hex()}, "signature: v1"),
    "sha1": ("auto", {"x-hub-signature": "sha1=00"}, "no signature"),
    "github, of another body": (
        "auto",
        {"x-hub-signature-256": f"sha256={mac(b'x').hex()}"},
        "good",
    ),
    "github, bare": ("auto", {"x-hub-signature-256": mac(BODY).hex()}, "begin with sha256="),
    "gitlab": ("auto", {"x-gitlab-token": "other"}, "good"),
    "gitlab, empty": ("auto", {"x-gitlab-token": ""}, "good"),
    "standard, old": ("auto", standard(at=int(NOW) - 301), "too far"),
    "standard, from the future": ("auto", standard(at=int(NOW) + 301), "too far"),
    "standard, other key": ("auto", standard(key=b"other"), "good"),
    "standard, no id": ("auto", {**standard(), "webhook-id": ""}, "webhook-id is missing"),
    "v2, old": ("auto", v2(int(NOW) - 301), "too far"),
    "v2, time changed": ("auto", {**v2(), "x-webhook-timestamp": str(int(NOW) + 1)}, "good"),
    "v2, no time": ("auto", {**v2(), "x-webhook-timestamp": ""}, "not a time"),
    "v2, odd time": ("auto", {**v2(), "x-webhook-timestamp": "٣"}, "not a time"),
    "bearer": ("auto", {"authorization": "Bearer other"}, "good"),
    "a token where a signature is asked for": ("github", {"x-gitlab-token": SECRET}, "sha256="),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_well_signed_is_taken(name: str) -> None:
    style, headers = GOOD[name]
    verify(style, headers, BODY, SECRET, now=NOW, tolerance=300)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_is_refused_and_says_why(name: str) -> None:
    style, headers, why = BAD[name]
    with pytest.raises(Refused, match=why):
        verify(style, headers, BODY, SECRET, now=NOW, tolerance=300)  # type: ignore[arg-type]


@pytest.mark.parametrize("style", ["auto", *STYLES])
def test_what_the_test_command_signs_is_good(style: Any) -> None:
    for secret in (SECRET, f"whsec_{KEY}"):
        headers = sign(style, BODY, secret, now=int(NOW))
        assert verify(style, headers, BODY, secret, now=NOW, tolerance=300).style
        with pytest.raises(Refused):
            verify(style, headers, BODY, "another", now=NOW, tolerance=300)


def test_a_secret_of_standard_webhooks_is_the_key_that_it_encodes() -> None:
    headers = standard(key=b"bytes of a key")
    proof = verify("auto", headers, BODY, f"whsec_{KEY}", now=NOW, tolerance=300)
    assert proof.id == "msg_1"
    with pytest.raises(Refused, match="not base64"):
        verify("auto", headers, BODY, "whsec_???", now=NOW, tolerance=300)


@given(
    strategies.dictionaries(
        strategies.sampled_from(
            [
                "x-hub-signature-256", "x-gitlab-token", "webhook-id", "webhook-timestamp",
                "webhook-signature", "svix-signature", "x-webhook-signature-v2",
                "x-webhook-timestamp", "authorization", "x-webhook-signature",
            ]
        ),
        strategies.text(strategies.characters(max_codepoint=255), max_size=40),
    ),
    strategies.sampled_from(["auto", *STYLES]),
)  # fmt: skip
def test_nothing_that_does_not_know_the_secret_gets_in(headers: Any, style: Any) -> None:
    with pytest.raises(Refused):
        verify(style, headers, BODY, SECRET, now=NOW, tolerance=300)
