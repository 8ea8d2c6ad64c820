"""Each starter skill is valid, found, harmless to look at, and its scripts do what it says."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from skills_ref import validate

from hermes.testing import PluginContract
from hermes_plugin_skills.library import Library, packaged, skill_files
from hermes_plugin_skills.prompt import written
from hermes_plugin_skills.scan import scan
from hermes_plugin_skills.skill import linked, read
from hermes_plugin_starter_skills.programs import SKILLS, Programs

FOLDERS = [file.parent for file in skill_files(SKILLS)]


class TestPlugin(PluginContract):
    distribution = "hermes-plugin-starter-skills"


def script(skill: str, *arguments: str, stdin: str = "", cwd: Path | None = None) -> Any:
    (file,) = (SKILLS / skill / "scripts").glob("*.py")
    return subprocess.run(
        [sys.executable, "-I", file, *arguments],
        input=stdin, cwd=cwd, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_skill_is_valid_and_says_when_to_use_it(folder: Path) -> None:
    assert validate(folder) == []
    skill = read(folder)
    assert "Use " in skill.description and len(skill.description) < 220
    assert skill.license == "MIT" and skill.category
    text = (folder / "SKILL.md").read_text()
    assert len(text) < 5_000, "read whole each time it is used"
    for name in linked(folder):
        assert f"${{HERMES_SKILL_DIR}}/{name}" in text or Path(name).name in text
    assert [str(found) for found in scan(folder)] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_its_scripts_run_anywhere(folder: Path) -> None:
    for name in linked(folder):
        if name.endswith(".py"):
            tree = ast.parse((folder / name).read_text(), feature_version=(3, 8))
            modules = {
                alias.name.partition(".")[0]
                for node in ast.walk(tree)
                if isinstance(node, ast.Import)
                for alias in node.names
            }
            assert modules <= sys.stdlib_module_names


def test_there_are_about_a_dozen_and_they_cost_little(plugin_context: Any) -> None:
    assert 12 <= len(FOLDERS) <= 15
    found = Library(plugin_context("skills")).all()
    assert {each.skill.name for each in found} >= {folder.name for folder in FOLDERS}
    assert {each.skill.origin for each in found} == {"package"}
    assert len(written([each.skill for each in found], 6_800)) < 1_800


def test_a_plugin_that_is_switched_off_takes_its_skills_with_it() -> None:
    assert SKILLS in packaged()
    assert SKILLS not in packaged(frozenset({"starter-skills"}))


async def test_the_doctor_names_what_is_missing(
    plugin_context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (finding, *_) = [
        each for each in await Programs(plugin_context()).check() if "commit-well" in each.text
    ]
    assert finding.level == "warning" and "git" in finding.text


def git(folder: Path, *arguments: str) -> str:
    base = ["git", "-c", "user.name=a", "-c", "user.email=a@b.example", "-C", str(folder)]
    done = subprocess.run([*base, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Twelve commits; from the eighth on, the value is wrong; the fifth cannot be judged."""
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for number in range(1, 13):
        value = "broken" if number == 5 else "wrong" if number >= 8 else "right"
        (folder / "value").write_text(f"{value} {number}\n")
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"Change {number}")
    return folder


def test_bisecting_finds_the_commit_and_leaves_the_work_alone(repo: Path) -> None:
    (repo / "value").write_text("uncommitted\n")
    judge = "grep -q broken value && exit 125; grep -q right value"
    done = script("bisect-regression", "--good", "HEAD~11", "--", "sh", "-c", judge, cwd=repo)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Change 8" in done.stdout
    assert git(repo, "log", "-1", "--format=%H", "HEAD~4") in done.stdout
    assert (repo / "value").read_text() == "uncommitted\n"
    assert git(repo, "rev-parse", "--abbrev-ref", "HEAD") == "main"
    assert len(git(repo, "worktree", "list").splitlines()) == 1


def test_bisecting_between_wrong_ends_says_so(repo: Path) -> None:
    done = script(
        "bisect-regression", "--good", "HEAD~1", "--", "grep", "-q", "right", "value", cwd=repo
    )
    assert done.returncode == 2 and "that is not good" in done.stdout


