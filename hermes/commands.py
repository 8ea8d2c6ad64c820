"""Commands: one definition serves ``hermes name`` in a shell and ``/name`` in a chat (§8).

    @command(surfaces={"cli", "chat"}, role="user")
    @click.argument("title", type=Rest(), default="")
    async def title(context: CommandContext, title: str) -> None:
        \"\"\"Show or set the title of this conversation.\"\"\"

Parameters are click's. The context is passed, never looked up: click's current context is kept per
thread, and would mix up users who are served at the same time.
"""

from __future__ import annotations

import inspect
import shlex
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import click

from hermes.errors import HermesError
from hermes.session import Authority, Role, SessionInfo, SessionKey

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.events import Event
    from hermes.gateway import Gateway
    from hermes.mailbox import Busy
    from hermes.plugins import Host
    from hermes.runtime import Runtime
    from hermes.turn import Question, Reply

Surface: TypeAlias = Literal["cli", "chat"]
EVERYWHERE: frozenset[str] = frozenset({"cli", "chat"})


class UsageError(HermesError):
    """The command was called in a way that it does not understand."""

    exit_code = 2


class CommandContext(ABC):
    """What a command works with, on every surface."""

    surface: Surface
    role: Role
    person: str
    host: Host
    """Plugins, configuration, secrets and paths: opened cheaply, without a journal."""

    @abstractmethod
    async def runtime(self) -> Runtime:
        """Give the runtime: journal, models, conversations. Opened at the first call."""

    @property
    @abstractmethod
    def session(self) -> SessionInfo | None:
        """The conversation that the command was given in; None from a shell."""

    @property
    @abstractmethod
    def conversation(self) -> Conversation | None:
        """The same, to act on."""

    @property
    def authority(self) -> Authority:
        """What a turn that the command starts may do. A surface that can ask overrides it."""
        return Authority(self.surface, self.person, self.role)

    @abstractmethod
    def reply(self, text: str) -> None:
        """Say something: a line on standard output, or part of the chat's answer."""

    def pick(self, command: str, choices: Sequence[str]) -> None:
        """Put buttons under the reply, where the chat has some: who presses one gives ``/command``
        with it. Elsewhere nothing: the reply says how to choose.
        """

    @abstractmethod
    async def ask(self, question: Question) -> Reply:
        """Ask the person who gave the command."""

    @abstractmethod
    async def stream(self, events: AsyncIterator[Event]) -> None:
        """Show a turn that the command started as the surface shows its own. In a messenger it is
        nobody's message: what is to survive the process goes through `post`.
        """

    @abstractmethod
    def switch(self, session: str) -> None:
        """Go on in another conversation (``/new``, ``/resume``)."""

    def leave(self) -> None:
        """End the chat (``/quit``), where the surface can."""
        raise UsageError("this chat cannot be left by a command")

    async def post(self, text: str, busy: Busy) -> None:
        """Send *text* as a message of whoever gave the command (``/queue``, ``/steer``), *busy*
        saying what it does to a turn that runs.
        """
        if self.conversation is None:
            raise UsageError("only a chat takes messages")
        if not text.strip():
            raise UsageError("say what")
        sent = self.conversation.send(text, authority=self.authority, busy=busy)
        await self.stream(sent)

    async def retry(self) -> None:
        """Take back the last turn and send its message again (``/retry``). Raises NotFound without
        one, and Busy.
        """
        if self.conversation is None:
            raise UsageError("only a chat has a last turn")
        await self.stream(self.conversation.retry(authority=self.authority))

    async def answer(self, choice: str, text: str = "") -> str:
        """Answer the oldest question of this chat (``/approve``), with *text* to go with it; say
        what came of it, which is nothing where it was taken.
        """
        raise UsageError("nothing waits for an answer here")

    @property
    def gateway(self) -> Gateway | None:
        """The gateway that serves this chat; None where none does."""
        return None

    @property
    def key(self) -> SessionKey | None:
        """Where the command was given; None from a shell."""
        conversation = self.conversation
        return conversation.key if conversation else None


class Rest(click.ParamType[str]):
    """Type of a last argument that takes the raw remainder of the line, quotes and all."""

    name = "text"


