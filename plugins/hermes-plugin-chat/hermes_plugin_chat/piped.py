"""What comes through a pipe beside the prompt."""

from __future__ import annotations

import os
import select
import signal
import stat
import sys

from hermes import UsageError

LIMIT = 10_000_000
"""Bytes of standard input that a message may carry."""
PATIENCE = 3.0
"""Seconds of silence after which we say what we are waiting for."""


def with_input(prompt: str) -> str:
    """Give *prompt* with what is piped in after it; a prompt of ``-`` is the pipe alone.

    Raises UsageError where there is nothing to say.
    """
    piped = "" if sys.stdin.isatty() and prompt != "-" else read_input()
    if prompt == "-":
        prompt, piped = piped, ""
    text = f"{prompt}\n\n[Standard input]\n{piped}" if piped.strip() else prompt
    if not text.strip():
        raise UsageError("there is nothing to answer: the prompt is empty")
    return text


def read_input() -> str:
    """Read standard input to its end, where it is a file, a pipe or a socket."""
    try:
        mode = os.fstat(0).st_mode
    except OSError:  # closed
        return ""
    if stat.S_ISCHR(mode) and not sys.stdin.isatty():  # /dev/null
        return ""
    # Nothing else runs yet, so we wait here; asyncio's own handler would let Ctrl+C wait too.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return _read().decode("utf-8", "replace")
    finally:
        signal.signal(signal.SIGINT, before)


def _read() -> bytes:
    read: list[bytes] = []
    size, patient = 0, True
    while True:
        if patient and not select.select([0], [], [], PATIENCE)[0]:
            print("hermes: waiting for standard input to end (</dev/null: none)", file=sys.stderr)
            patient = False
        piece = os.read(0, 65_536)
        if not piece:
            return b"".join(read)
        size += len(piece)
        if size > LIMIT:
            raise UsageError(f"standard input is over {LIMIT // 1_000_000} MB: name a file instead")
        read.append(piece)
