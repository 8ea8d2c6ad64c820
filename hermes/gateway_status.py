"""What ``hermes gateway status`` prints."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def lines(found: dict[str, Any]) -> Iterator[str]:
    """Say in lines what the status file, and with ``--deep`` the probes, say."""
    if not found["running"]:
        yield "The gateway does not run (hermes gateway run)."
    else:
        up = _age(found["started"])
        how = f", up {up}" if found["answers"] else ", but it does not answer"
        yield f"The gateway runs: process {found['pid']}{how}"
        yield from (f"  configuration: {line}" for line in found.get("configuration", ()))
    for name, part in found.get("parts", {}).items():
        yield f"  {name:20} {part.get('state', ''):15} {_about(part)}".rstrip()
        if "probe" in part:
            yield f"  {'':20} {_probed(part['probe'])}"
    if "damage" in found:
        yield f"waiting messages {found['waiting']}, unsent replies {found['unsent']}"
        yield from (f"journal: {line}" for line in found["damage"])


def _about(part: dict[str, Any]) -> str:
    times = {"received": part.get("last_received"), "sent": part.get("last_sent")}
    said = [f"{what} {_age(at)} ago" for what, at in times.items() if at]
    return "; ".join([*([part["error"]] if part.get("error") else []), *said])


def _probed(probe: dict[str, Any]) -> str:
    if probe["ok"] is None:
        return f"not asked: {probe['said']}"
    return f"answers in {probe['ms']} ms: {probe['said']}" if probe["ok"] else f"✗ {probe['said']}"


def _age(at: float) -> str:
    seconds = max(0, int(time.time() - at))
    for length, unit in UNITS:
        if seconds >= length:
            return f"{seconds // length} {unit}"
    return "0 s"
