"""What a model sees: messages made of parts, and the tools it may call.

These are plain frozen data. A provider turns them into its vendor's wire format and back; nothing
else in Hermes knows a wire format. Two rules keep every conversation loadable for ever (pain of the
systems before us: one bad byte that poisoned a session):

* every text is valid UTF-8: use `clean` on anything that comes from outside;
* a ``tool`` message answers tool uses of the ``assistant`` message before it, one output each.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]


class Text(msgspec.Struct, frozen=True, tag="text", gc=False):
    """Visible text."""

    text: str


class Image(msgspec.Struct, frozen=True, tag="image", gc=False):
    """A picture, by its bytes."""

    media_type: str
    """MIME type, as ``image/png``."""
    data: str
    """The bytes in base64."""


class Thinking(msgspec.Struct, frozen=True, tag="thinking", gc=False):
    """Reasoning that the model showed. Sent back only to the vendor that made it."""

    text: str
    opaque: str = ""
    """What the vendor wants back with it (a signature, an encrypted block), untouched."""


class ToolUse(msgspec.Struct, frozen=True, tag="tool_use", gc=False):
    """The model asks for a tool."""

    id: str
    """Unique within the conversation; the output names it."""
    name: str
    arguments: str
    """JSON text exactly as the model wrote it, even when it does not parse."""


class ToolOutput(msgspec.Struct, frozen=True, tag="tool_output", gc=False):
    """The answer to one `ToolUse`."""

    id: str
    name: str
    text: str
    is_error: bool = False
    images: tuple[Image, ...] = ()


Content: TypeAlias = Text | Image | Thinking | ToolUse | ToolOutput
"""What a message is made of."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message of a conversation."""

    role: Role
    parts: tuple[Content, ...]

    @property
    def text(self) -> str:
        """The visible text of all parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_uses(self) -> tuple[ToolUse, ...]:
        """The tools this message asks for, in the model's order."""
        return tuple(part for part in self.parts if isinstance(part, ToolUse))


class ToolSpec(msgspec.Struct, frozen=True, gc=False):
    """A tool as the model is told of it."""

    name: str
    description: str
    parameters: str
    """JSON Schema of the arguments, as JSON text, so that its bytes never change."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one or more model calls. `input` counts all input, cached or not."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    """Part of `input` that the vendor served from its cache."""
    cache_write: int = 0
    reasoning: int = 0
    """Part of `output` that was reasoning."""
    calls: int = 0
    """Model calls that this sums up."""
    cost: float | None = None
    """US dollars, where somebody knows a price."""

    def __add__(self, other: Usage) -> Usage:
        known = [usage.cost for usage in (self, other) if usage.cost is not None]
        return Usage(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
            self.reasoning + other.reasoning,
            self.calls + other.calls,
            sum(known) if known else None,
        )


def user(text: str) -> Message:
    """Make a user message of one text."""
    return Message("user", (Text(clean(text)),))


def clean(text: str) -> str:
    """Make *text* safe to store and send: lone surrogates become U+FFFD, NUL goes.

    A text of valid UTF-8 without NUL comes back as the same object.
    """
    if "\0" in text:
        text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        # Pairs of surrogates that belong together become their character; lone ones are replaced.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
