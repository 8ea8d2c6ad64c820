"""Giving a skill to others: a folder that any web server or git repository can hold.

Written is what a well-known index needs (Agent Skills Discovery 0.2) and what ``skills install``
takes: ``SITE/.well-known/agent-skills/index.json`` and the skill's files beside it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from hermes_plugin_skills import disk, signing
from hermes_plugin_skills.skill import FILE, SkillError, conform, read
from hermes_plugin_skills.sources import INDEXES

SCHEMA = "https://schemas.agentskills.io/discovery/0.2.0/schema.json"
PRIVATE = ("hermes-session", "hermes-origin")
"""What stays at home of what is written under ``metadata``."""


def publish(folder: Path, site: Path, key: Path | None) -> tuple[str, str]:
    """Write the skill in *folder* into *site*, signed where a *key* is given; give its name and
    the fingerprint. Raises `SkillError`.
    """
    skill = read(folder)
    index = site / INDEXES[0]
    place = index.parent / skill.name
    listed = _listed(index)
    disk.copy(folder, place)
    text = conform((folder / FILE).read_text(encoding="utf-8"), skill.name)
    lines = [
        line for line in text.splitlines(keepends=True) if not line.strip().startswith(PRIVATE)
    ]
    text = "".join(lines).replace("\nmetadata:\n---", "\n---", 1)
    disk.write(place / FILE, text.encode())
    (place / signing.FILE).unlink(missing_ok=True)
    signer = signing.sign(place, key) if key else ""
    listed[skill.name] = {
        "name": skill.name,
        "type": "skill-md",
        "description": skill.description,
        "url": f"{skill.name}/{FILE}",
        "digest": f"sha256:{hashlib.sha256((place / FILE).read_bytes()).hexdigest()}",
        "files": disk.files(place),
    }
    data = {"$schema": SCHEMA, "skills": [listed[name] for name in sorted(listed)]}
    disk.write(index, json.dumps(data, indent=2, ensure_ascii=False).encode() + b"\n")
    for file in (index, *(place / name for name in disk.files(place))):
        file.chmod(file.stat().st_mode | 0o044)
    for open_up in (site / ".well-known", index.parent, place):
        open_up.chmod(0o755)
    return skill.name, signer


def _listed(index: Path) -> dict[str, dict[str, Any]]:
    if not index.exists():
        return {}
    try:
        return {each["name"]: each for each in json.loads(index.read_text())["skills"]}
    except (ValueError, KeyError, TypeError) as error:
        raise SkillError(f"{index} is no index of skills: {error}") from None
