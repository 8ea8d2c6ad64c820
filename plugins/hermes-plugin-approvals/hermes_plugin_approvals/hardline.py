"""What no approval lifts: commands that end the machine they run on.

A short list, after Hermes Agent's "hardline": deleting the root, a system folder or the home,
making a file system, writing to a raw disk, a fork bomb, killing every process, switching the
machine off. It is a backstop for a tired "yes" and for ``--yolo``, not the guard: the same can be
said in ways that no list finds (base64, a script, another language), and those are asked about
like everything else. It judges commands as the parser read them, whatever runs them: `sudo`,
``sh -c``, ``find -exec``, a string in another language's code.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from hermes_plugin_approvals.shell.walk import Ran, Reading
from hermes_plugin_approvals.shell.words import CLOSE, MARK, OPEN, PLAIN, SOMEBODY, STAR, Word

SYSTEM_FOLDERS = frozenset(
    {"/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib32", "/lib64", "/opt", "/proc", "/root",
     "/sbin", "/srv", "/sys", "/usr", "/var", "/Applications", "/Library", "/System", "/Users"}
)  # fmt: skip
RAW_DISKS = ("sd", "hd", "vd", "xvd", "nvme", "mmcblk", "disk", "rdisk", "dm-", "md", "mapper/")
POWER = frozenset({"shutdown", "reboot", "halt", "poweroff"})
POWER_UNITS = frozenset(
    {"poweroff", "reboot", "halt", "kexec", "soft-reboot", "rescue", "emergency"}
)
OVER_A_DISK = frozenset({"dd", "shred", "tee", "cp", "blkdiscard", "sgdisk", "sfdisk"})


def refusal(reading: Reading, home: str) -> str:
    """Say why what was read can never run; empty where it may. *home* is the person's."""
    if reading.bombs:
        return "it is a fork bomb"
    for path in reading.writes_to:
        if _is_raw(path):
            return "it writes over a raw disk"
    return _first(_command(ran, home) for ran in reading.commands)


def _command(ran: Ran, home: str) -> str:
    program = posixpath.basename(ran.words[0].text or "")
    arguments = ran.words[1:]
    texts = [word.text or "" for word in arguments]
    if program in ("rm", "unlink", "srm"):
        return _precious(arguments, ran, home, "deletes")
    if program in ("chmod", "chown") and _has(texts, "R", "--recursive"):
        return _precious(arguments, ran, home, "changes the owner or mode of")
    if program.partition(".")[0] in ("mkfs", "mke2fs", "mkswap", "wipefs"):
        return "it makes a file system over what is there"
    if program in OVER_A_DISK and any(_is_target(value) for w in arguments for value in w.values):
        return "it writes over a raw disk"
    if program == "kill" and "-1" in texts[1:]:
        return "it kills every process"
    if program in POWER or (program == "systemctl" and POWER_UNITS & set(texts)):
        return "it switches the machine off or restarts it"
    if program in ("init", "telinit") and {"0", "6"} & set(texts):
        return "it switches the machine off or restarts it"
    return ""


def _has(texts: Iterable[str], letters: str, long: str) -> bool:
    """Whether a short option with one of *letters* is among *texts*, or *long* (or a start)."""
    for each in texts:
        if each.startswith("--"):
            if len(each) > 3 and long.startswith(each):
                return True
        elif each.startswith("-") and set(letters) & set(each[1:]):
            return True
    return False


def _precious(words: Sequence[Word], ran: Ran, home: str, does: str) -> str:
    """Say that one of *words* is the root, a system folder or a home; empty where none is."""
    for word in words:
        for value in word.values:
            for folder in ran.folders if value[:1] not in ("/", SOMEBODY) else ("",):
                said = _precious_path(f"{folder.rstrip('/')}/{value}" if folder else value, home)
                if said:
                    return f"it {does} {said}"
    return ""


def _precious_path(path: str, home: str) -> str:
    whole = path.rstrip("/")
    while whole.rpartition("/")[2].strip("." + STAR) == "" and STAR in whole.rpartition("/")[2]:
        whole = whole.rpartition("/")[0]  # "/etc/*" and "/etc/.*" are as good as "/etc"
    if whole.startswith(SOMEBODY):
        return "the home folder" if "/" not in whole else ""
    first = posixpath.normpath("/" + whole.lstrip("/"))
    if home and first == posixpath.normpath(home):
        return "the home folder"
    if not path.startswith("/"):
        return ""
    if first == "/" or any(mark in first.split("/")[1] for mark in (STAR, MARK, OPEN, CLOSE)):
        return "the root folder"
    return f"the system folder {first}" if first in SYSTEM_FOLDERS else ""


def _is_target(value: str) -> bool:
    """Whether a word of `dd` and the like is a raw disk that is written to."""
    if value.startswith("if="):
        return False
    return _is_raw(value.removeprefix("of="))


def _is_raw(path: str) -> bool:
    plain = "".join(PLAIN.get(character, character) for character in path)
    name = posixpath.normpath(plain).removeprefix("//").removeprefix("/")
    return name.startswith("dev/") and name[4:].startswith(RAW_DISKS)


def _first(reasons: Iterable[str]) -> str:
    return next(filter(None, reasons), "")
