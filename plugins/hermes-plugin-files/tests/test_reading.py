"""read_file."""

from __future__ import annotations

import json
import os
import time

import pytest
from hypothesis import given, strategies as st

from hermes_plugin_files import lines
from hermes_plugin_files.sources import Source

SOAK = int(os.environ.get("HERMES_SOAK_FILE", 1_000_000_000))


class Memory(Source):
    """Bytes that count how many of them were asked for."""

    def __init__(self, data: bytes) -> None:
        super().__init__(len(data))
        self.data = data
        self.asked = 0

    async def read(self, offset: int, limit: int) -> bytes:
        self.asked += limit
        return self.data[offset : offset + limit]


def test_the_schemas_are_short(bench) -> None:
    texts = [
        json.dumps([tool.spec.name, tool.spec.description, json.loads(tool.spec.parameters)])
        for tool in bench.files.last_seen()
    ]
    assert sum(map(len, texts)) < 3_500


async def test_lines_come_with_their_numbers(bench) -> None:
    bench.put("a.txt", "one\ntwo\r\nthree")
    assert await bench.read("a.txt") == "1|one\n2|two\n3|three"
    assert await bench.read("a.txt", offset=2, limit=1) == "2|two\n[more: offset=3]"
    assert await bench.read("a.txt", offset=3) == "3|three"
    assert await bench.read("a.txt", offset=9) == "[the file has 3 lines]"


async def test_an_empty_file_is_said_to_be_empty(bench) -> None:
    bench.put("empty", "")
    assert await bench.read("empty") == "[the file is empty]"


async def test_paths_are_the_terminal_s(bench) -> None:
    bench.put("sub/a", "x")
    bench.put("b", "home")
    bench.terminal.state = (await bench.terminal.run("cd sub")).state
    assert await bench.read("a") == "1|x"
    assert await bench.read("../sub/./a") == "1|x"
    assert await bench.read("~/b") == "1|home"


@given(
    st.lists(st.text(alphabet="aé\t ", max_size=8), max_size=30),
    st.booleans(),
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(1, 7),
)
async def test_any_window_is_what_splitting_the_whole_file_gives(
    content: list[str], ends: bool, first: int, count: int, part: int
) -> None:
    whole = "\n".join(content) + ("\n" if ends and content else "")
    expected = whole.split("\n")
    if expected[-1] == "":
        expected.pop()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "FIRST_PART", part)
        patch.setattr(lines, "LARGEST_PART", part * 3)
        found = await lines.window(Memory(whole.encode()), first, count)
    assert found.lines == expected[first - 1 : first - 1 + count]
    assert found.more == (len(expected) > first - 1 + count)
    assert found.total == (None if found.more else len(expected))


async def test_the_beginning_of_a_large_file_needs_no_more_than_its_beginning() -> None:
    source = Memory(b"line\n" * 1_000_000)
    assert len((await lines.window(source, 1, 500)).lines) == 500
    assert source.asked < 300_000


async def test_at_most_so_many_characters_are_shown_and_the_rest_is_pointed_to(bench) -> None:
    bench.put("wide", ("x" * 999 + "\n") * 400)
    text = await bench.read("wide")
    assert 90_000 < len(text) < 102_000
    following = int(text.rpartition("offset=")[2].rstrip("]"))
    assert (await bench.read("wide", offset=following, limit=1)).startswith(f"{following}|xxx")


async def test_one_endless_line_is_shown_by_its_beginning(bench) -> None:
    bench.put("line", "é" * 3_000_000 + "\nend\n")
    first, second = (await bench.read("line")).split("\n")
    assert first == f"1|{'é' * 2_000}… [the line has 6000000 bytes]"
    assert second == "2|end"


async def large(bench, size: int) -> None:
    """Line N of a file of *size* bytes, exactly, and in 60 s on a terminal that can only run."""
    line = b"%015d\n"
    count = size // 16
    path = bench.folder / "large"
    with path.open("wb") as file:
        for start in range(0, count, 100_000):
            file.writelines(line % n for n in range(start + 1, min(start + 100_000, count) + 1))
    began = time.monotonic()
    text = await bench.read("large", offset=count - 1)
    assert text == f"{count - 1}|{count - 1:015d}\n{count}|{count:015d}"
    assert time.monotonic() - began < 60
    path.unlink()


async def test_a_line_deep_in_a_large_file_is_exact(bench) -> None:
    await large(bench, 32_000_000)


@pytest.mark.soak
async def test_the_last_line_of_a_gigabyte_is_exact(bench) -> None:
    await large(bench, SOAK)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("program", b"\x7fELF\0\0\1", "is binary (7 bytes, 7f 45 4c 46"),
        ("photo.PNG", b"\x89PNG", "is an image (4 bytes)"),
        ("wide.txt", "hi".encode("utf-16"), "is binary"),
    ],
)
async def test_what_is_no_text_is_refused_politely(bench, name: str, data: bytes, said) -> None:
    bench.put(name, data)
    result = await bench.run("read_file", path=name)
    assert result.is_error
    assert said in result.text


async def test_folders_pipes_and_devices_are_refused(bench) -> None:
    os.mkfifo(bench.folder / "pipe")
    assert "is a folder" in await bench.read(".")
    assert "device, pipe or socket" in await bench.read("pipe")
    assert "out of bounds" in await bench.read("/dev/zero")


async def test_a_missing_file_is_answered_with_similar_names(bench) -> None:
    bench.put("README.md", "")
    text = await bench.read("Readme.txt")
    assert "No such file" in text
    assert "Similar there: README.md" in text
    assert "No such file" in await bench.read("no/where/at/all")


async def test_bytes_that_are_no_utf8_are_replaced(bench) -> None:
    bench.put("latin", "caf\xe9".encode("latin-1"))
    assert await bench.read("latin") == "1|caf\ufffd"


async def test_a_kept_output_is_read_wherever_the_terminal_is(bench) -> None:
    (bench.context.paths.outputs / "s-1_call.2").write_text("one\ntwo\n")
    assert await bench.read("output:s-1_call.2", offset=2) == "2|two"


@pytest.mark.parametrize(
    "address", ["output:", "output:none", "output:../.env", "output:a/b", "output:..", "output:/x"]
)
async def test_an_address_leads_nowhere_else(bench, address: str, home) -> None:
    (home / ".env").write_text("SECRET")
    result = await bench.run("read_file", path=address)
    assert result.is_error
    assert "no kept output" in result.text


async def test_a_link_among_kept_outputs_is_not_followed(bench, home) -> None:
    (home / ".env").write_text("SECRET")
    (bench.context.paths.outputs / "link").symlink_to(home / ".env")
    assert "SECRET" not in await bench.read("output:link")
