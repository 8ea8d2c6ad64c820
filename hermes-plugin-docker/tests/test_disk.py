"""`terminal.container_disk`: enforced where Docker's storage can, and said where it cannot."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermes import TerminalLimits, TerminalSpec
from hermes.testing.dockerd import Dockerd, run_dockerd
from hermes.testing.servers import need
from hermes_plugin_docker.daemon import Daemon

LIMITS = TerminalLimits(cpu=1, memory=256, disk=100, processes=64)
FILL = "dd if=/dev/zero of=/tmp/big bs=1M count=300 conv=fsync 2>&1"


@pytest.fixture(scope="module")
def btrfs(tmp_path_factory, keep_child) -> Iterator[Dockerd]:
    """A daemon whose data lies on btrfs: the one driver with quotas that any kernel can have."""
    need("mkfs.btrfs", apt="btrfs-progs")
    folder: Path = tmp_path_factory.mktemp("btrfs")
    disk, place = folder / "disk", folder / "place"
    place.mkdir()
    with disk.open("wb") as file:
        file.truncate(1_500_000_000)
    subprocess.run(["mkfs.btrfs", "-q", disk], check=True, capture_output=True)
    mounted = subprocess.run(["mount", "-o", "loop", disk, place], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no btrfs here: {mounted.stderr.decode()[:100]}")
    try:
        with run_dockerd(place, keep_child) as docker:
            docker.image("hermes-test")
            yield docker
    finally:
        subprocess.run(["umount", place], check=False, capture_output=True)


async def test_what_a_container_writes_of_its_own_is_bounded(make_terminal, btrfs) -> None:
    terminal = await make_terminal(spec=TerminalSpec("disk", limits=LIMITS), host=btrfs.url)
    told = await terminal.run(FILL)
    assert b"Disk quota exceeded" in told.output
    assert terminal.context.log.entries == []


async def test_where_the_driver_cannot_it_is_said_and_the_container_runs(
    make_terminal, dockerd: Dockerd
) -> None:
    terminal = await make_terminal(spec=TerminalSpec("disk", limits=LIMITS))
    assert (await terminal.run("echo on")).output == b"on\n"
    daemon = Daemon(dockerd.url)
    await daemon.open()
    said = await daemon.describe()
    await daemon.close()
    if "bounds no disk" in said:
        assert "container_disk does not bound" in str(terminal.context.log.entries)
