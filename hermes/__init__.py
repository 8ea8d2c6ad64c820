"""Hermes: what a plugin author imports.

Names come from the kernel's vocabulary, contracts and hooks, each loaded when first used.
To run conversations from your own program, see `hermes.runtime.Runtime`.
"""

TYPE_CHECKING = False  # checkers know the name; importing typing would cost more than the rest

__version__ = "1.0.0"

_MODULES = {
    "messages": "Content Image Message Text Thinking ToolOutput ToolSpec ToolUse Usage clean user",
    "errors": "Busy ConfigError Conflict Failed Failure FailureKind HermesError NotFound"
    " PluginError Refused StoreError one_line",
    "session": "Account Allowance Authority HeldAllowance OWNER Role SessionId SessionInfo"
    " SessionKey",
    "records": "Answer Body Compacted Ended Erased Finished Note Opened QuestionAnswered"
    " QuestionPut Record Reprompted Resumed Rewound Started Steered Unknown UserSaid"
    " decode encode mentions searchable",
    "events": "AgentEvicted Answered Asked Event Forgotten Notice PluginEvent SessionReset"
    " StreamRestarted TextChunk ThinkingChunk ToolFinished ToolProgress ToolStarted"
    " TurnFinished UsageReported",
    "resource": "Resource",
    "files": "locked_file replace_file",
    "settings": "Secret",
    "deprecation": "HermesDeprecation",
    "sensitive": "looks_secret",
    "provider": "Emit ModelInfo ModelRequest ModelResponse ModelSpec Models Provider Stop",
    "context": "Children ConfigView Log Paths PluginContext Scope Secrets State",
    "platform": "Admission Attachment Inbound Inbox MessageState Outgoing Part Piece Platform"
    " PlatformHealth PlatformLimits Receipt",
    "sources": "is_own",
    "splitting": "cut_text measure split_text",
    "tools": "ALONE EVERY_NEED Effect Grant KEYED Lane Need ONCE READ ShellCommand TOGETHER Tool"
    " ToolCall ToolRequest ToolResult Toolset ToolsetFamily tool",
    "terminal": "CommandResult FileInfo Output Process Terminal TerminalBackend TerminalError"
    " TerminalLimits TerminalSpec TerminalState",
    "memory": "Memory",
    "store": "Append Bind Change Describe Enqueue Hit Item Lease Order SetState Settle Store"
    " StoreStats",
    "turn": "Limits Question Reply Turn TurnInput TurnResult",
    "middleware": "Middleware Next Stage",
    "prompt": "PromptSection PromptSession",
    "commands": "Command CommandContext CommandFamily Group Rest UsageError command group",
    "service": "Check Finding Observer Service",
    "offers": "Offer hookimpl",
    "killpoint": "reach",
    "listening": "is_loopback knock listen serve_http",
}

_WHERE = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted(_WHERE)

