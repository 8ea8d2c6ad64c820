"""Tools: what the model may ask for, and the three facts that each states (§7).

    @tool(effect=READ, needs={"network"})
    async def forecast(city: Annotated[str, "City name"], days: int = 3, *, call: ToolCall) -> str:
        \"\"\"Tell the weather of the next days.\"\"\"

The schema comes from the signature, the description from the docstring's first paragraph, the
parameters' from strings in `Annotated`. `call` is injected by the host. What a tool leaves unsaid
is assumed the worst: ``ONCE``, every need, a lane that excludes every other call.
"""

from __future__ import annotations

import hashlib
import inspect
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    TypeAlias,
    get_args,
    get_type_hints,
    overload,
)

import msgspec

from hermes.context import PluginContext
from hermes.messages import Image, ToolSpec
from hermes.provider import Emit, Models
from hermes.resource import Resource
from hermes.session import Authority, SessionInfo

if TYPE_CHECKING:
    from hermes.terminal import Terminal
    from hermes.turn import Ask, Question, Reply


class Effect(StrEnum):
    """What recovery may do with a call that was cut short."""

    READ = "read"
    """It changes nothing: run it again."""
    KEYED = "keyed"
    """It takes an idempotency key (`ToolRequest.key`): run it again with the same key."""
    ONCE = "once"
    """Never again: the outcome is unknown, and that is what the model and the person are told."""


READ, KEYED, ONCE = Effect.READ, Effect.KEYED, Effect.ONCE
"""The members of `Effect`, by themselves."""

Need: TypeAlias = Literal["read", "write", "run", "network", "send", "spend", "configure"]
"""What a tool needs of the world: what policy judges."""
EVERY_NEED: frozenset[str] = frozenset(get_args(Need))
"""What a tool needs that does not say."""


class Lane(msgspec.Struct, frozen=True):
    """Which calls of one answer must not overlap.

    Two calls with the same lane run in the model's order, unless both share it; ``*`` is the same
    as every lane. A call without a lane overlaps with all but an exclusive ``*``.
    """

    name: str = "*"
    shared: bool = False

    def excludes(self, other: Lane) -> bool:
        """Whether the two must run one after the other."""
        same = self.name == other.name or "*" in (self.name, other.name)
        return same and not (self.shared and other.shared)


ALONE = Lane("*")
"""Excludes every other call."""
TOGETHER = Lane("", shared=True)
"""Overlaps with everything that is not `ALONE`."""

Arguments: TypeAlias = Mapping[str, Any]


class ShellCommand(msgspec.Struct, frozen=True):
    """A command that a call runs in its terminal, for a policy to read."""

    text: str
    directory: str = ""
    """Where it starts, if not in the call's directory; relative to that."""
    lasting: bool = False
    """It goes on when the conversation, and Hermes, end."""


class ToolResult(msgspec.Struct, frozen=True):
    """What a call gives back to the model. An error is a result too."""

    text: str
    is_error: bool = False
    images: tuple[Image, ...] = ()
    source: str = ""
    """Where text from outside came from (a URL, a server): a label on its way to the model."""
    output: str = ""
    """Address of the whole output (``output:ID``) where `text` is a part. Set by the kernel."""
    unknown: bool = False
    """Whether it happened is not known; it was not repeated."""

    @classmethod
    def error(cls, text: str) -> ToolResult:
        return cls(text, is_error=True)


class Tool(msgspec.Struct, frozen=True):
    """A tool, ready to run."""

    spec: ToolSpec
    run: Callable[[ToolCall], Awaitable[ToolResult]]
    effect: Effect = Effect.ONCE
    needs: frozenset[str] = EVERY_NEED
    lane: Callable[[Arguments], Lane] = lambda arguments: ALONE
    paths: Callable[[Arguments], tuple[str, ...]] | None = None
    """The files or folders that a call with these arguments touches, and no others. Where it is
    not said, a policy cannot tell inside the workspace from outside."""
    limit: int = 8_000
    """Characters of a result that the model gets whole; of a longer one it gets head, tail and the
    address of the whole."""
    toolset: str = ""
    """Name of the offer it came with. Set by the kernel."""
    plugin: str = ""
    """Set by the kernel."""
    commands: Callable[[Arguments], tuple[ShellCommand, ...]] | None = None
    """The shell commands that a call with these arguments runs in its terminal, and all that it
    does beyond what `paths` and `hosts` say; none: it runs nothing. Where it is not said, a policy
    knows of `needs` only."""
    hosts: Callable[[Arguments], tuple[str, ...]] | None = None
    """The hosts that a call with these arguments reaches (``name`` or ``name:port``), and no
    others."""
    source: str = ""
    """Whose words its description is (`hermes.sources`), where they are not its plugin's."""

    @property
    def name(self) -> str:
        return self.spec.name


