"""What a call comes to, read from what its tool states: for rules, grants and questions."""

from __future__ import annotations

import contextlib
import posixpath
import shlex
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from hermes import ShellCommand, Terminal, TerminalError, ToolCall
from hermes_plugin_approvals import hardline, places, workspace
from hermes_plugin_approvals.shell.syntax import Parser, Unreadable
from hermes_plugin_approvals.shell.walk import Reading, read
from hermes_plugin_approvals.surroundings import Lookout, Surroundings

NO_HOME = "/~"
"""Stands for the home of a terminal that was not asked."""


class Judgement(NamedTuple):
    """What is known of one call."""

    refusal: str = ""
    """Why nobody can allow it."""
    objections: tuple[str, ...] = ()
    """Why a person must be asked, beyond that it is asked about."""
    understood: bool = False
    """All that it does is known: the commands it runs were read."""
    readable: bool = True
    """Its commands could be parsed, so `refusal` means something."""
    grave: bool = True
    """It does, or may do, more than change the workspace and run its code."""
    writes: bool = True
    """It changes files."""
    needs: frozenset[str] = frozenset()
    """What it needs by what it does, where that is understood; else what its tool says."""
    paths: tuple[str, ...] | None = None
    """The paths that it touches, as stated or read; None: not known."""
    hosts: tuple[str, ...] | None = None
    """The hosts that it reaches; None: not known."""
    reaches: tuple[str, ...] = ()
    """The hosts that its commands reach; an empty one is not known which."""
    commands: tuple[str, ...] = ()
    """The words of each command, as one text each."""
    perhaps: tuple[str, ...] = ()
    """Commands that its texts would be, where its tool may run something and does not say what."""
    environment: str = ""
    """Hash of what its commands inherit."""


class Judge:
    """Reads calls."""

    def __init__(self, parser: Parser | None = None) -> None:
        self._parser = parser or Parser()
        self._lookout = Lookout()

    async def __call__(self, call: ToolCall) -> Judgement:
        """Read *call*. What goes wrong leaves it not understood, so that it is asked about."""
        commands = stated_commands(call)
        if commands is None:
            return await self._by_facts(call)
        try:
            return await self._by_commands(call, commands)
        except Unreadable as unreadable:
            return Judgement(
                objections=(f"it is not understood: {unreadable}",),
                readable=False,
                needs=call.tool.needs,
            )
        except (TerminalError, TimeoutError) as error:
            return Judgement(
                objections=(f"its terminal cannot be looked at: {error}",),
                readable=False,
                needs=call.tool.needs,
            )

    async def _by_facts(self, call: ToolCall) -> Judgement:
        readings = await self._read_texts(call) if "run" in call.tool.needs else []
        return Judgement(
            next(filter(None, (hardline.refusal(one, NO_HOME) for one in readings)), ""),
            needs=call.tool.needs,
            paths=workspace.stated_paths(call) or None,
            hosts=stated_hosts(call),
            perhaps=_written(readings),
        )

    async def _read_texts(self, call: ToolCall) -> list[Reading]:
        """Read every text of a call that may run something and does not say what."""
        readings = []
        for text in texts(call.request.arguments):
            with contextlib.suppress(Unreadable):  # no shell command
                readings.append(
                    await read(text, call.request.directory, self._parser, home=NO_HOME)
                )
        return readings

    async def _by_commands(self, call: ToolCall, commands: tuple[ShellCommand, ...]) -> Judgement:
        if not commands:
            return Judgement(understood=True, paths=(), hosts=(), grave=False, writes=False)
        # What nobody can allow is refused even where the terminal cannot be had.
        directory = call.request.directory or call.request.session.directory
        for command in commands:
            reading = await read(command.text, directory, self._parser, home=NO_HOME)
            if reason := hardline.refusal(reading, NO_HOME):
                return Judgement(reason, needs=call.tool.needs)
        terminal = await call.terminal()
        surroundings = await self._lookout.look(terminal)
        read_ = [
            await self._read(terminal, command, directory, surroundings) for command in commands
        ]
        names = {name for reading in read_ for name in reading.names}
        surroundings = await self._lookout.look(terminal, names)
        for reading in read_:
            if reason := hardline.refusal(reading, surroundings.home):
                return Judgement(reason, needs=call.tool.needs)
        judgement = await self._judged(call, terminal, read_, surroundings)
        if any(command.lasting for command in commands):
            why = "it goes on when the conversation and Hermes end"
            objections = (why, *judgement.objections)
            needs = judgement.needs | {"run"}
            judgement = judgement._replace(objections=objections, needs=needs, grave=True)
        return judgement

    async def _read(
        self,
        terminal: Terminal,
        command: ShellCommand,
        directory: str,
        surroundings: Surroundings,
    ) -> Reading:
        if command.directory:
            directory = await terminal.resolve(posixpath.join(directory, command.directory))
        return await read(
            command.text,
            directory,
            self._parser,
            home=surroundings.home,
            exported=surroundings.exported,
        )

    async def _judged(
        self,
        call: ToolCall,
        terminal: Terminal,
        readings: list[Reading],
        surroundings: Surroundings,
    ) -> Judgement:
        effects = [effect for reading in readings for effect in reading.effects]
        root = await places.root_of(terminal, call.request.session.directory)
        ground = places.Ground(terminal, root, public=call.authority.role != "guest")
        survey = await places.survey(effects, ground)
        found, grave = list(survey.objections), survey.grave
        if surroundings.odd:
            found.append(f"the variable {surroundings.odd} may change what programs do")
        if not surroundings.digest:
            found.append("its surroundings are not known")
        grave = grave or bool(surroundings.odd) or not surroundings.digest
        for name in sorted({name for reading in readings for name in reading.names}):
            if said := surroundings.objection(name, (root,) if root else ()):
                found.append(said)
                grave = grave or name in surroundings.shadowed
        kinds = {effect.kind for effect in effects}
        known = not kinds & {"unknown", "run"} and len(survey.objections) == len(found)
        needs = _needs(kinds) if known else call.tool.needs
        hosts = tuple(effect.why for effect in effects if effect.kind == "network")
        return Judgement(
            objections=tuple(dict.fromkeys(found)),
            understood=known,
            needs=needs,
            grave=grave,
            writes=bool(kinds & {"write", "commit"}),
            paths=survey.paths if known else None,
            hosts=hosts if known and all(hosts) else None,
            reaches=hosts,
            commands=_written(readings),
            environment=surroundings.digest,
        )


