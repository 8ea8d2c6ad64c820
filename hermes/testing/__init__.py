"""The kit that plugin authors test with.

Installed with ``hermes-kernel[testing]``. pytest finds the fixtures by itself (see
`hermes.testing.pytest_plugin`); everything else is imported from here, each name loaded when first
used:

    from hermes.testing import Asker, MiddlewareContract, make_call
"""

TYPE_CHECKING = False

_MODULES = {
    "answers": "Call Fail Say",
    "children": "RealChildren",
    "commands": "FakeCommandContext give",
    "context": "CapturedLog FakeContext GivenConfig GivenSecrets LogEntry MemoryState make_context",
    "contracts.commands": "CommandContract",
    "contracts.memory": "MemoryContract",
    "contracts.middleware": "MiddlewareContract",
    "contracts.platform": "PlatformContract",
    "contracts.plugin": "PluginContract",
    "contracts.prompt": "PromptContract",
    "contracts.provider": "ProviderContract",
    "contracts.store": "StoreContract",
    "contracts.terminal": "TerminalContract",
    "contracts.tools": "ToolContract",
    "fakes": "FakeMemory FakePlatform MemoryInbox",
    "gateway": "LetIn open_gateway",
    "make": "Asker Events assistant make_authority make_call make_inbound make_key"
    " make_outgoing make_request make_session make_tool make_turn",
    "models": "FakeModels ModelQuestion",
    "openai_server": "OpenAIServer",
    "openai_wire": "Exchange Raw",
    "provider": "ScriptedProvider",
    "pseudo_terminal": "PseudoTerminal",
    "pytest_plugin": "MakeContext",
    "runtime": "AllowAll open_runtime",
    "servers": "Server serve",
    "store": "MemoryDisk MemoryStore",
    "telegram": "TelegramServer",
    "terminal": "FakeBackend FakeProcess FakeTerminal",
}

_WHERE = {name: module for module, names in _MODULES.items() for name in names.split()}

__all__ = sorted(_WHERE)

if TYPE_CHECKING:
    from hermes.testing.answers import Call as Call, Fail as Fail, Say as Say
    from hermes.testing.children import RealChildren as RealChildren
    from hermes.testing.commands import FakeCommandContext as FakeCommandContext, give as give
    from hermes.testing.context import (
        CapturedLog as CapturedLog,
        FakeContext as FakeContext,
        GivenConfig as GivenConfig,
        GivenSecrets as GivenSecrets,
        LogEntry as LogEntry,
        MemoryState as MemoryState,
        make_context as make_context,
    )
    from hermes.testing.contracts.commands import CommandContract as CommandContract
    from hermes.testing.contracts.memory import MemoryContract as MemoryContract
    from hermes.testing.contracts.middleware import MiddlewareContract as MiddlewareContract
    from hermes.testing.contracts.platform import PlatformContract as PlatformContract
    from hermes.testing.contracts.plugin import PluginContract as PluginContract
    from hermes.testing.contracts.prompt import PromptContract as PromptContract
    from hermes.testing.contracts.provider import ProviderContract as ProviderContract
    from hermes.testing.contracts.store import StoreContract as StoreContract
    from hermes.testing.contracts.terminal import TerminalContract as TerminalContract
    from hermes.testing.contracts.tools import ToolContract as ToolContract
    from hermes.testing.fakes import (
        FakeMemory as FakeMemory,
        FakePlatform as FakePlatform,
        MemoryInbox as MemoryInbox,
    )
    from hermes.testing.gateway import LetIn as LetIn, open_gateway as open_gateway
    from hermes.testing.make import (
        Asker as Asker,
        Events as Events,
        assistant as assistant,
        make_authority as make_authority,
        make_call as make_call,
        make_inbound as make_inbound,
        make_key as make_key,
        make_outgoing as make_outgoing,
        make_request as make_request,
        make_session as make_session,
        make_tool as make_tool,
        make_turn as make_turn,
    )
    from hermes.testing.models import FakeModels as FakeModels, ModelQuestion as ModelQuestion
    from hermes.testing.openai_server import OpenAIServer as OpenAIServer
    from hermes.testing.openai_wire import Exchange as Exchange, Raw as Raw
    from hermes.testing.provider import ScriptedProvider as ScriptedProvider
    from hermes.testing.pseudo_terminal import PseudoTerminal as PseudoTerminal
    from hermes.testing.pytest_plugin import MakeContext as MakeContext
    from hermes.testing.runtime import AllowAll as AllowAll, open_runtime as open_runtime
    from hermes.testing.servers import Server as Server, serve as serve
    from hermes.testing.store import MemoryDisk as MemoryDisk, MemoryStore as MemoryStore
    from hermes.testing.telegram import TelegramServer as TelegramServer
    from hermes.testing.terminal import (
        FakeBackend as FakeBackend,
        FakeProcess as FakeProcess,
        FakeTerminal as FakeTerminal,
    )
else:

    def __getattr__(name):
        try:
            module = _WHERE[name]
        except KeyError:
            raise AttributeError(f"module 'hermes.testing' has no attribute {name!r}") from None
        from importlib import import_module  # noqa: PLC0415 - costs nothing until used

        value = getattr(import_module(f"hermes.testing.{module}"), name)
        globals()[name] = value
        return value


def __dir__():  # type: ignore[no-untyped-def]
    return [*globals(), *__all__]
