"""Whether what a person allowed beforehand covers a call (§10)."""

from __future__ import annotations

from hermes import Allowance, ToolCall
from hermes_plugin_approvals import workspace


async def covers(allowance: Allowance, call: ToolCall, now: float) -> bool:
    """Whether *allowance* covers *call* at Unix time *now*.

    Every bound that is set must be known to hold. A folder bound holds only for tools that state
    their paths: what a command touches nobody can tell. A host bound holds for no tool that needs
    the network, since none can state its hosts.
    """
    if allowance.until is not None and now * 1_000_000 >= allowance.until:
        return False
    if not call.tool.needs <= allowance.needs:
        return False
    if allowance.tools and call.request.tool not in allowance.tools:
        return False
    if allowance.hosts and "network" in call.tool.needs:
        return False
    return not allowance.folders or await _within(allowance.folders, call)


async def _within(folders: tuple[str, ...], call: ToolCall) -> bool:
    paths = workspace.stated_paths(call)
    if not paths or any(path.startswith(workspace.KEPT) for path in paths):
        return False
    real = await workspace.resolve(call, list(paths))
    roots = await workspace.resolve(call, list(folders))
    if real is None or roots is None:
        return False
    return all(any(workspace.inside(path, root) for root in roots) for path in real)
