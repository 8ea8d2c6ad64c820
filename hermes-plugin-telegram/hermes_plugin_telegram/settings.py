"""The ``telegram:`` section of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hermes import Secret


class TelegramSettings(msgspec.Struct, frozen=True):
    """One bot."""

    enabled: bool = False
    """Whether the gateway runs it."""
    token: Secret = Secret("env:TELEGRAM_BOT_TOKEN")
    """What @BotFather gave for the bot."""
    base_url: str = "https://api.telegram.org"
    """Root of the Bot API; another one where you run a Bot API server of your own."""
    proxy: Secret = Secret("env:TELEGRAM_PROXY")
    """Address of a proxy for all calls (``http://…``). It may carry a password, so it is read as
    secrets are."""
    mode: Literal["polling", "webhook"] = "polling"
    """How updates come: we ask, which works everywhere, or Telegram calls us at `webhook_url`."""
    webhook_url: str = ""
    """Public https address that reaches `webhook_listen`; its path is the one we answer to."""
    webhook_listen: str = "127.0.0.1"
    """Address we listen on. One that others can reach needs `webhook_secret` set."""
    webhook_port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8443
    """Port we listen on."""
    webhook_secret: Secret = Secret("env:TELEGRAM_WEBHOOK_SECRET")
    """What Telegram must say with each update: 1–256 of A–Z, a–z, 0–9, _ and -. Not set: one is
    made at each start."""
    reactions: bool = False
    """Show on a message what became of it: 👀 while it is worked on, then 👍 or 👎."""
    edits: Literal["ignore", "note"] = "ignore"
    """What an edit of a message does: nothing, or it comes as a new message that says so."""
    link_previews: bool = True
    """Whether Telegram shows a preview of the first link in a reply."""
    max_file_mb: float = 20.0
    """Larger files are not fetched, only named. Telegram's own servers give no more than 20."""
    keep_files_days: float = 30.0
    """Days that files from messages stay in the cache folder."""
    poll_seconds: int = 20
    """Seconds that Telegram holds a call open until there is something to say, at most 50."""
    answer_seconds: float = 10.0
    """Seconds of silence beyond that after which the line counts as dead."""
    retry_seconds: float = 15.0
    """Longest wait between attempts to reach Telegram again."""
