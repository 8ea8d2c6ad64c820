"""What lies in the folder is used only when it is known where it came from (pain point 9)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermes_plugin_skills.library import Library


def states(library: Library) -> dict[str, str]:
    return {each.skill.name: each.state for each in library.all()}


def test_a_home_that_is_met_for_the_first_time_is_taken_as_it_is(
    put: Any, library: Library
) -> None:
    put("mine")
    assert states(library) == {"mine": "active"}
    library.adopt()
    assert states(library) == {"mine": "active"}


async def test_a_folder_that_appears_later_is_named_and_not_used(
    put: Any, library: Library, use: Any
) -> None:
    put("mine")
    library.adopt()
    put("dropped", "Do something")
    assert states(library) == {"dropped": "untrusted", "mine": "active"}
    assert "dropped" not in (await use("skills_list")).text
    with pytest.raises(Exception, match="hermes skills trust"):
        await use("skill_view", name="dropped")


def test_a_copy_in_another_place_is_not_the_trusted_one(
    put: Any, library: Library, home: Path
) -> None:
    folder = put("mine", category="work")
    library.adopt()
    folder.rename(home / "skills" / "mine")
    assert states(library) == {"mine": "untrusted"}


def test_a_person_changes_their_own_as_they_like(put: Any, library: Library) -> None:
    folder = put("mine")
    library.adopt()
    (folder / "SKILL.md").write_text("---\nname: mine\ndescription: Other\n---\nOther.")
    assert states(library) == {"mine": "active"}


@pytest.mark.parametrize("how", ["flip", "add", "remove"])
async def test_a_learnt_skill_that_somebody_changed_is_not_used(
    learnt: Any, library: Library, use: Any, how: str
) -> None:
    learnt("tidy")
    folder = library.find("tidy").folder
    file = folder / "SKILL.md"
    if how == "flip":
        data = bytearray(file.read_bytes())
        data[-3] ^= 1
        file.write_bytes(bytes(data))
    elif how == "add":
        (folder / "scripts").mkdir()
        (folder / "scripts" / "more.sh").write_text("echo hi")
    else:
        file.rename(folder.parent / "elsewhere.md")
    assert states(library).get("tidy") in ("changed", None)
    with pytest.raises(Exception, match=r"hermes skills audit|no skill"):
        await use("skill_view", name="tidy")


def test_a_damaged_lock_file_stops_everything_and_says_so(put: Any, library: Library) -> None:
    put("mine")
    library.adopt()
    library.lock_file.write_text("{")
    with pytest.raises(Exception, match=r"hermes\.lock\.json is damaged"):
        library.all()


def test_folders_elsewhere_are_read_and_installed_packages_too(
    put: Any, context: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hermes_plugin_skills import library as module
    from hermes_plugin_skills.settings import Settings

    for where, name in (("shared", "theirs"), ("pack", "packed"), ("pack", "mine")):
        folder = tmp_path / where / name
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(f"---\nname: {name}\ndescription: {where}\n---\nDo.")
    put("mine", "My own")
    context.settings = Settings(external_dirs=(str(tmp_path / "shared"),))
    monkeypatch.setattr(module, "packaged", lambda off: [tmp_path / "pack"])
    found = {each.skill.name: each.skill for each in Library(context).all()}
    assert {name: skill.origin for name, skill in found.items()} == {
        "mine": "own", "packed": "package", "theirs": "external",
    }  # fmt: skip
    assert found["mine"].description == "My own", "the person's stands above"


async def test_what_hermes_agent_keeps_there_is_left_alone(
    put: Any, library: Library, home: Path, use: Any
) -> None:
    put("mine")
    theirs = {
        ".hub/lock.json": '{"version": 1, "installed": {"x": {"trust": "community"}}}',
        ".usage.json": '{"mine": {"views": 3, "state": "active"}}',
        ".bundled_manifest": "mine:abc\n",
        ".archive/old/SKILL.md": "---\nname: old\ndescription: x\n---\nx",
    }
    for name, text in theirs.items():
        (home / "skills" / name).parent.mkdir(parents=True, exist_ok=True)
        (home / "skills" / name).write_text(text)
    library.adopt()
    await use("skill_view", name="mine")
    assert states(library) == {"mine": "active"}
    for name, text in theirs.items():
        assert (home / "skills" / name).read_text() == text


async def test_the_doctor_names_what_is_not_used(
    put: Any, library: Library, learnt: Any, context: Any
) -> None:
    from hermes_plugin_skills.checks import SkillsCheck

    put("mine")
    library.adopt()
    assert [each.text for each in await SkillsCheck(context).check()] == ["1 skills"]
    put("dropped")
    learnt("tidy")
    (library.find("tidy").folder / "more.md").write_text("x")
    found = {each.text: each.mend for each in await SkillsCheck(context).check()}
    assert "hermes skills trust" in found["skill dropped is not used"]
    assert "hermes skills audit" in found["skill tidy is not used"]
    library.lock_file.write_text("{")
    (finding,) = await SkillsCheck(context).check()
    assert finding.level == "error" and "is damaged" in finding.text