class Toolset(Resource):
    """Tools that are known only once something is connected (an MCP server's)."""

    @abstractmethod
    async def tools(self) -> tuple[Tool, ...]:
        """List them, connecting if need be."""

    def last_seen(self) -> tuple[Tool, ...] | None:
        """List what was there last time, without waiting; None where that is not known."""
        return None


class ToolsetFamily(Resource):
    """Toolsets whose names only configuration or the home knows (MCP servers): the target of an
    ``Offer(…, family=True)`` under `hermes_tools` (§4.1).

    The family and each of its toolsets is opened and closed by an owner task of its own, the family
    first and last.
    """

    @abstractmethod
    def members(self) -> tuple[str, ...]:
        """Name the toolsets there are, without waiting or connecting."""

    @abstractmethod
    def toolset(self, name: str) -> Toolset:
        """Give the toolset of that name: one object per name and process.

        Raise `NotFound`, with the nearest name, for one that is not a member.
        """


class Grant(msgspec.Struct, frozen=True):
    """Permission for exactly one call: given by policy, checked by the gate (§10)."""

    digest: str
    """`ToolCall.digest` of the call it is for."""
    by: str
    """Plugin that gave it."""
    why: str = ""


class ToolRequest(msgspec.Struct, frozen=True):
    """A call as it is recorded and hashed."""

    id: str
    tool: str
    arguments: dict[str, Any]
    """Decoded and validated JSON."""
    session: SessionInfo
    turn: str = ""
    directory: str = ""
    """Where a command of it would start."""
    backend: str = ""
    """Terminal backend it would run on, and its host (``ssh me@build.example:22``); empty for a
    tool that needs none."""
    isolated: bool = False
    """As that backend says of itself (`TerminalBackend.isolated`)."""
    key: str = ""
    """Idempotency key; the same again when a `KEYED` call is repeated."""
    grant: Grant | None = None
    sources: tuple[str, ...] = ()
    """Where text came from that the model had read when it asked for this (§10): ``web:…``,
    ``file:…``, ``mcp:…``, ``message:…``. What is not the person's own word is among them."""


class ToolCall:
    """One call on its way through the `tool` middleware; what a tool function gets as `call`."""

    __slots__ = (
        "_another",
        "_open_terminal",
        "ask_person",
        "authority",
        "batch",
        "context",
        "emit",
        "index",
        "models",
        "request",
        "segment",
        "tool",
    )

    def __init__(
        self,
        request: ToolRequest,
        tool: Tool,
        *,
        context: PluginContext,
        authority: Authority,
        emit: Emit,
        ask: Ask,
        models: Models,
        terminal: Callable[[], Awaitable[Terminal]],
        batch: dict[Any, Any] | None = None,
        index: int = 0,
        segment: int = 0,
        another: Callable[[str, dict[str, Any]], ToolCall | None] | None = None,
    ) -> None:
        self.request = request
        self.tool = tool
        self.context = context
        """Of the plugin that the tool belongs to."""
        self.authority = authority
        self.emit = emit
        self.ask_person = ask
        self.models = models
        self._open_terminal = terminal
        self.batch = {} if batch is None else batch
        """Scratch space shared by the calls of one answer."""
        self.index = index
        """Place among the calls of one answer."""
        self.segment = segment
        """Calls with the same number may overlap; an exclusive call between them starts another."""
        self._another = another

    @property
    def digest(self) -> str:
        """Hash of tool, arguments, directory and backend: what a grant is bound to."""
        bound = (
            self.request.tool,
            self.request.arguments,
            self.request.directory,
            self.request.backend,
        )
        return hashlib.sha256(msgspec.json.encode(bound, order="deterministic")).hexdigest()

    @property
    def settings(self) -> Any:
        """The settings of the tool's plugin."""
        return self.context.settings

    @property
    def log(self) -> Any:
        return self.context.log

    def another(self, tool: str, arguments: dict[str, Any]) -> ToolCall | None:
        """Give the call that the model would make with these, to be judged and not to be run; None
        where there is no such tool. It carries no grant.
        """
        return self._another(tool, arguments) if self._another else None

    async def terminal(self) -> Terminal:
        """Give the terminal of this conversation, opening it if need be."""
        return await self._open_terminal()

    async def ask(self, question: Question) -> Reply:
        """Ask the person (§7.1)."""
        return await self.ask_person(question)

    def granted(self, by: str, why: str = "") -> ToolCall:
        """Copy with a grant for exactly this call."""
        return self.replace(grant=Grant(self.digest, by, why))

    def replace(self, *, emit: Emit | None = None, **changes: Any) -> ToolCall:
        """Copy with other fields of `request`, or another `emit`. Grants hold for equal bytes."""
        return ToolCall(
            msgspec.structs.replace(self.request, **changes) if changes else self.request,
            self.tool,
            context=self.context,
            authority=self.authority,
            emit=self.emit if emit is None else emit,
            ask=self.ask_person,
            models=self.models,
            terminal=self._open_terminal,
            batch=self.batch,
            index=self.index,
            segment=self.segment,
            another=self._another,
        )


