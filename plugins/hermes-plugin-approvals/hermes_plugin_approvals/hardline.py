"""What no approval lifts: commands that end the machine they run on.

A short list, after Hermes Agent's "hardline": deleting the root, a system folder or the home,
making a file system, writing to a raw disk, a fork bomb, killing every process, switching the
machine off. It is a backstop for a tired "yes" and for ``--yolo``, not the guard: the same can be
said in ways that no list of words finds (base64, a script, another language), and those are asked
about like everything else. It reads commands as words, so it also refuses some that only look
alike. A real parser is work to come.
"""

from __future__ import annotations

import posixpath
import re
import shlex
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from hermes import ToolCall

DEPTH = 4
"""How deep ``sh -c "…"`` and ``$(…)`` are followed."""
LONGEST = 128_000
"""Characters of a command that are read."""

SYSTEM_FOLDERS = frozenset(
    {"/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/opt", "/proc", "/root",
     "/sbin", "/srv", "/sys", "/usr", "/var", "/Applications", "/Library", "/System", "/Users"}
)  # fmt: skip
HOME = re.compile(r"(~[\w.-]*|\$HOME|\$\{HOME\})(/\.?\*?)*\Z")
RAW_DISK = re.compile(r"/dev/(sd|hd|vd|xvd|nvme|mmcblk|disk|rdisk|dm-|md|mapper/)\w*")
FUNCTION = re.compile(r"\(\s*\)\s*\{([^}]{0,400})\}")
OPERATORS = re.compile(r"&&|\|\||\|&|;;|[;|&\n(){}`]|\$\(|<\(|>\(")
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\+?=")
INTERPRETERS = re.compile(r"(python|perl|ruby|node|php)[\d.]*\Z")
SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "ash", "fish", "eval", "su"})
# Programs that run another, each with those of its options that take a word of their own.
WRAPPERS = {
    "sudo": "-u -g -h -p -C -D -R -T -U", "doas": "-u -C", "env": "-u -C -S", "nohup": "",
    "nice": "-n", "ionice": "-c -n -p", "timeout": "-k -s", "time": "", "stdbuf": "-i -o -e",
    "setsid": "", "command": "", "builtin": "", "exec": "-a", "xargs": "-I -n -P -d -L -s -a -E",
    "busybox": "", "toybox": "", "chroot": "", "unshare": "", "watch": "-n", "then": "", "do": "",
    "else": "", "!": "", "if": "", "while": "", "until": "", "pkexec": "", "{": "",
}  # fmt: skip
POWER = frozenset({"shutdown", "reboot", "halt", "poweroff"})
POWER_UNITS = frozenset(
    {"poweroff", "reboot", "halt", "kexec", "soft-reboot", "rescue", "emergency"}
)


def refusal(call: ToolCall) -> str:
    """Say why *call* can never run; empty where it may. Looks at every text of a `run` tool."""
    if "run" not in call.tool.needs:
        return ""
    for text in _texts(call.request.arguments):
        reason = command_refusal(text)
        if reason:
            return reason
    return ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        if value and all(isinstance(each, str) for each in value):
            yield shlex.join(value)
        for each in value:
            yield from _texts(each)


def command_refusal(text: str, depth: int = DEPTH) -> str:
    """Say why the shell command *text* can never run; empty where it may."""
    text = unicodedata.normalize("NFKC", text[:LONGEST]).replace("\\\n", "").replace("\0", "")
    if _is_fork_bomb(text):
        return "it is a fork bomb"
    return _first(_words_refusal(words, depth) for words in _commands(text))


def _is_fork_bomb(text: str) -> bool:
    """Whether a function of *text* runs itself twice at once: ``:(){ :|:& };:``."""
    for function in FUNCTION.finditer(text):
        before = text[max(0, function.start() - 64) : function.start()].rstrip()
        name = re.escape(re.split(r"[\s;&|]", before)[-1])
        if name and re.search(rf"(?<!\w){name}\s*\|\s*{name}\s*&", function[1]):
            return True
    return False


def _commands(text: str) -> Iterator[list[str]]:
    """Split *text* into commands, each into words, as a shell does."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n`")
    lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
    words: list[str] = []
    try:
        for word in lexer:
            if word and set(word) <= set("();|&\n`"):
                yield words
                words = []
            else:
                words.append(word)
        yield words
    except ValueError:  # quotes that do not close
        yield from _without_quotes(text)


def _without_quotes(text: str) -> Iterator[list[str]]:
    """Split at every operator as if nothing were quoted: for what is no shell command."""
    for part in OPERATORS.split(text):
        yield re.sub(r"""["'\\]""", "", part).split()


