"""Where no daemon can be had, one line says so. No daemon is needed here."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiodocker import docker

from hermes import TerminalError
from hermes_plugin_docker.daemon import Daemon


async def test_a_machine_without_docker_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(docker, "_sock_search_paths", [tmp_path / "docker.sock"])
    with pytest.raises(
        TerminalError, match=r"no daemon.s socket.* is Docker installed and running"
    ):
        await Daemon("").open()


async def test_a_daemon_that_does_not_answer_is_named(tmp_path: Path) -> None:
    daemon = Daemon(f"unix://{tmp_path}/docker.sock")
    with pytest.raises(TerminalError, match=r"Cannot connect.*is the daemon running"):
        await daemon.open()
    await daemon.close()
