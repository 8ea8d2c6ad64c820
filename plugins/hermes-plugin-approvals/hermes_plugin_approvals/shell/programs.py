"""What programs do with their arguments: the ones that are known.

An entry is sure of what it says: options that are not listed, and programs that are not here, are
asked about. So it is a list of what is harmless, never one of what is dangerous.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hermes_plugin_approvals.shell import network, scripts, wrappers
from hermes_plugin_approvals.shell.effects import (
    Command,
    Does,
    Kind,
    Outcome,
    Script,
    runs,
    unknown,
)
from hermes_plugin_approvals.shell.git import git
from hermes_plugin_approvals.shell.options import Misfit, Options, parse
from hermes_plugin_approvals.shell.words import Word

Words = tuple[Word, ...]
SYSTEM_FOLDERS = frozenset({"/bin", "/usr/bin", "/usr/local/bin", "/sbin", "/usr/sbin"})


class Known(NamedTuple):
    """A program whose operands are all of one kind."""

    options: Options
    kind: Kind | None = None
    """What it does with each operand; None: it is mere text."""
    default: bool = False
    """Without an operand it is the folder that it runs in."""
    most: int | None = None
    """Operands that it takes at most; a further one would be written, or something else."""
    text: int = 0
    """First operands that are mere text."""


ANY = Options(any=True)


def _known(names: str, known: Known) -> dict[str, Known]:
    return dict.fromkeys(names.split(), known)


KNOWN: dict[str, Known] = {
    **_known(
        "echo true false : pwd whoami id uname arch nproc uptime free groups tty users sleep"
        " basename dirname expr yes getconf logname factor lscpu printenv type which"
        " exit return break continue times seq locale lsblk tr numfmt cal"
        " w vmstat lsmod pgrep pidof",
        Known(ANY),
    ),
    **_known(
        "cat head tail wc nl tac rev cut paste join comm fold fmt expand unexpand cmp"
        " md5sum sha1sum sha224sum sha256sum sha384sum sha512sum b2sum cksum sum base64 base32"
        " od zcat bzcat xzcat",
        Known(ANY, "read"),
    ),
    **_known("stat dir du df readlink realpath test [", Known(ANY, "look")),
    "ls": Known(ANY, "look", default=True),
    "diff": Known(
        Options(
            flags="uNqwbiBacydp", valued="UCW",
            long="unified= brief side-by-side ignore-all-space color= color ignore-case"
            " ignore-blank-lines width= context= report-identical-files text",
        ),
        "read",
    ),
    "hexdump": Known(Options(flags="Cbcdoxv", valued="ns"), "read"),
    "strings": Known(Options(flags="a", valued="nt", long="all bytes= radix="), "read"),
    "wait": Known(Options(), most=0),
    "jobs": Known(Options(flags="lnprs"), most=0),
    "column": Known(Options(flags="tnxeLJ", valued="sNoRHWcldr"), "read"),
    "date": Known(Options(flags="uRI", valued="d", long="utc iso-8601 iso-8601= rfc-3339= date=")),
    "hostname": Known(Options(flags="fsidAI"), most=0),
    "env": Known(Options(), most=0),
    "set": Known(Options(flags="eux"), most=0),
    "file": Known(Options(flags="bikLhzN", long="brief mime mime-type mime-encoding"), "read"),
    "tree": Known(
        Options(flags="adfpsuhDFCrtn", valued="LIP", long="dirsfirst noreport gitignore du"),
        "look", default=True,
    ),
    "less": Known(Options(), "read"),
    "more": Known(Options(), "read"),
    "sort": Known(
        Options(
            flags="bdfghinrRVucCsMz", valued="ktS",
            long="numeric-sort reverse unique key= field-separator= human-numeric-sort"
            " version-sort ignore-case general-numeric-sort stable check zero-terminated",
        ),
        "read",
    ),
    "uniq": Known(
        Options(flags="cdDuiz", valued="fsw", long="count repeated unique ignore-case"),
        "read", most=1,
    ),
    "shuf": Known(Options(flags="erz", valued="ni"), "read"),
    "xxd": Known(Options(flags="puib", valued="lscgo"), "read", most=1),
    "jq": Known(
        Options(
            flags="rcsneSMCaj",
            long="raw-output compact-output slurp null-input exit-status sort-keys tab color-output"
            " monochrome-output raw-input join-output",
        ),
        "read", text=1,
    ),
    "zipinfo": Known(Options(flags="12slmvhtzT"), "read", most=1),
    "docker": Known(Options(flags="aq", long="all quiet")),
}  # fmt: skip
"""By name. `docker` and others with commands of their own are in `judge`."""

CHANGING: dict[str, Known] = {
    "mkdir": Known(Options(flags="pv", valued="m", long="parents verbose mode="), "write"),
    "touch": Known(Options(flags="acm", valued="dt", long="no-create date="), "write"),
    "tee": Known(Options(flags="a", long="append"), "write"),
    "truncate": Known(Options(flags="c", valued="s", long="size= no-create"), "write"),
    "rmdir": Known(Options(flags="pv"), "write"),
}
"""Programs that make or change just the files that they name."""

_GREP = Options(
    flags="ivnclLoqswxzHhEFGPraIUZTbyR",
    valued="mABCdDe",
    files="f",
    long="regexp= max-count= after-context= before-context= context= color color= colour= include="
    " exclude= exclude-dir= line-number ignore-case recursive count files-with-matches"
    " files-without-match only-matching word-regexp line-regexp invert-match fixed-strings"
    " extended-regexp perl-regexp basic-regexp with-filename no-filename quiet silent text null"
    " no-messages binary-files= line-buffered help version",
    numbers=True,
)
_RG = Options(
    flags="inlcwvFSsoHNIPxUa0pqLh.u",
    valued="gtTABCmeMdE",
    files="f",
    long="files glob= type= type-not= regexp= ignore-case smart-case case-sensitive line-number"
    " no-line-number files-with-matches files-without-match count count-matches word-regexp"
    " fixed-strings only-matching hidden no-ignore no-heading heading color= context="
    " after-context= before-context= max-count= max-depth= sort= multiline no-filename"
    " with-filename json invert-match max-columns= type-list stats trim vimgrep version",
)
VERSIONED = frozenset(
    {
     "python", "python3", "node", "gcc", "g++", "cc", "clang", "make",
     "cmake", "docker", "kubectl", "pip", "pip3", "ruby", "perl", "git",
     "bash", "zsh", "sh", "curl", "wget", "ssh", "tar", "rg",
     "jq", "sed", "awk", "gawk", "grep", "find", "gh", "psql",
     "sqlite3", "redis-cli", "ffmpeg", "openssl", "gpg", "vim", "nvim", "tmux",
     "ninja", "systemctl", "rsync",
    }
)  # fmt: skip
"""Programs that with ``--version`` alone do nothing but say it, whatever
lies in the folder: `cargo`, `yarn`, `go` or `pytest` would run what a file of it names."""
_VERSION = frozenset({"--version", "-V", "-version"})
CODE = frozenset(
    [
        "python",
        "python2",
        "python3",
        "pypy",
        "pypy3",
        "perl",
        "ruby",
        "node",
        "nodejs",
        "deno",
        "bun",
        "php",
        "lua",
        "luajit",
        "tclsh",
        "expect",
        "Rscript",
        "julia",
        "osascript",
        "pwsh",
        "powershell",
        "gdb",
        "ghci",
        "scala",
        "groovy",
        "elixir",
        "erl",
        "guile",
        "racket",
        "sqlite3",
        "psql",
        "mysql",
        "ed",
        "ex",
        "vi",
        "vim",
        "nvim",
        "emacs",
        "nano",
        "ipython",
    ]
)


def judge(name: str, arguments: Words) -> Iterator[Outcome]:
    """Say what the program *name* does with *arguments*."""
    folder, _, base = name.rpartition("/")
    if folder or name.startswith("/"):
        if _normal(folder) not in SYSTEM_FOLDERS:
            yield runs(f"it runs the file {name}")
            return
    if base in VERSIONED and len(arguments) == 1 and arguments[0].text in _VERSION:
        return
    try:
        yield from _judge(base, arguments)
    except Misfit as misfit:
        yield unknown(f"{base}: {misfit}")


def _normal(folder: str) -> str:
    steps = [step for step in folder.split("/") if step not in ("", ".")]
    return "" if ".." in steps or not folder.startswith("/") else "/" + "/".join(steps)


def _judge(name: str, arguments: Words) -> Iterator[Outcome]:
    if name in KNOWN and not (name == "env" and arguments) and name != "docker":
        yield from _plain(name, arguments, KNOWN[name])
    elif name in CHANGING:
        yield from _plain(name, arguments, CHANGING[name])
    elif name in SPECIAL:
        yield from SPECIAL[name](arguments)
    elif name in wrappers.HARMLESS or name in wrappers.ADDING:
        yield from wrappers.wrapped(name, arguments)
    elif name in wrappers.SHELLS:
        yield from wrappers.shell(name, arguments)
    elif name in CODE or name.rstrip("0123456789.") in CODE:
        yield from wrappers.code(name, arguments)
    elif name in network.PROGRAMS:
        yield from network.judge(name, arguments)
    elif _listed(name, [word.text for word in arguments]):
        return
    else:
        yield runs(f"{name} is not a program that is known to be harmless")


def _plain(name: str, arguments: Words, known: Known) -> Iterator[Outcome]:
    parsed = parse(arguments, known.options)
    operands = parsed.operands[known.text :]
    if name == "set" and any(word.text == "-o" for word in arguments):
        raise Misfit("its option -o is not known")
    if name in ("test", "["):
        yield from _test(arguments)
        operands = ()
    if name == "date" and any(not (w.text or "").startswith("+") for w in operands):
        raise Misfit("it could set the clock")
    if name == "jq" and not scripts.jq_only_reads((parsed.operands or (Word(),))[0].text or "env"):
        raise Misfit("its program may read more than its input")
    if name == "strings" and any(v.startswith("@") for w in operands for v in w.values):
        raise Misfit("a file of options is not understood")
    if known.most is not None and len(operands) > known.most:
        raise Misfit("it has more operands than are understood")
    if known.kind is None:
        return
    for word in (*operands, *parsed.files):
        if word.text != "-":
            yield Does(known.kind, word)
    if known.default and not operands:
        yield Does(known.kind, Word((".",)))
    if known.options.any:
        yield from _hidden_files(arguments, known.kind)


def _hidden_files(arguments: Words, kind: Kind) -> Iterator[Outcome]:
    """An option with ``=`` may name a file, as ``--files0-from=`` does."""
    for word in arguments:
        for value in word.values:
            if value.startswith("-") and "=" in value and value.partition("=")[2]:
                yield Does(kind, Word((value.partition("=")[2],)))


def _test(arguments: Words) -> Iterator[Outcome]:
    """``test`` and ``[``: ``-v`` calculates an index, the rest only looks."""
    known = [word.text for word in arguments]
    if any(text in ("-v", "-R") for text in known) or (known and known[0] is None):
        if "-v" in known or "-R" in known or len([t for t in known if t != "]"]) == 2:
            yield unknown("test calculates an index")


def _printf(arguments: Words) -> Iterator[Outcome]:
    if not arguments or not all(v for v in arguments[0].values) or not arguments[0].values:
        yield unknown("the format of printf is not known")
    elif any(value.startswith("-") and value != "--" for value in arguments[0].values):
        yield unknown("printf sets a variable")


def _sed(arguments: Words) -> Iterator[Outcome]:
    options = Options(
        flags="nrEszu", valued="e", long="quiet silent regexp-extended expression= null-data"
    )
    inplace = [w for w in arguments if w.text in ("-i", "--in-place")]
    rest = tuple(word for word in arguments if word not in inplace)
    parsed = parse(rest, options)
    given = [b.text for a, b in itertools.pairwise(rest) if a.text in ("-e", "--expression")]
    bundled = [
        w.text for w in rest
        if (w.text or "").startswith(("-e", "--expression=", "-ne", "-Ee", "-re"))
        and w.text not in ("-e", "--expression")
    ]  # fmt: skip
    if bundled:
        raise Misfit("its script is not understood")
    operands = parsed.operands
    if not {"e", "expression"} & parsed.flags:
        given, operands = [operands[0].text if operands else None], operands[1:]
    if not given or not all(t is not None and scripts.sed_only_edits(t) for t in given):
        yield unknown("its sed script may do more than edit text")
    for word in operands:
        yield Does("write" if inplace else "read", word)


def _awk(arguments: Words) -> Iterator[Outcome]:
    parsed = parse(arguments, Options(valued="F"), permute=False)
    program = parsed.operands[0].text if parsed.operands else None
    if program is None or not scripts.awk_only_prints(program):
        yield unknown("its awk program may do more than print")
    if program:
        for text in wrappers.quoted(program):
            yield Script(text)
    for word in parsed.operands[1:]:
        if any("=" in value for value in word.values):
            yield unknown("awk is given a variable")
        yield Does("read", word)


def _grep(arguments: Words) -> Iterator[Outcome]:
    parsed = parse(arguments, _GREP)
    operands = parsed.operands
    if not {"e", "f", "regexp"} & parsed.flags:
        operands = operands[1:]
    for word in parsed.files:
        yield Does("read", word)
    if "R" in parsed.flags:
        yield unknown("grep -R follows links")
    whole = bool({"r", "recursive", "R"} & parsed.flags)
    for word in operands or ((Word((".",)),) if whole else ()):
        if word.text != "-":
            yield Does("tree" if whole else "read", word)


def _rg(arguments: Words) -> Iterator[Outcome]:
    parsed = parse(arguments, _RG)
    if "L" in parsed.flags:
        yield unknown("rg -L follows links")
    listing = {"files", "type-list"} & parsed.flags
    operands = parsed.operands
    if not listing and not {"e", "f", "regexp"} & parsed.flags:
        operands = operands[1:]
    for word in parsed.files:
        yield Does("read", word)
    for word in operands or (Word((".",)),):
        if word.text != "-":
            yield Does("look" if listing else "tree", word)


def _copy(arguments: Words) -> Iterator[Outcome]:
    """``cp``: reads all but the last, writes the last; what keeps links could make one."""
    parsed = parse(arguments, Options(flags="vnfp", long="verbose no-clobber force"))
    if len(parsed.operands) < 2:
        raise Misfit("it lacks an operand")
    for word in parsed.operands[:-1]:
        yield Does("read", word)
    yield Does("write", parsed.operands[-1])


def _move(arguments: Words) -> Iterator[Outcome]:
    parsed = parse(arguments, Options(flags="vnf", long="verbose no-clobber force"))
    for word in parsed.operands:
        yield Does("write", word)


def _remove(arguments: Words) -> Iterator[Outcome]:
    yield unknown("it deletes")


def _tar(arguments: Words) -> Iterator[Outcome]:
    """Listing an archive only."""
    texts = [word.text or "?" for word in arguments]
    letters = texts[0].lstrip("-") if texts else ""
    listing = "t" in letters and not set(letters) - set("tvfzjJ") and letters.endswith("f")
    if not listing or len(texts) != 2 or texts[1].startswith("-") or ":" in texts[1]:
        yield runs("tar may write files or run a program")
        return
    yield Does("read", arguments[1])


def _unzip(arguments: Words) -> Iterator[Outcome]:
    texts = [word.text or "?" for word in arguments]
    if len(texts) != 2 or texts[0] not in ("-l", "-v", "-Z", "-t"):
        yield runs("unzip writes files")
        return
    yield Does("read", arguments[1])


SPECIAL = {
    "printf": _printf, "sed": _sed, "awk": _awk, "gawk": _awk, "mawk": _awk, "nawk": _awk,
    "grep": _grep, "egrep": _grep, "fgrep": _grep, "rg": _rg, "cp": _copy, "mv": _move,
    "rm": _remove, "unlink": _remove, "find": scripts.find, "git": git, "tar": _tar,
    "unzip": _unzip, "eval": wrappers.evaluated,
}  # fmt: skip

_LISTED = {
    "npm": {"-v"},
    "node": {"-v"},
    "ps": {
        "",
        "aux",
        "ax",
        "axu",
        "auxf",
        "auxww",
        "axf",
        "-ef",
        "-e",
        "-A",
        "-eF",
        "-p *",
        "-u *",
    },
    "docker": {"ps", "ps -a", "images", "version", "info", "volume ls", "network ls"},
    "systemctl": {"status *", "is-active *", "is-enabled *", "list-units", "--failed"},
    "command": {"-v *", "-V *"},
    "brew": {"list", "--version"},
    "apt": {"list --installed"},
    "dpkg": {"-l", "-l *", "-s *", "-L *"},
    "rpm": {"-qa"},
    "nvidia-smi": {""},
    "top": {"-bn1", "-b -n 1", "-b -n1"},
    "ip": {"a", "addr", "addr show", "route", "link", "r"},
    "ifconfig": {""},
    "ss": {"-tlnp", "-tln", "-tulpn", "-tuln", "-lntp", "-ltn"},
    "netstat": {"-tlnp", "-tulpn", "-an", "-rn"},
    "lsof": {"-i"},
    "umask": {""},
    "ulimit": {"-a", "-n"},
    "shopt": {"", "-p"},
    "alias": {""},
    "set": {"-o pipefail", "-eo pipefail", "-euo pipefail", "-euxo pipefail", "-e -o pipefail"},
    "crontab": {"-l"},
    "history": {""},
}
"""Whole commands that only look, of programs that can do much more. ``*``: one name."""


def _listed(name: str, texts: Sequence[str | None]) -> bool:
    if not all(text is not None for text in texts):
        return False
    wanted = _LISTED.get(name, set())
    whole = " ".join(text or "" for text in texts)
    if whole in wanted:
        return True
    last = texts[-1] if texts else None
    plain = last is not None and not last.startswith("-") and "/" not in last and " " not in last
    return plain and f"{' '.join(text or '' for text in texts[:-1])} *" in wanted


__all__ = ["Command", "judge"]
