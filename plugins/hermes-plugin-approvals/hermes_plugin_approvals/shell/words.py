"""What the words of a command come to, as far as that can be told without running it.

A word comes to one of a few possible values, or is not known. Characters that bash would still act
on stand for themselves as private ones (which no command may contain), so that a quoted ``*`` is
one thing and a glob another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hermes_plugin_approvals.shell.syntax import Node

MOST = 64
"""Values that a word may come to before it counts as not known."""
STAR, MARK, OPEN, CLOSE = "\U000f0001", "\U000f0002", "\U000f0003", "\U000f0004"
BRACE, COMMA, END = "\U000f0005", "\U000f0006", "\U000f0007"
NUMBER = "\U000f0008"
"""Stands for some number."""
SOMEBODY = "\U000f0009"
"""Stands for somebody's home folder."""
GLOBS = {"*": STAR, "?": MARK, "[": OPEN, "]": CLOSE}
BRACES = {"{": BRACE, ",": COMMA, "}": END}
PLAIN = {marker: plain for plain, marker in (GLOBS | BRACES).items()}


class Word(NamedTuple):
    """One word. No values: it is not known, and may come to any number of words."""

    values: tuple[str, ...] = ()

    @property
    def text(self) -> str | None:
        """The one value that it certainly has, without globs; else None."""
        if len(self.values) == 1 and not is_pattern(self.values[0]):
            return self.values[0]
        return None

    @property
    def texts(self) -> tuple[str, ...]:
        """All values where none has a glob or an unknown number in it; else none."""
        return () if any(is_pattern(value) for value in self.values) else self.values


UNKNOWN = Word()
Variables = Mapping[str, tuple[str, ...]]
"""Possible values of the variables that are known; the others are not."""


class Unclear(Exception):
    """Working the word out could itself run something: says what."""


def is_pattern(value: str) -> bool:
    """Whether bash would still act on *value* (a glob), or a part of it is not known."""
    return any(marker in value for marker in (*GLOBS.values(), NUMBER, SOMEBODY))


def expand(node: Node, variables: Variables) -> list[Word]:
    """Give the words that one word of the tree becomes. Raise `Unclear`."""
    joined = _join(node.get("Parts", ()), variables, quoted=False, first=True)
    if joined is None:
        return [UNKNOWN]
    if not any(BRACE in value for value in joined):
        return [Word(tuple(_settled(value) for value in joined))]
    if len(joined) > 1:
        return [UNKNOWN]
    made = list(itertools.islice(_braces(joined[0]), MOST + 1))
    return [UNKNOWN] if len(made) > MOST else [Word((_settled(value),)) for value in made]


def one(node: Node | None, variables: Variables) -> Word:
    """Give the one word that *node* becomes where bash does not split it (an assignment)."""
    if node is None:
        return Word(("",))
    joined = _join(node.get("Parts", ()), variables, quoted=True, first=True)
    if joined is None:
        return UNKNOWN
    return Word(tuple(literal(value) for value in joined))


def _join(
    parts: list[Node], variables: Variables, *, quoted: bool, first: bool
) -> tuple[str, ...] | None:
    values: tuple[str, ...] = ("",)
    for place, part in enumerate(parts):
        more = _part(part, variables, quoted=quoted, first=first and place == 0)
        if more is None or len(values) * len(more) > MOST:
            # Go on all the same: a later part could run something.
            for other in parts[place + 1 :]:
                _part(other, variables, quoted=quoted, first=False)
            return None
        values = tuple(dict.fromkeys(a + b for a in values for b in more))
    return values


def _part(part: Node, variables: Variables, *, quoted: bool, first: bool) -> tuple[str, ...] | None:
    match part["Type"]:
        case "Lit":
            return _unquoted(part["Value"], variables, first=first)
        case "SglQuoted":
            value = part.get("Value", "")
            return (ansi_c(value) if part.get("Dollar") else value,)
        case "DblQuoted":
            return _double(part.get("Parts", ()), variables)
        case "ParamExp":
            return _parameter(part, variables, quoted=quoted)
        case "ArithmExp":
            arithmetic(part.get("X"), variables)
            return (NUMBER,)
        case "ProcSubst" if part.get("Op") == "<(":
            return ("/dev/fd/63",)
    return None  # $(…), >(…), an extended glob: whoever walks the tree looks into them


