"""The ``openai:`` section of the configuration."""

from __future__ import annotations

from typing import Any

import msgspec

from hermes import Secret


class OpenAISettings(msgspec.Struct, frozen=True):
    """One endpoint that speaks OpenAI's chat completions."""

    base_url: str = ""
    """Address up to and with the version, as ``https://api.openai.com/v1``. Empty: what
    `base_url_from` says, else OpenAI's own."""
    base_url_from: Secret = Secret("env:OPENAI_BASE_URL")
    """Where the address is read from when `base_url` is empty. It may carry a password, so it is
    read as secrets are."""
    api_key: Secret = Secret("env:OPENAI_API_KEY")
    """The key. An endpoint on this machine or in the local network needs none."""
    organization: str = ""
    """Sent as ``OpenAI-Organization``; empty: what the variable OPENAI_ORG_ID says."""
    project: str = ""
    """Sent as ``OpenAI-Project``; empty: what the variable OPENAI_PROJECT_ID says."""
    default_model: str = ""
    """The model that ``openai:`` means without a name."""
    timeout: float = 600.0
    """Seconds of silence from the endpoint after which a call has failed."""
    connect_timeout: float = 10.0
    """Seconds to reach the endpoint."""
    extra_headers: dict[str, str] = msgspec.field(default_factory=dict)
    """Sent with every request."""
    extra_body: dict[str, Any] = msgspec.field(default_factory=dict)
    """Fields set in every request; a field set to null is left out of it (``stream_options`` for
    an endpoint that refuses it)."""
    window: int | None = None
    """Tokens of context of the models behind this endpoint, where it does not say so itself."""
    tools: bool = True
    """The models can call tools."""
    images: bool = True
    """The models take pictures. Where they do not, a line of text stands in for each."""
    max_output_field: str = ""
    """``max_completion_tokens`` or ``max_tokens``. Empty: the first for OpenAI and Azure, whose
    reasoning models refuse the second; the second elsewhere, where it is the known one."""
    reasoning_field: str = ""
    """Field of an assistant message in which reasoning is sent back (``reasoning_content``,
    ``reasoning``), or ``none``. Empty: to the vendors known to ask for it (DeepSeek, Moonshot)."""
