"""What a newcomer without a key gets: the real command, the real persona, the real weights."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("hermes_plugin_chat", reason="hermes-plugin-chat asks")
pytest.importorskip("hermes_plugin_context_files", reason="its persona decides what is right")


def test_a_first_question_is_answered_right(home: Path, shelf: Any) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hermes", "-z", "What is the capital of France?"],
        env={**os.environ, "HERMES_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout
