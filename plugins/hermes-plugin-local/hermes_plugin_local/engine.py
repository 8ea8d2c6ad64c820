"""llama.cpp in this process: one loaded model.

xllamacpp is imported with this module (75 ms, a 33 MB library), so nobody imports it before a model
is to be loaded.
"""

from __future__ import annotations

import gc
import secrets
from pathlib import Path
from typing import Any

import xllamacpp  # type: ignore[import-untyped]

from hermes_plugin_local.loaded import EngineError, Heard, Loaded, LoadError

BATCH = 64
"""Tokens of a prompt that are computed between two looks at a cancel: a quarter of a second on one
idle core. Larger batches are hardly faster there, and cannot be stopped."""
KEPT_PROMPTS = 64
"""Megabytes of computed prompts kept beside the one in use, so that a title asked for in between
does not cost a conversation its prefix. The library's own limit is 8 GB."""


class Engine(Loaded):
    """A GGUF file, loaded."""

    def __init__(self, file: Path, *, window: int, threads: int) -> None:
        """Load *file* (0.3 s for 100 MB). Raises `LoadError`."""
        self.listener = ""
        """Address of the library's own HTTP listener; there is no way to have none."""
        self.key = secrets.token_hex(32)
        """Its key, known to nobody else: nothing here speaks HTTP to it."""
        try:
            self._server: Any = xllamacpp.Server(self._parameters(file, window, threads))
        except RuntimeError as error:
            raise LoadError(str(error)) from None
        self.listener = str(self._server.listening_address)

    def _parameters(self, file: Path, window: int, threads: int) -> Any:
        given = xllamacpp.CommonParams()
        given.model.path = str(file)
        given.n_ctx = window
        given.n_parallel = 1
        given.n_batch = given.n_ubatch = BATCH
        given.cpuparams.n_threads = given.cpuparams_batch.n_threads = threads
        given.cache_ram_mib = KEPT_PROMPTS
        given.verbosity = -1  # else it writes to our stderr
        given.api_keys = [self.key]
        given.hostnames = ["127.0.0.1"]
        given.port = 0
        given.n_threads_http = 1
        given.ui = False
        given.endpoint_slots = False
        given.endpoint_props = False
        given.endpoint_metrics = False
        return given

    def run(self, body: dict[str, Any], heard: Heard) -> None:
        """Answer. The library swallows what a callback raises, so it is kept and raised here."""
        raised: list[BaseException] = []

        def callback(chunk: dict[str, Any]) -> bool:
            try:
                return heard(chunk)
            except BaseException as error:  # noqa: BLE001  (raised again below)
                raised.append(error)
                return True

        try:
            self._server.handle_chat_completions(body, callback)
        except (RuntimeError, ValueError) as error:
            raise EngineError(str(error)) from None
        if raised:
            raise raised[0]

    def close(self) -> None:
        self._server = None  # its end stops the listener and frees the weights
        gc.collect()
