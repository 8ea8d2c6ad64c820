"""The kinds of plugins that there is a template for."""

from __future__ import annotations

import msgspec

MSGSPEC = "msgspec>=0.22"


class Kind(msgspec.Struct, frozen=True):
    """What `hermes plugins new --kind` takes."""

    summary: str
    """What the rendered plugin does, in the words of its README and its description."""
    needs: tuple[str, ...] = ()
    """What it requires besides the kernel."""


KINDS = {
    "check": Kind("Looks whether there is room on the disk", (MSGSPEC,)),
    "command": Kind("Keeps short notes, in the shell and in chats", ("click>=8.5,<9",)),
    "memory": Kind("Remembers what people said, in files", (MSGSPEC,)),
    "middleware": Kind("Slows down a conversation that is too fast", (MSGSPEC,)),
    "observer": Kind("Writes a line for each turn that ends"),
    "platform": Kind("Chats over a server that speaks JSON lines", (MSGSPEC,)),
    "prompt": Kind("Rules of the house in the system prompt", (MSGSPEC,)),
    "provider": Kind("Models behind an endpoint of chat completions", ("httpx>=0.27", MSGSPEC)),
    "service": Kind("Writes figures of the journal for whatever watches this machine", (MSGSPEC,)),
    "store": Kind("Keeps the journal in one file of lines", (MSGSPEC,)),
    "terminal": Kind("Gives each conversation's commands a home of their own", (MSGSPEC,)),
    "tool": Kind("Converts lengths and weights between units", (MSGSPEC,)),
}
