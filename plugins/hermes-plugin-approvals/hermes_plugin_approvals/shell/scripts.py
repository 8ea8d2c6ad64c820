"""The small languages of `sed`, `awk`, `find` and `jq`: whether a program of theirs only looks."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from hermes_plugin_approvals.shell.effects import Command, Does, Outcome, unknown
from hermes_plugin_approvals.shell.words import Word


def sed_only_edits(script: str) -> bool:
    """Whether a sed script only prints, deletes and substitutes: no file, no command.

    Understands addresses, ``{ }``, the commands ``p d D q Q n N h H g G x l = s y`` and the flags
    ``g i I m M p`` and numbers of ``s``. GNU sed runs a command for ``e`` and writes for ``w``.
    """
    try:
        return _Sed(script).only_edits()
    except IndexError:
        return False


class _Sed:
    def __init__(self, text: str) -> None:
        self.text = text + "\n"
        self.place = 0

    def only_edits(self) -> bool:
        while self.place < len(self.text):
            character = self.text[self.place]
            if character in " \t\n;}":
                self.place += 1
            elif character == "#":
                self.place = self.text.index("\n", self.place)
            elif not self._one():
                return False
        return True

    def _one(self) -> bool:
        if not self._address():
            return False
        self._skip(" \t!")
        command = self.text[self.place]
        self.place += 1
        if command == "{":
            return True
        if command in "sy":
            return self._substitution(command)
        if command in "pdDnNhHgGxlqQ=":
            self._skip(" \t0123456789" if command in "qQl" else " \t")
            return self.text[self.place] in ";\n}"
        return False

    def _address(self) -> bool:
        for _ in range(2):
            character = self.text[self.place]
            if character in "/\\":
                if character == "\\":
                    self.place += 1
                if not self._delimited(self.text[self.place]):
                    return False
                self._skip("IM")
            else:
                self._skip("0123456789$+~")
            self._skip(" \t")
            if self.text[self.place] != ",":
                return True
            self.place += 1
            self._skip(" \t")
        return False

    def _substitution(self, command: str) -> bool:
        delimiter = self.text[self.place]
        if delimiter in "\n\\" or not self._delimited(delimiter):
            return False
        self.place -= 1
        if not self._delimited(delimiter):
            return False
        self._skip("gpiImM0123456789 \t" if command == "s" else " \t")
        return self.text[self.place] in ";\n}"

    def _delimited(self, delimiter: str) -> bool:
        """Move past ``/…/``; brackets are not looked into, which can only make it end early."""
        self.place += 1
        while self.text[self.place] != delimiter:
            if self.text[self.place] == "[" and delimiter == "/":
                pass
            self.place += 2 if self.text[self.place] == "\\" else 1
        self.place += 1
        return self.place < len(self.text)

    def _skip(self, characters: str) -> None:
        while self.text[self.place] in characters:
            self.place += 1


_AWK_VARIABLES = frozenset(
    {"BEGIN", "END", "NF", "NR", "FNR", "FS", "OFS", "RS", "ORS", "FILENAME", "RSTART", "RLENGTH",
     "SUBSEP", "IGNORECASE", "OFMT", "CONVFMT"}
)  # fmt: skip
_AWK_ACTS = frozenset({"system", "getline", "close", "fflush", "nextfile", "include", "load"})


def awk_only_prints(program: str) -> bool:
    """Whether an awk program plainly runs, reads and writes nothing but its input.

    ``>``, ``|`` and ``@`` outside of strings and patterns are enough to say no, which also says no
    to comparisons; so is a name in capitals that is not among the harmless ones (``ARGV`` names
    files to read), and a comment, in which quotes would be no quotes.
    """
    bare = _without_strings(program)
    if bare is None or any(character in bare for character in ">|@`#\\"):
        return False
    names = "".join(c if c.isalnum() or c == "_" else " " for c in bare).split()
    return not any(
        name in _AWK_ACTS or (name != name.lower() and name not in _AWK_VARIABLES) for name in names
    )


def jq_only_reads(program: str) -> bool:
    """Whether a jq program reads nothing but its input: no module, no data of other files."""
    names = "".join(c if c.isalnum() or c in "_$" else " " for c in program).split()
    return not {"import", "include", "$ENV", "env", "input_filename"} & set(names)


def _without_strings(program: str) -> str | None:
    """Take ``"…"`` away. A ``/`` could begin a pattern with a quote in it: then nothing is sure."""
    made: list[str] = []
    place = 0
    while place < len(program):
        character = program[place]
        place += 1
        if character != '"':
            made.append(character)
            continue
        if any("/" in part for part in made):
            return None
        while place < len(program) and program[place] != '"':
            place += 2 if program[place] == "\\" else 1
        if place >= len(program):
            return None
        place += 1
    return "".join(made)


_FIND_TESTS = frozenset(
    {"-name", "-iname", "-path", "-ipath", "-wholename", "-type", "-maxdepth", "-mindepth",
     "-size", "-mtime", "-mmin", "-ctime", "-cmin", "-atime", "-amin", "-regex", "-iregex",
     "-regextype", "-perm", "-user", "-group", "-links", "-printf", "-xtype", "-lname"}
)  # fmt: skip
_FIND_WORDS = frozenset(
    {"-empty", "-not", "!", "-o", "-or", "-a", "-and", "(", ")", ",", "-print", "-print0", "-ls",
     "-prune", "-readable", "-writable", "-executable", "-depth", "-xdev", "-mount", "-quit",
     "-true", "-false", "-daystart", "-nouser", "-nogroup", "-P"}
)  # fmt: skip


def find(arguments: Sequence[Word]) -> Iterator[Outcome]:
    """``find``: looks beneath its folders; ``-exec`` of a command that is understood counts as it.

    A command that is run for what was found gets no link (``-type f``), else it could be led out.
    """
    place = 0
    roots: list[Word] = []
    while place < len(arguments) and not _begins_expression(arguments[place]):
        roots.append(arguments[place])
        place += 1
    roots = [root for root in roots if root.text != "-P"] or [Word((".",))]
    for root in roots:
        yield Does("look", root)
    only_files = any(
        a.text == "-type" and b.text == "f" for a, b in itertools.pairwise(arguments)
    ) and not any(word.text in ("-o", "-or", ",", "!", "-not") for word in arguments)
    while place < len(arguments):
        text = arguments[place].text
        place += 1
        if text in _FIND_TESTS and place < len(arguments):
            place += 1
        elif text in ("-exec", "-execdir", "-ok", "-okdir"):
            inner = []
            while place < len(arguments) and arguments[place].text not in (";", "+"):
                inner.append(arguments[place])
                place += 1
            place += 1
            if text != "-exec" or not only_files or not inner:
                yield unknown("find runs a command for what it finds")
            yield from _for_each(inner, roots)
        elif text == "-delete":
            yield unknown("find deletes what it finds")
            yield Command((Word(("rm",)), Word(("-r",)), *roots))
        elif text not in _FIND_WORDS:
            yield unknown("find has a part that is not known")


def _begins_expression(word: Word) -> bool:
    text = word.text
    return text is not None and ((text.startswith("-") and text != "-P") or text in ("!", "(", ","))


def _for_each(inner: Sequence[Word], roots: Sequence[Word]) -> Iterator[Outcome]:
    if any("{}" in value and value != "{}" for word in inner for value in word.values):
        yield unknown("find makes a command of what it finds")
    words: list[Word] = []
    for word in inner:
        if word.text == "{}":
            words += roots
            for root in roots:
                yield Does("tree", root)
        else:
            words.append(word)
    if words:
        yield Command(tuple(words))
