"""Commands from a shell: what they are run with, and the kernel's own."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib
import json
import platform
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click
import msgspec

import hermes
from hermes.commands import Command, CommandContext, Group, UsageError, command, group
from hermes.errors import HermesError, NotFound, PluginError, Refused, tell
from hermes.loop import Loop
from hermes.plugins import KINDS, Host, PluginInfo
from hermes.schemas import nearest
from hermes.session import OWNER, Role, SessionInfo, allows
from hermes.trees import beneath

if TYPE_CHECKING:
    from hermes.conversation import Conversation
    from hermes.events import Event
    from hermes.runtime import Runtime
    from hermes.turn import Question, Reply


CONTROLS = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(127, 160)))
"""Control characters but for tab and line ends."""


ADDED = ("new", "check", "install", "update", "remove", "search")
"""Sub-commands of ``plugins`` that hermes-plugin-dev brings: where it is not, this is said."""


def find(name: str, host: Host, own: str = "", sub: str = "") -> Command | Group:
    """Give the command of that name, importing only what it needs.

    *own* is a kernel's target. If it is a group, it comes with the sub-commands that plugins offer
    for it (``plugins new``): *sub* whole, of the others only the summary.
    """
    if not own:
        return cast(Command | Group, host.create("commands", name))
    module, _, attribute = own.partition(":")
    found: Command | Group = getattr(importlib.import_module(module), attribute)
    offers = {
        offered.partition(" ")[2]: offer
        for offered, offer in host.offers("commands").items()
        if offered.startswith(f"{name} ")
    }
    if name == "plugins" and sub in ADDED and sub not in offers:
        with contextlib.suppress(NotFound):
            host.offered("commands", f"plugins {sub}")  # says it where its plugin is disabled
        raise UsageError(f"hermes plugins {sub} comes with a plugin: pip install hermes-plugin-dev")
    if not isinstance(found, Group) or not offers:
        return found
    found = copy.copy(found)  # another host in this process may have other plugins
    added = {
        word: host.create("commands", f"{name} {word}")
        if word == sub
        else Command(word, short_help=offer.summary, hidden=offer.hidden)
        for word, offer in offers.items()
    }
    found.commands = {**added, **found.commands}
    return found


def run_command(name: str, arguments: list[str], home: str, own: str = "") -> int:
    """Run one command to its end and give its exit status."""
    host = Host.open(Path(home))
    found = find(name, host, own, next((word for word in arguments if word[:1] != "-"), ""))
    if arguments[-1:] == ["--help"] and "--" not in arguments:
        click.echo(help_text(found, name, arguments[:-1]))
        return 0
    if "cli" not in found.surfaces:
        raise UsageError(f"/{name} is for chats")
    if not allows(ShellContext.role_here(), found.role):
        raise Refused(
            f"hermes {name} is the owner's, and refused to a Hermes that a tool of Hermes started"
        )
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(_run(ShellContext(host), found, f"hermes {name}", arguments))
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001  the last place that knows what must not be said
        return tell(error, host.secrets.redact)
    return 0


async def _run(
    context: ShellContext, found: Command | Group, name: str, arguments: list[str]
) -> None:
    async with context.closing:
        await found.run(context, arguments, name)


def help_text(found: click.Command, name: str, path: list[str]) -> str:
    """Give the help of a command, or of the sub-command that *path* leads to."""
    with click.Context(click.Group("hermes"), info_name="hermes") as root:
        context = click.Context(found, info_name=name, parent=root)
        for word in path:
            inner = found.get_command(context, word) if isinstance(found, click.Group) else None
            if inner is None:
                break
            found, context = inner, click.Context(inner, info_name=word, parent=context)
        return found.get_help(context)


class ShellContext(CommandContext):
    """A command that the owner of the machine gave in a shell."""

    surface = "cli"
    person = OWNER

    @staticmethod
    def role_here() -> Role:
        """Whoever has a shell is the owner, but for what Hermes itself started (§10)."""
        return "user" if beneath() else "owner"

    def __init__(self, host: Host) -> None:
        self.host = host
        self.role = self.role_here()
        self.closing = AsyncExitStack()
        self._runtime: Runtime | None = None
        host.report = lambda problem: click.echo(f"hermes: {problem}", err=True)

    async def runtime(self) -> Runtime:
        if self._runtime is None:
            from hermes.protection import protect  # noqa: PLC0415
            from hermes.runtime import Runtime  # noqa: PLC0415

            protect(self.host)
            opening = Runtime.open(surface="cli", host=self.host)
            async with AsyncExitStack() as attempt:
                attempt.enter_context(self.host.logs.capture())
                self._runtime = await attempt.enter_async_context(opening)
                await self.closing.enter_async_context(attempt.pop_all())
        return self._runtime

    @property
    def session(self) -> SessionInfo | None:
        return None

    @property
    def conversation(self) -> Conversation | None:
        return None

    def reply(self, text: str) -> None:
        """Print a line. To a terminal without control characters: what a page or a model wrote
        must not move its cursor or set its clipboard.
        """
        click.echo(text.translate(CONTROLS) if sys.stdout.isatty() else text)

    async def ask(self, question: Question) -> Reply:
        """Ask on the terminal; where there is none, the answer is no."""
        from hermes.turn import Reply  # noqa: PLC0415

        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            return Reply("deny")
        choices = f" [{'/'.join(question.choices)}]" if question.choices else ""
        while True:
            click.echo(f"{question.text}{choices} ", nl=False, err=True)
            try:
                answer = (await _line()).strip()
            except EOFError:
                return Reply("deny")
            if not question.choices:
                return Reply("", answer, OWNER)
            fits = [each for each in question.choices if answer and each.startswith(answer)]
            if answer in question.choices or len(fits) == 1:
                return Reply(answer if answer in question.choices else fits[0], "", OWNER)

    async def stream(self, events: AsyncIterator[Event]) -> None:
        from hermes.events import Notice, StreamRestarted, TextChunk, TurnFinished  # noqa: PLC0415

        shown = ""
        async for event in events:
            match event:
                case TextChunk(text=text):
                    shown += text
                    click.echo(text, nl=False)
                case StreamRestarted():
                    click.echo()  # what was printed cannot be taken back
                    shown = ""
                case Notice(text=text):
                    click.echo(text, err=True)
                case TurnFinished(status=status, reply=reply):
                    if status != "ok":
                        raise HermesError(reply)
                    click.echo("" if shown else reply)

    def switch(self, session: str) -> None:
        raise UsageError("there is no chat here that could go on in another conversation")


async def _line() -> str:
    """Read a line of standard input while everything else goes on."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(sys.stdin, ready.set)
    except NotImplementedError:  # Windows
        line = str(await asyncio.to_thread(sys.stdin.readline))
    else:
        try:
            await ready.wait()
        finally:
            loop.remove_reader(sys.stdin)
        line = str(sys.stdin.readline())
    if not line:
        raise EOFError
    return line


