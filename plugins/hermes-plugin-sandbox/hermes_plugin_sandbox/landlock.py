"""Restrict this process by Landlock and become another program. Run as a program of its own.

    python -I -S landlock.py '{"read": […], "write": […], "ports": […]}' bash -c …

What it cannot hold back is in the README: modes and times of files, other processes' command lines
and (of the same person) environments, datagrams, sockets in the file system.
Numbers and flags: linux/landlock.h.
"""

import ctypes
import json
import os
import signal
import stat
import sys

CREATE, ADD, RESTRICT = 444, 445, 446
NEEDED = 4
"""The first version that restricts TCP (Linux 6.7)."""
READING = (1 << 0) | (1 << 2) | (1 << 3)  # execute, read a file, read a folder
FILE = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 14) | (1 << 15)  # what a single file can be allowed
_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """Give Landlock's version here; 0 where there is none."""
    found = _libc.syscall(CREATE, None, 0, 1)
    return max(int(found), 0)


class Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class Port(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def restrict(read: list[str], write: list[str], ports: list[int] | None) -> None:
    """Allow *read* and *write* and TCP to *ports* (None: any), nothing else. Raises OSError."""
    abi = version()
    if abi < NEEDED:
        raise OSError(f"Landlock {abi} here, {NEEDED} is needed")
    everything = (1 << (16 if abi >= 5 else 15)) - 1
    net = 0 if ports is None else 3
    rules = Ruleset(everything, net, 3 if abi >= 6 else 0)
    ruleset = _checked(_libc.syscall(CREATE, ctypes.byref(rules), 24 if abi >= 6 else 16, 0))
    for paths, allowed in ((read, READING), (write, everything)):
        for path in paths:
            _allow(ruleset, path, allowed & everything)
    for port in ports or ():
        rule = Port(2, port)
        _checked(_libc.syscall(ADD, ruleset, 2, ctypes.byref(rule), 0))
    _checked(_libc.prctl(38, 1, 0, 0, 0))  # no new privileges
    if os.geteuid() == 0:  # with the next exec every capability is gone
        for capability in range(64):
            _libc.prctl(24, capability, 0, 0, 0)
    _checked(_libc.syscall(RESTRICT, ruleset, 0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, allowed: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
            allowed &= FILE
        rule = Beneath(allowed, descriptor)
        _checked(_libc.syscall(ADD, ruleset, 1, ctypes.byref(rule), 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def main() -> None:
    """Restrict and become the program; where that fails, run nothing."""
    asked = json.loads(sys.argv[1])
    try:
        restrict(asked["read"], asked["write"], asked["ports"])
        os.chdir(asked["directory"])
    except OSError as error:
        os.write(2, f"sandbox: {error}. Nothing was run\n".encode())
        os.close(os.open(asked["gone"], os.O_CREAT | os.O_WRONLY, 0o600))
        os._exit(125)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and what it becomes would
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
