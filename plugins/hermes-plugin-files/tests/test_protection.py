"""What the file tools refuse, however it is spelt."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermes_plugin_files.protect import Protection

CANARY = "canary-3f2a"
OURS = [
    "config.yaml",
    "config.yaml.bak",
    ".env",
    ".env.local",
    "auth.json",
    "hermes.db",
    "journal.sqlite3-wal",
    "plugins/mine/__init__.py",
    "cache/index.json",
    "run/lease",
    "data/approvals/rules.json",
    "outputs/x",
]


async def everything(bench, path: str) -> list:
    """Every tool on *path*."""
    return [
        await bench.run("read_file", path=path),
        await bench.run("write_file", path=path, content="mine"),
        await bench.replace(path, CANARY, "mine"),
        await bench.patch(f"*** Delete File: {path}"),
        await bench.patch(f"*** Add File: ok\n+x\n*** Move File: {path} -> stolen"),
    ]


@pytest.mark.parametrize("name", OURS)
async def test_hermes_s_own_files_are_refused(bench, home: Path, name: str) -> None:
    file = home / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(CANARY)
    for result in await everything(bench, str(file)):
        assert result.is_error
        assert "out of bounds" in result.text
        assert CANARY not in result.text
    assert file.read_text() == CANARY
    assert not (bench.folder / "ok").exists()


async def test_links_and_dots_lead_no_way_around(bench, home: Path) -> None:
    (home / ".env").write_text(CANARY)
    (bench.folder / "link").symlink_to(home / ".env")
    (bench.folder / "folder").symlink_to(home)
    (bench.folder / "chain").symlink_to("folder")
    spellings = ["link", "folder/.env", "chain/x/../.env", f"{home}/./skills/..//.env"]
    for spelling in spellings:
        for result in await everything(bench, spelling):
            assert "out of bounds" in result.text, spelling
    assert (home / ".env").read_text() == CANARY


async def test_what_a_person_writes_in_the_home_is_free(bench, home: Path) -> None:
    for name in ("SOUL.md", "memories/USER.md", "data.txt"):
        result = await bench.run("write_file", path=str(home / name), content="hello")
        assert not result.is_error, result.text


async def test_a_home_on_another_machine_is_refused_too(bench) -> None:
    bench.put(".hermes/.env", CANARY)
    bench.put(".hermes/SOUL.md", "me")
    assert "out of bounds" in await bench.read("~/.hermes/.env")
    assert await bench.read("~/.hermes/SOUL.md") == "1|me"


async def test_a_search_finds_nothing_in_refused_files(bench, home: Path) -> None:
    bench.put(".hermes/.env", CANARY)
    bench.put(".ssh/id_ed25519", CANARY)
    bench.put("notes.txt", CANARY)
    for mode in ("content", "files_only", "count"):
        text = (await bench.run("search_files", pattern="canary", output_mode=mode)).text
        assert "notes.txt" in text
        assert ".env" not in text
        assert "id_ed25519" not in text
    assert "out of bounds" in (await bench.run("search_files", pattern="x", path=".ssh")).text


@pytest.mark.parametrize(
    "path",
    [
        "/home/ann/.ssh/id_ed25519",
        "/home/ann/.ssh",
        "/root/.aws/credentials",
        "/etc/shadow",
        "/etc/sudoers.d/x",
        "/srv/x/authorized_keys",
        "/proc/self/environ",
        "/proc/1/mem",
        "/dev/sda",
        "/home/ann/.netrc",
        "/HOME/ann/.SSH/id_rsa",
    ],
)
def test_secrets_and_devices_are_not_even_read(tmp_path: Path, path: str) -> None:
    protection = Protection(tmp_path)
    assert protection.refused(path, writing=False)
    assert protection.refused(path, writing=True)


@pytest.mark.parametrize(
    "path",
    [
        "/home/ann/.bashrc",
        "/etc/passwd",
        "/etc/cron.d/x",
        "/place/.git/hooks/pre-commit",
        "/place/.git/config",
        pytest.__file__,
    ],
)
def test_what_runs_by_itself_is_read_and_not_written(tmp_path: Path, path: str) -> None:
    protection = Protection(tmp_path)
    assert not protection.refused(path, writing=False)
    assert protection.refused(path, writing=True)


@pytest.mark.parametrize(
    "path",
    [
        "/place/.env",
        "/place/config.yaml",
        "/place/plugins/x",
        "/proc/cpuinfo",
        "/place/ssh/x",
        "/dev/null",
    ],
)
def test_a_project_s_own_files_are_free(tmp_path: Path, path: str) -> None:
    assert not Protection(tmp_path).refused(path, writing=False)


def test_settings_add_to_what_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "private")
    protection = Protection(tmp_path / "home", (str(tmp_path / "link"),))
    assert protection.refused(str(tmp_path / "private" / "x"), writing=False)
    assert not protection.refused(str(tmp_path / "privately"), writing=False)


def test_skills_are_read_here_and_changed_by_their_own_tool(tmp_path: Path) -> None:
    protection = Protection(tmp_path)
    for path in (f"{tmp_path}/skills/a/SKILL.md", "/other/.hermes/skills/.hub/lock.json"):
        assert not protection.refused(path, writing=False)
        assert "skill_manage" in protection.refused(path, writing=True)
    assert not protection.refused("/place/skills/a/SKILL.md", writing=True)
