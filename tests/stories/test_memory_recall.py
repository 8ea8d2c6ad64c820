"""Memory helps and does not lead astray (AT-37), at a small count: `bench/` has the large one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "bench" / "bench_memory_recall.py"


def test_the_right_fact_is_there_and_no_other(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCH), "--seeds", "7", "--projects", "8", "--questions", "40"]
    done = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, timeout=110, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = {name: scores[0] for name, scores in json.loads(done.stdout).items()}
    ours, open_before, plain = (
        found[name] for name in ("memory-files", "open since before", "plain MEMORY.md")
    )
    assert ours["answerable"] >= 30 and ours["requests"] == 80
    assert ours["recall"] >= 0.95, ours["missed"]
    assert ours["stale"] == 0, "corrected or expired"
    assert ours["foreign"] / ours["requests"] < 0.05, ours["strangers"]
    assert ours["tokens_max"] <= 800
    assert open_before["recall"] == 1.0, "a correction outranks a frozen prompt"
    assert plain["stale"] > 0.5 and plain["recall"] < ours["recall"], "the script is no easy one"
