"""The syntax tree of a bash command, as mvdan/sh reads it.

``shfmt`` is a program of its own (3–5 ms a call), so trees are kept by the bytes they are of.
Nothing here guesses: a text that it cannot read, a parser that is missing, slow or says nonsense
all raise `Unreadable`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sysconfig
import unicodedata
from collections import OrderedDict
from importlib import metadata
from pathlib import Path
from typing import Any, TypeAlias

Node: TypeAlias = dict[str, Any]

LONGEST = 64_000
"""Characters of a command that are read; a longer one is not."""
SECONDS = 5.0
KEPT = 256


class Unreadable(Exception):
    """The command is not understood: says why, for the person who is asked about it."""


class Parser:
    """Runs ``shfmt`` and keeps the last trees."""

    def __init__(self, program: Path | None = None) -> None:
        """*program* is the one to use instead of the one that came with us."""
        self._program = program
        self._trees: OrderedDict[str, Node] = OrderedDict()

    async def parse(self, text: str) -> Node:
        """Give the tree of *text*; do not change it. Raise `Unreadable`."""
        tree = self._trees.get(text)
        if tree is None:
            _check(text)
            tree = await self._run(text)
        self._trees[text] = tree
        self._trees.move_to_end(text)
        if len(self._trees) > KEPT:
            self._trees.popitem(last=False)
        return tree

    async def _run(self, text: str) -> Node:
        self._program = self._program or program()
        try:
            process = await asyncio.create_subprocess_exec(
                *(str(self._program), "-ln", "bash", "--to-json"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,  # what it starts goes with it
            )
        except OSError as error:
            raise Unreadable(f"the parser shfmt does not start: {error.strerror}") from None
        try:
            async with asyncio.timeout(SECONDS):
                out, _ = await process.communicate(text.encode())
        except TimeoutError:
            raise Unreadable("it takes too long to parse") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode != 0:
            raise Unreadable("it is not a shell command that can be parsed")
        try:
            tree = json.loads(out)
        except (ValueError, RecursionError):
            raise Unreadable("the parser shfmt gave no tree") from None
        if not isinstance(tree, dict) or tree.get("Type") != "File":
            raise Unreadable("the parser shfmt gave no tree")
        return tree


def program() -> Path:
    """Find the ``shfmt`` of the distribution ``shfmt-py``, never one on the PATH.

    Raise `Unreadable` where there is none.
    """
    beside = Path(sysconfig.get_path("scripts")) / "shfmt"
    if beside.is_file():
        return beside
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files("shfmt-py") or ():
            if file.name in ("shfmt", "shfmt.exe"):
                return Path(str(file.locate())).resolve()
    raise Unreadable("the parser is missing: install shfmt-py beside Hermes")


def _check(text: str) -> None:
    """Refuse what a parser and bash might read differently, or a person not see."""
    if len(text) > LONGEST:
        raise Unreadable(f"it is longer than {LONGEST} characters")
    for character in text:
        if character not in "\n\t" and unicodedata.category(character) in _UNSEEN:
            raise Unreadable("it has characters that are not seen")


_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
