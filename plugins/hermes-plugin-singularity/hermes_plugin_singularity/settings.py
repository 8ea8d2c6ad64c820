"""The `singularity` section."""

from __future__ import annotations

import msgspec


class SingularitySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Apptainer (Singularity) containers on this machine."""

    program: str = ""
    """Name or path of the program; empty: ``apptainer``, else ``singularity``."""
    image: str = "docker://nikolaik/python-nodejs:python3.11-nodejs20"
    """An address that images are built from (``docker://…``), or a file of an image. It must hold
    bash, GNU coreutils and findutils."""
    binds: tuple[str, ...] = ()
    """Folders of this machine to see there: ``/data:/data:ro``. With any, it is not isolated."""
    network: bool = True
    """Whether commands reach the network; turning it off needs root or a setuid installation."""
    limits: bool = False
    """Bound processors, memory and processes as ``terminal.container_*`` says; needs cgroups v2."""
    overlay: bool = True
    """Keep what changes outside the home and temporary folders too; without root it needs
    fuse-overlayfs. Off: such changes go when it sleeps."""
    directory: str = ""
    """Where terminals start; empty: the home folder there."""
    build_timeout: float = 1800
    """Seconds that building an image may take."""
