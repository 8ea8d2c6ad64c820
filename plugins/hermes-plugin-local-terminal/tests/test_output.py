"""Much output: bounded in memory, whole on disk."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path

import pytest

from hermes_plugin_local_terminal.backend import remove_old
from hermes_plugin_local_terminal.capture import Capture, Rolling

MB = 1_000_000
SOAK = int(os.environ.get("HERMES_SOAK_OUTPUT", 1_000 * MB))


def peak() -> int:
    """Highest resident memory since `reset_peak`, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


async def much(terminal, size: int) -> None:
    await terminal.run("true")
    reset_peak()
    before = peak()
    heard = 0

    def listen(data: bytes) -> None:
        nonlocal heard
        heard += len(data)

    result = await terminal.run(f"yes hermes | head -c {size}", output=listen, timeout=300)
    assert (result.exit_code, result.total, heard) == (0, size, size)
    assert len(result.output) <= 65_536
    assert peak() - before < 50 * MB
    assert (await terminal.stat(result.file)).size == size
    await terminal.run(f"rm {result.file}")


async def test_100_mb_of_output_take_less_than_50_mb_of_memory(terminal) -> None:
    await much(terminal, 100 * MB)


@pytest.mark.soak
async def test_1_gb_of_output_takes_less_than_50_mb_of_memory(terminal) -> None:
    await much(terminal, SOAK)


async def test_a_listener_slower_than_the_command_slows_it_down(terminal) -> None:
    """Nothing piles up: at most a few chunks are on their way when the loop is busy."""
    sizes: list[int] = []

    def listen(data: bytes) -> None:
        time.sleep(0.001)
        sizes.append(len(data))

    result = await terminal.run("head -c 20000000 /dev/zero", output=listen)
    assert sum(sizes) == result.total == 20 * MB


async def test_the_file_stops_at_the_limit_and_says_so(make_terminal) -> None:
    terminal = await make_terminal(spool_limit=100_000)
    result = await terminal.run("head -c 300000 /dev/zero | tr '\\0' x", keep=1_000)
    kept = await terminal.read(result.file)
    assert result.total == 300_000
    assert kept[:100_000] == b"x" * 100_000
    assert kept[100_000:] == b"\n[only the first 100000 of 300000 bytes are kept]\n"


async def test_the_file_lies_where_output_addresses_are_looked_up(terminal, home: Path) -> None:
    result = await terminal.run("seq 10000", keep=100)
    assert result.file.startswith(f"{home}/outputs/terminal-")
    assert (await terminal.run(f"stat -c %a {result.file}")).output == b"600\n"


async def test_something_in_the_background_that_never_stops_writing_is_cut_off(terminal) -> None:
    async with asyncio.timeout(10):
        result = await terminal.run("yes & echo on", keep=1_000)
    assert result.exit_code == 0


def test_a_full_disk_does_not_end_the_command(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    capture = Capture(10, tmp_path / "file" / "no folder can be here", 100)
    for _ in range(5):
        capture.feed(b"0123456789")
    capture.close()
    assert (capture.output(), capture.total, capture.file) == (b"0123456789", 50, "")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_head_and_tail_do_not_depend_on_how_output_is_cut_up(tmp_path: Path, size: int) -> None:
    whole = bytes(range(100))
    capture = Capture(20, tmp_path, 1_000)
    for start in range(0, 100, size):
        capture.feed(whole[start : start + size])
    capture.close()
    assert capture.output() == whole[:10] + whole[-10:]
    assert Path(capture.file).read_bytes() == whole


def test_rolling_output_is_read_from_any_offset() -> None:
    rolling = Rolling(10)
    for number in range(10):
        rolling.feed(str(number).encode() * 5)
    assert rolling.since(0) == (b"8888899999", 50)
    assert rolling.since(47) == (b"999", 50)
    assert rolling.since(50) == (b"", 50)
    assert rolling.since(999) == (b"", 50)


def test_old_outputs_go_and_the_kernel_s_stay(tmp_path: Path) -> None:
    for name in ("terminal-old", "terminal-new", "kernel-old"):
        (tmp_path / name).touch()
    for name in ("terminal-old", "kernel-old"):
        os.utime(tmp_path / name, (1, 1))
    remove_old(tmp_path, 3600)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["kernel-old", "terminal-new"]