Function: TypeAlias = Callable[..., Awaitable[Any]]


@overload
def tool(function: Function, /) -> Tool: ...
@overload
def tool(
    *,
    effect: Effect = ...,
    needs: set[Need] | frozenset[Need] = ...,
    lane: Callable[[Arguments], Lane] | Lane = ...,
    paths: Callable[[Arguments], tuple[str, ...]] | None = ...,
    commands: Callable[[Arguments], tuple[ShellCommand, ...]] | None = ...,
    hosts: Callable[[Arguments], tuple[str, ...]] | None = ...,
    limit: int = ...,
    name: str = ...,
) -> Callable[[Function], Tool]: ...
def tool(
    function: Function | None = None,
    /,
    *,
    effect: Effect = ONCE,
    needs: set[Need] | frozenset[Need] = EVERY_NEED,  # type: ignore[assignment]
    lane: Callable[[Arguments], Lane] | Lane = ALONE,
    paths: Callable[[Arguments], tuple[str, ...]] | None = None,
    commands: Callable[[Arguments], tuple[ShellCommand, ...]] | None = None,
    hosts: Callable[[Arguments], tuple[str, ...]] | None = None,
    limit: int = 8_000,
    name: str = "",
) -> Tool | Callable[[Function], Tool]:
    """Make a `Tool` of an async function.

    It may return a string, a `ToolResult`, or anything msgspec can write as JSON. What it raises
    becomes an error result. Raises TypeError for a signature that has no JSON form.
    """

    def make(function: Function) -> Tool:
        struct = arguments_struct(function)
        spec = ToolSpec(
            name or function.__name__,
            inspect.cleandoc(function.__doc__ or "").split("\n\n")[0].replace("\n", " "),
            msgspec.json.encode(input_schema(struct)).decode(),
        )
        fixed = lane if isinstance(lane, Lane) else None
        return Tool(
            spec,
            _runner(function, struct),
            effect,
            frozenset(needs),
            (lambda arguments: fixed) if fixed is not None else lane,  # type: ignore[arg-type]
            paths,
            limit,
            commands=commands,
            hosts=hosts,
        )

    return make if function is None else make(function)


def arguments_struct(function: Function) -> type[msgspec.Struct]:
    """Make the struct that decodes, checks and describes what a model sends to *function*."""
    hints = get_type_hints(function, include_extras=True)
    fields: list[Any] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{function.__qualname__}: *{name} has no JSON form")
        hint = hints.get(name)
        if hint is None:
            raise TypeError(f"{function.__qualname__}: {name} has no type")
        if hint is ToolCall:  # given by the host, never by the model
            continue
        for note in getattr(hint, "__metadata__", ()):
            if isinstance(note, str):  # msgspec passes over a plain string: say it in its words
                hint = Annotated[hint, msgspec.Meta(description=note)]
        required = parameter.default is parameter.empty
        fields.append((name, hint, msgspec.NODEFAULT if required else parameter.default))
    return msgspec.defstruct(
        function.__name__, fields, frozen=True, kw_only=True, forbid_unknown_fields=True
    )


def input_schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Describe *struct* as one JSON Schema object."""
    (schema,), definitions = msgspec.json.schema_components([struct], ref_template="#/$defs/{name}")
    if "$ref" in schema:
        schema = definitions.pop(struct.__name__)
    schema.pop("title", None)
    return {**schema, **({"$defs": definitions} if definitions else {})}


def result(value: Any) -> ToolResult:
    """Make a `ToolResult` of what a tool function returned."""
    if isinstance(value, ToolResult):
        return value
    if isinstance(value, str):
        return ToolResult(value)
    return ToolResult("" if value is None else msgspec.json.encode(value).decode())


def _runner(
    function: Function, struct: type[msgspec.Struct]
) -> Callable[[ToolCall], Awaitable[ToolResult]]:
    takes_call = any(
        hint is ToolCall for hint in get_type_hints(function, include_extras=True).values()
    )
    names = struct.__struct_fields__

    async def run(call: ToolCall) -> ToolResult:
        try:
            arguments = msgspec.convert(call.request.arguments, struct, strict=False)
        except msgspec.ValidationError as error:
            return ToolResult.error(f"Invalid arguments for {call.request.tool}: {error}")
        given = {name: getattr(arguments, name) for name in names}
        if takes_call:
            given["call"] = call
        return result(await function(**given))

    return run