# the kernel's own commands ----------------------------------------------------------------------


@command(surfaces={"cli"}, role="user")
async def version(context: CommandContext) -> None:
    """Say which Hermes, Python and plugins these are."""
    context.reply(f"hermes {hermes.__version__}, Python {platform.python_version()}")
    for plugin in context.host.plugins():
        context.reply(f"{plugin.distribution} {plugin.version}")


@command(surfaces={"cli"}, role="user")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
async def completion(context: CommandContext, shell: str) -> None:
    """Print the completion script of a shell, to be put into its start-up file."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415

    kind = get_completion_class(shell)
    assert kind is not None
    context.reply(kind(click.Group("hermes"), {}, "hermes", "_HERMES_COMPLETE").source())


@group(surfaces={"cli"})
@click.option("--json", "as_json", is_flag=True, help="For programs.")
async def plugins(context: CommandContext, as_json: bool = False) -> None:
    """List what is installed, and what became of it."""
    _list(context, context.host.plugins(), as_json)


@plugins.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
async def list_(context: CommandContext, as_json: bool) -> None:
    """List what is installed, and what became of it."""
    _list(context, context.host.plugins(), as_json)


def _list(context: CommandContext, found: list[PluginInfo], as_json: bool) -> None:
    if as_json:
        return context.reply(json.dumps(msgspec.to_builtins(found), indent=2))
    width = max((len(plugin.name) for plugin in found), default=0)
    for plugin in found:
        what = plugin.reason if plugin.state != "active" else _summary(plugin)
        what = f"{plugin.distribution}: {what}" if what else plugin.distribution
        context.reply(
            f"{plugin.name:{width}}  {plugin.version:8} {plugin.state:12} {what}".rstrip()
        )
        for warning in plugin.warnings:
            context.reply(f"{'':{width}}  warning: {warning}")
    for conflict in context.host.conflicts():
        context.reply(f"conflict: {conflict}")
    if not found:
        context.reply("No plugins are installed: pip install 'hermes-kernel[standard]'")
    return None


def _summary(plugin: PluginInfo) -> str:
    names = {kind: [o.name for o in plugin.offers if o.kind == kind] for kind in KINDS}
    return "; ".join(f"{kind} {' '.join(some)}" for kind, some in names.items() if some)


@plugins.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
async def info(context: CommandContext, name: str, as_json: bool) -> None:
    """Show one plugin: what it offers and where that is."""
    plugin = _named(context.host, name)
    if as_json:
        return _list(context, [plugin], True)
    context.reply(f"{plugin.name}: {plugin.distribution} {plugin.version}, {plugin.state}")
    if plugin.reason:
        context.reply(f"  {plugin.reason}")
    context.reply(f"  made for hermes-kernel {plugin.kernel or '(any)'}")
    for offer in plugin.offers:
        context.reply(f"  {offer.kind} {offer.name}: {offer.summary} ({offer.target})")
    return None


@plugins.command()
async def order(context: CommandContext) -> None:
    """Print the chain of middleware at each point, outermost first."""
    from hermes.chain import Link, in_order, takes_part  # noqa: PLC0415
    from hermes.middleware import POINTS  # noqa: PLC0415

    links = in_order(Link(o.plugin, o.name, made) for o, made in context.host.middleware())
    for point in POINTS:
        context.reply(f"{point}:")
        for link in links:
            if takes_part(link, point):
                stage = link.middleware.stage.name
                context.reply(f"  {stage:12} {link.name} (plugin {link.plugin})")


@plugins.command()
@click.argument("name")
async def enable(context: CommandContext, name: str) -> None:
    """Let a plugin take part again, from the next start."""
    _disable(context, name, False)


@plugins.command()
@click.argument("name")
async def disable(context: CommandContext, name: str) -> None:
    """Keep a plugin from taking part, from the next start; it is not even imported."""
    _disable(context, name, True)


def _disable(context: CommandContext, name: str, wanted: bool) -> None:
    _named(context.host, name)
    set_disabled(context.host, name, wanted)
    context.reply(f"{name} is {'disabled' if wanted else 'enabled'} from the next start")


def set_disabled(host: Host, name: str, wanted: bool) -> None:
    """Write into the configuration whether a plugin takes part, from the next start."""
    before = host.config.section("hermes").plugins.disabled
    after = [other for other in before if other != name] + [name] * wanted
    if set(after) != set(before):
        host.config.set("plugins.disabled", after)


@plugins.command()
@click.argument("what")
@click.argument("plugin")
async def prefer(context: CommandContext, what: str, plugin: str) -> None:
    """Say which plugin answers to KIND.NAME where two offer it."""
    _named(context.host, plugin)
    chosen = {**context.host.config.section("hermes").plugins.prefer, what: plugin}
    context.host.config.set("plugins.prefer", chosen)
    context.reply(f"{what} is {plugin}'s from the next start")


def _named(host: Host, name: str) -> PluginInfo:
    found = {plugin.name: plugin for plugin in host.plugins()}
    if name not in found:
        raise PluginError(name, "is not installed" + nearest(name, found))
    return found[name]
