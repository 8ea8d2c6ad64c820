"""What `hermes doctor` says."""

from __future__ import annotations

import shutil

import pytest
from hermes.testing import MakeContext

from hermes_plugin_old_check.check import RoomCheck
from hermes_plugin_old_check.settings import Settings


@pytest.mark.parametrize(
    ("free", "level"), [(5_000, "ok"), (1_999, "warning"), (199, "error"), (0, "error")]
)
async def test_the_level_is_that_of_the_room(
    plugin_context: MakeContext, monkeypatch: pytest.MonkeyPatch, free: int, level: str
) -> None:
    usage = shutil.disk_usage("/")._replace(free=free * 1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)

    context = plugin_context("old-check", settings=Settings())

    (finding,) = await RoomCheck(context).check()

    assert finding.level == level
    assert finding.text.startswith(f"{free} MB are free")
    assert bool(finding.mend) == (level != "ok")


async def test_the_real_disk_is_looked_at(plugin_context: MakeContext) -> None:
    context = plugin_context("old-check", settings=Settings(warn=0, fail=0))

    (finding,) = await RoomCheck(context).check()

    assert finding.level == "ok"
