"""Opening and closing: once, by one task, in reverse order (architecture §9)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hermes.resource import Resource
from hermes.resources import Resources


class Log:
    def __init__(self) -> None:
        self.said: list[str] = []

    def _say(self, event: str, **fields: object) -> None:
        self.said.append(event)

    debug = info = warning = error = _say


class Traced(Resource):
    def __init__(self, name: str, trace: list[str], *, fails: bool = False) -> None:
        self.name, self.trace, self.fails = name, trace, fails
        self.tasks: list[Any] = []

    async def open(self) -> None:
        self.tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        if self.fails:
            self.fails = False
            raise OSError("not now")
        self.trace.append(f"open {self.name}")

    async def close(self) -> None:
        self.tasks.append(asyncio.current_task())
        self.trace.append(f"close {self.name}")


async def test_a_resource_is_opened_once_and_closed_by_the_task_that_opened_it() -> None:
    trace: list[str] = []
    resources = Resources(Log())
    one, two = Traced("one", trace), Traced("two", trace)
    got = await asyncio.gather(*(resources.get("1", lambda: one) for _ in range(5)))
    await resources.get("2", lambda: two)
    await resources.close()
    assert all(each is one for each in got)
    assert trace == ["open one", "open two", "close two", "close one"]
    assert one.tasks[0] is one.tasks[1] is not asyncio.current_task()


async def test_one_that_cannot_be_opened_is_tried_again_by_the_next() -> None:
    trace: list[str] = []
    resources = Resources(Log())
    flaky = Traced("flaky", trace, fails=True)
    with pytest.raises(OSError, match="not now"):
        await resources.get("f", lambda: flaky)
    assert await resources.get("f", lambda: flaky) is flaky
    await resources.close()
    assert trace == ["open flaky", "close flaky"]


async def test_a_close_that_raises_is_reported_and_the_rest_is_closed() -> None:
    class Raises(Resource):
        async def close(self) -> None:
            raise RuntimeError("no")

    trace: list[str] = []
    log = Log()
    resources = Resources(log)
    await resources.get("1", lambda: Traced("one", trace))
    await resources.get("2", Raises)
    await resources.close()
    assert trace == ["open one", "close one"]
    assert log.said == ["closing failed"]
