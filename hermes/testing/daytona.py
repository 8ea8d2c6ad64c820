"""A stand-in for Daytona on loopback: its REST API and the toolbox of its sandboxes.

    async with serve(folder) as cloud:
        Daytona(DaytonaConfig(api_key=cloud.key, api_url=cloud.url, target="us"))

The unmodified SDK talks to it. Sandboxes are real machines of `hermes.testing.machine`: commands
run, files last from stop to start, a deleted sandbox is gone. As with the real one, the API gives
the toolbox's address, session commands are lines of text (NUL bytes are lost, a line shows when it
is whole), and input is echoed into the log unless that is suppressed. What the real one refuses is
refused with its status and message; what no backend of ours calls is 404.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from hermes.testing.machine import Machine, Running

OUT, ERR = b"\x01\x01\x01", b"\x02\x02\x02"
MOST = {"cpu": 4, "memory": 8, "disk": 10}
"""What a sandbox of a new organization may have."""


class Refused(Exception):
    """What is answered instead: status and message, as the API writes them."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class SessionCommand:
    """A command of a session, and its log."""

    def __init__(self, text: str, echo: bool) -> None:
        self.id = str(uuid.uuid4())
        self.text = text
        self.echo = echo
        self.log: list[bytes] = []
        self.code: int | None = None
        self.running: Running | None = None
        self.news = asyncio.Condition()
        self.over = False

    async def more(self, told: int) -> list[bytes] | None:
        """Wait for what came after *told* entries; None when it ended and there is no more."""
        async with self.news:
            await self.news.wait_for(lambda: told < len(self.log) or self.over)
            return self.log[told:] if told < len(self.log) else None

    async def add(self, data: bytes) -> None:
        async with self.news:
            self.log.append(data)
            self.news.notify_all()

    def json(self) -> dict[str, Any]:
        told = {"id": self.id, "command": self.text}
        return told if self.code is None else {**told, "exitCode": self.code}


class Sandbox:
    """One sandbox: what the API knows of it, and its machine."""

    def __init__(self, asked: dict[str, Any], folder: Path, proxy: str) -> None:
        self.id = str(uuid.uuid4())
        self.name = asked.get("name") or self.id
        self.asked = asked
        self.proxy = proxy
        self.state = "creating"
        self.machine = Machine(folder / self.id, self.id)
        self.sessions: dict[str, list[SessionCommand]] = {}

    def json(self) -> dict[str, Any]:
        asked = self.asked
        return {
            "id": self.id,
            "organizationId": "org",
            "name": self.name,
            "user": "daytona",
            "env": asked.get("env") or {},
            "labels": asked.get("labels") or {},
            "public": False,
            "networkBlockAll": bool(asked.get("networkBlockAll")),
            "kvm": False,
            "target": "us",
            "cpu": asked.get("cpu") or 1,
            "gpu": 0,
            "memory": asked.get("memory") or 1,
            "disk": asked.get("disk") or 3,
            "state": self.state,
            "autoStopInterval": asked.get("autoStopInterval", 15),
            "toolboxProxyUrl": self.proxy,
        }

    async def start(self) -> None:
        await self.machine.start()
        self.state = "started"

    async def stop(self) -> None:
        await self.machine.stop()
        self.sessions.clear()
        self.state = "stopped"