def _written(readings: Iterable[Reading]) -> tuple[str, ...]:
    """Write each command as one text; ``?`` is a word that is not known before it runs."""
    return tuple(
        " ".join(word.text or "?" for word in ran.words)
        for reading in readings
        for ran in reading.commands
    )


def _needs(kinds: set[Any]) -> frozenset[str]:
    """Say what effects of these kinds need."""
    needs = set()
    if kinds & {"look", "names", "read", "tree", "repository"}:
        needs.add("read")
    if kinds & {"write", "commit"}:
        needs |= {"read", "write"}
    if "network" in kinds:
        needs.add("network")
    return frozenset(needs)


def stated_commands(call: ToolCall) -> tuple[ShellCommand, ...] | None:
    """Give the commands that the tool says *call* runs; None where it does not say."""
    if call.tool.commands is None:
        return None
    try:
        return call.tool.commands(call.request.arguments)
    except Exception:  # noqa: BLE001 - isolation: a tool's code; not understood means asked about
        return None


def stated_hosts(call: ToolCall) -> tuple[str, ...] | None:
    """Give the hosts that the tool says *call* reaches; None where it does not say."""
    if "network" not in call.tool.needs:
        return ()
    if call.tool.hosts is None:
        return None
    try:
        hosts = call.tool.hosts(call.request.arguments)
    except Exception:  # noqa: BLE001 - isolation: a tool's code; not understood means asked about
        return None
    return hosts if hosts and all(hosts) else None


def texts(value: Any) -> Iterator[str]:
    """Give every text of *value*; a list of texts also as the command that it may be."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from texts(each)
    elif isinstance(value, (list, tuple)):
        if value and all(isinstance(each, str) for each in value):
            yield shlex.join(value)
        for each in value:
            yield from texts(each)
