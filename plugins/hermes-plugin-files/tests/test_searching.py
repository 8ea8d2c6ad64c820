"""search_files, with ripgrep and without."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture(params=["rg", "grep"])
def tree(bench, request, monkeypatch, tmp_path: Path):
    """A few files, on a machine with or without ripgrep."""
    if request.param == "rg" and not shutil.which("rg"):
        pytest.skip("no ripgrep here (apt: ripgrep)")
    if request.param == "grep":
        programs = tmp_path / "bin"
        programs.mkdir()
        for name in ("bash", "grep", "find", "sort", "cut", "head", "realpath", "stat", "mkdir"):
            (programs / name).symlink_to(shutil.which(name) or name)
        monkeypatch.setenv("PATH", str(programs))
    bench.put("src/a.py", "import os\n\ndef alpha():\n    return os.sep\n")
    bench.put("src/b.py", "def beta():\n    return alpha()\n")
    bench.put("src/odd: name\n.py", "alpha = 1\n")
    bench.put("docs/.hidden.md", "alpha\n")
    bench.put(".git/objects/x", "alpha\n")
    bench.put("binary", b"alpha\0\1")
    for age, name in enumerate(("src/a.py", "docs/.hidden.md", "src/b.py")):
        os.utime(bench.folder / name, (1_000_000 - age, 1_000_000 - age))
    return bench


async def find(bench, pattern: str, **arguments) -> str:
    return (await bench.run("search_files", pattern=pattern, **arguments)).text


async def test_lines_are_found_with_file_and_number(tree) -> None:
    text = await find(tree, r"alpha\(\)", path="src")
    assert sorted(text.split("\n")) == ["src/a.py:3:def alpha():", "src/b.py:2:    return alpha()"]


async def test_names_with_colons_and_newlines_are_no_trouble(tree) -> None:
    assert "src/odd: name\n.py:1:alpha = 1" in await find(tree, "alpha =")


async def test_hidden_files_are_searched_and_git_s_and_binaries_are_not(tree) -> None:
    text = await find(tree, "alpha")
    assert "docs/.hidden.md:1:alpha" in text
    assert ".git/" not in text
    assert "binary" not in text


async def test_files_and_counts_instead_of_lines(tree) -> None:
    files = await find(tree, "alpha", output_mode="files_only", file_glob="?.py")
    assert sorted(files.split("\n")) == ["src/a.py", "src/b.py"]
    counts = await find(tree, "return", output_mode="count", file_glob="?.py")
    assert sorted(counts.split("\n")) == ["src/a.py: 1", "src/b.py: 1"]


async def test_context_comes_with_a_match(tree) -> None:
    text = await find(tree, "def alpha", context=1)
    assert text == "src/a.py-2-\nsrc/a.py:3:def alpha():\nsrc/a.py-4-    return os.sep".replace(
        "py-2-", "py:2-"
    ).replace("py-4-", "py:4-")


async def test_a_page_at_a_time(tree) -> None:
    tree.put("many.txt", "".join(f"needle {n}\n" for n in range(10)))
    first = await find(tree, "needle", limit=4)
    assert first.endswith("many.txt:4:needle 3\n[more: offset=4]")
    last = await find(tree, "needle", limit=4, offset=8)
    assert last == "many.txt:9:needle 8\nmany.txt:10:needle 9"
    assert await find(tree, "needle", offset=99) == "Nothing found."


async def test_files_by_name_the_newest_first(tree) -> None:
    assert await find(tree, "?.py", target="files") == "src/a.py\nsrc/b.py"
    assert await find(tree, "hidden", target="files") == "docs/.hidden.md"
    assert await find(tree, "*.nope", target="files") == "Nothing found."


async def test_one_file_is_searched_too(tree) -> None:
    assert await find(tree, "return", path="src/b.py") == "src/b.py:2:    return alpha()"


async def test_a_wrong_pattern_and_a_missing_folder_are_errors(tree) -> None:
    wrong = await tree.run("search_files", pattern="(unclosed")
    assert wrong.is_error
    missing = await tree.run("search_files", pattern="x", path="none")
    assert missing.is_error
    assert "No such file" in missing.text


async def test_a_pattern_is_never_a_command_or_an_option(tree) -> None:
    assert await find(tree, "'; touch owned; '") == "Nothing found."
    assert await find(tree, "--files") == "Nothing found."
    assert await find(tree, "$(touch owned)", file_glob="$(touch owned)") == "Nothing found."
    assert not (tree.folder / "owned").exists()


async def test_long_lines_are_cut(tree) -> None:
    tree.put("min.js", "needle" + "x" * 1_000_000)
    text = await find(tree, "needle")
    assert text.startswith("min.js:1:needlexxx")
    assert len(text) < 1_000
