"""The provider ``openai``: any endpoint that speaks OpenAI's chat completions.

This module is light. The SDK (0.6 s of imports) comes with `hermes_plugin_openai.client`, in a
thread, when the provider is opened or first asked: a prompt opens it while the person types.
"""

from __future__ import annotations

import asyncio
import importlib
import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hermes import (
    ConfigError,
    Failed,
    Failure,
    ModelInfo,
    ModelRequest,
    ModelResponse,
    PluginContext,
    Provider,
)
from hermes_plugin_openai.answer import Assembly
from hermes_plugin_openai.settings import OpenAISettings
from hermes_plugin_openai.wire import Dialect, Renderer

if TYPE_CHECKING:
    from hermes_plugin_openai.client import Client

OPENAI = "https://api.openai.com/v1"
WANT_REASONING = ("deepseek.com", "moonshot.ai", "moonshot.cn")
"""Vendors that refuse a tool loop without the reasoning of its earlier steps, and take it as
``reasoning_content`` (their documentation of thinking with tools)."""
WINDOW_FIELDS = ("context_length", "context_window", "max_model_len", "max_context_length")
"""Where OpenRouter, Groq, vLLM and Mistral say how much a model takes."""


class OpenAIProvider(Provider):
    """One endpoint, and its HTTP client for the life of the process."""

    name = "openai"

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._settings: OpenAISettings = context.settings
        self._building = asyncio.Lock()
        self._client: Client | None = None
        self._windows: dict[str, int] = {}
        self.base_url = (
            self._settings.base_url or context.secrets.get(self._settings.base_url_from) or OPENAI
        ).strip()
        self.host = host_of(self.base_url)
        self._renderer = Renderer(dialect(self._settings, self.host))

    async def open(self) -> None:
        """Import the SDK and make the client, so that the first call need not."""
        if self._key() or not self._needs_key():
            await self._connected()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def stream(self, request: ModelRequest) -> ModelResponse:
        """Make one call. See `Provider.stream`."""
        client = await self._connected()
        spec = request.spec
        name = spec.model.partition(":")[2] or self._settings.default_model
        if not name:
            raise Failed(Failure("bad_request", "No model: write openai:NAME.", self.name))
        answer = Assembly(request, f"{spec.model.partition(':')[0]}:{name}", self.host)
        await client.chat(self._renderer.body(spec, name), answer.feed)
        if not answer.complete:
            said = f"{self.host} cut the answer short: the stream ended before the answer did."
            raise Failed(Failure("transient", said, self.name))
        return answer.response(spec.tools)

    async def models(self) -> tuple[ModelInfo, ...]:
        """List what the endpoint lists. Raises `Failed`."""
        client = await self._connected()
        listed = [each for each in await client.models() if isinstance(each.get("id"), str)]
        for each in listed:
            if window := window_of(each):
                self._windows[each["id"]] = window
        return tuple(sorted((self._info(each["id"]) for each in listed), key=lambda m: m.name))

    async def info(self, name: str) -> ModelInfo:
        return self._info(name or self._settings.default_model)

    def default(self) -> str:
        return self._settings.default_model

    def _info(self, name: str) -> ModelInfo:
        window = self._settings.window or self._windows.get(name)
        return ModelInfo(name, window, self._settings.tools, self._settings.images)

    async def _connected(self) -> Client:
        """Give the client, made at the first call. Raises `Failed` where a key is missing."""
        if self._client is None:
            async with self._building:
                if self._client is None:
                    key = self._key()
                    if not key and self._needs_key():
                        raise Failed(self._no_key())
                    self._client = await asyncio.to_thread(self._make_client, key)
        return self._client

    def _make_client(self, key: str) -> Client:
        module = importlib.import_module("hermes_plugin_openai.client")
        client: Client = module.Client(
            self._settings,
            base_url=self.base_url,
            api_key=key,
            host=self.host,
            source=self.name,
            redact=self._context.secrets.redact,
        )
        return client

    def _key(self) -> str:
        key = (self._context.secrets.get(self._settings.api_key) or "").strip()
        if not key.isascii() or not key.isprintable():
            said = (
                f"What {_where(self._settings)} holds is no key: it has characters that no key has."
            )
            raise Failed(Failure("auth", said, self.name))
        return key

    def _needs_key(self) -> bool:
        return not is_nearby(urlsplit(self.base_url).hostname or "") and not any(
            name.lower() in ("authorization", "api-key") for name in self._settings.extra_headers
        )

    def _no_key(self) -> Failure:
        where = _where(self._settings)
        file = self._context.paths.home / ".env"
        mend = f"put {where}=… into {file} or the environment"
        if not self._settings.api_key.reference.startswith("env:"):
            mend = f"{where}, which openai.api_key names, gives none"
        return Failure("auth", f"No API key for {self.host}: {mend}.", self.name)


def dialect(settings: OpenAISettings, host: str) -> Dialect:
    """Say how to speak to the endpoint at *host*."""
    name = host.partition(":")[0]
    newer = name.endswith(("openai.com", "azure.com"))
    reasoning = settings.reasoning_field
    if not reasoning and name.endswith(WANT_REASONING):
        reasoning = "reasoning_content"
    return Dialect(
        host=host,
        reasoning_field="" if reasoning == "none" else reasoning,
        max_output_field=settings.max_output_field
        or ("max_completion_tokens" if newer else "max_tokens"),
        tools=settings.tools,
        images=settings.images,
        extra_body=settings.extra_body,
    )


def host_of(base_url: str) -> str:
    """Give host and port of an address, without its password. Raises ConfigError for no address."""
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigError(
            "openai.base_url (or OPENAI_BASE_URL) is no address of a server: write it in full, as"
            f" {OPENAI}"
        )
    return f"{host}:{port}" if port else host


def is_nearby(hostname: str) -> bool:
    """Whether *hostname* is this machine or an address of the local network: no key is needed."""
    if hostname == "localhost" or hostname.endswith((".localhost", ".local")):
        return True
    try:
        address = ipaddress.ip_address(hostname)
    except ValueError:
        return False
    return address.is_loopback or address.is_private


def window_of(described: dict[str, object]) -> int | None:
    """Read how many tokens a model takes, where the endpoint's list says it."""
    for field in WINDOW_FIELDS:
        if isinstance(value := described.get(field), int) and value > 0:
            return value
    meta = described.get("meta")  # llama.cpp
    value = meta.get("n_ctx") if isinstance(meta, dict) else None
    return value if isinstance(value, int) and value > 0 else None


def _where(settings: OpenAISettings) -> str:
    scheme, _, rest = settings.api_key.reference.partition(":")
    return rest if scheme == "env" else f"the {scheme} reference"