class Cloud:
    """The service. *broken* names calls that fail as an overloaded one does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = f"dtn_{uuid.uuid4().hex}"
        self.sandboxes: dict[str, Sandbox] = {}
        self.calls: list[str] = []
        """Method and path of every call."""
        self.broken: set[str] = set()
        self.sockets: set[web.WebSocketResponse] = set()
        self.url = ""
        self.toolbox = ""
        """The toolbox's address: another port than the API's."""
        self.tasks: set[asyncio.Task[None]] = set()

    # -- the API ------------------------------------------------------------------------------

    async def create(self, request: web.Request) -> web.Response:
        asked = await request.json()
        if any(each.name == asked.get("name") for each in self.sandboxes.values()):
            raise Refused(409, f"Sandbox with name {asked['name']} already exists")
        for what, most in MOST.items():
            if (asked.get(what) or 0) > most:
                raise Refused(
                    400,
                    f"{what.capitalize()} request {asked[what]} exceeds maximum allowed per"
                    f" sandbox ({most}).",
                )
        if not (asked.get("buildInfo") or asked.get("snapshot")):
            raise Refused(400, "Snapshot not found. Did you add it through the Daytona Dashboard?")
        made = Sandbox(asked, self.folder, self.toolbox)
        self.sandboxes[made.id] = made
        await made.start()
        return web.json_response(made.json())

    async def get(self, request: web.Request) -> web.Response:
        return web.json_response(self._named(request).json())

    async def start(self, request: web.Request) -> web.Response:
        sandbox = self._named(request)
        if sandbox.state != "stopped":
            raise Refused(400, f"Sandbox is not in valid state: {sandbox.state}")
        await sandbox.start()
        return web.json_response(sandbox.json())

    async def stop(self, request: web.Request) -> web.Response:
        sandbox = self._named(request)
        if sandbox.state != "started":
            raise Refused(400, "Sandbox is not started")
        await sandbox.stop()
        return web.json_response(sandbox.json())

    async def delete(self, request: web.Request) -> web.Response:
        sandbox = self._named(request)
        await self.lose(sandbox)
        return web.json_response({**sandbox.json(), "state": "destroyed"})

    async def lose(self, sandbox: Sandbox) -> None:
        """Remove a sandbox with its files."""
        del self.sandboxes[sandbox.id]
        await sandbox.machine.stop()
        await asyncio.to_thread(shutil.rmtree, sandbox.machine.folder, ignore_errors=True)

    async def cut(self) -> None:
        """Cut every open stream."""
        for socket in list(self.sockets):
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()

    def _named(self, request: web.Request) -> Sandbox:
        name = request.match_info["sandbox"]
        for sandbox in self.sandboxes.values():
            if name in (sandbox.id, sandbox.name):
                return sandbox
        raise Refused(404, f"Sandbox with ID or name {name} not found")

    # -- the toolbox --------------------------------------------------------------------------

    def _running(self, request: web.Request) -> Sandbox:
        sandbox = self._named(request)
        if sandbox.state != "started":
            raise Refused(
                400,
                "bad request: failed to get runner info: no IP address found. Is the Sandbox"
                " started?",
            )
        return sandbox

    async def create_session(self, request: web.Request) -> web.Response:
        sandbox, asked = self._running(request), await request.json()
        if asked["sessionId"] in sandbox.sessions:
            raise Refused(409, "session already exists")
        sandbox.sessions[asked["sessionId"]] = []
        return web.json_response({}, status=201)

    async def delete_session(self, request: web.Request) -> web.Response:
        sandbox = self._running(request)
        for command in sandbox.sessions.pop(request.match_info["session"], []):
            if command.running is not None and command.code is None:
                pid = command.running.pid.result()
                await sandbox.machine.spawn(["kill", "-KILL", "--", f"-{pid}"])
        return web.Response(status=204)

    async def execute(self, request: web.Request) -> web.Response:
        sandbox, asked = self._running(request), await request.json()
        commands = self._session(sandbox, request)
        if not asked.get("runAsync"):
            raise Refused(404, "only asynchronous commands here")
        command = SessionCommand(asked["command"], not asked.get("suppressInputEcho"))
        before = commands[-1] if commands else None
        commands.append(command)
        task = asyncio.create_task(self._run(sandbox, command, before))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return web.json_response({"cmdId": command.id}, status=202)

    async def _run(
        self, sandbox: Sandbox, command: SessionCommand, before: SessionCommand | None
    ) -> None:
        if before is not None:  # a session is one shell
            async with before.news:
                await before.news.wait_for(lambda: before.over)
        env = {**sandbox.asked.get("env", {}), "DAYTONA_SANDBOX_ID": sandbox.id}
        running = await sandbox.machine.spawn(["bash", "-c", command.text], env)
        command.running = running
        await command.add(b"")
        await asyncio.gather(
            _label(running.output, OUT, command), _label(running.error, ERR, command)
        )
        code = await running.wait()
        async with command.news:
            command.code, command.over = code, True
            command.news.notify_all()

    async def command(self, request: web.Request) -> web.Response:
        return web.json_response(self._command(request).json())

    async def logs(self, request: web.Request) -> web.StreamResponse:
        command = self._command(request)
        socket = web.WebSocketResponse(heartbeat=30)
        await socket.prepare(request)
        self.sockets.add(socket)
        told = 0
        sending = asyncio.current_task()
        assert sending is not None
        closing = asyncio.create_task(_until_closed(socket))
        closing.add_done_callback(lambda _: sending.cancel())
        try:
            while (new := await command.more(told)) is not None:
                for data in new:
                    await socket.send_bytes(data)
                told += len(new)
        except (ConnectionError, RuntimeError, asyncio.CancelledError):
            return socket
        finally:
            self.sockets.discard(socket)
        await socket.close()
        return socket

    async def input(self, request: web.Request) -> web.Response:
        command, asked = self._command(request), await request.json()
        if command.code is not None:
            raise Refused(410, "command has already completed")
        async with command.news:
            await command.news.wait_for(lambda: command.running is not None)
        data = asked["data"] if asked["data"].endswith("\n") else asked["data"] + "\n"
        if command.echo:
            await command.add(OUT + data.encode())
        assert command.running is not None
        await command.running.write(data.encode())
        return web.Response(status=204)

    def _session(self, sandbox: Sandbox, request: web.Request) -> list[SessionCommand]:
        name = request.match_info["session"]
        if name not in sandbox.sessions:
            raise Refused(404, f"session not found: {name}")
        return sandbox.sessions[name]

    def _command(self, request: web.Request) -> SessionCommand:
        for command in self._session(self._running(request), request):
            if command.id == request.match_info["command"]:
                return command
        raise Refused(404, "command not found")

    # -- serving ------------------------------------------------------------------------------

    @web.middleware
    async def _checked(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.calls.append(f"{request.method} {request.path}")
        try:
            if request.headers.get("Authorization") != f"Bearer {self.key}":
                raise Refused(401, "Unauthorized")
            name = getattr(handler, "__name__", "")
            if name in self.broken:
                raise Refused(503, "Service Unavailable")
            response: web.StreamResponse = await handler(request)
            return response
        except Refused as error:
            told = {"statusCode": error.status, "message": error.message, "error": "Refused"}
            return web.json_response(told, status=error.status)

    def api(self) -> web.Application:
        app = web.Application(middlewares=[self._checked], client_max_size=1 << 26)
        one = "/api/sandbox/{sandbox}"
        app.router.add_post("/api/sandbox", self.create)
        app.router.add_get(one, self.get)
        app.router.add_delete(one, self.delete)
        app.router.add_post(f"{one}/start", self.start)
        app.router.add_post(f"{one}/stop", self.stop)
        return app

    def proxy(self) -> web.Application:
        app = web.Application(middlewares=[self._checked], client_max_size=1 << 26)
        all_ = "/toolbox/{sandbox}/process/session"
        one = f"{all_}/{{session}}"
        app.router.add_post(all_, self.create_session)
        app.router.add_delete(one, self.delete_session)
        app.router.add_post(f"{one}/exec", self.execute)
        app.router.add_get(f"{one}/command/{{command}}", self.command)
        app.router.add_get(f"{one}/command/{{command}}/logs", self.logs)
        app.router.add_post(f"{one}/command/{{command}}/input", self.input)
        return app


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[Cloud]:
    """Serve both addresses on free ports of loopback; what is left of sandboxes is stopped."""
    cloud = Cloud(folder)
    runners = [web.AppRunner(app, shutdown_timeout=1) for app in (cloud.api(), cloud.proxy())]
    ports = []
    for runner in runners:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports.append(runner.addresses[0][1])
    cloud.url = f"http://127.0.0.1:{ports[0]}/api"
    cloud.toolbox = f"http://127.0.0.1:{ports[1]}/toolbox"
    try:
        yield cloud
    finally:
        for sandbox in cloud.sandboxes.values():
            await sandbox.machine.stop()
        await cloud.cut()
        await asyncio.gather(*cloud.tasks, return_exceptions=True)
        for runner in runners:
            await runner.cleanup()


async def _label(reader: asyncio.StreamReader, label: bytes, command: SessionCommand) -> None:
    """Put lines into the log as the daemon's `while read -r line` does."""
    rest = b""
    while data := await reader.read(65_536):
        *lines, rest = (rest + data.replace(b"\0", b"")).split(b"\n")
        for line in lines:
            await command.add(label + line + b"\n")
    if rest:
        await command.add(label + rest + b"\n")


async def _until_closed(socket: web.WebSocketResponse) -> None:
    async for message in socket:
        if message.type in (WSMsgType.CLOSE, WSMsgType.ERROR):
            return
