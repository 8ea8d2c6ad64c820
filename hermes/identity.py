"""Ids that sort by time, and owners of leases that others can tell to be dead."""

from __future__ import annotations

import functools
import os
import time


def new_id() -> str:
    """Make a UUIDv7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, version, then random bits."""
    value = int(time.time() * 1000) << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF000 << 64) | 0x7000 << 64
    value = value & ~(0xC000 << 48) | 0x8000 << 48
    text = f"{value:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def now() -> int:
    """The time in UTC microseconds."""
    return time.time_ns() // 1000


def process_started(pid: int) -> str:
    """When process *pid* began, in the kernel's ticks; empty where there is none (or no /proc)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rsplit(b")", 1)[1].split()[19].decode()
    except OSError:
        return ""


def boot_id() -> str:
    """Which boot of the machine this is; empty where nobody says."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def new_owner(surface: str) -> str:
    """Make the name of a lease's holder: surface, host, process and a part of its own."""
    return f"{surface}|{_process(os.getpid())}|{new_id()}"


@functools.cache
def _process(pid: int) -> str:
    """Say which process this is; by its id, for a fork is another."""
    return "|".join((os.uname().nodename, boot_id(), str(pid), process_started(pid)))


def is_dead(owner: str) -> bool:
    """Whether the process that holds a lease is certainly gone. False where nobody can know."""
    try:
        _, host, boot, pid, started, _ = owner.split("|")
    except ValueError:
        return False
    if host != os.uname().nodename or not boot:
        return False
    if boot != boot_id():
        return True
    return process_started(int(pid)) != started


def where(owner: str) -> str:
    """Say for a person where an owner is."""
    surface, host, _, pid, *_ = [*owner.split("|"), "", "", ""]
    return f"{surface}, process {pid} on {host}"
