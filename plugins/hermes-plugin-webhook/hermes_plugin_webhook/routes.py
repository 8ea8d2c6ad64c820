"""A route: from a request whose sender is proven to a message for the inbox."""

from __future__ import annotations

import re
import secrets
import time
from collections import OrderedDict, deque
from typing import Any
from urllib.parse import parse_qs

import msgspec

from hermes import Account, Authority, Inbound, SessionKey
from hermes_plugin_webhook import templates
from hermes_plugin_webhook.settings import Route
from hermes_plugin_webhook.signatures import Headers, Proof

PLATFORM = "webhook"
IDS = ("x-github-delivery", "svix-id", "webhook-id", "idempotency-key", "x-request-id")
"""Headers by which services name a delivery; a repeat has the same. Of several the first counts."""
EVENTS = ("x-github-event", "x-gitlab-event")
IN_PAYLOAD = ("event_type", "object_kind", "type", "event")
MINUTE = 60.0
REMEMBERED = 1000
LONGEST_ID = 200


class Bad(Exception):
    """The request cannot be worked on; its text is for the sender."""


class Event(msgspec.Struct, frozen=True):
    """What a request says."""

    payload: Any
    kinds: tuple[str, ...]
    """What it calls itself: by header and within."""
    id: str
    """Of the delivery: a repeat has the same."""
    proof: Proof

    @property
    def kind(self) -> str:
        """Its first name, without what a name need not have: it may be a stranger's text."""
        return "".join(re.findall(r"[\w.:/ -]", self.kinds[0] if self.kinds else "event"))[:60]


class ActiveRoute:
    """One configured route, and what it has taken lately."""

    def __init__(self, name: str, route: Route, *, rate_limit: int) -> None:
        self.name = name
        self.route = route
        self._rate_limit = rate_limit
        self._taken: deque[float] = deque()
        self._ids: OrderedDict[str, None] = OrderedDict()
        self.working: set[str] = set()
        """What is being kept just now."""

    def problem(self) -> str:
        """Say what is wrong with its settings; empty where nothing is."""
        route, target = self.route, self.route.deliver.partition(":")[0]
        if target == "github_comment":
            return (
                "deliver: github_comment is not there; the model can use gh, or deliver to a chat"
            )
        if route.deliver_only and route.deliver == "log":
            return "deliver_only needs a target: a platform, or platform:chat"
        return ""

    def wait(self, now: float | None = None) -> float:
        """Count an event. 0 lets it in; else the seconds until another is."""
        now = time.monotonic() if now is None else now
        while self._taken and self._taken[0] <= now - MINUTE:
            self._taken.popleft()
        if len(self._taken) >= self._rate_limit:
            return self._taken[0] + MINUTE - now
        self._taken.append(now)
        return 0.0

    def read(self, headers: Headers, body: bytes, proof: Proof) -> Event:
        """Read a request. Raises `Bad`."""
        payload = _payload(headers.get("content-type", ""), body)
        kinds = [headers[name] for name in EVENTS if headers.get(name)]
        if isinstance(payload, dict):
            kinds += [payload[name] for name in IN_PAYLOAD if isinstance(payload.get(name), str)]
        named = next((headers[name] for name in IDS if headers.get(name)), "")
        id = (proof.id or named)[:LONGEST_ID] or proof.digest or secrets.token_hex(16)
        return Event(payload, tuple(kinds), id, proof)

    def wants(self, event: Event) -> bool:
        """Whether the route takes such an event. GitHub's ping only where it is named."""
        if self.route.events:
            return bool(set(self.route.events) & set(event.kinds))
        return event.kinds[:1] != ("ping",)

    def knows(self, event: Event) -> bool:
        """Whether the delivery came lately. The journal knows better, and says nothing."""
        return event.id in self._ids or event.id in self.working

    def remember(self, event: Event) -> None:
        self._ids[event.id] = None
        while len(self._ids) > REMEMBERED:
            self._ids.popitem(last=False)

    # -- into the inbox -----------------------------------------------------------------------

    def message(self, event: Event) -> Inbound:
        """Make the message. Raises `Bad` where the payload lacks what the target needs."""
        route = self.route
        about = f"Event {event.kind!r} on the webhook route {self.name!r}"
        if route.deliver_only:
            text = templates.plain(route.prompt, event.payload)
        else:
            text = templates.prompt(route.prompt, event.payload, about=about)
            if route.skills:
                text += f"\n\nUse these skills: {', '.join(route.skills)}."
        named = templates.plain(route.session, event.payload)[:LONGEST_ID] if route.session else ""
        return Inbound(
            SessionKey(PLATFORM, self.name, thread=named or event.id),
            event.id,
            Account(PLATFORM, self.name, f"webhook {self.name}"),
            text,
            answer_to=self._target(event),
            toolsets=route.toolsets,
            verbatim=route.deliver_only,
            time=time.time_ns() // 1000,
        )

    def _target(self, event: Event) -> SessionKey | None:
        platform, _, rest = self.route.deliver.partition(":")
        if platform in ("", "log"):
            return None
        chat, _, thread = rest.partition(":")
        extra = self.route.deliver_extra
        chat = str(extra.get("chat_id", chat))
        thread = str(extra.get("message_thread_id", extra.get("thread_id", thread)))
        chat, thread = (
            templates.plain(each, event.payload) if each else "" for each in (chat, thread)
        )
        if missing := templates.unknown(chat + thread):
            raise Bad(f"the payload has no {missing[0]}, which deliver_extra needs")
        return SessionKey(platform, chat, thread=thread)

    def authority(self) -> Authority:
        """What its turns may do: what somebody granted this route, as it stands at each call."""
        route = self.route
        return Authority(
            PLATFORM,
            route.person,
            "user",
            can_ask=False,
            holder=f"route:{self.name}",
            text=route.prompt,
        )


def _payload(content_type: str, body: bytes) -> Any:
    """Read JSON, or a form (GitHub's older way puts JSON into its field ``payload``)."""
    if content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded":
        try:
            fields = parse_qs(body.decode(), keep_blank_values=True, max_num_fields=1000)
        except ValueError:
            raise Bad("the form cannot be read") from None
        if "payload" not in fields:
            return {
                name: values[0] if len(values) == 1 else values for name, values in fields.items()
            }
        body = fields["payload"][0].encode()
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Bad("the body is not JSON") from None
