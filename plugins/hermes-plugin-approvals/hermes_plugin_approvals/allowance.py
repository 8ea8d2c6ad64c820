"""Whether what a person allowed beforehand covers a call (§10)."""

from __future__ import annotations

from hermes import Allowance, ToolCall
from hermes_plugin_approvals import workspace
from hermes_plugin_approvals.judging import Judgement


async def covers(allowance: Allowance, call: ToolCall, judgement: Judgement, now: float) -> bool:
    """Whether *allowance* covers *call* at Unix time *now*.

    Every bound that is set must be known to hold: a folder or a host that the call's tool does not
    state, or that could not be read from its command, is not known.
    """
    if allowance.until is not None and now * 1_000_000 >= allowance.until:
        return False
    if allowance.once:  # a plan's: spent step by step (`plans`)
        return False
    if allowance.calls and call.digest not in allowance.calls:
        return False
    if not judgement.needs <= allowance.needs:
        return False
    if allowance.tools and call.request.tool not in allowance.tools:
        return False
    if allowance.hosts and "network" in judgement.needs:
        hosts = judgement.hosts
        if not hosts or not all(host in allowance.hosts for host in hosts):
            return False
    return not allowance.folders or await _within(allowance.folders, call, judgement)


async def _within(folders: tuple[str, ...], call: ToolCall, judgement: Judgement) -> bool:
    paths = judgement.paths
    if not paths or any(path.startswith(workspace.KEPT) for path in paths):
        return False
    real = await workspace.resolve(call, list(paths))
    roots = await workspace.resolve(call, list(folders))
    if real is None or roots is None:
        return False
    return all(any(workspace.inside(path, root) for root in roots) for path in real)