def _double(parts: list[Node], variables: Variables) -> tuple[str, ...] | None:
    values: tuple[str, ...] = ("",)
    known = True
    for part in parts:
        if part["Type"] == "Lit":
            more: tuple[str, ...] | None = (_unescaped(part["Value"], '$`"\\'),)
        else:
            more = _part(part, variables, quoted=True, first=False)
        if more is None or len(values) * len(more) > MOST:
            known = False
        else:
            values = tuple(dict.fromkeys(a + b for a in values for b in more))
    return values if known else None


def _unquoted(text: str, variables: Variables, *, first: bool) -> tuple[str, ...] | None:
    heads: tuple[str, ...] = ("",)
    if first and text.startswith("~"):
        user, slash, text = text[1:].partition("/")
        home = variables.get("HOME")
        heads, text = (SOMEBODY,) if user or not home else home, slash + text
    made: list[str] = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, "\\")
            made.append("" if escaped == "\n" else escaped)
        else:
            made.append(GLOBS.get(character) or BRACES.get(character) or character)
    return tuple(head + "".join(made) for head in heads)


def _unescaped(text: str, special: str) -> str:
    """Take the backslashes away that stand before *special* characters or a line's end."""
    made: list[str] = []
    characters = iter(text)
    for character in characters:
        if character != "\\":
            made.append(character)
            continue
        escaped = next(characters, "")
        if escaped != "\n":
            made.append(escaped if escaped and escaped in special else "\\" + escaped)
    return "".join(made)


def _parameter(part: Node, variables: Variables, *, quoted: bool) -> tuple[str, ...] | None:
    name = (part.get("Param") or {}).get("Value", "")
    if part.get("Excl") or "Index" in part or part.get("Names"):
        if _plain_index(part.get("Index")) and not part.get("Excl"):
            return (NUMBER,) if part.get("Length") else None
        raise Unclear("a variable is named by another, or by a calculation")
    if part.get("Length"):
        return (NUMBER,)
    expansion = part.get("Exp") or {}
    if expansion.get("Op") == "@":
        raise Unclear("a variable's text is expanded once more")
    if "Slice" in part:
        for bound in ("Offset", "Length"):
            arithmetic(part["Slice"].get(bound), variables)
        return None
    if expansion or part.get("Repl") or part.get("Width"):
        return None
    if name in _NUMBERS:
        return (NUMBER,)
    values = variables.get(name)
    if values is None:
        return None
    if not quoted and any(_splits(value) for value in values):
        return None
    return values


_MARKS = frozenset(GLOBS.values())
_NUMBERS = frozenset({"?", "#", "$", "!", "RANDOM", "SECONDS", "LINENO", "UID", "EUID", "PPID"})


def _splits(value: str) -> bool:
    """Whether an unquoted *value* could become several words, none, or a glob.

    What a glob found may have blanks in it, and then becomes words that nobody looked at.
    """
    return not value or any(character in " \t\n*?[\\" or character in _MARKS for character in value)


def _plain_index(index: Node | None) -> bool:
    """``[@]``, ``[*]`` or a number: an index that calculates nothing."""
    parts: list[Node] = (index or {}).get("Parts") or []
    if len(parts) != 1 or parts[0]["Type"] != "Lit":
        return False
    value = parts[0]["Value"]
    return value in ("@", "*") or value.isdigit()


def check(part: Node, variables: Variables) -> None:
    """Raise `Unclear` where working out one part of a word could itself run something."""
    if part.get("Type") in ("ParamExp", "ArithmExp"):
        _part(part, variables, quoted=True, first=False)


def arithmetic(node: Node | None, variables: Variables) -> None:
    """Raise `Unclear` unless *node* calculates with numbers only.

    A name in arithmetic is calculated in its turn, and an index within that may run a command.
    """
    if node is None:
        return
    if _changes(node):
        raise Unclear("a calculation changes a variable")
    if node.get("Type") == "Word":
        values = _join(node.get("Parts", ()), variables, quoted=True, first=False)
        if values is None:
            raise Unclear("it calculates with what is not known")
        for value in values:
            _number(value, variables)
        return
    for side in ("X", "Y"):
        arithmetic(node.get(side), variables)


