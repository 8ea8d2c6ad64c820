"""What went wrong at the other end, in words that a model can act on."""

from __future__ import annotations

from hermes import TerminalError
from hermes_plugin_remote.channel import LostError
from hermes_plugin_remote.envelope import Marks


def ending(marks: Marks) -> tuple[int, int, str]:
    """Read how the command ended: exit code, what became of its environment, directory."""
    code, kept, directory = marks.said["end"].split(" ", 2)
    return int(code), int(kept), directory


def refusal(place: str, identity: str, marks: Marks) -> TerminalError | None:
    """Say why the envelope ran nothing, if it did not."""
    if "elsewhere" in marks.said:
        return elsewhere(place, identity, marks.said["elsewhere"])
    gone = marks.said.get("gone")
    if gone is None:
        return None
    if gone == "folder":
        return TerminalError(
            f"{place} was restarted or replaced: the environment and directory of earlier commands"
            " are gone, and maybe files. Nothing was run; the next command starts anew"
        )
    if gone == "environment":
        return TerminalError(f"{place}: the environment to start from is gone; start from another")
    if gone == "directory":
        return TerminalError(f"{place}: no such directory to start in. Nothing was run")
    return TerminalError(f"{place}: {gone}. Nothing was run")


def elsewhere(place: str, asked: str, found: str) -> TerminalError:
    """Say that another machine answered."""
    before, now = asked.partition("/")[0], found.partition("/")[0]
    said = f"was {before}, answers as {now}" if before != now else f"another one called {now}"
    return TerminalError(
        f"{place} is not the machine that this terminal was opened on ({said})."
        " Nothing was run. If the change is meant, begin a new conversation"
    )


def unknown(marks: Marks, error: LostError) -> TerminalError:
    """Say that nobody knows how the command ended."""
    said = "it had started; how it ended is not known" if marks.began else "it may have started"
    return TerminalError(
        f"{error}: {said}. It was not run again, and nowhere else; what is left of it ends before"
        " the next command. Look before you repeat it"
    )


def late(place: str, seconds: float) -> TerminalError:
    """Say that the time was over before the other end was reached."""
    return TerminalError(
        f"{place}: not reached within {seconds:g} s. Should the command have started, it ends"
        " before the next one"
    )


def silent(place: str, marks: Marks, errors: bytes) -> TerminalError:
    """Say that no bash answered, and what was said instead."""
    lines = (marks.noise + b"\n" + errors).decode("utf-8", "replace").strip().splitlines()
    return TerminalError(
        f"{place}: bash did not start: {lines[-1][:300] if lines else 'it said nothing'}"
    )
