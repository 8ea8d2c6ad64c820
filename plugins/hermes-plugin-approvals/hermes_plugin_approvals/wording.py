"""What a person is shown before they decide, and what a model is told when it may not."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any

from hermes import Reply, ToolCall
from hermes_plugin_approvals.judging import Judgement
from hermes_plugin_approvals.sources import own, untrusted

SHOWN = 4000
"""Characters of one argument that a question shows."""
REASONS = 5
"""Reasons that it lists."""
NAMED = 8
"""Sources that it names, of each kind."""
NEEDS = {
    "read": "read",
    "write": "change files",
    "run": "run commands",
    "network": "use the network",
    "send": "send messages",
    "spend": "spend money",
    "configure": "change Hermes's settings",
}


def question(
    call: ToolCall,
    redact: Callable[[str], str],
    judgement: Judgement,
    rule: str = "",
    asker: str = "",
    *,
    sources: bool = True,
) -> str:
    """Say what would run: all of it, or how much is not shown; where; and why it is asked about."""
    needs = judgement.needs if judgement.understood else call.tool.needs
    wants = ", ".join(NEEDS.get(need, need) for need in NEEDS if need in needs)
    lines = [f"{call.request.tool} wants to {wants or 'run'}:"]
    lines += [f"  {line}" for line in redact(subject(call)).splitlines()]
    lines.append(f"in {where(call)}")
    reasons = [*([rule] if rule else []), *judgement.objections]
    if reasons:
        more = f" (and {len(reasons) - REASONS} more)" if len(reasons) > REASONS else ""
        said = "; ".join(visible(reason) for reason in reasons[:REASONS])
        lines.append(cut(redact(f"Asked because: {said}{more}"), SHOWN))
    if asker:
        lines.append(f"NOT YOUR WORDS: this stands in the text from {visible(asker)}.")
    return "\n".join([*lines, *(whose(call) if sources else ())])


def whose(call: ToolCall) -> list[str]:
    """Name whose text the model had read, in lines of a question."""
    lines = []
    read = call.request.sources[::-1]  # what was read last stands first
    if strangers := untrusted(read):
        lines.append(f"Not only you: the model had read text from {_listed(strangers)}.")
    if here := own(read):
        lines.append(f"It had read, of this machine: {_listed(here)}.")
    return lines


def whole(call: ToolCall) -> str:
    """Write out all the arguments, however long."""
    return "\n".join(f"{name}: {value}" for name, value in call.request.arguments.items())


def _listed(sources: Sequence[str]) -> str:
    shown = ", ".join(cut(visible(source), 200) for source in sources[:NAMED])
    return f"{shown} and {len(sources) - NAMED} more" if len(sources) > NAMED else shown


def subject(call: ToolCall) -> str:
    """Write out the arguments, each on lines of its own; a lone command stands bare."""
    arguments = call.request.arguments
    if list(arguments) == ["command"]:
        return cut(visible(str(arguments["command"])), SHOWN)
    return "\n".join(f"{visible(name)}: {_value(value)}" for name, value in arguments.items())


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = cut(visible(text), SHOWN)
    return "\n" + text if "\n" in text else text


def where(call: ToolCall) -> str:
    """Name backend and directory."""
    directory = call.request.directory or call.request.session.directory
    return visible(f"{call.request.backend or 'no terminal'}:{directory or '(no folder)'}")


def visible(text: str) -> str:
    """Show what would not be seen: control, formatting and direction characters as escapes.

    A command that a terminal displays as another one is the oldest way to a wrong "yes".
    """
    return "".join(
        c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}"
        for c in text.replace("\r\n", "\n").replace("\t", "    ")
    )  # fmt: skip


def cut(text: str, limit: int) -> str:
    """Keep head and tail of what is too long, and say how much is not shown."""
    if len(text) <= limit:
        return text
    head = limit * 3 // 4
    tail = limit - head
    return f"{text[:head]}\n[… {len(text) - limit} characters not shown …]\n{text[-tail:]}"


def denied(call: ToolCall, reply: Reply) -> str:
    """Tell the model that a person said no, or nothing."""
    tool = call.request.tool
    reason = f": {reply.text}" if reply.text else "."
    who = f"by {reply.by}" if reply.by else "(no answer)"
    return (
        f"{tool} was denied {who}{reason} It did not run. Do not try the same thing another way;"
        " go on without it, or ask what to do instead."
    )


def nobody(call: ToolCall, objections: Sequence[str] = (), rule: str = "") -> str:
    """Tell the model, and so its reader, why nobody was asked and what would mend it."""
    needs = ", ".join(sorted(call.tool.needs))
    why = "".join(f"; {visible(reason)}" for reason in ([rule] if rule else objections[:2]))
    if call.authority.yolo and not rule:  # which allows everything but what nobody can read
        return f"{call.request.tool} was denied: nobody can tell what it would do{why}."
    return (
        f"{call.request.tool} was denied: it needs approval ({needs}{why}) and nobody can be asked"
        f" here ({call.authority.surface}). To allow it: give the job an allowance that covers"
        " it (hermes grants give), start with --yolo, or do this where a person can answer."
    )


def ruled_out(call: ToolCall, why: str) -> str:
    """Tell the model that the person's own rules forbid it."""
    return f"{call.request.tool} was refused: {why}. It did not run. Go on without it."


def unknown_context(call: ToolCall, what: str) -> str:
    """Tell that a call came from nobody in particular: a fault of whoever made it."""
    return f"{call.request.tool} was denied: {what} is not known. It did not run."


def refused(call: ToolCall, reason: str) -> str:
    """Tell the model that nobody can allow this."""
    return (
        f"{call.request.tool} was refused: {reason}. No approval lifts this; a person can run it"
        " by hand. Go on without it."
    )
