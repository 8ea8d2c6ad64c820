"""The provider: one request becomes one call. It does not retry, fall back, count or log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
from hermes import (
    Failed,
    Failure,
    ModelInfo,
    ModelRequest,
    ModelResponse,
    PluginContext,
    Provider,
)

from hermes_plugin_old_provider.answer import Answer
from hermes_plugin_old_provider.failures import SOURCE, failure, in_stream
from hermes_plugin_old_provider.wire import body


class ChatProvider(Provider):
    """Models behind one endpoint. Its pool of connections lives as long as the process."""

    def __init__(self, context: PluginContext) -> None:
        self._settings = context.settings
        self._secrets = context.secrets
        self._client: httpx.AsyncClient | None = None

    async def open(self) -> None:
        key = self._secrets.get(self._settings.api_key)
        self._client = httpx.AsyncClient(
            base_url=self._settings.base_url.rstrip("/") + "/",
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=self._settings.timeout,
        )

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def stream(self, request: ModelRequest) -> ModelResponse:
        answer = Answer(request)
        try:
            async for data in self._events(body(request.spec)):
                answer.take(data)
        except httpx.TimeoutException:
            raise Failed(Failure("timeout", "the vendor does not answer", SOURCE)) from None
        except httpx.TransportError as error:
            said = f"the connection broke: {error}".rstrip(": ")
            raise Failed(Failure("transient", said, SOURCE)) from None
        return answer.response()

    async def _events(self, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Give the data of each event as it comes. Raises Failed for what the vendor refuses."""
        assert self._client is not None, "open() comes first"
        try:
            data = msgspec.json.encode(body)
        except UnicodeEncodeError:
            refused = Failure("bad_request", "the text is not valid Unicode", SOURCE)
            raise Failed(refused) from None
        headers = {"content-type": "application/json"}
        call = self._client.stream("POST", "chat/completions", content=data, headers=headers)
        async with call as response:
            if response.status_code >= 400:
                raise Failed(failure(response, await response.aread()))
            async for line in response.aiter_lines():
                name, _, value = line.partition(":")
                if name != "data" or value.strip() == "[DONE]":
                    continue
                try:
                    said = msgspec.json.decode(value, type=dict[str, Any])
                except msgspec.DecodeError:
                    what = Failure("transient", "the vendor sent what is no JSON", SOURCE)
                    raise Failed(what) from None
                if said.get("error"):
                    raise Failed(in_stream(said["error"]))
                yield said

    async def models(self) -> tuple[ModelInfo, ...]:
        assert self._client is not None, "open() comes first"
        try:
            response = await self._client.get("models")
            response.raise_for_status()
            return tuple(ModelInfo(str(one["id"])) for one in response.json()["data"])
        except (httpx.HTTPError, ValueError, LookupError, TypeError):
            return ()  # a menu is shorter then
