"""Import a plugin as the index does, and say what that brought in and took. Runs in a child."""

from __future__ import annotations

import importlib
import io
import json
import sys
import time
from typing import Any

import msgspec  # noqa: F401  (it is there in every process that lists plugins)

from hermes import Offer  # noqa: F401  (so is this)


def main(request: dict[str, Any]) -> None:
    """Answer with one line of JSON."""
    answers, sys.stdout = sys.stdout, io.StringIO()
    before, began = set(sys.modules), time.process_time()
    try:
        module = importlib.import_module(request["module"])
        for value in list(vars(module).values()):
            if hasattr(value, "hermes_impl"):
                value()
        failed: dict[str, Any] = {}
    except BaseException as error:  # noqa: BLE001  (isolation: a plugin's code; SystemExit too)
        failed = {"failed": f"{type(error).__name__}: {error}"}
    seconds, new = time.process_time() - began, set(sys.modules) - before
    own = request["module"].partition(".")[0]
    known = {own, "hermes", *sys.stdlib_module_names}
    beyond = sorted({name.partition(".")[0] for name in new} - known)
    said = {"seconds": seconds, "modules": len(new), "beyond": beyond, **failed}
    answers.write(json.dumps(said) + "\n")
    answers.flush()
