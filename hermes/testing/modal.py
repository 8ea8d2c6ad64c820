"""A stand-in for Modal on loopback: its control plane and the command router of its sandboxes.

    async with serve(folder) as cloud:
        os.environ["MODAL_SERVER_URL"] = cloud.url
        modal.Client.from_credentials(cloud.token_id, cloud.token_secret)

The unmodified SDK talks gRPC to it, by the messages that Modal ships with it. As with the real one,
the first address hands out a second one for each sandbox, with a token, and commands, their streams
and snapshots go there. Sandboxes are real machines of `hermes.testing.machine`; one that has ended
is gone with its files, and a snapshot is an image to make another from. Calls that no backend of
ours makes are UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from grpclib import GRPCError, Status
from grpclib.server import Server, Stream
from modal_proto import api_pb2, task_command_router_pb2
from modal_proto.api_grpc import ModalClientBase
from modal_proto.task_command_router_grpc import TaskCommandRouterBase

from hermes.testing.machine import Machine, Running

Message: TypeAlias = Any  # generated; its fields are known at run time only
MOST_CPU, MOST_MEMORY = 64_000, 336 * 1024
"""Thousandths of a core and megabytes that a sandbox may have."""


class Exec:
    """A command in a sandbox, with what it printed so far."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.streams = (bytearray(), bytearray())
        self.ended = [False, False]
        self.news = asyncio.Condition()
        self.written = 0

    async def follow(self) -> None:
        """Collect what it prints."""
        readers = (self.running.output, self.running.error)
        await asyncio.gather(*(self._collect(n, reader) for n, reader in enumerate(readers)))

    async def more(self, number: int, offset: int) -> bytes:
        """Wait for what a stream has from *offset* on; nothing when it ended there."""
        async with self.news:
            await self.news.wait_for(
                lambda: len(self.streams[number]) > offset or self.ended[number]
            )
            return bytes(self.streams[number][offset:])

    async def _collect(self, number: int, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65_536):
            async with self.news:
                self.streams[number].extend(data)
                self.news.notify_all()
        async with self.news:
            self.ended[number] = True
            self.news.notify_all()


class Sandbox:
    """One sandbox."""

    def __init__(self, definition: Message, folder: Path) -> None:
        self.id = f"sb-{uuid.uuid4().hex[:22]}V"
        self.task = f"ta-{uuid.uuid4().hex[:22]}V"
        self.definition = definition
        self.name: str = definition.name
        self.machine = Machine(folder / self.id, "modal")
        self.execs: dict[str, Exec] = {}
        self.result = api_pb2.GenericResult()


