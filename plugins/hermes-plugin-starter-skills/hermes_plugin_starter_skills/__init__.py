"""A dozen skills to begin with: code, data, logs, research, notes, decisions."""

from __future__ import annotations

from hermes import Offer, hookimpl


@hookimpl
def hermes_checks() -> list[Offer]:
    target = "hermes_plugin_starter_skills.programs:Programs"
    return [Offer("starter-skills", target, "Are the programs there that the starter skills use")]
