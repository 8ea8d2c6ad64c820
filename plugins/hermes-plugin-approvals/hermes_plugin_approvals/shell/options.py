"""Splits a program's arguments into options and operands, by what is known of its options.

Only what is listed is understood, by its exact name: programs grow options, shorten long ones, and
one that is forgotten here must lead to a question, not to a command.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hermes_plugin_approvals.shell.words import CLOSE, MARK, OPEN, STAR, Word


class Misfit(Exception):
    """The arguments are not all understood: says which."""


class Options(NamedTuple):
    """The options of a program that change nothing of what its entry says."""

    flags: str = ""
    """Short ones without a value; they may stand together."""
    valued: str = ""
    """Short ones with a value that is mere text."""
    files: str = ""
    """Short ones with a value that is a file to read."""
    long: str = ""
    """Long ones; with ``=`` at the end those that take a value, as mere text."""
    numbers: bool = False
    """``-5`` is a number of lines."""
    any: bool = False
    """No option of this program can do harm: all are flags."""


class Parsed(NamedTuple):
    """Arguments, taken apart."""

    operands: tuple[Word, ...]
    files: tuple[Word, ...]
    flags: frozenset[str]
    """Names of the options that were given, without dashes."""


def parse(arguments: Sequence[Word], options: Options, *, permute: bool = True) -> Parsed:
    """Take *arguments* apart. Raise `Misfit` for an option that is not listed.

    *permute*: options may follow operands, as GNU programs have it.
    """
    operands: list[Word] = []
    files: list[Word] = []
    flags: set[str] = set()
    rest = iter(arguments)
    for word in rest:
        if not word.values:
            if not options.any:
                raise Misfit("an argument is not known before it runs")
            operands.append(word)
            continue
        if any(_could_be_option(value) for value in word.values):
            text = word.text
            if text == "--":
                operands += rest
                break
            if text == "-":
                operands.append(word)
            elif options.any:
                flags.add(text.lstrip("-") if text else "")
                if not all(value.startswith("-") for value in word.values):
                    operands.append(word)
            elif text is None:
                raise Misfit("a glob could become an option")
            elif text.startswith("--"):
                _long(text, rest, options, flags)
            else:
                _short(text, rest, options, flags, files)
            continue
        operands.append(word)
        if not permute:
            operands += rest
            break
    return Parsed(tuple(operands), tuple(files), frozenset(flags))


def _could_be_option(value: str) -> bool:
    """A glob that may begin a name may also find a file named like an option."""
    return value.startswith(("-", STAR, MARK, OPEN, CLOSE))


def _long(text: str, rest: Iterator[Word], options: Options, flags: set[str]) -> None:
    name, equals, _ = text[2:].partition("=")
    known = options.long.split()
    if f"{name}=" in known:
        if not equals and next(rest, None) is None:
            raise Misfit(f"--{name} lacks its value")
    elif name not in known or (equals and f"{name}=" not in known):
        raise Misfit(f"its option --{name} is not known")
    flags.add(name)


def _short(
    text: str, rest: Iterator[Word], options: Options, flags: set[str], files: list[Word]
) -> None:
    if options.numbers and text[1:].isdigit():
        return
    for place, letter in enumerate(text[1:], 2):
        flags.add(letter)
        if letter in options.flags:
            continue
        if letter not in options.valued + options.files:
            raise Misfit(f"its option -{letter} is not known")
        value = Word((text[place:],)) if text[place:] else next(rest, None)
        if value is None:
            raise Misfit(f"-{letter} lacks its value")
        if letter in options.files:
            files.append(value)
        return