class Cloud:
    """The service."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.token_id = f"ak-{uuid.uuid4().hex[:16]}"
        self.token_secret = f"as-{uuid.uuid4().hex[:16]}"
        self.url = ""
        self.router = ""
        """The command router's address: another port than the API's."""
        self.jwt = _jwt()
        self.sandboxes: dict[str, Sandbox] = {}
        self.images: dict[str, Path | None] = {}
        """Image to the folder of the snapshot that it is; None for one of a registry."""
        self.broken: set[str] = set()
        """Calls that fail as those of an overloaded service do."""
        self.tasks: set[asyncio.Task[None]] = set()

    def running(self) -> list[Sandbox]:
        """Give the sandboxes that run."""
        return [each for each in self.sandboxes.values() if not each.result.status]

    async def end(self, sandbox: Sandbox, status: str = "TERMINATED") -> None:
        """End a sandbox, with its files."""
        number = api_pb2.GenericResult.GenericStatus.Value(f"GENERIC_STATUS_{status}")
        sandbox.result = api_pb2.GenericResult(status=number)
        await sandbox.machine.stop()
        await asyncio.to_thread(shutil.rmtree, sandbox.machine.folder, ignore_errors=True)

    # -- the control plane --------------------------------------------------------------------

    async def ClientHello(self, asked: Message) -> Message:  # noqa: N802
        return api_pb2.ClientHelloResponse(image_builder_version="2025.06")

    async def AuthTokenGet(self, asked: Message) -> Message:  # noqa: N802
        return api_pb2.AuthTokenGetResponse(token=self.jwt)

    async def AppGetOrCreate(self, asked: Message) -> Message:  # noqa: N802
        return api_pb2.AppGetOrCreateResponse(app_id=f"ap-{asked.app_name}")

    async def EnvironmentGetOrCreate(self, asked: Message) -> Message:  # noqa: N802
        metadata = api_pb2.EnvironmentMetadata(
            name="main", settings=api_pb2.EnvironmentSettings(image_builder_version="2025.06")
        )
        return api_pb2.EnvironmentGetOrCreateResponse(environment_id="en-1", metadata=metadata)

    async def ImageGetOrCreate(self, asked: Message) -> Message:  # noqa: N802
        said = " ".join(asked.image.dockerfile_commands)
        if "FROM" not in said:
            raise GRPCError(Status.INVALID_ARGUMENT, "no FROM in the image")
        image = f"im-{uuid.uuid5(uuid.NAMESPACE_URL, said).hex[:22]}"
        self.images.setdefault(image, None)
        done = api_pb2.GenericResult(status=api_pb2.GenericResult.GENERIC_STATUS_SUCCESS)
        return api_pb2.ImageGetOrCreateResponse(
            image_id=image, result=done, metadata=api_pb2.ImageMetadata()
        )

    async def ImageFromId(self, asked: Message) -> Message:  # noqa: N802
        if asked.image_id not in self.images:
            raise GRPCError(Status.NOT_FOUND, f"Image with ID {asked.image_id} not found")
        return api_pb2.ImageFromIdResponse(
            image_id=asked.image_id, metadata=api_pb2.ImageMetadata()
        )

    async def SandboxCreateV2(self, asked: Message) -> Message:  # noqa: N802
        definition = asked.definition
        if definition.name and any(each.name == definition.name for each in self.running()):
            raise GRPCError(
                Status.ALREADY_EXISTS, f"Sandbox with name '{definition.name}' already exists"
            )
        if definition.image_id not in self.images:
            raise GRPCError(Status.NOT_FOUND, f"Image with ID {definition.image_id} not found")
        resources = definition.resources
        if resources.milli_cpu > MOST_CPU or resources.memory_mb > MOST_MEMORY:
            raise GRPCError(Status.INVALID_ARGUMENT, "Requested resources exceed the maximum")
        if not 0 < definition.timeout_secs <= 86_400:
            raise GRPCError(Status.INVALID_ARGUMENT, "timeout must be between 1 and 86400 seconds")
        made = Sandbox(definition, self.folder)
        if (snapshot := self.images[definition.image_id]) is not None:
            await asyncio.to_thread(shutil.copytree, snapshot, made.machine.folder, symlinks=True)
        self.sandboxes[made.id] = made
        await made.machine.start()
        return api_pb2.SandboxCreateV2Response(sandbox_id=made.id, task_id=made.task)

    async def SandboxGetFromNameV2(self, asked: Message) -> Message:  # noqa: N802
        for sandbox in self.running():
            if sandbox.name == asked.sandbox_name:
                return api_pb2.SandboxGetFromNameResponse(sandbox_id=sandbox.id)
        raise GRPCError(Status.NOT_FOUND, f"Sandbox with name '{asked.sandbox_name}' not found")

    async def SandboxGetFromName(self, asked: Message) -> Message:  # noqa: N802
        raise GRPCError(Status.NOT_FOUND, f"Sandbox with name '{asked.sandbox_name}' not found")

    async def SandboxWaitV2(self, asked: Message) -> Message:  # noqa: N802
        return api_pb2.SandboxWaitResponse(result=self._sandbox(asked.sandbox_id).result)

    async def SandboxGetTaskIdV2(self, asked: Message) -> Message:  # noqa: N802
        sandbox = self._sandbox(asked.sandbox_id)
        if sandbox.result.status:
            return api_pb2.SandboxGetTaskIdResponse(task_result=sandbox.result)
        return api_pb2.SandboxGetTaskIdResponse(task_id=sandbox.task)

    async def SandboxTerminateV2(self, asked: Message) -> Message:  # noqa: N802
        sandbox = self._sandbox(asked.sandbox_id)
        if not sandbox.result.status:
            await self.end(sandbox)
        return api_pb2.SandboxTerminateResponse()

    async def SandboxGetCommandRouterAccess(self, asked: Message) -> Message:  # noqa: N802
        if asked.sandbox_id:
            sandbox = self._sandbox(asked.sandbox_id)
        else:
            sandbox = self._of_task(asked.task_id)
        if sandbox.result.status:
            raise GRPCError(Status.FAILED_PRECONDITION, "Sandbox has already finished")
        return api_pb2.SandboxGetCommandRouterAccessResponse(url=self.router, jwt=self.jwt)

    # -- the command router -------------------------------------------------------------------

    async def TaskExecStart(self, asked: Message) -> Message:  # noqa: N802
        sandbox = self._of_task(asked.task_id)
        if asked.exec_id not in sandbox.execs:  # the same id again is the same command
            words = list(asked.command_args)
            try:
                running = await sandbox.machine.spawn(words, cwd=asked.workdir or "/")
            except OSError as error:
                raise GRPCError(Status.INVALID_ARGUMENT, str(error)) from None
            made = sandbox.execs[asked.exec_id] = Exec(running)
            task = asyncio.create_task(made.follow())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return task_command_router_pb2.TaskExecStartResponse()

    async def TaskExecStdinWrite(self, asked: Message) -> Message:  # noqa: N802
        found = self._exec(asked)
        if asked.offset > found.written:
            raise GRPCError(Status.OUT_OF_RANGE, f"expected offset {found.written}")
        new = asked.data[found.written - asked.offset :]
        found.written += len(new)
        await found.running.write(new)
        if asked.eof:
            found.running.end_input()
        return task_command_router_pb2.TaskExecStdinWriteResponse()

    async def TaskExecWait(self, asked: Message) -> Message:  # noqa: N802
        code = await asyncio.shield(self._exec(asked).running.ended)
        if self._of_task(asked.task_id).result.status:
            raise GRPCError(Status.NOT_FOUND, "Task not found")
        if code < 0:
            return task_command_router_pb2.TaskExecWaitResponse(signal=-code)
        return task_command_router_pb2.TaskExecWaitResponse(code=code)

    async def TaskExecStdioRead(self, stream: Stream[Message, Message]) -> None:  # noqa: N802
        asked = await stream.recv_message()
        assert asked is not None
        found, offset = self._exec(asked), asked.offset
        while data := await found.more(asked.file_descriptor, offset):
            offset += len(data)
            await stream.send_message(task_command_router_pb2.TaskExecStdioReadResponse(data=data))

    async def TaskSnapshotFilesystem(self, asked: Message) -> Message:  # noqa: N802
        sandbox = self._of_task(asked.task_id)
        image = f"im-{uuid.uuid4().hex[:22]}"
        folder = self.folder / "images" / image
        await asyncio.to_thread(sandbox.machine.copy, folder)
        self.images[image] = folder
        return task_command_router_pb2.TaskSnapshotFilesystemResponse(image_id=image)

    def _sandbox(self, id: str) -> Sandbox:
        if id not in self.sandboxes:
            raise GRPCError(Status.NOT_FOUND, f"Sandbox with ID {id} not found")
        return self.sandboxes[id]

    def _of_task(self, task: str) -> Sandbox:
        for sandbox in self.running():
            if sandbox.task == task:
                return sandbox
        raise GRPCError(Status.NOT_FOUND, "Task not found")

    def _exec(self, asked: Message) -> Exec:
        found = self._of_task(asked.task_id).execs.get(asked.exec_id)
        if found is None:
            raise GRPCError(Status.NOT_FOUND, "Exec not found")
        return found

    # -- serving ------------------------------------------------------------------------------

    def service(self, base: type, checked: Callable[[Any], bool]) -> Any:
        """Make the gRPC service of *base* from the methods here of the same names."""
        own = set(base.__abstractmethods__) & set(dir(self))  # type: ignore[attr-defined]
        methods: dict[str, Any] = dict.fromkeys(base.__abstractmethods__, _unimplemented)  # type: ignore[attr-defined]
        for name in own:
            methods[name] = self._method(name, checked)
        return type("Service", (base,), methods)()

    def _method(
        self, name: str, checked: Callable[[Any], bool]
    ) -> Callable[[Any, Stream[Message, Message]], Coroutine[Any, Any, None]]:
        async def method(_: Any, stream: Stream[Message, Message]) -> None:
            if not checked(stream.metadata):
                raise GRPCError(Status.UNAUTHENTICATED, "Token ID is malformed or not valid")
            if name in self.broken:
                raise GRPCError(Status.FAILED_PRECONDITION, f"{name}: out of order")
            if name == "TaskExecStdioRead":
                await self.TaskExecStdioRead(stream)
                return
            await stream.send_message(await getattr(self, name)(await stream.recv_message()))

        return method

    def _known(self, metadata: Any) -> bool:
        given = (metadata.get("x-modal-token-id"), metadata.get("x-modal-token-secret"))
        return given == (self.token_id, self.token_secret)

    def _bears(self, metadata: Any) -> bool:
        return bool(metadata.get("authorization") == f"Bearer {self.jwt}")


@asynccontextmanager
async def serve(folder: Path) -> AsyncIterator[Cloud]:
    """Serve both addresses on free ports of loopback; what is left of sandboxes is stopped."""
    cloud = Cloud(folder)
    services = (
        cloud.service(ModalClientBase, cloud._known),
        cloud.service(TaskCommandRouterBase, cloud._bears),
    )
    servers = [Server([service]) for service in services]
    ports = []
    for server in servers:
        await server.start("127.0.0.1", 0)
        assert isinstance(server._server, asyncio.Server)
        ports.append(server._server.sockets[0].getsockname()[1])
    cloud.url, cloud.router = (f"http://127.0.0.1:{port}" for port in ports)
    try:
        yield cloud
    finally:
        for sandbox in cloud.running():
            await sandbox.machine.stop()
        await asyncio.gather(*cloud.tasks, return_exceptions=True)
        for server in servers:
            server.close()
            await server.wait_closed()


async def _unimplemented(_: Any, stream: Stream[Message, Message]) -> None:
    raise GRPCError(Status.UNIMPLEMENTED, "the stand-in does not answer this call")


def _jwt() -> str:
    """Make a token that says when it ends; nobody checks its signature."""
    told = json.dumps({"exp": int(time.time()) + 3600}).encode()
    return f"e30.{base64.urlsafe_b64encode(told).decode().rstrip('=')}.x"
