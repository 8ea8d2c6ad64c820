"""Talking to a gateway from another process: its owner only, and honest when nobody is there."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from pathlib import Path
from typing import Any

import pytest

from hermes import control
from hermes.control import ask, served
from hermes.errors import HermesError, NotFound
from hermes.testing import make_context


async def answer(given: dict[str, Any]) -> dict[str, Any]:
    if given["order"] == "no":
        raise NotFound("there is no such part")
    return {"heard": given}


@pytest.mark.parametrize("depth", [0, 120], ids=["short", "too long for a socket"])
async def test_an_order_is_answered_and_nothing_is_left_behind(tmp_path: Path, depth: int) -> None:
    run = tmp_path / ("d" * depth) / "run" if depth else tmp_path / "run"
    log = make_context(home=tmp_path).log
    async with served(run, answer, log):
        path = Path((run / control.ADDRESS).read_text())
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert await ask(run, "ping", x=1) == {"heard": {"order": "ping", "x": 1}}
        several = await asyncio.gather(*(ask(run, "ping", x=x) for x in range(20)))
        assert [each and each["heard"]["x"] for each in several] == list(range(20))
        with pytest.raises(HermesError, match="there is no such part"):
            await ask(run, "no")
    assert await ask(run, "ping") is None
    assert not path.exists()
    assert not (run / control.ADDRESS).exists()


async def test_nonsense_is_refused_and_harms_nobody(tmp_path: Path) -> None:
    context = make_context(home=tmp_path)
    async with served(tmp_path, answer, context.log):
        path = (tmp_path / control.ADDRESS).read_text()
        for line in (b"nonsense\n", b"[1]\n", b'{"no": "order"}\n', b"\xff\n", b"x" * 2_000_000):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(line)
            writer.write_eof()
            with contextlib.suppress(ConnectionResetError):  # a line that is too long is not read
                said = await reader.read()
                assert said == b"" or b"does not understand" in said
            writer.close()
        assert await ask(tmp_path, "ping") is not None


async def test_where_nobody_serves_the_answer_is_nothing(tmp_path: Path) -> None:
    assert await ask(tmp_path, "ping") is None
    (tmp_path / control.ADDRESS).write_text(str(tmp_path / "gone"))  # as a kill leaves it
    assert await ask(tmp_path, "ping") is None
    async with served(tmp_path, answer, make_context(home=tmp_path).log):
        assert await ask(tmp_path, "ping") is not None


async def test_one_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    async def hangs(given: dict[str, Any]) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async with served(tmp_path, hangs, make_context(home=tmp_path).log):
        assert await ask(tmp_path, "ping", seconds=0.05) is None
