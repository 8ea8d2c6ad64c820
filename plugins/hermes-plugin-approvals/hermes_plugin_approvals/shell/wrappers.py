"""Programs that run another command: what they run, and what that adds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from hermes_plugin_approvals.shell.effects import Command, Outcome, Script, runs, unknown
from hermes_plugin_approvals.shell.words import Word, literal

Words = tuple[Word, ...]

HARMLESS = {"timeout": "ks", "nice": "n", "command": "", "builtin": "", "stdbuf": "ioe"}
"""Wrappers that add nothing of their own to what they run, with their options that take a value."""
ADDING = {
    "sudo": "ughpCDRTUrtc", "doas": "uC", "env": "uCS", "nohup": "", "ionice": "cnp", "time": "of",
    "setsid": "", "exec": "a", "xargs": "InPdLsaE", "busybox": "", "toybox": "", "chroot": "",
    "unshare": "", "watch": "n", "pkexec": "", "flock": "w", "taskset": "", "setarch": "",
    "chrt": "", "prlimit": "", "choom": "n", "runuser": "ug", "strace": "eops", "ltrace": "eop",
    "catchsegv": "", "logsave": "", "caffeinate": "", "systemd-run": "", "unbuffer": "",
    "nsenter": "", "cgexec": "g", "firejail": "", "proot": "", "fakeroot": "", "rlwrap": "",
    "parallel": "j", "entr": "", "dbus-run-session": "", "xvfb-run": "", "gosu": "", "su-exec": "",
    "coproc": "", "nsjail": "", "bwrap": "", "script": "", "start-stop-daemon": "xp",
    "run-parts": "", "scriptlive": "", "arch": "", "linux64": "", "linux32": "", "uname26": "",
    "torify": "", "torsocks": "", "proxychains": "", "ssh-agent": "", "sg": "", "chpst": "",
}  # fmt: skip
"""Wrappers that do: what they run is followed for the list of what is refused for ever."""
LEADING = {"timeout": 1, "chroot": 1, "flock": 1, "taskset": 1, "setarch": 1, "chrt": 1,
           "logsave": 1, "gosu": 1, "su-exec": 1, "sg": 1}  # fmt: skip
"""Operands that stand before the command."""
SHELLS = frozenset({"sh", "bash", "zsh", "dash", "ksh", "mksh", "ash", "fish", "rbash", "su"})


def wrapped(name: str, arguments: Words) -> Iterator[Outcome]:
    """Say what a wrapper does."""
    if name in ADDING:
        yield unknown(f"{name} changes how a command runs")
    if name == "env" and not arguments:
        return
    if name == "command" and arguments and arguments[0].text in ("-v", "-V"):
        return
    inner, odd = _inner(name, arguments)
    if odd and name in HARMLESS:
        yield unknown(f"{name} has an option that is not known")
    if name == "env":
        inner = _after_assignments(inner)
        text = _split_string(arguments)
        if text is not None:
            yield Script(text)
    if inner:
        yield Command(inner)
    elif name in HARMLESS:
        yield unknown(f"{name} has nothing to run")


def _inner(name: str, arguments: Words) -> tuple[Words, bool]:
    """Give what is left after options and leading operands, and whether an option is odd."""
    valued = HARMLESS.get(name, ADDING.get(name, ""))
    place, odd = 0, False
    while place < len(arguments):
        text = arguments[place].text
        if text is None or not text.startswith("-") or text == "-":
            break
        place += 1
        if text == "--":
            break
        if text.startswith("--"):
            odd = True
        elif len(text) == 2 and text[1] in valued:
            place += 1
        elif text[1] not in valued and not text[1:].isdigit():
            odd = True
    return arguments[place + LEADING.get(name, 0) :], odd


def _after_assignments(words: Words) -> Words:
    for place, word in enumerate(words):
        if word.text is None or "=" not in word.text:
            return words[place:]
    return ()


def _split_string(arguments: Words) -> str | None:
    """Give the text of ``env -S``, which is split as words are."""
    texts = [word.text or "" for word in arguments]
    for place, text in enumerate(texts):
        if text in ("-S", "--split-string") and place + 1 < len(texts):
            return " ".join(texts[place + 1 :])
        if text.startswith("--split-string="):
            return " ".join([text.partition("=")[2], *texts[place + 1 :]])
        if text.startswith("-") and not text.startswith("--") and "S" in text:
            return " ".join([text.partition("S")[2], *texts[place + 1 :]])
    return None


def shell(name: str, arguments: Words) -> Iterator[Outcome]:
    """``sh -c TEXT`` runs the text; anything else of a shell is not known."""
    texts = [word.text for word in arguments]
    if name == "su":
        yield unknown("su runs a command as somebody else")
    for place, text in enumerate(texts):
        if text is None or not text.startswith("-"):
            break
        if text.startswith("--"):
            continue
        if "c" in text:
            if set(text[1:]) - set("clue") or len(arguments) <= place + 1:
                yield unknown(f"{name} has an option that is not known")
            script = next((t for t in texts[place + 1 :] if t is None or t[:1] != "-"), None)
            if script is None:
                yield unknown(f"the text that {name} runs is not known before it runs")
            else:
                yield Script(script)
            return
    if texts in (["--version"], ["-V"]):
        return
    yield runs(f"{name} runs a script or what it is sent")
    for text in texts:
        if text is not None and " " in text:
            yield Script(text)


def evaluated(arguments: Words) -> Iterator[Outcome]:
    """``eval``."""
    yield unknown("it evaluates a text")
    if all(len(word.values) == 1 for word in arguments):
        yield Script(" ".join(literal(word.values[0]) for word in arguments))


def code(name: str, arguments: Words) -> Iterator[Outcome]:
    """An interpreter: its code is not read, but for what looks like commands in its strings."""
    yield runs(f"{name} runs code")
    for word in arguments:
        if word.text:
            for text in quoted(word.text):
                yield Script(text)


def quoted(text: str) -> Sequence[str]:
    """Give the strings in a piece of code that could be commands: those with a blank in them."""
    found: list[str] = []
    place = 0
    while place < len(text) and len(found) < 20:
        mark = text[place]
        place += 1
        if mark not in "'\"`":
            continue
        end = text.find(mark, place)
        if end < 0:
            break
        inside = text[place:end]
        if " " in inside.strip():
            found.append(inside)
        place = end + 1
    return found


Judge = Callable[[str, Words], Iterator[Outcome]]
