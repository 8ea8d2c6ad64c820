"""Says what works here, what does not, and what would mend it."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_commands() -> list[Offer]:
    return [
        Offer(
            "doctor",
            "hermes_plugin_doctor.doctor:doctor",
            "Say what works here and what does not",
            surfaces=("cli",),
        )
    ]
