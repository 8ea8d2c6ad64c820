"""Hermes: what a plugin author imports.

Names come from the kernel's vocabulary, contracts and hooks, each loaded when first used.
To run conversations from your own program, see `hermes.runtime.Runtime`.
"""

TYPE_CHECKING = False  # checkers know the name; importing typing would cost more than the rest

__version__ = "1.0.0"

_MODULES = {
    "messages": "Content Image Message Text Thinking ToolOutput ToolSpec ToolUse Usage clean user",
    "errors": "Busy ConfigError Conflict Failed Failure HermesError NotFound PluginError Refused"
    " StoreError one_line",
    "session": "Account Allowance Authority OWNER Role SessionId SessionInfo SessionKey",
    "records": "Answer Body Compacted Ended Erased Finished Note Opened QuestionAnswered QuestionPut"
    " Record Reprompted Resumed Rewound Started Steered Unknown UserSaid"
    " decode encode searchable",
    "events": "AgentEvicted Answered Asked Event Notice PluginEvent SessionReset StreamRestarted"
    " TextChunk ThinkingChunk ToolFinished ToolProgress ToolStarted TurnFinished UsageReported",
    "resource": "Resource",
    "settings": "Secret",
    "provider": "Emit ModelInfo ModelRequest ModelResponse ModelSpec Models Provider",
    "context": "Children ConfigView Log Paths PluginContext Secrets State",
    "platform": "Admission Attachment Inbound Inbox Outgoing Part Platform PlatformLimits Receipt",
    "tools": "ALONE EVERY_NEED Effect Grant KEYED Lane Need ONCE READ TOGETHER Tool ToolCall"
    " ToolRequest ToolResult Toolset ToolsetFamily tool",
    "terminal": "CommandResult FileInfo Process Terminal TerminalBackend TerminalError TerminalSpec"
    " TerminalState",
    "memory": "Memory",
    "store": "Append Bind Change Describe Enqueue Hit Item Lease SetState Settle Store StoreStats",
    "turn": "Limits Question Reply Turn TurnInput TurnResult",
    "middleware": "Middleware Next Stage",
    "prompt": "PromptSection PromptSession",
    "commands": "Command CommandContext Group Rest UsageError command group",
    "service": "Check Finding Observer Service",
    "offers": "Offer hookimpl",
}

_WHERE = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted(_WHERE)

