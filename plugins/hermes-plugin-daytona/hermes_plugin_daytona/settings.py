"""The `daytona` section."""

from __future__ import annotations

import msgspec

from hermes import Secret


class DaytonaSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Sandboxes at Daytona. Processors, memory and disk are those of ``terminal.container_*``."""

    api_key: Secret = Secret("env:DAYTONA_API_KEY")
    """The key."""
    api_url: str = ""
    """Address of the API; empty: what the variable DAYTONA_API_URL says, else Daytona's own."""
    target: str = ""
    """Region; empty: DAYTONA_TARGET, else the organization's own."""
    image: str = "nikolaik/python-nodejs:python3.11-nodejs20"
    """Container image of new sandboxes. It must hold bash, GNU coreutils and findutils."""
    snapshot: str = ""
    """Name of a Daytona snapshot to use instead of `image`; it says its own size."""
    network: bool = True
    """Whether commands reach the network."""
    directory: str = ""
    """Where terminals start; empty: the home folder there."""
    auto_stop: int = 30
    """Minutes without a command after which Daytona itself stops a sandbox that Hermes did not,
    0 for never."""
    most_disk: int = 10
    """Gigabytes of disk asked for at most, whatever ``terminal.container_disk`` says."""
    price_cpu: float = 0.0504
    """Dollars an hour for a processor (2026); `/status` says what a sandbox costs by these."""
    price_memory: float = 0.0162
    """Dollars an hour for a gigabyte of memory."""
    price_disk: float = 0.000108
    """Dollars an hour for a gigabyte of disk."""