class Command(click.Command):
    """A click command with surfaces, a role, and an async callback."""

    surfaces: frozenset[str] = EVERYWHERE
    role: Role = "owner"
    busy: bool = True
    """May run while a turn does."""

    async def run(self, context: CommandContext, arguments: list[str], name: str = "") -> None:
        """Parse *arguments* and run. Raises `UsageError` in plain words."""
        await run_click(self, context, arguments, name or self.name or "")

    @property
    def takes_rest(self) -> bool:
        return bool(self.params) and isinstance(self.params[-1].type, Rest)

    def words(self, line: str) -> list[str]:
        """Split what was typed after the command's name into its arguments."""
        line = line.strip()
        if not self.takes_rest or line in ("--help", "-h"):
            return split(line)
        before = sum(isinstance(param, click.Argument) for param in self.params) - 1
        return ["--", *line.split(maxsplit=before)] if line else []


class Group(click.Group):
    """A command of sub-commands (``hermes sessions list``), each a `Command`."""

    surfaces: frozenset[str] = EVERYWHERE
    role: Role = "owner"
    busy: bool = True
    takes_rest = False
    command_class = Command

    def words(self, line: str) -> list[str]:
        """Split what was typed after the command's name; a sub-command may take the rest of it."""
        name, _, rest = line.strip().partition(" ")
        sub = self.commands.get(name)
        return [name, *sub.words(rest)] if isinstance(sub, (Command, Group)) else split(line)

    async def run(self, context: CommandContext, arguments: list[str], name: str = "") -> None:
        """Parse *arguments* and run the sub-command they name. Raises `UsageError`."""
        await run_click(self, context, arguments, name or self.name or "")


class CommandFamily(ABC):
    """Commands of chats whose names only configuration or the home knows (``/<skill>``): the target
    of an ``Offer(…, family=True, surfaces=("chat",))`` under `hermes_commands` (§4.1).

    A command that is offered by its own name stands above a member of the same name.
    """

    @abstractmethod
    def members(self) -> Mapping[str, str]:
        """Give name and summary of each. Asked for menus, completion, and a name that no offer has,
        so it answers at once.
        """

    @abstractmethod
    def command(self, name: str) -> Command | Group:
        """Give the command of that member."""


Callback: TypeAlias = Callable[..., Coroutine[Any, Any, None]]


def command(
    name: str = "",
    *,
    surfaces: set[str] | frozenset[str] = EVERYWHERE,
    role: Role = "owner",
    busy: bool = True,
) -> Callable[[Callback], Command]:
    """Make a `Command` of an async function whose first parameter is a `CommandContext`.

    *role* is the least that may give it in a chat; a shell is always the owner's. The docstring is
    its help. Stands above click's own decorators.
    """

    def make(function: Callback) -> Command:
        made = click.command(name or function.__name__.replace("_", "-"), cls=Command)(function)
        made.surfaces, made.role, made.busy = frozenset(surfaces), role, busy
        return made

    return make


def group(
    name: str = "", *, surfaces: set[str] | frozenset[str] = EVERYWHERE, role: Role = "owner"
) -> Callable[[Callback], Group]:
    """Make a `Group`. Its function runs when no sub-command is named; add by ``@it.command()``."""

    def make(function: Callback) -> Group:
        made = click.group(
            name or function.__name__.replace("_", "-"), cls=Group, invoke_without_command=True
        )(function)
        made.surfaces, made.role = frozenset(surfaces), role
        return made

    return make


def split(line: str) -> list[str]:
    """Split a line as a shell would; a quote that stays open is a character like any other."""
    try:
        return shlex.split(line)
    except ValueError:
        return line.split()


async def run_click(
    command: click.Command,
    context: CommandContext,
    arguments: list[str],
    name: str,
    parent: click.Context | None = None,
) -> None:
    """Run a click command whose callbacks are coroutines, without click's current context.

    ``--help`` is a reply; a usage error is a `UsageError`.
    """
    options: dict[str, Any] = {"parent": parent} if parent else {"help_option_names": []}
    asked_for_help = arguments[:1] in (["--help"], ["-h"])
    try:
        with command.make_context(
            name,
            [] if asked_for_help else list(arguments),
            resilient_parsing=asked_for_help,
            **options,
        ) as ctx:
            if asked_for_help:
                return context.reply(command.get_help(ctx))
            rest = [*ctx._protected_args, *ctx.args] if isinstance(command, click.Group) else []
            if rest and isinstance(command, click.Group):
                sub_name, sub, sub_arguments = command.resolve_command(ctx, rest)
                if sub is None:
                    raise UsageError(f"{name}: no such command: {rest[0]}")
                return await run_click(sub, context, sub_arguments, f"{sub_name}", ctx)
            if command.callback is not None:
                done = command.callback(context, **ctx.params)
                if inspect.isawaitable(done):
                    await cast(Awaitable[None], done)
    except click.UsageError as error:
        usage = error.ctx.get_usage() if error.ctx else ""
        raise UsageError(f"{error.format_message()}\n{usage}".strip()) from None
