"""What the agent did to files can be undone, and only that."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from hermes_plugin_checkpoints.entries import Call, NotWatched, by_turn
from hermes_plugin_checkpoints.git import Git
from hermes_plugin_checkpoints.restore import CUT, SHARED, SINCE, UNKNOWN, apply, plan
from hermes_plugin_checkpoints.settings import Settings
from hermes_plugin_checkpoints.store import Remembered


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder.resolve()


@pytest.fixture
def remembered(tmp_path: Path) -> Remembered:
    return Remembered(tmp_path / "kept", Settings())


def made(remembered: Remembered, place: Path, turn: str = "t", session: str = "s") -> Any:
    """Give ``does(change, paths)``: what a call that calls *change* is remembered as."""

    def does(change: Callable[[], Any], paths: tuple[str, ...] | None = None) -> Any:
        watch = remembered.begin(Call(session, turn, "terminal", str(place)), paths)
        change()
        return remembered.end(watch)

    return does


def undo(remembered: Remembered, turns: int = 1, session: str = "s", **options: Any) -> Any:
    listed = by_turn(remembered.entries(session))[:turns]
    found = plan([entry for turn in reversed(listed) for entry in turn], remembered.now, **options)
    _, failed = apply(remembered.git, found.changes)
    assert not failed
    return found


def tree(place: Path) -> dict[str, Any]:
    """Describe every file: contents and mode, or where a link leads."""
    return {
        str(file.relative_to(place)): file.readlink()
        if file.is_symlink()
        else (file.read_bytes(), stat.S_IMODE(file.stat().st_mode))
        for file in sorted(place.rglob("*"))
        if file.is_symlink() or file.is_file()
    }


def test_what_a_command_wrote_changed_and_removed_goes_back(
    remembered: Remembered, place: Path
) -> None:
    (place / "sub").mkdir()
    (place / "kept.txt").write_text("as it is\n")
    (place / "changed.txt").write_bytes(b"a\r\nb\xff\n")
    (place / "sub" / "gone.sh").write_text("#!/bin/sh\n")
    (place / "sub" / "gone.sh").chmod(0o755)
    (place / "link").symlink_to("changed.txt")
    before = tree(place)

    def change() -> None:
        (place / "changed.txt").write_text("other")
        (place / "sub" / "gone.sh").unlink()
        (place / "sub").rmdir()
        (place / "link").unlink()
        (place / "deep" / "new").mkdir(parents=True)
        (place / "deep" / "new" / "file").write_text("new")

    made(remembered, place)(change)
    assert tree(place) != before
    undo(remembered)
    assert tree(place) == before


def test_several_calls_and_turns_are_undone_in_their_order(
    remembered: Remembered, place: Path
) -> None:
    file = place / "file"
    states = [None, "one", "two", "three"]
    for number, text in enumerate(states[1:], 1):
        made(remembered, place, f"t{(number + 1) // 2}")(lambda text=text: file.write_text(text))
    undo(remembered, 1)
    assert file.read_text() == "two"
    undo(remembered, 2, force=True)
    assert not file.exists()


def test_a_file_that_somebody_changed_since_stays(remembered: Remembered, place: Path) -> None:
    mine, theirs = place / "mine", place / "theirs"
    theirs.write_text("before")
    made(remembered, place)(lambda: (mine.write_text("agent"), theirs.write_text("agent")))
    theirs.write_text("a person's")
    found = undo(remembered)
    assert found.kept == {str(theirs): SINCE}
    assert theirs.read_text() == "a person's"
    assert not mine.exists()
    undo(remembered, force=True)
    assert theirs.read_text() == "before"


def test_one_file_can_be_undone_alone(remembered: Remembered, place: Path) -> None:
    made(remembered, place)(lambda: [(place / name).write_text(name) for name in "ab"])
    undo(remembered, only="a")
    assert tree(place).keys() == {"b"}


def test_a_known_file_outside_the_folder_and_in_an_ignored_one(
    remembered: Remembered, place: Path, tmp_path: Path
) -> None:
    outside, inside = tmp_path / "notes.txt", place / "node_modules" / "x.js"
    inside.parent.mkdir()
    outside.write_text("before")
    paths = (str(outside), str(inside))
    made(remembered, place)(lambda: [Path(path).write_text("after") for path in paths], paths)
    undo(remembered)
    assert outside.read_text() == "before"
    assert not inside.exists()


def test_a_workspace_cannot_change_what_is_kept(remembered: Remembered, place: Path) -> None:
    """Its attributes and ignore list do not count, its repository is not touched."""
    subprocess.run(["git", "init", "-q"], cwd=place, check=True)
    (place / ".git" / "hooks" / "pre-commit").write_text("#!/bin/sh\ntouch /tmp/never\n")
    (place / ".gitattributes").write_text("* text eol=crlf ident working-tree-encoding=UTF-16\n")
    (place / ".gitignore").write_text("*\n")
    (place / "file").write_bytes(b"$Id$\r\nline\n")
    before, repository = tree(place), tree(place / ".git")
    made(remembered, place)(lambda: (place / "file").write_text("changed"))
    undo(remembered)
    assert tree(place) == before
    assert tree(place / ".git") == repository


def test_strange_names(remembered: Remembered, place: Path) -> None:
    names = ['quo"te', "new\nline", "-dash", "spä ce", os.fsdecode(b"\xff\xfe"), "tab\t", "a\\b"]
    for name in names:
        (place / name).write_text("before")
    before = tree(place)
    made(remembered, place)(lambda: [(place / name).unlink() for name in names])
    assert tree(place) == {}
    undo(remembered)
    assert tree(place) == before


def test_what_is_too_large_or_cannot_be_kept_is_left_out(place: Path, tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "kept", Settings(max_files=10), tmp_path)
    os.mkfifo(place / "pipe")
    for number in range(11):
        (place / str(number)).write_text("")
    with pytest.raises(NotWatched, match="more than 10 files"):
        made(remembered, place)(lambda: (place / "1").write_text("x"))
    known = (str(place / "1"),)
    assert made(remembered, place)(lambda: (place / "1").write_text("y"), known) is not None
    for folder in ("/", str(Path.home()), str(tmp_path)):  # the last is Hermes's own home here
        with pytest.raises(NotWatched):
            remembered.begin(Call("s", "t", "x", folder), None)


@pytest.mark.parametrize("name", ["large", ".env"])
def test_what_is_not_kept_is_neither_removed_nor_written_over(
    place: Path, tmp_path: Path, name: str
) -> None:
    """Its contents could not be brought back: neither those before nor those after."""
    remembered = Remembered(tmp_path / "kept", Settings(max_file_size_mb=0.001))
    unkept = place / name
    unkept.write_bytes(b"KEY=x" * 400)
    made(remembered, place, "cut")(lambda: unkept.write_bytes(b"short"))
    assert undo(remembered).kept == {str(unkept): UNKNOWN}
    assert unkept.read_bytes() == b"short"
    made(remembered, place, "brought")(lambda: (place / "from elsewhere").write_bytes(b"z" * 2000))
    assert undo(remembered, force=True).kept == {str(place / "from elsewhere"): UNKNOWN}
    (place / "grows").write_text("small")
    made(remembered, place, "grown")(lambda: (place / "grows").write_bytes(b"1" * 2000))
    (place / "grows").write_bytes(b"2" * 3000)  # by a person
    assert undo(remembered).kept == {str(place / "grows"): SINCE}
    assert (place / "grows").read_bytes() == b"2" * 3000


def test_no_copy_is_made_of_what_looks_secret_nor_of_hermes_itself(
    place: Path, tmp_path: Path
) -> None:
    home = place / "elsewhere"
    for folder in (home, place / ".ssh"):
        folder.mkdir()
    for file in (home / "journal.db", place / ".env", place / ".ssh" / "id", place / "x.pem"):
        file.write_text("Canary")
    remembered = Remembered(tmp_path / "kept", Settings(), home, lambda data: b"Canary" in data)
    made(remembered, place, "copied")(lambda: shutil.copy(place / ".env", place / "copy.txt"))
    assert undo(remembered).kept == {str(place / "copy.txt"): UNKNOWN}
    made(remembered, place)(lambda: (place / "x.pem").write_text("Canary 2"))
    made(remembered, place)(lambda: (place / ".env").unlink(), (str(place / ".env"),))
    objects = [file for file in remembered.git.folder.rglob("objects/??/*") if file.is_file()]
    assert objects
    assert not [file for file in objects if b"Canary" in zlib.decompress(file.read_bytes())]


def test_permissions_go_back_too(remembered: Remembered, place: Path) -> None:
    for name, bits in (("secret", 0o600), ("open", 0o664), ("program", 0o750)):
        (place / name).write_text(name)
        (place / name).chmod(bits)
    before = tree(place)
    made(remembered, place)(lambda: [file.unlink() for file in place.iterdir()])
    undo(remembered)
    assert tree(place) == before
    made(remembered, place, "2")(lambda: [file.chmod(0o777) for file in place.iterdir()])
    undo(remembered)
    assert tree(place) == before


def test_a_file_for_a_folder_and_a_folder_for_a_file(remembered: Remembered, place: Path) -> None:
    (place / "file").write_text("was a file")
    (place / "folder").mkdir()
    (place / "folder" / "inside").write_text("was in a folder")
    before = tree(place)

    def swap() -> None:
        (place / "file").unlink()
        (place / "file" / "deep").mkdir(parents=True)
        (place / "file" / "deep" / "x").write_text("x")
        (place / "folder" / "inside").unlink()
        (place / "folder").rmdir()
        (place / "folder").write_text("now a file")

    made(remembered, place)(swap)
    undo(remembered)
    assert tree(place) == before


def test_a_folder_that_grew_too_large_meanwhile_loses_nothing(place: Path, tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "kept", Settings(max_files=10))
    (place / "a").write_text("mine")
    (place / "b").write_text("mine")

    def unpack() -> None:
        (place / "a").write_text("the agent's")
        for number in range(20):
            (place / str(number)).write_text("")

    entry = made(remembered, place)(unpack)
    assert [change.path for change in entry.changes] == [str(place / "a")]
    assert "more than 10 files" in entry.missed
    assert undo(remembered).missed == (entry.missed,)
    assert (place / "a").read_text() == "mine"
    assert (place / "b").read_text() == "mine"


def test_what_two_conversations_did_at_once_is_nobody_s_for_sure(
    remembered: Remembered, place: Path
) -> None:
    first = remembered.begin(Call("one", "t", "terminal", str(place)), None)
    (place / "of one").write_text("1")
    made(remembered, place, session="two")(lambda: (place / "of two").write_text("2"))
    remembered.end(first)
    for session in ("one", "two"):
        found = undo(remembered, session=session)
        assert set(found.kept.values()) == {SHARED}
        assert not found.changes
    made(remembered, place, "later", "two")(lambda: (place / "alone").write_text("2"))
    assert undo(remembered, session="two").changes
    assert undo(remembered, session="one", force=True).changes


def test_what_an_index_stands_on_is_not_swept_away(remembered: Remembered, place: Path) -> None:
    """A gateway runs for days; meanwhile another Hermes prunes."""
    (place / "file").write_text("before")
    made(remembered, place)(lambda: None)
    for file in remembered.git.folder.rglob("objects/??/*"):
        os.utime(file, (1, 1))
    Remembered(remembered.folder, Settings()).prune()
    assert made(remembered, place)(lambda: (place / "file").write_text("after")) is not None
    undo(remembered)
    assert (place / "file").read_text() == "before"


def test_what_is_forgotten_is_off_the_disk(remembered: Remembered, place: Path) -> None:
    made(remembered, place, "stays")(lambda: (place / "a").write_text("harmless"))
    made(remembered, place, "goes")(lambda: (place / "b").write_text("Ximena"))
    (place / "b").unlink()
    made(remembered, place, "stays")(lambda: (place / "a").write_text("harmless too"))
    remembered.forget("s", {"stays"})
    assert {entry.call.turn for entry in remembered.entries("s")} == {"stays"}
    everything = remembered.git("cat-file", "--batch-all-objects", "--batch")
    assert b"harmless too" in everything
    assert b"Ximena" not in everything
    remembered.forget("s")
    assert remembered.entries() == []
    assert b"harmless" not in remembered.git("cat-file", "--batch-all-objects", "--batch")


def test_a_link_in_the_place_of_a_folder_leads_nowhere(
    remembered: Remembered, place: Path, tmp_path: Path
) -> None:
    (place / "sub").mkdir()
    (place / "sub" / "file").write_text("before")
    made(remembered, place)(lambda: (place / "sub" / "file").unlink())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (place / "sub").rmdir()
    (place / "sub").symlink_to(elsewhere)
    found = plan(remembered.entries("s"), remembered.now)
    done, failed = apply(remembered.git, found.changes)
    assert not done
    assert "link" in failed[str(place / "sub" / "file")]
    assert not list(elsewhere.iterdir())


def test_conversations_do_not_see_each_other_s(remembered: Remembered, place: Path) -> None:
    made(remembered, place, session="one")(lambda: (place / "a").write_text("1"))
    assert remembered.entries("two") == []
    assert len(remembered.entries()) == 1


def test_what_is_old_or_too_much_goes_and_gives_its_room_back(place: Path, tmp_path: Path) -> None:
    remembered = Remembered(tmp_path / "kept", Settings(max_snapshots=2))
    for number in range(4):
        made(remembered, place, f"t{number}")(lambda: (place / "f").write_bytes(os.urandom(50_000)))
    assert remembered.prune() == 2
    assert len(remembered.entries()) == 2
    remembered.narrow({"retention_days": 0.0})
    time.sleep(0.01)
    assert remembered.prune() == 2
    assert remembered.entries() == []


KILLED = """
import os, signal, sys
from pathlib import Path
from hermes_plugin_checkpoints.settings import Settings
from hermes_plugin_checkpoints.store import Call, Remembered
kept, place = Path(sys.argv[1]), Path(sys.argv[2])
Remembered(kept, Settings()).begin(Call("s", "t", "terminal", str(place)), None)
(place / "file").write_text("half")
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_call_cut_short_by_a_kill_is_found_at_the_next_start(
    remembered: Remembered, place: Path
) -> None:
    (place / "file").write_text("before")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(remembered.folder), str(place)], check=False
    )
    assert done.returncode == -9
    assert remembered.recover() == 1
    assert remembered.recover() == 0
    (entry,) = remembered.entries("s")
    assert entry.cut
    assert undo(remembered).kept == {str(place / "file"): CUT}
    assert (place / "file").read_text() == "half"
    undo(remembered, force=True)
    assert (place / "file").read_text() == "before"


