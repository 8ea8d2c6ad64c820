"""Logs: JSON lines in the home's ``logs/hermes.log``, warnings also on standard error.

structlog is imported when the first line is emitted: a command that has nothing to say does not
pay for it. Every line passes the redaction of secrets.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, cast

from hermes.context import Log, Secrets
from hermes.files import locked_file
from hermes.paths import HomePaths

LIMIT = 5_000_000
"""Bytes of a file before it is put aside; three are kept beside it."""
KEPT = 3
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Logs:
    """Where lines go. *on_screen* is the least level shown on standard error, None for nothing."""

    def __init__(
        self,
        paths: HomePaths,
        secrets: Secrets,
        *,
        on_screen: str | None = None,
        least: str = "info",
    ) -> None:
        self._paths, self._secrets = paths, secrets
        self.on_screen = on_screen
        self.least = "debug" if os.environ.get("HERMES_DEBUG") else least
        self._render: Any = None

    def bind(self, **fields: object) -> Log:
        """Give a log whose lines carry *fields*."""
        return cast(Log, BoundLog(self, fields))

    @contextlib.contextmanager
    def capture(self) -> Iterator[None]:
        """Take over what libraries log and what Python itself says of an error that nobody caught
        (in a thread, in a destructor); by themselves they would write to standard error, whole.
        """
        handler = Captured(self)
        logging.getLogger().addHandler(handler)
        hooks = threading.excepthook, sys.unraisablehook

        def in_thread(died: threading.ExceptHookArgs) -> None:
            name = died.thread.name if died.thread else ""
            self.emit("error", "a thread ended in an error", {**_error(died), "thread": name})

        def nowhere(lost: Any) -> None:
            self.emit("error", "an error that nobody can catch", _error(lost))

        threading.excepthook, sys.unraisablehook = in_thread, nowhere
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            threading.excepthook, sys.unraisablehook = hooks

    def emit(self, level: str, event: str, fields: dict[str, object]) -> None:
        if LEVELS[level] < LEVELS[self.least]:
            return
        if self._render is None:
            self._render = _renderer()
        line = self._secrets.redact(self._render(level, event, fields))
        try:
            append(self._paths.logs / "hermes.log", line + "\n")
        except OSError:
            pass  # a full or read-only disk must not end a conversation
        if self.on_screen is not None and LEVELS[level] >= LEVELS[self.on_screen]:
            who = f" [{fields['plugin']}]" if "plugin" in fields else ""
            more = " ".join(
                f"{k}={v}" for k, v in fields.items() if k not in ("plugin", "exc_info")
            )
            said = f"hermes: {level}{who}: {event} {more}".rstrip()
            print(self._secrets.redact(said), file=sys.stderr)


class Captured(logging.Handler):
    """Brings what libraries log, from warnings on, to *logs*: redacted, and in one place."""

    def __init__(self, logs: Logs) -> None:
        super().__init__(logging.WARNING)
        self._logs = logs

    def emit(self, record: logging.LogRecord) -> None:
        try:
            level = "error" if record.levelno >= logging.ERROR else "warning"
            fields: dict[str, object] = {"library": record.name}
            if record.exc_info and record.exc_info[0] is not None:
                fields["exc_info"] = record.exc_info
            self._logs.emit(level, record.getMessage(), fields)
        except Exception as error:  # noqa: BLE001  (isolation: a library's own formatting)
            fields = {"library": record.name, "error": type(error).__name__}
            self._logs.emit("warning", "a library's line cannot be written", fields)


class BoundLog:
    """A `Log` that adds its fields."""

    def __init__(self, logs: Logs, fields: dict[str, object]) -> None:
        self._logs, self._fields = logs, fields

    def debug(self, event: str, **fields: object) -> None:
        self._logs.emit("debug", event, {**self._fields, **fields})

    def info(self, event: str, **fields: object) -> None:
        self._logs.emit("info", event, {**self._fields, **fields})

    def warning(self, event: str, **fields: object) -> None:
        self._logs.emit("warning", event, {**self._fields, **fields})

    def error(self, event: str, **fields: object) -> None:
        self._logs.emit("error", event, {**self._fields, **fields})


def _error(died: Any) -> dict[str, object]:
    """Give the fields of an error that a hook of Python was told of."""
    said = f"{died.exc_type.__name__}: {died.exc_value}"
    trace = (died.exc_type, died.exc_value, died.exc_traceback)
    return {"error": said, "exc_info": trace if died.exc_value is not None else None}


def _renderer() -> Any:
    import structlog  # noqa: PLC0415

    steps: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=str, ensure_ascii=False),
    ]

    def render(level: str, event: str, fields: dict[str, object]) -> str:
        line: MutableMapping[str, Any] | str = {"event": event, **fields}
        for step in steps:
            line = step(None, level, line)
        return str(line)

    return render


def append(file: Path, line: str) -> None:
    """Add a line; several processes may. A file over the limit is put aside first."""
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.fstat(handle).st_size > LIMIT:
            _put_aside(file)
            os.close(handle)
            handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(handle, line.encode("utf-8", "backslashreplace"))
    finally:
        os.close(handle)


def _put_aside(file: Path) -> None:
    with locked_file(file):
        if not file.exists() or file.stat().st_size <= LIMIT:
            return  # another process was first
        for number in range(KEPT, 0, -1):
            older = file.with_name(f"{file.name}.{number - 1}") if number > 1 else file
            if older.exists():
                older.replace(file.with_name(f"{file.name}.{number}"))
