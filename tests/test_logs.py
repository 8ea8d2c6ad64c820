"""What is written down of errors: redacted, in one place, whoever said it."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from hermes.logs import Captured, Logs
from hermes.paths import HomePaths
from hermes.secrets import SecretStore

CANARY = "canary-Xw7-00123-of-the-test"


class Untold(Exception):
    """Cannot be caught where it is raised."""


class Dying:
    def __del__(self) -> None:
        raise Untold(CANARY)


class Broken:
    def __str__(self) -> str:
        raise Untold(CANARY)


def in_thread() -> None:
    raise Untold(f"https://host/bot{CANARY}/getMe")


@pytest.fixture
def logs(home: Path) -> Logs:
    secrets = SecretStore(home / ".env", {})
    secrets.conceal(CANARY)
    return Logs(HomePaths(home), secrets, on_screen="warning")


@pytest.mark.filterwarnings("error")
def test_errors_that_nobody_catches_are_logged_without_secrets(
    logs: Logs, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    hooks = threading.excepthook
    with logs.capture():
        thread = threading.Thread(target=in_thread, name="poller")
        thread.start()
        thread.join()
        Dying()
        broken = {"name": "library", "levelno": 30, "msg": "got %s", "args": (Broken(),)}
        Captured(logs).handle(logging.makeLogRecord(broken))
        logging.getLogger("library").error("url %s", CANARY)
    assert threading.excepthook is hooks
    written = (home / "logs" / "hermes.log").read_text()
    shown = "".join(capfd.readouterr())
    for text in (written, shown):
        assert CANARY not in text
        for said in ("poller", "Untold: [secret]", "https://host/bot[secret]/getMe", "url [secret]",
                     "cannot be written"):  # fmt: skip
            assert said in text, said
    assert "Traceback" in written
    assert "Traceback" not in shown
