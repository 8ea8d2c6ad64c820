"""An event loop that no plugin's ``sys.exit`` ends (§4.3).

asyncio lets `SystemExit` out of the loop, whatever task raised it: a task that a library started
could end the whole process. Here it ends that task, and is reported like any other error; only the
main task may leave.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

if sys.platform == "win32":
    Base = asyncio.ProactorEventLoop
else:
    Base = asyncio.SelectorEventLoop


class Loop(Base):
    """What `asyncio.Runner` makes for a command."""

    _main: asyncio.Future[Any] | None = None

    def run_until_complete(self, future: Any) -> Any:
        self._main = main = asyncio.ensure_future(future, loop=self)
        return super().run_until_complete(main)

    def run_forever(self) -> None:
        while True:
            try:
                return super().run_forever()
            except SystemExit as error:
                if self._main is None or self._main.done():
                    raise
                said = "a task asked the process to exit; only the task ended"
                self.call_exception_handler({"message": said, "exception": error})