def _changes(node: Node) -> bool:
    return node.get("Op") in _CHANGING and node.get("Type") in ("BinaryArithm", "UnaryArithm")


_CHANGING = frozenset(
    {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>=", "++", "--"}
)


def _number(value: str, variables: Variables) -> None:
    if value in (NUMBER, "") or value.lstrip("-").isdigit():
        return
    held = variables.get(value)
    if held is None or not all(one == NUMBER or one.lstrip("-").isdigit() for one in held):
        raise Unclear("it calculates with what is not known")


def _settled(value: str) -> str:
    """Braces and brackets that nothing came of are plain; globs stay."""
    for marker, plain in ((BRACE, "{"), (COMMA, ","), (END, "}")):
        value = value.replace(marker, plain)
    if CLOSE not in value[value.find(OPEN) + 1 :] or OPEN not in value:
        value = value.replace(OPEN, "[").replace(CLOSE, "]")
    return value


def literal(value: str) -> str:
    """Write *value* as it stood in the command: globs as plain characters."""
    for marker, plain in PLAIN.items():
        value = value.replace(marker, plain)
    return value


def _braces(value: str) -> Iterator[str]:
    """Expand the first ``{a,b}`` or ``{1..3}`` of *value*, and what is left after it."""
    for start, character in enumerate(value):
        if character != BRACE:
            continue
        found = _alternatives(value, start)
        if found is None:
            continue
        end, choices = found
        for choice in choices:
            for middle in _braces(choice):
                for rest in _braces(value[end + 1 :]):
                    yield value[:start] + middle + rest
        return
    yield value


def _alternatives(value: str, start: int) -> tuple[int, list[str]] | None:
    depth, commas = 0, [start]
    for place in range(start, len(value)):
        character = value[place]
        if character == BRACE:
            depth += 1
        elif character == COMMA and depth == 1:
            commas.append(place)
        elif character == END:
            depth -= 1
            if depth == 0:
                ends = [*commas[1:], place]
                choices = [value[a + 1 : b] for a, b in zip(commas, ends, strict=True)]
                return (place, choices) if len(choices) > 1 else _sequence(value, start, place)
    return None


def _sequence(value: str, start: int, end: int) -> tuple[int, list[str]] | None:
    bounds = value[start + 1 : end].split("..")
    if len(bounds) not in (2, 3):
        return None
    if not all(bound.lstrip("-").isdigit() for bound in bounds):
        return end, [NUMBER]  # letters, or not a sequence at all: some text
    first, last = int(bounds[0]), int(bounds[1])
    if abs(last - first) >= MOST or len(bounds) == 3:
        return end, [NUMBER]
    step = 1 if last >= first else -1
    return end, [str(number) for number in range(first, last + step, step)]


_SIMPLE = {
    "n": 10, "t": 9, "\\": 92, "'": 39, '"': 34, "?": 63, "a": 7, "b": 8, "e": 27, "E": 27,
    "f": 12, "r": 13, "v": 11,
}  # fmt: skip


def ansi_c(text: str) -> str:
    """Decode the inside of ``$'…'``."""
    made = bytearray()
    place = 0
    while place < len(text):
        character = text[place]
        place += 1
        if character != "\\" or place == len(text):
            made += character.encode()
            continue
        kind = text[place]
        place += 1
        if kind in _SIMPLE:
            made.append(_SIMPLE[kind])
        elif kind in "01234567":
            digits = _digits(text, place - 1, 3, 8)
            place += len(digits) - 1
            made.append(int(digits, 8) & 255)
        elif kind in "xuU" and (digits := _digits(text, place, {"x": 2, "u": 4, "U": 8}[kind], 16)):
            place += len(digits)
            number = int(digits, 16)
            made += bytes([number]) if kind == "x" else chr(min(number, 0x10FFFF)).encode()
        elif kind == "c" and place < len(text):
            made.append(ord(text[place].upper()) & 31)
            place += 1
        else:
            made += b"\\" + kind.encode()
    return bytes(made).partition(b"\0")[0].decode("utf-8", "replace")


def _digits(text: str, place: int, most: int, base: int) -> str:
    digits = "0123456789abcdef"[:base]
    taken = itertools.takewhile(lambda c: c.lower() in digits, text[place : place + most])
    return "".join(taken)
