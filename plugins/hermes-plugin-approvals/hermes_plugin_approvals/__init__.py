"""The policy that decides which tool calls may run, and asks."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_middleware() -> list[Offer]:
    return [
        Offer(
            "approvals",
            "hermes_plugin_approvals.policy:Approvals",
            "Grants tool calls, or asks a person first",
        )
    ]


@hookimpl
def hermes_tools() -> list[Offer]:
    return [
        Offer(
            "plan",
            "hermes_plugin_approvals.plans:propose_plan",
            "Ask once for several exact calls",
        )
    ]


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer(
            "approvals",
            "hermes_plugin_approvals.commands:approvals",
            "List or take back what was allowed",
        ),
        Offer(
            "grants",
            "hermes_plugin_approvals.grants:grants",
            "Show, give and revoke what jobs, routes and keys may do",
        ),
    ]


@hookimpl
def hermes_settings() -> list[Offer]:
    return [
        Offer(
            "approvals",
            "hermes_plugin_approvals.settings:Settings",
            "When a person is asked",
            guard=True,
        )
    ]
