"""What must come to its end, whoever is cancelled meanwhile."""

from __future__ import annotations

import asyncio


async def to_the_end(task: asyncio.Future[None]) -> None:
    """Await *task* to its end even when the caller is cancelled meanwhile, which is raised then."""
    cancelled = False
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            cancelled = True
    task.result()
    if cancelled:
        raise asyncio.CancelledError