def test_an_index_of_another_process_saves_reading_everything_again(
    remembered: Remembered, place: Path
) -> None:
    (place / "file").write_text("x")
    made(remembered, place)(lambda: None)
    (mine,) = remembered.folder.glob(f"index-*-{os.getpid()}")
    mine.rename(mine.with_name(mine.name.replace(str(os.getpid()), "999999999")))
    later = Remembered(remembered.folder, Settings())
    assert later._index(str(place)).read_bytes()


operations = st.lists(
    st.tuples(
        st.sampled_from(["agent", "person"]),
        st.sampled_from(["a", "b", "d/c"]),
        st.one_of(st.none(), st.binary(max_size=3)),
    ),
    max_size=8,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(operations)
def test_undoing_everything_leaves_what_people_wrote(
    tmp_path_factory: Any, steps: list[tuple[str, str, bytes | None]]
) -> None:
    """A file goes back to before the agent, or stays as a person left it."""
    root = tmp_path_factory.mktemp("property")
    place, remembered = (root / "place").resolve(), Remembered(root / "kept", Settings())
    place.mkdir()

    def put(name: str, contents: bytes | None) -> None:
        path = place / name
        if contents is None:
            path.unlink(missing_ok=True)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(contents)

    last: dict[str, str] = {}
    left: dict[str, list[bytes | None]] = {}
    theirs: dict[str, bytes | None] = {}
    for number, (who, name, contents) in enumerate(steps):
        path = place / name
        before = path.read_bytes() if path.exists() else None
        if who == "person":
            put(name, contents)
        else:
            made(remembered, place, f"t{number}")(lambda n=name, c=contents: put(n, c))
        if who == "agent":
            left.setdefault(name, []).append(contents)
        if before != contents:
            last[name] = who
        if who == "person" and before != contents:
            theirs[name] = contents
    undo(remembered, len(steps) + 1)
    for name, who in last.items():
        path = place / name
        # Nothing is written over what a person wrote last, unless the agent had written the same.
        if who == "person" and theirs[name] not in left.get(name, ()):
            assert (path.read_bytes() if path.exists() else None) == theirs[name]


def test_git_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    git = Git(tmp_path / "store.git")
    with pytest.raises(Exception, match=r"^git: .*deadbeef"):
        git.contents("deadbeef")
    assert msgspec.to_builtins(Settings())["max_snapshots"] == 20
