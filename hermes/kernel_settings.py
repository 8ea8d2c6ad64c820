"""The kernel's own keys of ``config.yaml``, and Hermes Agent's spelling of them (§12)."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any, Literal

import msgspec


class TerminalSettings(msgspec.Struct, frozen=True):
    """Where commands run."""

    backend: str = "local"
    """Name of a terminal backend."""
    cwd: str = "."
    scope: Literal["conversation", "session", "chat", "person", "user", "global"] = "conversation"
    """Who shares a terminal: a conversation (``session``), all conversations of a chat, all of a
    person (``user``), or everybody."""
    timeout: float = 180
    """Seconds a command may take, if the call does not say."""
    lifetime: float = 300
    """Seconds without a call after which a terminal that runs nothing hibernates; 0 for never."""
    container_cpu: float = 1
    """Processors of a terminal, where its backend can bound them; 0 for no bound."""
    container_memory: int = 5120
    """Megabytes, likewise."""
    container_disk: int = 51200
    """Megabytes, likewise."""
    container_processes: int = 256
    """Processes, likewise."""
    container_persistent: bool = True
    """Files of a container or sandbox outlive it."""
    env_passthrough: tuple[str, ...] = ()
    """Variables that commands see beside the allowlist. Secrets are never passed."""


class AgentSettings(msgspec.Struct, frozen=True):
    """How a turn runs."""

    max_turns: int = 90
    """Model calls in one turn."""
    personalities: dict[str, Any] = {}
    """Manners of speaking by name, as Hermes Agent writes them: a text, or description,
    system_prompt, tone and style."""


class GatewaySettings(msgspec.Struct, frozen=True):
    """How ``hermes gateway`` serves."""

    busy: Literal["interrupt", "queue", "steer"] = "interrupt"
    """What a message does to a chat whose turn still runs."""
    drain: float = 30
    """Seconds that running turns have to end when the gateway stops; then they are resumed at the
    next start."""
    ambiguous: Literal["resend", "drop"] = "resend"
    """After a crash between sending a part and knowing: send it again, marked, or leave it."""
    directory: str = ""
    """Where the terminals of chats start; empty for the home of the account."""


class PluginsSettings(msgspec.Struct, frozen=True):
    """Which plugins take part. What is installed is enabled."""

    disabled: tuple[str, ...] = ()
    """Never imported."""
    enabled: tuple[str, ...] = ()
    """Hermes Agent's list. Accepted; changes nothing."""
    prefer: dict[str, str] = {}
    """``<kind>.<name>`` -> plugin, where two offer the same."""


class KernelSettings(msgspec.Struct, frozen=True):
    """Every key that the kernel itself reads."""

    model: str = ""
    """``provider:name``."""
    model_options: dict[str, Any] = {}
    """What Hermes Agent's ``model:`` mapping says beside provider and name: base_url, api_key,
    context_length, max_tokens."""
    store: str = "sqlite"
    memory: str = ""
    """Name of a memory, used beside those that always take part; empty for these alone."""
    memory_options: dict[str, Any] = {}
    """What Hermes Agent's ``memory:`` mapping says beside the provider: memory_char_limit,
    user_char_limit, memory_enabled, user_profile_enabled, write_approval."""
    terminal: TerminalSettings = TerminalSettings()
    toolsets: tuple[str, ...] = ()
    """Toolsets a conversation has; empty for all."""
    agent: AgentSettings = AgentSettings()
    gateway: GatewaySettings = GatewaySettings()
    plugins: PluginsSettings = PluginsSettings()
    auxiliary: dict[str, str] = {}
    """Purpose (``vision``, ``compression``, ``title``) -> model."""
    timezone: str = ""
    """IANA name; empty for the machine's."""


def translated(data: dict[str, Any]) -> dict[str, Any]:
    """Put Hermes Agent's spelling of kernel keys into ours."""
    made = dict(data)
    if isinstance(model := data.get("model"), dict):
        made["model"] = _model(model)
        rest = {k: v for k, v in model.items() if k not in ("default", "model", "provider")}
        made["model_options"] = {**rest, **(data.get("model_options") or {})}
    if isinstance(memory := data.get("memory"), dict):
        made["memory"] = str(memory.get("provider") or "")
        rest = {k: v for k, v in memory.items() if k != "provider"}
        made["memory_options"] = {**rest, **(data.get("memory_options") or {})}
    if isinstance(auxiliary := data.get("auxiliary"), dict):
        named = {k: _model(v) if isinstance(v, dict) else v for k, v in auxiliary.items()}
        made["auxiliary"] = {k: v for k, v in named.items() if v and k != "transient_retries"}
    if isinstance(toolsets := data.get("toolsets"), list):
        # Their names for "everything that belongs to this surface".
        made["toolsets"] = [t for t in toolsets if not str(t).startswith("hermes-")]
    if isinstance(terminal := data.get("terminal"), dict):
        _backend_keys(made, terminal)
    return made


def _backend_keys(made: dict[str, Any], terminal: dict[str, Any]) -> None:
    """Hermes Agent's ``terminal.docker_image`` is ours ``docker.image``: of the backend in use."""
    prefix = f"{terminal.get('backend', '')}_"
    theirs = {k: v for k, v in terminal.items() if prefix != "_" and k.startswith(prefix)}
    if theirs:
        section = made.get(prefix[:-1])
        named = {k.removeprefix(prefix): v for k, v in theirs.items()}
        made[prefix[:-1]] = {**named, **(section if isinstance(section, dict) else {})}
        made["terminal"] = {k: v for k, v in terminal.items() if k not in theirs}


def _model(mapping: dict[str, Any]) -> str:
    name = str(mapping.get("default") or mapping.get("model") or "")
    provider = str(mapping.get("provider") or "")
    if provider in ("custom", "") and mapping.get("base_url"):
        provider = "openai"  # any endpoint that speaks its protocol
    return f"{provider}:{name}" if name and provider not in ("", "auto") else name


def legacy(path: tuple[str, ...], *, owned: bool = False) -> bool:
    """Whether Hermes Agent knows this key: its keys that we lack are one warning, not an error.

    Of some sections it is only known that they are there. *owned* says that a plugin has this one:
    then a key that the plugin does not know is a mistake, unless it is listed.
    """
    known = _legacy_keys()
    if path[0] not in known:
        return False
    inner = known[path[0]]
    return len(path) == 1 or path[1] in inner or (not inner and not owned)


@cache
def _legacy_keys() -> dict[str, frozenset[str]]:
    text = resources.files("hermes").joinpath("hermes-agent-keys.txt").read_text("utf-8")
    rows = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: frozenset(inner.split()) for name, _, inner in rows}