if TYPE_CHECKING:
    from hermes.messages import Content as Content
    from hermes.messages import Image as Image
    from hermes.messages import Message as Message
    from hermes.messages import Text as Text
    from hermes.messages import Thinking as Thinking
    from hermes.messages import ToolOutput as ToolOutput
    from hermes.messages import ToolSpec as ToolSpec
    from hermes.messages import ToolUse as ToolUse
    from hermes.messages import Usage as Usage
    from hermes.messages import clean as clean
    from hermes.messages import user as user
    from hermes.errors import Busy as Busy
    from hermes.errors import ConfigError as ConfigError
    from hermes.errors import Conflict as Conflict
    from hermes.errors import Failed as Failed
    from hermes.errors import Failure as Failure
    from hermes.errors import HermesError as HermesError
    from hermes.errors import NotFound as NotFound
    from hermes.errors import PluginError as PluginError
    from hermes.errors import Refused as Refused
    from hermes.errors import StoreError as StoreError
    from hermes.errors import one_line as one_line
    from hermes.session import Account as Account
    from hermes.session import Allowance as Allowance
    from hermes.session import Authority as Authority
    from hermes.session import OWNER as OWNER
    from hermes.session import Role as Role
    from hermes.session import SessionId as SessionId
    from hermes.session import SessionInfo as SessionInfo
    from hermes.session import SessionKey as SessionKey
    from hermes.records import Answer as Answer
    from hermes.records import Body as Body
    from hermes.records import Compacted as Compacted
    from hermes.records import Ended as Ended
    from hermes.records import Erased as Erased
    from hermes.records import Finished as Finished
    from hermes.records import Note as Note
    from hermes.records import Opened as Opened
    from hermes.records import QuestionAnswered as QuestionAnswered
    from hermes.records import QuestionPut as QuestionPut
    from hermes.records import Record as Record
    from hermes.records import Reprompted as Reprompted
    from hermes.records import Resumed as Resumed
    from hermes.records import Rewound as Rewound
    from hermes.records import Started as Started
    from hermes.records import Steered as Steered
    from hermes.records import Unknown as Unknown
    from hermes.records import UserSaid as UserSaid
    from hermes.records import decode as decode
    from hermes.records import encode as encode
    from hermes.records import searchable as searchable
    from hermes.events import AgentEvicted as AgentEvicted
    from hermes.events import Answered as Answered
    from hermes.events import Asked as Asked
    from hermes.events import Event as Event
    from hermes.events import Notice as Notice
    from hermes.events import PluginEvent as PluginEvent
    from hermes.events import SessionReset as SessionReset
    from hermes.events import StreamRestarted as StreamRestarted
    from hermes.events import TextChunk as TextChunk
    from hermes.events import ThinkingChunk as ThinkingChunk
    from hermes.events import ToolFinished as ToolFinished
    from hermes.events import ToolProgress as ToolProgress
    from hermes.events import ToolStarted as ToolStarted
    from hermes.events import TurnFinished as TurnFinished
    from hermes.events import UsageReported as UsageReported
    from hermes.resource import Resource as Resource
    from hermes.settings import Secret as Secret
    from hermes.provider import Emit as Emit
    from hermes.provider import ModelInfo as ModelInfo
    from hermes.provider import ModelRequest as ModelRequest
    from hermes.provider import ModelResponse as ModelResponse
    from hermes.provider import ModelSpec as ModelSpec
    from hermes.provider import Models as Models
    from hermes.provider import Provider as Provider
    from hermes.context import Children as Children
    from hermes.context import ConfigView as ConfigView
    from hermes.context import Log as Log
    from hermes.context import Paths as Paths
    from hermes.context import PluginContext as PluginContext
    from hermes.context import Secrets as Secrets
    from hermes.context import State as State
    from hermes.platform import Admission as Admission
    from hermes.platform import Attachment as Attachment
    from hermes.platform import Inbound as Inbound
    from hermes.platform import Inbox as Inbox
    from hermes.platform import Outgoing as Outgoing
    from hermes.platform import Part as Part
    from hermes.platform import Platform as Platform
    from hermes.platform import PlatformLimits as PlatformLimits
    from hermes.platform import Receipt as Receipt
    from hermes.tools import ALONE as ALONE
    from hermes.tools import EVERY_NEED as EVERY_NEED
    from hermes.tools import Effect as Effect
    from hermes.tools import Grant as Grant
    from hermes.tools import KEYED as KEYED
    from hermes.tools import Lane as Lane
    from hermes.tools import Need as Need
    from hermes.tools import ONCE as ONCE
    from hermes.tools import READ as READ
    from hermes.tools import TOGETHER as TOGETHER
    from hermes.tools import Tool as Tool
    from hermes.tools import ToolCall as ToolCall
    from hermes.tools import ToolRequest as ToolRequest
    from hermes.tools import ToolResult as ToolResult
    from hermes.tools import Toolset as Toolset
    from hermes.tools import ToolsetFamily as ToolsetFamily
    from hermes.tools import tool as tool
    from hermes.terminal import CommandResult as CommandResult
    from hermes.terminal import FileInfo as FileInfo
    from hermes.terminal import Process as Process
    from hermes.terminal import Terminal as Terminal
    from hermes.terminal import TerminalBackend as TerminalBackend
    from hermes.terminal import TerminalError as TerminalError
    from hermes.terminal import TerminalSpec as TerminalSpec
    from hermes.terminal import TerminalState as TerminalState
    from hermes.memory import Memory as Memory
    from hermes.store import Append as Append
    from hermes.store import Bind as Bind
    from hermes.store import Change as Change
    from hermes.store import Describe as Describe
    from hermes.store import Enqueue as Enqueue
    from hermes.store import Hit as Hit
    from hermes.store import Item as Item
    from hermes.store import Lease as Lease
    from hermes.store import SetState as SetState
    from hermes.store import Settle as Settle
    from hermes.store import Store as Store
    from hermes.store import StoreStats as StoreStats
    from hermes.turn import Limits as Limits
    from hermes.turn import Question as Question
    from hermes.turn import Reply as Reply
    from hermes.turn import Turn as Turn
    from hermes.turn import TurnInput as TurnInput
    from hermes.turn import TurnResult as TurnResult
    from hermes.middleware import Middleware as Middleware
    from hermes.middleware import Next as Next
    from hermes.middleware import Stage as Stage
    from hermes.prompt import PromptSection as PromptSection
    from hermes.prompt import PromptSession as PromptSession
    from hermes.commands import Command as Command
    from hermes.commands import CommandContext as CommandContext
    from hermes.commands import Group as Group
    from hermes.commands import Rest as Rest
    from hermes.commands import UsageError as UsageError
    from hermes.commands import command as command
    from hermes.commands import group as group
    from hermes.service import Check as Check
    from hermes.service import Finding as Finding
    from hermes.service import Observer as Observer
    from hermes.service import Service as Service
    from hermes.offers import Offer as Offer
    from hermes.offers import hookimpl as hookimpl
else:

    def __getattr__(name):
        try:
            module = _WHERE[name]
        except KeyError:
            raise AttributeError(f"module 'hermes' has no attribute {name!r}") from None
        from importlib import import_module

        value = getattr(import_module(f"hermes.{module}"), name)
        globals()[name] = value
        return value


def __dir__():  # type: ignore[no-untyped-def]
    return [*globals(), *__all__]