if TYPE_CHECKING:
    from hermes.commands import (
        Command as Command,
        CommandContext as CommandContext,
        CommandFamily as CommandFamily,
        Group as Group,
        Rest as Rest,
        UsageError as UsageError,
        command as command,
        group as group,
    )
    from hermes.context import (
        Children as Children,
        ConfigView as ConfigView,
        Log as Log,
        Paths as Paths,
        PluginContext as PluginContext,
        Scope as Scope,
        Secrets as Secrets,
        State as State,
    )
    from hermes.deprecation import HermesDeprecation as HermesDeprecation
    from hermes.errors import (
        Busy as Busy,
        ConfigError as ConfigError,
        Conflict as Conflict,
        Failed as Failed,
        Failure as Failure,
        FailureKind as FailureKind,
        HermesError as HermesError,
        NotFound as NotFound,
        PluginError as PluginError,
        Refused as Refused,
        StoreError as StoreError,
        one_line as one_line,
    )
    from hermes.events import (
        AgentEvicted as AgentEvicted,
        Answered as Answered,
        Asked as Asked,
        Event as Event,
        Forgotten as Forgotten,
        Notice as Notice,
        PluginEvent as PluginEvent,
        SessionReset as SessionReset,
        StreamRestarted as StreamRestarted,
        TextChunk as TextChunk,
        ThinkingChunk as ThinkingChunk,
        ToolFinished as ToolFinished,
        ToolProgress as ToolProgress,
        ToolStarted as ToolStarted,
        TurnFinished as TurnFinished,
        UsageReported as UsageReported,
    )
    from hermes.files import locked_file as locked_file, replace_file as replace_file
    from hermes.killpoint import reach as reach
    from hermes.listening import (
        is_loopback as is_loopback,
        knock as knock,
        listen as listen,
        serve_http as serve_http,
    )
    from hermes.memory import Memory as Memory
    from hermes.messages import (
        Content as Content,
        Image as Image,
        Message as Message,
        Text as Text,
        Thinking as Thinking,
        ToolOutput as ToolOutput,
        ToolSpec as ToolSpec,
        ToolUse as ToolUse,
        Usage as Usage,
        clean as clean,
        user as user,
    )
    from hermes.middleware import Middleware as Middleware, Next as Next, Stage as Stage
    from hermes.offers import Offer as Offer, hookimpl as hookimpl
    from hermes.platform import (
        Admission as Admission,
        Attachment as Attachment,
        Inbound as Inbound,
        Inbox as Inbox,
        MessageState as MessageState,
        Outgoing as Outgoing,
        Part as Part,
        Piece as Piece,
        Platform as Platform,
        PlatformHealth as PlatformHealth,
        PlatformLimits as PlatformLimits,
        Receipt as Receipt,
    )
    from hermes.prompt import PromptSection as PromptSection, PromptSession as PromptSession
    from hermes.provider import (
        Emit as Emit,
        ModelInfo as ModelInfo,
        ModelRequest as ModelRequest,
        ModelResponse as ModelResponse,
        Models as Models,
        ModelSpec as ModelSpec,
        Provider as Provider,
        Stop as Stop,
    )
    from hermes.records import (
        Answer as Answer,
        Body as Body,
        Compacted as Compacted,
        Ended as Ended,
        Erased as Erased,
        Finished as Finished,
        Note as Note,
        Opened as Opened,
        QuestionAnswered as QuestionAnswered,
        QuestionPut as QuestionPut,
        Record as Record,
        Reprompted as Reprompted,
        Resumed as Resumed,
        Rewound as Rewound,
        Started as Started,
        Steered as Steered,
        Unknown as Unknown,
        UserSaid as UserSaid,
        decode as decode,
        encode as encode,
        mentions as mentions,
        searchable as searchable,
    )
    from hermes.resource import Resource as Resource
    from hermes.sensitive import looks_secret as looks_secret
    from hermes.service import (
        Check as Check,
        Finding as Finding,
        Observer as Observer,
        Service as Service,
    )
    from hermes.session import (
        OWNER as OWNER,
        Account as Account,
        Allowance as Allowance,
        Authority as Authority,
        HeldAllowance as HeldAllowance,
        Role as Role,
        SessionId as SessionId,
        SessionInfo as SessionInfo,
        SessionKey as SessionKey,
    )
    from hermes.settings import Secret as Secret
    from hermes.sources import is_own as is_own
    from hermes.splitting import (
        cut_text as cut_text,
        measure as measure,
        split_text as split_text,
    )
    from hermes.store import (
        Append as Append,
        Bind as Bind,
        Change as Change,
        Describe as Describe,
        Enqueue as Enqueue,
        Hit as Hit,
        Item as Item,
        Lease as Lease,
        Order as Order,
        SetState as SetState,
        Settle as Settle,
        Store as Store,
        StoreStats as StoreStats,
    )
    from hermes.terminal import (
        CommandResult as CommandResult,
        FileInfo as FileInfo,
        Output as Output,
        Process as Process,
        Terminal as Terminal,
        TerminalBackend as TerminalBackend,
        TerminalError as TerminalError,
        TerminalLimits as TerminalLimits,
        TerminalSpec as TerminalSpec,
        TerminalState as TerminalState,
    )
    from hermes.tools import (
        ALONE as ALONE,
        EVERY_NEED as EVERY_NEED,
        KEYED as KEYED,
        ONCE as ONCE,
        READ as READ,
        TOGETHER as TOGETHER,
        Effect as Effect,
        Grant as Grant,
        Lane as Lane,
        Need as Need,
        ShellCommand as ShellCommand,
        Tool as Tool,
        ToolCall as ToolCall,
        ToolRequest as ToolRequest,
        ToolResult as ToolResult,
        Toolset as Toolset,
        ToolsetFamily as ToolsetFamily,
        tool as tool,
    )
    from hermes.turn import (
        Limits as Limits,
        Question as Question,
        Reply as Reply,
        Turn as Turn,
        TurnInput as TurnInput,
        TurnResult as TurnResult,
    )
else:

    def __getattr__(name):
        if name not in _WHERE:
            if name.startswith("_"):  # Python's own questions; they must cost nothing
                raise AttributeError(f"module 'hermes' has no attribute {name!r}")
            from hermes.deprecation import renamed  # noqa: PLC0415  (hardly ever needed)

            now = renamed(name)
            if not now:
                raise AttributeError(f"module 'hermes' has no attribute {name!r}")
            return __getattr__(now)
        module = _WHERE[name]
        from importlib import import_module  # noqa: PLC0415  (a bare import needs none)

        value = getattr(import_module(f"hermes.{module}"), name)
        globals()[name] = value
        return value


def __dir__():  # type: ignore[no-untyped-def]
    return [*globals(), *__all__]
