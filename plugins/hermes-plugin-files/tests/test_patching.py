"""patch and write_file: what is written, and what is told."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from hermes import ALONE, Lane, TerminalError
from hermes_plugin_files import v4a

PATCH = """\
*** Begin Patch
*** Update File: a.py
@@ def two():
     x = 1
-    return x
+    return x + 1
*** Add File: new/b.py
+B = 1
+
+C = 2
*** Delete File: c.py
*** Move File: d.py -> moved/d.py
*** End Patch
"""
A = "def one():\n    x = 1\n    return x\n\n\ndef two():\n    x = 1\n    return x\n"


async def test_a_patch_of_several_files(bench) -> None:
    for name, text in {"a.py": A, "c.py": "C\n", "d.py": "D\n"}.items():
        bench.put(name, text)
    result = await bench.patch(PATCH)
    assert not result.is_error, result.text
    assert bench.get("a.py") == A[: A.rindex("x")] + "x + 1\n"
    assert bench.get("new/b.py") == "B = 1\n\nC = 2\n"
    assert bench.get("moved/d.py") == "D\n"
    assert not (bench.folder / "c.py").exists()
    assert not (bench.folder / "d.py").exists()
    for said in (
        "+    return x + 1",
        "Made new/b.py.",
        "Deleted c.py.",
        "Moved d.py to moved/d.py.",
    ):
        assert said in result.text


@pytest.mark.parametrize(
    "broken",
    [
        ("x = 1", "x = 7"),  # a hunk that does not fit
        ("*** Delete File: c.py", "*** Delete File: none.py"),
        ("*** Add File: new/b.py", "*** Add File: c.py"),
        ("moved/d.py", "c.py2/../c.py"),
        ("*** Delete File: c.py", "*** Delete File: ~/.ssh/config"),
    ],
)
async def test_all_of_it_or_nothing(bench, broken: tuple[str, str]) -> None:
    files = {"a.py": A, "c.py": "C\n", "d.py": "D\n"}
    for name, text in files.items():
        bench.put(name, text)
    patch = PATCH.replace(*broken)
    if "c.py2" in patch:  # moving onto a file that stays
        patch = patch.replace("*** Delete File: c.py\n", "")
    assert (await bench.patch(patch)).is_error
    found = {p.name: p.read_text() for p in bench.folder.rglob("*") if p.is_file()}
    assert found == files


async def test_what_was_written_is_put_back_when_a_later_file_fails(bench, monkeypatch) -> None:
    for name, text in {"a.py": A, "c.py": "C\n", "d.py": "D\n"}.items():
        bench.put(name, text)
    write = bench.terminal.write

    async def failing(path: str, data: bytes) -> None:
        if "moved" in path:
            raise TerminalError("No space left on device")
        await write(path, data)

    monkeypatch.setattr(bench.terminal, "write", failing)
    result = await bench.patch(PATCH)
    assert result.text == "Nothing was changed: No space left on device"
    assert (bench.get("a.py"), bench.get("c.py"), bench.get("d.py")) == (A, "C\n", "D\n")
    assert not (bench.folder / "new/b.py").exists()


async def test_a_hunk_s_context_stays_as_it_is_in_the_file(bench) -> None:
    bench.put("a", "\tkeep  \n\told\n\tend\n")
    await bench.patch("*** Update File: a\n@@\n keep\n-old\n+\tnew\n end\n")
    assert bench.get("a") == "\tkeep  \n\tnew\n\tend\n"


async def test_hunks_apply_in_order_and_at_the_end_of_the_file(bench) -> None:
    bench.put("a", "x\ny\nx\ny\nx\n")
    patch = "*** Update File: a\n@@\n-x\n+1\n y\n x\n y\n@@\n-x\n+3\n*** End of File\n"
    await bench.patch(patch)
    assert bench.get("a") == "1\ny\nx\ny\n3\n"


async def test_a_hunk_that_fits_twice_is_refused(bench) -> None:
    bench.put("a", "x\ny\nx\n")
    result = await bench.patch("*** Update File: a\n-x\n+1\n")
    assert "2 times (lines 1, 3)" in result.text
    assert bench.get("a") == "x\ny\nx\n"


async def test_additions_alone_go_after_their_header_or_to_the_end(bench) -> None:
    bench.put("a", "one\ntwo\n")
    await bench.patch("*** Update File: a\n@@ one\n+1.5\n@@\n+three\n")
    assert bench.get("a") == "one\n1.5\ntwo\nthree\n"


@pytest.mark.parametrize(
    "patch", ["", "hello", "*** Begin Patch\n*** End Patch", "*** Update File: a\n", "*** Frob: a"]
)
async def test_a_malformed_patch_is_said_to_be(bench, patch: str) -> None:
    bench.put("a", "x\n")
    result = await bench.patch(patch)
    assert result.is_error
    assert "patch" in result.text or "lines" in result.text


FILE = st.lists(st.text(alphabet="abc ", max_size=5), min_size=1, max_size=15)


@given(FILE, st.data())
def test_a_patch_made_of_a_change_makes_the_change(before: list[str], data) -> None:
    """Whole-file hunks: whatever was changed comes out, to the letter."""
    hunk, after = [], []
    for line in before:
        what = data.draw(st.sampled_from(["keep", "drop", "add", "change"]))
        if what in ("keep", "add"):
            hunk.append(f" {line}")
            after.append(line)
        else:
            hunk.append(f"-{line}")
        if what in ("add", "change"):
            new = data.draw(st.text(alphabet="xyz", min_size=1, max_size=5))
            hunk.append(f"+{new}")
            after.append(new)
    text = "".join(f"{line}\n" for line in before)
    patch = "*** Begin Patch\n*** Update File: f\n@@\n" + "\n".join(hunk) + "\n*** End Patch"
    (change,) = v4a.parse(patch)
    if change.hunks:
        assert v4a.apply(text, change) == "".join(f"{line}\n" for line in after)


@given(st.text(alphabet="*@+- UpdateFile:\nab", max_size=200))
def test_any_text_is_a_patch_or_an_error(text: str) -> None:
    try:
        changes = v4a.parse(text)
    except v4a.PatchError:
        assert v4a.paths(text) == ()
        return
    assert changes


async def test_a_replacement_shows_what_changed(bench) -> None:
    bench.put("a.py", A)
    result = await bench.replace("a.py", "def two():\n  x = 1", "def two():\n  x = 2")
    assert bench.get("a.py") == A.replace("two():\n    x = 1", "two():\n    x = 2")
    assert result.text.startswith("Matched not to the letter (indentation-flexible).\n--- a/a.py\n")
    assert "-    x = 1\n+    x = 2\n" in result.text


async def test_line_breaks_byte_order_mark_and_stray_bytes_stay(bench) -> None:
    bench.put("dos.txt", b"\xef\xbb\xbfone\r\ntw\xe9\r\nthree\r\n")
    assert not (await bench.replace("dos.txt", "three\n", "3\nfour\n")).is_error
    data = (bench.folder / "dos.txt").read_bytes()
    assert data == b"\xef\xbb\xbfone\r\ntw\xe9\r\n3\r\nfour\r\n"


async def test_a_file_keeps_its_mode_and_a_link_its_target(bench) -> None:
    script = bench.put("script.sh", "echo old\n")
    script.chmod(0o755)
    (bench.folder / "link").symlink_to("script.sh")
    await bench.replace("link", "old", "new")
    assert bench.get("script.sh") == "echo new\n"
    assert script.stat().st_mode & 0o777 == 0o755
    assert (bench.folder / "link").is_symlink()


async def test_a_binary_file_is_not_edited(bench) -> None:
    bench.put("b", b"a\0b")
    assert "is binary" in (await bench.replace("b", "a", "c")).text


async def test_writing_makes_folders_and_says_what_it_did(bench) -> None:
    result = await bench.run("write_file", path="new/deep/a.txt", content="one\ntwo")
    assert result.text == "Made new/deep/a.txt: 2 lines."
    assert bench.get("new/deep/a.txt") == "one\ntwo"
    again = await bench.run("write_file", path="new/deep/a.txt", content="")
    assert again.text == "Wrote new/deep/a.txt: 0 lines."


async def test_a_file_changed_by_somebody_else_is_warned_of(bench) -> None:
    path = bench.put("a.txt", "one\n")
    await bench.read("a.txt")
    path.write_text("one\ntwo\n")
    result = await bench.replace("a.txt", "one", "1")
    assert "had been changed by somebody else since you read it" in result.text
    assert bench.get("a.txt") == "1\ntwo\n"
    again = await bench.replace("a.txt", "two", "2")
    assert "Warning" not in again.text
    os.utime(path, (1, 1))
    assert "Warning" in (await bench.run("write_file", path="a.txt", content="x")).text


async def test_what_another_conversation_read_is_its_own_business(bench) -> None:
    path = bench.put("a.txt", "one\n")
    await bench.read("a.txt")
    path.write_text("one\ntwo\n")
    bench.session = type(bench.session)("another")
    assert "Warning" not in (await bench.replace("a.txt", "one", "1")).text


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("a.json", '{"a": 1}', '{"a": 1,}'),
        ("a.yaml", "a: [1, !tag 2]\n---\nb: *x\n".replace("*x", "1"), "a: [1\nb: 2\n"),
        ("a.toml", "a = 1\n", "a = \n"),
        ("a.py", "x = 1\n", "def f(:\n"),
        ("a.txt", "def f(:\n", None),
    ],
)
async def test_what_does_not_parse_is_written_and_warned_of(bench, name, good, bad) -> None:
    assert "Warning" not in (await bench.run("write_file", path=name, content=good)).text
    if bad is not None:
        result = await bench.run("write_file", path=name, content=bad)
        assert f"Warning: {name} does not parse:" in result.text
        assert bench.get(name) == bad


async def test_what_did_not_parse_before_still_does_not(bench) -> None:
    bench.put("a.py", "def f(:\n    old\n")
    result = await bench.replace("a.py", "old", "new")
    assert "Warning: a.py still does not parse" in result.text


@given(st.text(max_size=400))
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=12, deadline=None
)
async def test_any_text_reads_back_as_it_was_written(bench, text: str) -> None:
    try:
        data = text.encode()
    except UnicodeEncodeError:
        return
    await bench.run("write_file", path="any", content=text)
    assert (bench.folder / "any").read_bytes() == data


def test_calls_about_one_file_run_in_order_however_it_is_spelt(bench) -> None:
    write, read = bench.tool("write_file"), bench.tool("read_file")
    patch, search = bench.tool("patch"), bench.tool("search_files")
    one = write.lane({"path": "/w/a.py"})
    assert one.excludes(read.lane({"path": "./a.py"}))
    assert one.excludes(patch.lane({"path": "a.py"}))
    assert one.excludes(search.lane({}))
    assert not one.excludes(write.lane({"path": "b.py"}))
    assert not read.lane({"path": "a"}).excludes(read.lane({"path": "a"}))
    assert patch.lane({"mode": "patch", "patch": PATCH}) == ALONE
    assert patch.lane({"mode": "patch", "patch": "*** Delete File: x/a.py"}) == Lane("file:a.py")


def test_policy_is_told_what_a_call_touches(bench) -> None:
    def paths(name: str, **arguments):
        tool = bench.tool(name)
        assert tool.paths is not None
        return tool.paths(arguments)

    assert paths("read_file", path="a") == ("a",)
    assert paths("read_file", path="output:x") == ("output:x",)
    assert paths("search_files", pattern="x") == (".",)
    assert paths("patch", path="a", old_string="x") == ("a",)
    touched = ("a.py", "new/b.py", "c.py", "d.py", "moved/d.py")
    assert paths("patch", mode="patch", patch=PATCH) == touched
    assert paths("patch", mode="patch", patch="nonsense") == ()
