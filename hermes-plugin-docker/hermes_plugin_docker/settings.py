"""The `docker` section. Hermes Agent's ``terminal.docker_image`` and its like land here too."""

from __future__ import annotations

from typing import Any

import msgspec


class DockerSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Containers that commands run in. What they may take of the machine is
    ``terminal.container_cpu``, ``_memory`` and ``_processes``.
    """

    image: str = "nikolaik/python-nodejs:python3.11-nodejs20"
    """Pulled when it is not there. It needs bash, coreutils and findutils."""
    host: str = ""
    """Address of the daemon (``unix:///run/user/1000/docker.sock``, ``tcp://build:2375``); empty
    for ``DOCKER_HOST``, else the usual socket."""
    network: bool = True
    """Whether commands reach the network (Docker's ``bridge``)."""
    network_mode: str = ""
    """A network of Docker's by name, in the place of ``bridge``."""
    read_only: bool = False
    """Everything but ``/workspace``, the home and temporary folders is read-only."""
    capabilities: tuple[str, ...] = ("CHOWN", "DAC_OVERRIDE", "FOWNER")
    """What root in the container may do; every other capability is dropped. ``SETUID`` and
    ``SETGID`` are what ``apt-get`` needs too."""
    volumes: tuple[str, ...] = ()
    """``source:target[:ro]``: folders of the daemon's machine, or volumes by name. With a folder
    the container is not isolated."""
    mount_cwd_to_workspace: bool = False
    """``/workspace`` is the folder that the conversation began in. Then it is not isolated."""
    env: dict[str, str] = {}
    """Variables that commands see."""
    forward_env: tuple[str, ...] = ()
    """Names of Hermes's own variables that commands see; never secrets."""
    run_as_host_user: bool = False
    """Commands run as the person who runs Hermes and not as the image's user."""
    user: str = ""
    """``name``, ``uid`` or ``uid:gid`` in the image."""
    extra_args: tuple[str, ...] = ()
    """Hermes Agent's options of the docker program. Not taken: `host_config` says the same."""
    host_config: dict[str, Any] = {}
    """Fields of Docker's HostConfig that replace ours. The container is not isolated then."""
