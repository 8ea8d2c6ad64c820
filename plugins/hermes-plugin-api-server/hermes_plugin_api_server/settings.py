"""The ``api-server:`` section of the configuration."""

from __future__ import annotations

from typing import Annotated

import msgspec

from hermes import Secret


class APIServerSettings(msgspec.Struct, frozen=True):
    """Where the API listens, who may use it, and how much."""

    enabled: bool = False
    """Whether the gateway serves it."""
    host: str = "127.0.0.1"
    """Address to listen on. Any but this machine's own (loopback) needs a key."""
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8642
    """Port to listen on; 0 takes any that is free."""
    key: Secret = Secret("env:API_SERVER_KEY")
    """What clients send as ``Authorization: Bearer …``. Once it is set, everybody must."""
    hosts: tuple[str, ...] = ()
    """Further names this server is reached by (that of a reverse proxy). A request for any other
    is refused: a web page can make a browser call this machine under a name of its own."""
    cors: tuple[str, ...] = ()
    """Origins whose pages may call it from a browser, as ``https://chat.example.com``."""
    model_name: str = "hermes-agent"
    """What ``/v1/models`` calls the model that the configuration chose."""
    models: tuple[str, ...] = ()
    """``provider:name`` of further models that a request may choose. Any other name means the
    configured model: many clients send one that they do not mean."""
    person: str = "api"
    """Who the holder of the key is: whose memory and permissions its conversations use. ``owner``
    is the person at this machine's terminal."""
    body_limit: int = 10_000_000
    """Bytes that the body of a request may have."""
    concurrency: int = 100
    """Turns that run at once; what comes over that waits, and is never refused for it."""
    run_ttl: float = 300.0
    """Seconds for which an ended run and its events can still be read."""