def _words_refusal(words: list[str], depth: int) -> str:
    for place, word in enumerate(words):
        target = word.lstrip(">&|") or " ".join(words[place + 1 :])
        if word.startswith(">") and RAW_DISK.match(target):
            return "it writes over a raw disk"
        if depth and ("$(" in word or "`" in word):  # runs, even within double quotes
            inner = _first(_words_refusal(each, depth - 1) for each in _without_quotes(word))
            if inner:
                return inner
    words = _unwrapped(words)
    if not words:
        return ""
    program, arguments = posixpath.basename(words[0]), words[1:]
    if program in SHELLS and depth:
        scripts = _scripts(program, arguments)
        return _first(command_refusal(each, depth - 1) for each in scripts)
    if INTERPRETERS.match(program) and depth:
        code = (part for each in arguments for part in _without_quotes(each))
        return _first(_words_refusal(part, depth - 1) for part in code)
    if program == "rm" and _has(arguments, "rR", "--recursive"):
        return _first(_precious(each, "deletes") for each in arguments)
    if program == "find" and ("-delete" in arguments or "rm" in arguments):
        starts = [each for each in arguments[:1] if not each.startswith("-")]
        return _first(_precious(each, "deletes") for each in starts)
    if program in ("chmod", "chown") and _has(arguments, "R", "--recursive"):
        return _first(_precious(each, "changes the owner or mode of") for each in arguments)
    if program.partition(".")[0] in ("mkfs", "mke2fs", "mkswap", "wipefs"):
        return "it makes a file system over what is there"
    if program in ("dd", "shred", "tee", "cp", "blkdiscard", "sgdisk", "sfdisk"):
        return _first(_raw(each) for each in arguments)
    if program == "kill" and "-1" in arguments[1:]:
        return "it kills every process"
    if program in POWER or (program == "systemctl" and POWER_UNITS & set(arguments)):
        return "it switches the machine off or restarts it"
    if program in ("init", "telinit") and {"0", "6"} & set(arguments):
        return "it switches the machine off or restarts it"
    return ""


def _scripts(program: str, arguments: list[str]) -> Iterator[str]:
    """Give what a shell is told to run: the text after ``-c``, and whatever else could be one."""
    if program == "eval":
        yield " ".join(arguments)
    told = any(re.match(r"-\w*c", each) for each in arguments)
    for each in arguments:
        if " " in each or (told and not each.startswith("-")):
            yield each


def _unwrapped(words: list[str]) -> list[str]:
    """Leave off assignments and programs that only run another one."""
    place = 0
    while place < len(words):
        word = posixpath.basename(words[place])
        if ASSIGNMENT.match(words[place]):
            place += 1
        elif word in WRAPPERS:
            taking = WRAPPERS[word].split()
            place += 1
            while place < len(words) and words[place].startswith("-"):
                place += 2 if words[place] in taking else 1
            if word in ("timeout", "chroot") and place < len(words):
                place += 1  # the time or the folder
        else:
            break
    return words[place:]


def _has(arguments: list[str], letters: str, long: str) -> bool:
    """Whether a short option with one of *letters* is among *arguments*, or *long* (or a start)."""
    for each in arguments:
        if each.startswith("--"):
            if len(each) > 3 and long.startswith(each):
                return True
        elif each.startswith("-") and set(letters) & set(each[1:]):
            return True
    return False


def _precious(path: str, does: str) -> str:
    """Say that *path* is the root, a system folder or a home; empty where it is none."""
    if HOME.match(path):
        return f"it {does} the home folder"
    if not path.startswith("/"):
        return ""
    whole = re.sub(r"/\.?\*+\Z", "", path)  # "/etc/*" is as good as "/etc"
    first = posixpath.normpath("/" + whole.lstrip("/") or "/")
    if first == "/" or re.search(r"[*?\[{]", first.split("/")[1]):
        return f"it {does} the root folder"
    if first in SYSTEM_FOLDERS:
        return f"it {does} the system folder {first}"
    return ""


def _raw(argument: str) -> str:
    target = argument.partition("=")[2] if argument.startswith("of=") else argument
    if argument.startswith("if=") or not RAW_DISK.match(target):
        return ""
    return "it writes over a raw disk"


def _first(reasons: Iterable[str]) -> str:
    return next(filter(None, reasons), "")
