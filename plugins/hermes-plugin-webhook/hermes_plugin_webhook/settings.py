"""The ``webhook:`` section: Hermes Agent's keys, as it has them below ``platforms.webhook``."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from hermes import Secret

Style: TypeAlias = Literal["auto", "github", "gitlab", "standard", "v2", "v1", "bearer"]
Text: TypeAlias = str | int


class Route(msgspec.Struct, frozen=True):
    """One address, ``/webhooks/NAME``, and what becomes of what arrives there."""

    secret: Secret | None = None
    """What the sender signs with, as ``env:NAME``. Left out, the one of the section."""
    signature: Style = "auto"
    """How the sender proves who it is. ``auto``: by whichever of GitHub's, GitLab's, Standard
    Webhooks', X-Webhook-Signature-V2 or a bearer token it sends. ``v1``, a signature of the body
    alone in X-Webhook-Signature, must be asked for: it does not say when it was made."""
    events: tuple[str, ...] = ()
    """Kinds of events that are taken; left out, all. Others are answered with 200 and ignored."""
    prompt: str = ""
    """What the model is told; ``{pull_request.title}`` is a field of what was sent, ``{__raw__}``
    all of it. Left out: all of it."""
    skills: tuple[str, ...] = ()
    """Skills that the model is told to use."""
    toolsets: tuple[str, ...] = ()
    """Only these toolsets; left out, those of the configuration."""
    deliver: str = "log"
    """Where the answer goes: ``log``, a platform (its home chat), ``platform:chat`` or
    ``platform:chat:thread``."""
    deliver_extra: dict[str, Text] = {}
    """``chat_id`` and ``thread_id`` of the target; they may have fields as the prompt has."""
    deliver_only: bool = False
    """No model is asked: the prompt with its fields is the message."""
    session: str = ""
    """Name of the conversation, with fields as the prompt has (``pr-{number}``): events of one
    name share it. Left out, each event has one of its own."""
    person: str = "webhook"
    """Whose memory and permissions the turns use; ``owner`` is the person at this machine."""
    description: str = ""
    """For people who read the configuration."""


class WebhookSettings(msgspec.Struct, frozen=True):
    """Where webhooks arrive, and what becomes of them."""

    enabled: bool = False
    """Whether the gateway serves them."""
    host: str = "127.0.0.1"
    """Address to listen on: a reverse proxy brings what comes from outside."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8644
    """Port to listen on; 0 takes any that is free."""
    secret: Secret = Secret("env:WEBHOOK_SECRET")
    """The secret of routes that name none."""
    routes: dict[str, Route] = {}
    """Name to route. A route without a secret anywhere is not served."""
    rate_limit: Annotated[int, msgspec.Meta(ge=1)] = 30
    """Events that a route takes in a minute; more are answered with 429."""
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1)] = 1_048_576
    """Bytes that the body of a request may have."""
    tolerance: Annotated[int, msgspec.Meta(ge=1)] = 300
    """Seconds by which the time in a signature may differ from ours."""
    replay_window: Annotated[int, msgspec.Meta(ge=1)] = 86_400
    """Seconds for which the same signed bytes count as a repeat, whatever id comes with them."""
