"""Which rule of the configuration is about a call."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from fnmatch import fnmatchcase

from hermes import Terminal, TerminalError, ToolCall
from hermes_plugin_approvals import workspace
from hermes_plugin_approvals.judging import Judgement
from hermes_plugin_approvals.settings import Rule, Settings
from hermes_plugin_approvals.sources import untrusted

NO, MAYBE, YES = 0, 1, 2
"""Whether a bound holds; `MAYBE`: what it is about is not known of this call."""


async def verdict(settings: Settings, call: ToolCall, judgement: Judgement) -> tuple[str, str]:
    """Give what the rules say of *call* and why: ``allow``, ``ask``, ``deny``, or nothing."""
    said = _denied_commands(settings.deny, call, judgement)
    found: dict[str, str] = {said: "approvals.deny"} if said else {}
    for rule in settings.rules:
        held = await _holds(rule, call, judgement)
        if held == YES or (held == MAYBE and rule.do == "ask"):
            found.setdefault(rule.do, rule.why or "a rule of approvals.rules")
        elif held == MAYBE and rule.do == "deny":
            found.setdefault("ask", rule.why or "a rule of approvals.rules may be about it")
    return next(((do, found[do]) for do in ("deny", "ask", "allow") if do in found), ("", ""))


def _denied_commands(patterns: Iterable[str], call: ToolCall, judgement: Judgement) -> str:
    patterns = tuple(patterns)
    if any(_any_command(patterns, command) for command in judgement.perhaps):
        return "ask"  # it may be one, or a text about one
    if not patterns or call.tool.commands is None:
        return ""
    if not judgement.readable:
        return "ask"
    whole = str(call.request.arguments.get("command", ""))
    for command in (*judgement.commands, whole):
        if _any_command(patterns, command):
            return "deny"
    return ""


def _any_command(patterns: Iterable[str], command: str) -> bool:
    """Whether one of *patterns* fits *command*, its program named by path or by name."""
    program, blank, rest = command.partition(" ")
    named = f"{posixpath.basename(program)}{blank}{rest}"
    return any(
        fnmatchcase(each, pattern) or (pattern.endswith(" *") and each == pattern[:-2])
        for pattern in patterns
        for each in (command, named)
    )


async def _holds(rule: Rule, call: ToolCall, judgement: Judgement) -> int:
    authority, request = call.authority, call.request
    bounds = [
        _named(rule.tools, request.tool),
        _named(rule.backends, request.backend),
        _named(rule.surfaces, authority.surface),
        _named(rule.persons, authority.person),
        YES if not rule.roles or authority.role in rule.roles else NO,
        _needed(rule, judgement),
        _commanded(rule, judgement),
        _reached(rule, judgement),
        YES if rule.untrusted in (None, bool(untrusted(request.sources))) else NO,
    ]
    if min(bounds) == NO or not rule.paths:
        return min(bounds)
    return min(*bounds, await _touched(rule, call, judgement))


def _named(patterns: Iterable[str], name: str) -> int:
    patterns = tuple(patterns)
    if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns):
        return YES
    return NO


def _needed(rule: Rule, judgement: Judgement) -> int:
    if not rule.needs:
        return YES
    if rule.do == "allow":
        return YES if judgement.needs <= set(rule.needs) else NO
    return YES if judgement.needs & set(rule.needs) else NO


def _commanded(rule: Rule, judgement: Judgement) -> int:
    if not rule.commands:
        return YES
    if not judgement.commands and "run" not in judgement.needs:
        return NO
    fits = [_any_command(rule.commands, command) for command in judgement.commands]
    if rule.do == "allow":
        return YES if fits and all(fits) and judgement.readable else NO
    if any(fits):
        return YES
    return NO if judgement.understood or not judgement.grave else MAYBE


def _reached(rule: Rule, judgement: Judgement) -> int:
    if not rule.hosts:
        return YES
    if judgement.hosts is None:
        return MAYBE
    names = [host.lower().rpartition(":")[0] or host.lower() for host in judgement.hosts]
    fits = [any(fnmatchcase(name, each.lower()) for each in rule.hosts) for name in names]
    if rule.do == "allow":
        return YES if fits and all(fits) else NO
    return YES if any(fits) else NO


async def _touched(rule: Rule, call: ToolCall, judgement: Judgement) -> int:
    if judgement.paths is None:
        return MAYBE
    terminal = await workspace.terminal_of(call)
    if terminal is None:
        return MAYBE
    try:
        folders = [await _folder(terminal, call, path) for path in rule.paths]
    except TerminalError:
        return MAYBE
    real = await workspace.resolve(call, list(judgement.paths))
    if real is None:
        return MAYBE
    fits = [any(workspace.inside(path, folder) for folder in folders) for path in real]
    if rule.do == "allow":
        return YES if fits and all(fits) else NO
    return YES if any(fits) else NO


async def _folder(terminal: Terminal, call: ToolCall, path: str) -> str:
    if path.startswith(("/", "~")):
        return await terminal.resolve(path)
    return await terminal.resolve(posixpath.join(call.request.session.directory, path))
