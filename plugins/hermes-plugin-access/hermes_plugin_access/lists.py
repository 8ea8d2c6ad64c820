"""Who is named: by the configuration, or by the variables that Hermes Agent's users have in .env.

``TELEGRAM_ALLOWED_USERS``, ``TELEGRAM_ALLOW_ALL_USERS``, ``TELEGRAM_GROUP_ALLOWED_CHATS`` (and so
for every platform), ``GATEWAY_ALLOWED_USERS`` and ``GATEWAY_ALLOW_ALL_USERS``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from hermes import ConfigView, Inbound, Role
from hermes_plugin_access.settings import Behavior, Ids, Settings

ROLES: tuple[Role, ...] = ("guest", "user", "owner")
"""From least to most."""
EVERYBODY = "*"
NO = frozenset({"", "0", "false", "no", "off"})


class Lists:
    """Reads the lists. Variables are looked up each time: `.env` may change while we run."""

    def __init__(self, settings: Settings, config: ConfigView) -> None:
        self._settings, self._config = settings, config

    def role(self, inbound: Inbound) -> Role | None:
        """Give the role by which the sender is named: the highest; by name before by ``*``."""
        platform, user = inbound.key.platform, inbound.sender.id
        if not user:
            return None
        by_name, by_star = set[Role](), set[Role]()
        for role, ids in self._named(platform):
            if user in ids:
                by_name.add(role)
            elif EVERYBODY in ids:
                by_star.add(role)
        if inbound.group and _has(self._groups(platform), inbound.key.chat):
            by_star.add("guest")
        return highest(by_name or by_star)

    def answered_with(self, platform: str) -> Behavior:
        """Say what a stranger's private message on *platform* gets.

        What is set for the platform, then what is set for all. Else, where any list names anybody,
        nothing: who made a list has decided, and codes would go to personal contacts. Else a code,
        except by e-mail, where it would answer spam.
        """
        said = self._settings.unauthorized_dm_behavior
        if isinstance(said, dict):
            said = said.get(platform)
        if said is not None:
            return said
        return "ignore" if platform == "email" or self._exist(platform) else "pair"

    def is_free(self, platform: str, chat: str) -> bool:
        """Whether everything in a group chat is heard."""
        return _has(parse(self._settings.free_chats.get(platform)), chat)

    def _named(self, platform: str) -> Iterator[tuple[Role, frozenset[str]]]:
        settings, prefix = self._settings, _prefix(platform)
        yield "owner", parse(settings.owners.get(platform))
        yield "guest", parse(settings.guests.get(platform))
        users = parse(settings.allow.get(platform))
        users |= parse(self._config.variable(f"{prefix}_ALLOWED_USERS"))
        users |= parse(self._config.variable("GATEWAY_ALLOWED_USERS"))
        # As with Hermes Agent, the last variable only counts where nobody is named.
        if self._on(f"{prefix}_ALLOW_ALL_USERS") or (
            not users and self._on("GATEWAY_ALLOW_ALL_USERS")
        ):
            users |= {EVERYBODY}
        yield "user", users

    def _groups(self, platform: str) -> frozenset[str]:
        kept = parse(self._settings.groups.get(platform))
        return kept | parse(self._config.variable(f"{_prefix(platform)}_GROUP_ALLOWED_CHATS"))

    def _exist(self, platform: str) -> bool:
        settings = self._settings
        for lists in (settings.owners, settings.allow, settings.guests, settings.groups):
            if any(parse(ids) for ids in lists.values()):
                return True
        return any(ids for _, ids in self._named(platform)) or bool(self._groups(platform))

    def _on(self, name: str) -> bool:
        return (self._config.variable(name) or "").strip().lower() not in NO


def highest(roles: Iterable[Role | None]) -> Role | None:
    """Give the most that *roles* allow; None where they allow nothing."""
    return max((role for role in roles if role), key=ROLES.index, default=None)


def parse(ids: Ids | None) -> frozenset[str]:
    """Read a list of ids, however it is written."""
    listed = ids if isinstance(ids, list) else [] if ids is None else str(ids).split(",")
    return frozenset(text for one in listed if (text := str(one).strip()))


def _has(ids: frozenset[str], one: str) -> bool:
    return one in ids or EVERYBODY in ids


def _prefix(platform: str) -> str:
    return platform.upper().replace("-", "_")
