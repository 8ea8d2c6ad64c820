"""The command line of Apptainer (Singularity): images, instances."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path

from hermes import PluginContext, TerminalError, TerminalSpec

PROGRAMS = ("apptainer", "singularity")


class Engine:
    """What the backend asks of the program. Everything here raises `TerminalError`."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._settings = context.settings
        self._building = asyncio.Lock()

    @property
    def program(self) -> str:
        """Path of the program."""
        wanted = (self._settings.program,) if self._settings.program else PROGRAMS
        for name in wanted:
            if found := shutil.which(name):
                return found
        raise TerminalError(
            f"singularity: no {' or '.join(wanted)} on the PATH: install Apptainer"
            " (https://apptainer.org), or set singularity.program"
        )

    def folder(self, name: str) -> Path:
        """Where the files of a container lie on this machine."""
        return self._context.paths.data / "containers" / name

    def environment(self) -> dict[str, str]:
        """What the program itself sees; of it nothing goes into the container."""
        passed = (n for n in os.environ if n.startswith(("APPTAINER_", "SINGULARITY_")))
        return self._context.children.allowlist(*passed)

    async def image(self) -> str:
        """Give the file of the image, built once and kept."""
        source = self._settings.image
        if "://" not in source:
            return _existing(source)
        folder = self._context.paths.cache / "images"
        target = folder / f"{hashlib.sha256(source.encode()).hexdigest()[:24]}.sif"
        async with self._building:
            if not target.exists():
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                part = folder / f"{uuid.uuid4().hex}.sif"  # another Hermes may build it, too
                try:
                    seconds = self._settings.build_timeout
                    await self._run("build", str(part), source, seconds=seconds)
                    part.replace(target)
                finally:
                    part.unlink(missing_ok=True)
        return str(target)

    async def running(self) -> set[str]:
        """Name the instances that run."""
        told = await self._run("instance", "list", "--json")
        try:
            return {each["instance"] for each in json.loads(told)["instances"]}
        except (ValueError, KeyError, TypeError):
            said = f"singularity: cannot read its list of instances: {told[:200]}"
            raise TerminalError(said) from None

    async def start(self, name: str, spec: TerminalSpec) -> None:
        """Start the instance *name* with the files that its folder keeps."""
        settings, folder = self._settings, self.folder(name)
        work = folder / "work"
        work.mkdir(parents=True, exist_ok=True, mode=0o700)
        flags = ["--containall", "--cleanenv", "--no-privs", "--workdir", str(work)]
        if settings.overlay and spec.persistent:
            (folder / "overlay").mkdir(exist_ok=True, mode=0o700)
            flags += ["--overlay", str(folder / "overlay")]
        else:
            flags.append("--writable-tmpfs")
        for bind in settings.binds:
            flags += ["--bind", bind]
        if not settings.network:
            flags += ["--net", "--network", "none"]
        if settings.limits:
            flags += _limits(spec)
        await self._run("instance", "start", *flags, await self.image(), name, seconds=120)

    async def stop(self, name: str) -> None:
        """End the instance, whatever runs in it."""
        await self._run("instance", "stop", "--timeout", "2", name)

    async def _run(self, *words: str, seconds: float = 60) -> str:
        env = self.environment()
        token = ""
        if words[0] == "build":  # an instance is not our child: it may go on without us
            token = self._context.children.mark(env, what=f"apptainer build {words[-1]}")
        process = await asyncio.create_subprocess_exec(
            self.program,
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=env,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(seconds):
                told, errors = await process.communicate()
        except TimeoutError:
            raise TerminalError(
                f"singularity: {' '.join(words[:2])} took more than {seconds:.0f} s"
            ) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            self._context.children.forget(token)
        if process.returncode:
            lines = errors.decode("utf-8", "replace").strip().splitlines() or ["it said nothing"]
            raise TerminalError(f"singularity: {lines[-1].removeprefix('FATAL:').strip()[:300]}")
        return told.decode("utf-8", "replace")


def _existing(file: str) -> str:
    path = Path(file).expanduser()
    if not path.exists():
        raise TerminalError(f"singularity: no image {file} (singularity.image)")
    return str(path)


def _limits(spec: TerminalSpec) -> list[str]:
    limits, flags = spec.limits, list[str]()
    if limits.cpu:
        flags += ["--cpus", f"{limits.cpu:g}"]
    if limits.memory:
        flags += ["--memory", f"{limits.memory}M"]
    if limits.processes:
        flags += ["--pids-limit", str(limits.processes)]
    return flags
