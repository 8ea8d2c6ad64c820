"""The `modal` section."""

from __future__ import annotations

from typing import Literal

import msgspec

from hermes import Secret


class ModalSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sandboxes at Modal. Processors and memory are those of ``terminal.container_*``."""

    token_id: Secret = Secret("env:MODAL_TOKEN_ID")
    """The token's id."""
    token_secret: Secret = Secret("env:MODAL_TOKEN_SECRET")
    """The token's secret."""
    mode: Literal["auto", "direct"] = "auto"
    """Hermes Agent's. Both mean Modal's own SDK; its ``managed`` (Nous's gateway) is not here."""
    app: str = "hermes-agent"
    """Name of the app in Modal that the sandboxes belong to; made when it is not there."""
    environment: str = ""
    """Modal environment; empty: the workspace's own."""
    image: str = "nikolaik/python-nodejs:python3.11-nodejs20"
    """Container image of new sandboxes. It must hold bash, GNU coreutils and findutils."""
    network: bool = True
    """Whether commands reach the network."""
    directory: str = ""
    """Where terminals start; empty: the home folder there."""
    timeout: int = 86_400
    """Seconds after which Modal ends a sandbox whatever it does; a day at most. What changed since
    it last slept is lost then."""
    idle_timeout: int = 3_600
    """Seconds without a command after which Modal itself ends a sandbox that Hermes did not put to
    sleep; what changed since it last slept is lost then."""
    price_cpu: float = 0.1419
    """Dollars an hour for a core (2026); `/status` says what a sandbox costs by these."""
    price_memory: float = 0.0242
    """Dollars an hour for a gigabyte of memory."""
