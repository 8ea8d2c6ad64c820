"""Calling models: from a name to a provider, through the `model` middleware (§5.4)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hermes.chain import Broken, Link, compose
from hermes.errors import Failed, Failure, NotFound, one_line
from hermes.events import Event
from hermes.messages import user
from hermes.middleware import Next
from hermes.provider import ModelInfo, ModelRequest, ModelResponse, Models, ModelSpec, Provider
from hermes.resources import Resources
from hermes.turn import Turn

if TYPE_CHECKING:
    from hermes.plugins import Host


def _unheard(event: Event) -> None:
    """Auxiliary calls have no listeners."""


class ModelCalls(Models):
    """The one way to any model."""

    def __init__(self, host: Host, resources: Resources) -> None:
        self._host = host
        self._resources = resources
        self.call: Next[ModelRequest, ModelResponse] = self._provider_call

    def link(self, links: Iterable[Link]) -> None:
        """Put the middleware around every call."""
        self.call = compose("model", links, self._provider_call)

    def resolve(self, text: str) -> str:
        """Make ``provider:name`` of what a person wrote. Raises NotFound for no such provider."""
        provider, colon, name = text.strip().partition(":")
        if not provider:
            raise NotFound("no model is chosen: hermes model PROVIDER:NAME")
        known = self._host.offers("providers")
        if provider not in known:
            said = f"no provider {provider!r} for model {text!r}"
            raise NotFound(f"{said}; write it as PROVIDER:NAME, with one of {', '.join(known)}")
        return (
            f"{provider}:{name}"
            if colon and name
            else f"{provider}:{self._made(provider).default()}"
        )

    async def provider(self, name: str) -> Provider:
        """Give an open provider. Raises PluginError or NotFound."""
        opened: Provider = await self._resources.get(("provider", name), lambda: self._made(name))
        return opened

    async def info(self, model: str) -> ModelInfo:
        """Say what is known of ``provider:name``, without opening a connection."""
        provider, _, name = model.partition(":")
        return await self._made(provider).info(name)

    def _made(self, name: str) -> Provider:
        made: Provider = self._host.create("providers", name)
        return made

    async def _provider_call(self, request: ModelRequest) -> ModelResponse:
        """The innermost step: the vendor's call, its bugs named."""
        name, _, model = request.spec.model.partition(":")
        try:
            provider = await self.provider(name)
            response = await provider.stream(request)
        except Failed:
            raise
        except (Exception, SystemExit) as error:
            said = f"provider {name} failed for {model or 'its model'}: {one_line(error)}"
            raise Failed(Failure("plugin", said, name)) from error
        return response

    async def ask(
        self,
        purpose: str,
        text: str,
        *,
        prompt: str = "",
        model: str = "",
        parent: Turn | None = None,
        answer_schema: str = "",
        max_output: int | None = None,
    ) -> ModelResponse:
        settings: Any = self._host.config.section("hermes")
        asked = model or settings.auxiliary.get(purpose, "")
        asked = asked or (parent.input.model if parent else "")
        asked = asked or settings.model or "local"
        spec = ModelSpec(
            self.resolve(asked),
            prompt,
            (user(text),),
            purpose=purpose,
            max_output=max_output,
            answer_schema=answer_schema,
            session=parent.input.session.id if parent else "",
            turn=parent.input.id if parent else "",
        )
        try:
            return await self.call(ModelRequest(spec, _unheard, turn=parent))
        except Broken as broken:
            raise Failed(Failure("plugin", str(broken), broken.plugin)) from broken