def test_an_outline_names_what_matters(tmp_path: Path) -> None:
    for name, text in {
        "pyproject.toml": "[project]\n",
        "src/app/main.py": "def main(): ...\n\nif __name__ == '__main__':\n    main()\n",
        "src/app/big.py": "x = 1\n" * 500,
        "tests/test_main.py": "def test_it(): ...\n",
        "web/index.ts": "export const a = 1;\n",
        "node_modules/x/index.js": "x\n" * 900,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    said = script("explain-codebase", str(tmp_path)).stdout
    assert "languages: Python" in said and "TypeScript" in said and "JavaScript" not in said
    assert "starts: src/app/main.py" in said and "configured: pyproject.toml" in said
    assert "tests: tests (1)" in said and "501  src/app/big.py" in said


def test_a_table_s_profile_tells_what_is_odd(tmp_path: Path) -> None:
    table = tmp_path / "orders.csv"
    rows = [f"{n};2026-01-{n % 28 + 1:02};{n * 1.5};berlin" for n in range(1, 60)]
    table.write_text(
        "\n".join(["id;day;amount;city", *rows, "60;2026-02-01;n/a;Berlin ", rows[3], "x;y"])
    )
    said = script("table-profile", str(table)).stdout
    assert said.startswith("62 rows, 4 columns")
    assert "- amount: number; missing 1; " in said and "1.5 to 88.5" in said
    assert "! 1 rows have more or fewer cells" in said and "! 1 rows are there twice" in said
    assert "! city: 1 cells have spaces" in said
    assert "! city: values that differ in capitals only" in said
    assert "! id: 1 cells are text, the others are not" in said
    lines = tmp_path / "a.jsonl"
    lines.write_text("\n".join(json.dumps({"a": n, "b": None}) for n in range(3)))
    assert "- b: empty; missing 3" in script("table-profile", str(lines)).stdout


def test_a_folded_log_puts_the_trouble_first(tmp_path: Path) -> None:
    lines = [f"2026-01-01T00:00:{n % 60:02} request {n} took {n} ms" for n in range(500)]
    lines[250] = '2026-01-01T00:04:10 ERROR cannot open "/srv/x-17": permission denied'
    lines[300] = '2026-01-01T00:05:00 ERROR cannot open "/srv/x-18": permission denied'
    lines[400] = "2026-01-01T00:06:40 kernel: Out of memory: Killed process 4711"
    log = tmp_path / "log"
    log.write_text("\n".join(lines))
    said = script("log-triage", str(log)).stdout.splitlines()
    assert said[0] == "500 lines, 3 kinds"
    assert "401" in said[1] and "Killed process" in said[1]
    assert "2x" in said[2] and "251-301" in said[2]
    assert "497x" in said[3]
    again = script("log-triage", "-", stdin=log.read_text()).stdout.splitlines()
    assert again == said


def test_secrets_are_found_in_files_and_history_and_never_shown(tmp_path: Path) -> None:
    key = "ghp_" + "a1B2" * 9
    repo = tmp_path / "repo"
    repo.mkdir()
    git(repo, "init", "-q", "-b", "main")
    (repo / "config").write_text(f"github = {key}\n")
    git(repo, "add", "-A")
    git(repo, "commit", "-q", "-m", "Add")
    (repo / "config").write_text("password = ${PASSWORD}\napi_key = your_key_here_please_1\n")
    git(repo, "commit", "-q", "-am", "Remove")
    done = script("secrets-check", str(repo))
    assert (done.returncode, done.stdout) == (0, "nothing found\n")
    done = script("secrets-check", "--history", str(repo))
    assert done.returncode == 1 and "GitHub token (ghp_…, 40 characters)" in done.stdout
    assert key not in done.stdout
    (repo / "more").write_text(
        'db = "postgres://bob:hunter2hunter@db/x"\nsecret: "q8Zr51LmX0pTa77Yw"\n'
    )
    said = script("secrets-check", str(repo)).stdout
    assert "more:1: password in an address" in said and "more:2: named secret" in said
