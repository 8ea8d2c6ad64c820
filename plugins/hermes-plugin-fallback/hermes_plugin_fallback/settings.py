"""The section ``fallback:``, and Hermes Agent's ``fallback_providers`` and ``fallback_model``."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from hermes import ConfigError, ConfigView

Seconds = Annotated[float, msgspec.Meta(gt=0)]


class Settings(msgspec.Struct, frozen=True):
    """Which models are asked when one fails, and how long a failing one is left alone."""

    models: tuple[str, ...] = ()
    """``provider:name``, in the order in which they are asked."""
    filtered: bool = False
    """Another model is asked, too, when the vendor filtered an answer."""
    rest: Seconds = 60.0
    """Seconds for which a model that failed twice in a row is not asked; each further failure
    doubles it. Where the vendor asked for a time, that counts."""
    longest: Seconds = 3600.0
    """The most that doubling leads to."""


class Entry(msgspec.Struct, frozen=True):
    """A model, as Hermes Agent writes it."""

    provider: str
    """Name of the provider; ``custom`` means an endpoint that speaks OpenAI's protocol."""
    model: str
    """Name of the model, as its vendor writes it."""
    base_url: Any = None
    """Hermes Agent's; without effect: an endpoint is set in its provider's own section."""
    api_key: Any = None
    """Hermes Agent's; without effect, as `base_url`."""
    key_env: Any = None
    """Hermes Agent's; without effect, as `base_url`."""
    api_mode: Any = None
    """Hermes Agent's; without effect, as `base_url`."""

    def __str__(self) -> str:
        provider = "openai" if self.provider == "custom" else self.provider
        return f"{provider}:{self.model}"


Section: TypeAlias = Settings | list[str] | None
Providers: TypeAlias = list[Entry]
Single: TypeAlias = Entry | None


def read(config: ConfigView) -> Settings:
    """Bring the three spellings together. Raises ConfigError for what names no model."""
    section: Section = config.section("fallback")
    if isinstance(section, list):
        section = Settings(models=tuple(section))
    settings = section or Settings()
    entries: list[Entry] = [*config.section("fallback_providers")]
    if (single := config.section("fallback_model")) is not None:
        entries.append(single)
    models = dict.fromkeys((*settings.models, *map(str, entries)))
    for model in models:
        provider, _, name = model.partition(":")
        if not provider or not name:
            raise ConfigError(f"fallback: {model!r} names no model; write it as PROVIDER:NAME")
    return msgspec.structs.replace(settings, models=tuple(models))
