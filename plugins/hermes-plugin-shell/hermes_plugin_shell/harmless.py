"""Which commands may overlap: those whose text shows only programs known to change nothing.

This decides about order and nothing else. It is no permission and policy must not use it: a
function or alias of the session may stand behind a known name, and that two runs overlap is then
the whole damage. So it errs on the side of "alone": whatever is not plainly one of the words,
separators and programs here changes something.

The words are plain ones, without expansion of any kind (no ``$``, backquote, glob, brace, tilde),
or quoted strings in which nothing is expanded. The only redirections are to and from
``/dev/null`` and of errors to output.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

_TOKEN = re.compile(
    r"""
    [ \t]*
    (?:
        (?P<separator> && | \|\| | ; | \| | \n )
      | (?P<redirection> (?: (?: [12]? > | &> | < ) [ \t]* /dev/null | 2>&1 ) (?= [\s;|] | $ ) )
      | (?P<word> (?: [A-Za-z0-9_./=:@%+,-]+ | '[^'\n]*' | "[^"$`\\!\n]*" )+ )
      | (?P<end> $ )
    )
    """,
    re.VERBOSE,
)


def harmless(command: str) -> bool:
    """Whether *command* plainly changes nothing."""
    simple = list(_commands(command.strip()))
    return bool(simple) and all(words and _changes_nothing(words) for words in simple)


def _commands(command: str) -> Iterator[list[str]]:
    """Give the words of each simple command; an empty list for what is not understood."""
    words: list[str] = []
    position = 0
    while position < len(command):
        token = _TOKEN.match(command, position)
        if token is None or token.end() == position:
            yield []
            return
        position = token.end()
        if token["word"] is not None:
            words.append(token["word"])
        elif token["separator"] is not None:
            if words or token["separator"] not in (";", "\n"):
                yield words
            words = []
    if words:
        yield words


def _changes_nothing(words: Sequence[str]) -> bool:
    check = PROGRAMS.get(words[0])
    return check is not None and check([_unquoted(word) for word in words[1:]])


def _unquoted(word: str) -> str:
    return word.replace("'", "").replace('"', "")


Check = Callable[[Sequence[str]], bool]


def _any(arguments: Sequence[str]) -> bool:
    return True


def _without(*prefixes: str) -> Check:
    """No argument begins with one of *prefixes*."""
    return lambda arguments: not any(argument.startswith(prefixes) for argument in arguments)


def _only(pattern: str) -> Check:
    """Every argument matches *pattern* whole."""
    compiled = re.compile(pattern)
    return lambda arguments: all(compiled.fullmatch(argument) for argument in arguments)


def _git(arguments: Sequence[str]) -> bool:
    """Reading subcommands; ``--output`` (shortened too) would write a file."""
    reading = ("status", "log", "diff", "show", "blame", "ls-files", "rev-parse", "describe")
    return bool(arguments) and arguments[0] in reading and _without("--ou", "--ext")(arguments[1:])


READERS = (
    "basename cat cmp cut diff dirname du df echo egrep false fgrep free grep head id jq ls"
    " md5sum nproc printenv ps pwd readlink realpath seq sha256sum sleep stat tail tr true"
    " uname uptime wc which whoami"
)
PROGRAMS: dict[str, Check] = {
    **dict.fromkeys(
        READERS.split(),
        _any,
    ),
    "date": _only(r"\+.*|-u|-R|-I\w*|--utc"),  # with anything else it may set the clock
    "file": _without("-C", "--c"),
    "find": _without("-exec", "-ok", "-delete", "-fprint", "-fls"),
    "git": _git,
    "rg": _without("--pre", "--hostname"),
    "sort": _only(r"-[bdfghnruVk0-9.,]+|[^-].*"),  # -o writes
    "uniq": _only(r"-[cdiu]+"),  # its second operand is written
}
