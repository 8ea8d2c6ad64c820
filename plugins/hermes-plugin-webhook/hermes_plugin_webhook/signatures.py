"""Proving who sent a webhook: the styles that services have.

Every comparison takes the same time whether it fails early or late. A style that signs the time too
(``standard``, ``v2``) is refused outside the tolerance, so that a captured request is soon worth
nothing; for the others the platform remembers what was signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping

import msgspec

from hermes_plugin_webhook.settings import Style


class Refused(Exception):
    """The request does not prove who sent it. Its text is for the sender's log."""


class Proof(msgspec.Struct, frozen=True):
    """What a good signature is about."""

    style: str
    digest: str = ""
    """Names the bytes that were signed; empty for a plain token, which signs nothing."""
    id: str = ""
    """The delivery's id, where it is among what was signed."""


Headers = Mapping[str, str]
"""Names in lower case."""


def verify(
    style: Style, headers: Headers, body: bytes, secret: str, *, now: float, tolerance: float
) -> Proof:
    """Give the proof. Raises `Refused`."""
    request = _Request(headers, body, secret.encode(), now, tolerance)
    for name, (header, check) in STYLES.items():
        if style == name or (style == "auto" and name != "v1" and header(headers)):
            return check(request)
    if style == "auto" and "x-webhook-signature" in headers:
        raise Refused(
            "X-Webhook-Signature does not say when it was made: sign with X-Webhook-Signature-V2,"
            " or let the route say signature: v1"
        )
    raise Refused("there is no signature that is known here")


class _Request(msgspec.Struct, frozen=True):
    headers: Headers
    body: bytes
    secret: bytes
    now: float
    tolerance: float

    def get(self, name: str) -> str:
        return self.headers.get(name, "")

    def check_time(self, name: str) -> str:
        """Give a header's Unix time if it is near ours."""
        said = self.get(name)
        if not (said.isascii() and said.isdecimal()) or len(said) > 12:
            raise Refused(f"{name} is not a time in Unix seconds")
        if abs(self.now - int(said)) > self.tolerance:
            raise Refused(f"{name} is too far from the time here")
        return said

    def check_hex(self, given: str, signed: bytes) -> None:
        wanted = hmac.new(self.secret, signed, hashlib.sha256).hexdigest()
        self.check_same(given.lower(), wanted)

    @staticmethod
    def check_same(given: str, wanted: str) -> None:
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            raise Refused("the signature is not good")


def sign(style: Style, body: bytes, secret: str, *, now: int) -> dict[str, str]:
    """Make the headers by which a sender proves itself in a style, for trying a route."""
    key = secret.encode()

    def mac(signed: bytes, key: bytes = key) -> hmac.HMAC:
        return hmac.new(key, signed, hashlib.sha256)

    match style:
        case "github":
            return {"x-hub-signature-256": f"sha256={mac(body).hexdigest()}"}
        case "gitlab":
            return {"x-gitlab-token": secret}
        case "bearer":
            return {"authorization": f"Bearer {secret}"}
        case "v1":
            return {"x-webhook-signature": mac(body).hexdigest()}
        case "standard":
            id = f"msg_{mac(body).hexdigest()[:16]}"
            made = mac(f"{id}.{now}.".encode() + body, _key(key)).digest()
            signature = f"v1,{base64.b64encode(made).decode()}"
            return {
                "webhook-id": id,
                "webhook-timestamp": str(now),
                "webhook-signature": signature,
            }
    signature = mac(f"{now}.".encode() + body).hexdigest()
    return {"x-webhook-signature-v2": signature, "x-webhook-timestamp": str(now)}


def _github(request: _Request) -> Proof:
    given = request.get("x-hub-signature-256")
    if not given.startswith("sha256="):
        raise Refused("x-hub-signature-256 does not begin with sha256=")
    request.check_hex(given.removeprefix("sha256="), request.body)
    return Proof("github", _digest(request.body))


def _gitlab(request: _Request) -> Proof:
    request.check_same(request.get("x-gitlab-token"), request.secret.decode())
    return Proof("gitlab")


def _bearer(request: _Request) -> Proof:
    scheme, _, token = request.get("authorization").partition(" ")
    if scheme.lower() != "bearer":
        raise Refused("the authorization header has no bearer token")
    request.check_same(token.strip(), request.secret.decode())
    return Proof("bearer")


def _v1(request: _Request) -> Proof:
    request.check_hex(request.get("x-webhook-signature"), request.body)
    return Proof("v1", _digest(request.body))


def _v2(request: _Request) -> Proof:
    time = request.check_time("x-webhook-timestamp")
    signed = time.encode() + b"." + request.body
    request.check_hex(request.get("x-webhook-signature-v2"), signed)
    return Proof("v2", _digest(signed))


def _standard(request: _Request) -> Proof:
    """Standard Webhooks, and Svix, whose headers differ by the prefix only."""
    prefix = "webhook" if "webhook-signature" in request.headers else "svix"
    time = request.check_time(f"{prefix}-timestamp")
    id = request.get(f"{prefix}-id")
    if not id:
        raise Refused(f"{prefix}-id is missing")
    signed = f"{id}.{time}.".encode() + request.body
    digest = hmac.new(_key(request.secret), signed, hashlib.sha256).digest()
    wanted = base64.b64encode(digest)
    given = [each.partition(",") for each in request.get(f"{prefix}-signature").split()]
    good = [
        hmac.compare_digest(sig.encode(), wanted) for version, _, sig in given if version == "v1"
    ]
    if not any(good):
        raise Refused("the signature is not good")
    return Proof("standard", _digest(signed), id)


def _key(secret: bytes) -> bytes:
    """Give the bytes that a secret of Standard Webhooks stands for."""
    if not secret.startswith(b"whsec_"):
        return secret
    try:
        return base64.b64decode(secret.removeprefix(b"whsec_"), validate=True)
    except binascii.Error:
        raise Refused("the secret here begins with whsec_ and is not base64 after that") from None


def _digest(signed: bytes) -> str:
    return hashlib.sha256(signed).hexdigest()


def _has(*names: str) -> Callable[[Headers], bool]:
    return lambda headers: any(name in headers for name in names)


def _has_bearer(headers: Headers) -> bool:
    return headers.get("authorization", "").lower().startswith("bearer ")


STYLES: dict[str, tuple[Callable[[Headers], bool], Callable[[_Request], Proof]]] = {
    "github": (_has("x-hub-signature-256"), _github),
    "standard": (_has("webhook-signature", "svix-signature"), _standard),
    "v2": (_has("x-webhook-signature-v2"), _v2),
    "gitlab": (_has("x-gitlab-token"), _gitlab),
    "bearer": (_has_bearer, _bearer),
    "v1": (_has("x-webhook-signature"), _v1),
}
"""Style to: does a request carry it, and its check. The first that a request carries counts: what
signs the content before what only shows a token."""
