"""What the daemon is asked for: a container's configuration, and its name."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from hermes import TerminalError, TerminalSpec
from hermes_plugin_docker.settings import DockerSettings

LABEL = "hermes"
WORKSPACE = "/workspace"
HOME = "/root"
FIRST = "trap 'exit 0' TERM; while :; do sleep 86400 & wait $!; done"
"""The container's first process: a bash, because it reaps what others leave behind."""
TEMPORARY = {"/tmp": "512m", "/var/tmp": "256m", "/run": "64m"}
USUAL = frozenset(
    {"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE",
     "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"}
)  # fmt: skip
"""Capabilities that a container may have and still be one: Docker's own, without those that make
devices and raw packets. With others (``SYS_ADMIN``, ``SYS_PTRACE``, ``ALL``) there are ways out."""
MEGABYTE = 1_048_576


def name_of(home: Path, scope: str) -> str:
    """Name the container of a scope; two homes of Hermes, and two scopes, never share one."""
    whose = hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:8]
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", scope)[:48]
    return f"hermes-{whose}-{plain}-{hashlib.sha256(scope.encode()).hexdigest()[:8]}"


def volumes_of(name: str) -> tuple[str, str]:
    """Name the volumes of a container: its workspace and its home."""
    return f"{name}-workspace", f"{name}-home"


def is_isolated(settings: DockerSettings) -> bool:
    """Whether nothing in *settings* opens a way to the daemon's machine."""
    folders = any(each.startswith(("/", ".", "~")) for each in settings.volumes)
    powers = {name.upper().removeprefix("CAP_") for name in settings.capabilities} - USUAL
    networks = settings.network_mode == "host" or settings.network_mode.startswith("container:")
    return not (
        folders or powers or networks or settings.mount_cwd_to_workspace or settings.host_config
    )


def configuration(settings: DockerSettings, spec: TerminalSpec, name: str) -> dict[str, Any]:
    """Give what the container is made from. Raise `TerminalError` for what cannot be meant."""
    if settings.extra_args:
        raise TerminalError("docker: extra_args is not taken; say the same in docker.host_config")
    if settings.mount_cwd_to_workspace and not spec.directory:
        raise TerminalError("docker: mount_cwd_to_workspace, but the conversation has no folder")
    made: dict[str, Any] = {
        "Image": settings.image,
        "Hostname": name[:63],
        "Entrypoint": [],
        "Cmd": ["bash", "-c", FIRST],
        "WorkingDir": WORKSPACE,
        "Env": [f"HOME={HOME}"],
        "User": _user(settings),
        "Labels": {LABEL: "terminal", f"{LABEL}.scope": spec.scope},
        "NetworkDisabled": False,
        "HostConfig": {**_host(settings, spec, name), **settings.host_config},
    }
    encoded = msgspec.json.encode(made, order="deterministic")
    made["Labels"][f"{LABEL}.made-from"] = hashlib.sha256(encoded).hexdigest()[:32]
    return made


def _host(settings: DockerSettings, spec: TerminalSpec, name: str) -> dict[str, Any]:
    workspace, home = volumes_of(name)
    source = spec.directory if settings.mount_cwd_to_workspace else workspace
    limits = spec.limits
    return {
        "Binds": [
            f"{source}:{WORKSPACE}",
            f"{home}:{HOME}",
            *(str(Path(v).expanduser()) if v.startswith("~") else v for v in settings.volumes),
        ],
        "CapDrop": ["ALL"],
        "CapAdd": list(settings.capabilities),
        "SecurityOpt": ["no-new-privileges"],
        "NetworkMode": (settings.network_mode or "bridge") if settings.network else "none",
        "ReadonlyRootfs": settings.read_only,
        "Tmpfs": {at: f"rw,nosuid,size={size}" for at, size in TEMPORARY.items()}
        if settings.read_only
        else {},
        "NanoCpus": int(limits.cpu * 1e9),
        "Memory": limits.memory * MEGABYTE,
        "MemorySwap": limits.memory * MEGABYTE,
        "PidsLimit": limits.processes or None,
        "LogConfig": {"Type": "none"},
        "RestartPolicy": {"Name": "no"},
    }


def _user(settings: DockerSettings) -> str:
    if settings.run_as_host_user:
        return f"{os.getuid()}:{os.getgid()}"
    return settings.user
