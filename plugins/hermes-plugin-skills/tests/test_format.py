"""What is written is to the letter of the specification; what is read is wider."""

from __future__ import annotations

import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from skills_ref import validate

from hermes_plugin_skills.skill import SkillError, conform, name_problem, parse

HERMES_AGENT = """\
---
name: deploy.site_2
description: >
  Deploy the site
  to staging
version: 1.2.0
license: MIT
platforms: [macos, linux]
prerequisites:
  env_vars: [DEPLOY_TOKEN]
  commands: [rsync]
required_environment_variables:
  - {name: DEPLOY_HOST, prompt: Which host?}
metadata:
  author: Ada
  hermes:
    tags: [web, ops]
    category: devops
    requires_toolsets: [terminal]
    fallback_for_tools: [browser_navigate]
    config: [{key: region, default: eu}]
---
Run rsync.
"""


def test_hermes_agents_front_matter_is_read() -> None:
    skill = parse(HERMES_AGENT, Path("deploy.site_2"))
    assert (skill.name, skill.description) == ("deploy.site_2", "Deploy the site to staging")
    assert (skill.version, skill.license, skill.category) == ("1.2.0", "MIT", "devops")
    assert skill.platforms == ("macos", "linux")
    assert skill.required_environment_variables == ("DEPLOY_HOST",)
    assert (skill.commands, skill.tags) == (("rsync",), ("web", "ops"))
    assert skill.requires_toolsets == ("terminal",)
    assert skill.fallback_for_tools == ("browser_navigate",)
    assert skill.more["author"] == "Ada"


def test_the_same_skill_written_our_way_passes_the_reference_validator(tmp_path: Path) -> None:
    folder = tmp_path / "deploy-site"
    folder.mkdir()
    old = HERMES_AGENT.replace("deploy.site_2", "deploy-site")
    (folder / "SKILL.md").write_text(old)
    assert validate(folder), "the validator refuses Hermes Agent's own front matter"
    (folder / "SKILL.md").write_text(conform(old, "deploy-site", origin="agent"))
    assert validate(folder) == []
    program = Path(sys.executable).with_name("agentskills")
    done = subprocess.run(
        [program, "validate", folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    again, before = parse((folder / "SKILL.md").read_text(), folder), parse(old, folder)
    for field in ("platforms", "tags", "commands", "requires_toolsets", "version", "category"):
        assert getattr(again, field) == getattr(before, field), field
    assert again.more["hermes-origin"] == "agent"


TEXT = st.text(st.characters(codec="utf-8"), max_size=80)


@settings(max_examples=150, deadline=None)
@given(
    name=st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=20),
    description=TEXT.filter(lambda text: text.strip()),
    license=TEXT,
    body=TEXT,
)
def test_whatever_is_written_passes_or_is_refused(
    tmp_path_factory: pytest.TempPathFactory, name: str, description: str, license: str, body: str
) -> None:
    import json

    fields = {"name": name, "description": description, "license": license}
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in fields.items())
    try:
        written = conform(f"---\n{front}\n---\n{body}", name)
    except SkillError:
        return
    folder = tmp_path_factory.mktemp("skills") / name
    folder.mkdir()
    (folder / "SKILL.md").write_text(written, encoding="utf-8")
    assert validate(folder) == []
    assert conform(written, name) == written, "written twice it is the same"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("no front matter", "must begin with front matter"),
        ("---\nname: a\n---\nx", "no description"),
        ("---\n: [\n---\nx", "not YAML"),
        ("---\n- a\n---\nx", "keys and values"),
        ("---\nname: b\ndescription: x\n---\nx", "the skill is called a"),
        ("---\nname: a\ndescription: x\n---\n \n", "no instructions"),
        ("---\nname: a\ndescription: x\n---\n\0\n", "no instructions"),
        (f"---\nname: a\ndescription: {'x' * 1025}\n---\nx", "over 1024"),
        (f"---\nname: a\ndescription: x\n---\n{'x' * 100_001}", "move details into references/"),
    ],
)
def test_what_cannot_be_a_skill_is_said_in_a_line(text: str, said: str) -> None:
    with pytest.raises(SkillError, match=said) as caught:
        conform(text, "a")
    assert "\n" not in str(caught.value)


def test_a_colon_in_a_plain_description_is_read() -> None:
    skill = parse("---\nname: a\ndescription: Use when: asked\n---\nx", Path("a"))
    assert skill.description == "Use when: asked"


def test_a_name_of_another_kind_is_refused() -> None:
    with pytest.raises(SkillError, match="no name of a skill"):
        conform("---\nname: Big Name\ndescription: x\n---\nx", "Big Name")


@pytest.mark.parametrize("name", ["", "-a", "a-", "a--b", "A", "a b", "../x", "x" * 65, "a.b"])
def test_names_are_those_of_the_specification(name: str) -> None:
    assert name_problem(name)
