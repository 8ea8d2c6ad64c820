"""Events on their way: taken once, kept before 202, labelled, answered where the route says."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from hermes import READ, TOGETHER, Failed, Secret, StoreError, ToolCall, tool
from hermes.testing import AllowAll, Call, LetIn, MemoryState, MemoryStore, Say, make_context
from hermes_plugin_webhook.platform import WebhookPlatform
from hermes_plugin_webhook.settings import Route, WebhookSettings

PR = {"action": "opened", "number": 7, "pull_request": {"title": "Fix </outside> it", "id": 1}}


async def idle(store: MemoryStore) -> None:
    """Wait until everything that was taken in has its end."""
    async with asyncio.timeout(5):
        while await store.pending("inbox") or await store.pending("outbox"):
            await asyncio.sleep(0.01)


async def test_an_event_becomes_a_turn_and_its_answer_goes_to_the_chat(
    serve: Any, sign: Any
) -> None:
    routes = {
        "pr": {
            "events": ["pull_request"],
            "prompt": "Review #{number}: {pull_request.title}",
            "skills": ["review"],
            "deliver": "chat:42:7",
        }
    }
    async with serve("Looks good.", routes=routes) as served:
        headers = {"x_github_event": "pull_request", "x_github_delivery": "d-1"}
        answer = await served.post("pr", PR, lambda body: sign(body, **headers))
        assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
        assert answer.json()["delivery_id"] == "d-1"
        assert await served.chat.said(1) == ["Looks good."]
        key = served.chat.sent[0].key
        assert (key.platform, key.chat, key.thread) == ("chat", "42", "7")
        (asked,) = served.provider.requests
        text = asked.messages[-1].text
        assert "Event 'pull_request' on the webhook route 'pr'" in text
        assert "Review #<outside>7</outside>: <outside>Fix ‹/outside> it</outside>" in text
        assert "Use these skills: review." in text
        (info,) = await served.store.sessions()
        assert (info.surface, info.person) == ("webhook", "webhook")


async def test_without_a_target_the_answer_is_in_the_log_and_the_journal(serve: Any) -> None:
    async with serve("Noted.", routes={"r": {}}) as served:
        assert (await served.post("r", {"a": 1})).status_code == 202
        await idle(served.store)
        assert served.logged == ["Noted."]
        assert '"a": 1' in served.provider.requests[0].messages[-1].text
        assert served.chat.sent == []


async def test_a_target_without_a_chat_is_the_platforms_home(serve: Any) -> None:
    async with serve("To nobody.", "To the home.", routes={"r": {"deliver": "chat"}}) as served:
        await served.post("r", {"n": 1})
        await idle(served.store)
        assert "chat has no home chat" in served.gateway.runtime.log.text
        served.chat.say("/sethome")  # there is no such command here: the chat is known anyway
        await served.chat.said(1)
        await served.gateway.runtime.outbox.set_home(served.chat.sent[0].key)
        await served.post("r", {"n": 2})
        assert (await served.chat.said(2))[1] == "To the home."


async def test_a_route_that_only_passes_on_asks_no_model(serve: Any) -> None:
    routes = {
        "match": {
            "prompt": "🎉 {match.user} matched: <{match.note}>",
            "deliver": "chat",
            "deliver_extra": {"chat_id": "{match.chat}"},
            "deliver_only": True,
        }
    }
    async with serve(routes=routes) as served:
        match = {"user": "Anna", "note": "/reset", "chat": 99}
        assert (await served.post("match", {"match": match})).status_code == 202
        assert await served.chat.said(1) == ["🎉 Anna matched: </reset>"]
        assert served.chat.sent[0].key.chat == "99"
        await idle(served.store)
        answer = await served.post("match", {"match": {"user": "B"}})
        assert answer.status_code == 400
        assert "no match.chat" in answer.json()["error"]
        assert served.provider.requests == []
        assert await served.store.sessions() == []


async def test_what_is_not_proven_reaches_nothing(serve: Any) -> None:
    async with serve(routes={"r": {}, "hmac": {"signature": "github"}}) as served:
        for path, headers in (
            ("r", {}),
            ("r", {"x-gitlab-token": "guess"}),
            ("r", {"x-webhook-signature": "00"}),
            ("hmac", {"x-gitlab-token": "it's a secret between us"}),
        ):
            answer = await served.post(path, {"a": 1}, headers)
            assert answer.status_code == 401, headers
        assert (await served.post("nowhere", {})).status_code == 404
        assert (await served.http.get("/webhooks/r")).status_code == 405
        assert (await served.http.get("/health")).json() == {"status": "ok", "platform": "webhook"}
        assert (await served.http.get("/")).status_code == 404
        assert await served.store.pending("inbox") == []
        assert "it's a secret" not in served.context.log.text
        served.context.secrets.values.clear()  # taken out of .env while it runs
        answer = await served.post("r", {"a": 1})
        assert answer.status_code == 401
        assert "no secret any more" in answer.json()["error"]
    assert served.provider.requests == []


async def test_bodies_and_rates_have_limits(serve: Any) -> None:
    routes = {"r": {"deliver_only": True, "deliver": "chat:1", "prompt": "{n}"}, "other": {}}
    async with serve("x", routes=routes, max_body_bytes=100, rate_limit=3) as served:
        large = await served.post("r", {"n": "x" * 200})
        assert (large.status_code, "100 bytes" in large.json()["error"]) == (413, True)

        async def pieces() -> Any:  # announces no length
            for _ in range(20):
                yield b"x" * 10

        chunked = await served.http.post("/webhooks/r", content=pieces())
        assert chunked.status_code == 413
        for _ in range(10):  # what is not proven does not use up what others may send
            await served.post("r", {"n": 0}, {"x-gitlab-token": "guess"})
        codes = [(await served.post("r", {"n": n})).status_code for n in range(5)]
        assert codes == [202, 202, 202, 429, 429]
        busy = await served.post("r", {"n": 9})
        assert 0 < int(busy.headers["retry-after"]) <= 61
        assert (await served.post("other", {"n": 1})).status_code == 202


async def test_what_is_no_event_for_the_route_is_ignored(serve: Any, sign: Any) -> None:
    routes = {"r": {"events": ["push", "merge_request"]}, "all": {}}
    async with serve("a", "b", routes=routes) as served:
        for headers, payload, status in (
            ({"x_github_event": "ping"}, {}, "ignored"),
            ({"x_github_event": "issues"}, {"n": 1}, "ignored"),
            ({"x_github_event": "push"}, {"n": 2}, "accepted"),
            ({"x_github_event": ""}, {"object_kind": "merge_request"}, "accepted"),
        ):
            answer = await served.post("r", payload, lambda body, h=headers: sign(body, **h))
            assert answer.json()["status"] == status
        ping = await served.post("all", {}, lambda body: sign(body, x_github_event="ping"))
        assert ping.json()["status"] == "ignored"


async def test_json_and_githubs_forms_are_read_and_nothing_else(serve: Any, sign: Any) -> None:
    routes = {"r": {"deliver_only": True, "deliver": "chat:1", "prompt": "{a}"}}
    async with serve(routes=routes) as served:
        form = b"payload=%7B%22a%22%3A%22from%20a%20form%22%7D"
        kind = {"content_type": "application/x-www-form-urlencoded"}
        await served.post("r", form, lambda body: sign(body, **kind))
        await served.post("r", b"a=plain+field", lambda body: sign(body, **kind))
        assert await served.chat.said(2) == ["from a form", "plain field"]
        for body in (b"", b"not json", b'{"a": "\\ud800"}', b"\xff\xfe"):
            answer = await served.post("r", body)
            assert (answer.status_code, answer.json()["error"]) == (400, "the body is not JSON")


async def test_a_repeat_is_taken_once_by_its_id_and_by_what_wassign(serve: Any, sign: Any) -> None:
    routes = {"r": {"deliver_only": True, "deliver": "chat:1", "prompt": "{n}"}}
    store, state = MemoryStore(), MemoryState()
    parts: dict[str, Any] = {"routes": routes, "store": store, "state": state}

    def delivery(id: str) -> Any:
        return lambda body: sign(body, x_github_delivery=id)

    async with serve(**parts) as served:
        assert (await served.post("r", {"n": 1}, delivery("d1"))).json()["status"] == "accepted"
        again = await served.post("r", {"n": 1}, delivery("d1"))
        assert (again.status_code, again.json()["status"]) == (200, "duplicate")
        replayed = await served.post("r", {"n": 1}, delivery("another id"))
        assert replayed.json()["status"] == "duplicate"  # the id is not among what was signed
        both = [served.post("r", {"n": 2}, delivery(id)) for id in ("d2", "d2", "d3")]
        answers = await asyncio.gather(*both)
        assert sorted(a.json()["status"] for a in answers) == ["accepted", "duplicate", "duplicate"]
        await idle(store)
        assert await served.chat.said(2) == ["1", "2"]
    async with serve(**parts) as served:  # over a restart, too
        assert (await served.post("r", {"n": 1}, delivery("d9"))).json()["status"] == "duplicate"
        await served.post("r", {"n": 3}, delivery("d1"))  # its journal knows the id
        await idle(store)
        assert served.chat.sent == []


async def test_what_cannot_be_kept_is_not_accepted_and_may_come_again(serve: Any) -> None:
    routes = {"r": {"deliver_only": True, "deliver": "chat:1", "prompt": "{n}"}}

    class Full(MemoryStore):
        full = False

        async def commit(self, changes: Any) -> None:
            if self.full:
                raise StoreError("disk full")
            await super().commit(changes)

    store = Full()
    async with serve(routes=routes, store=store) as served:
        store.full = True
        refused = await served.post("r", {"n": 1})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
        store.full = False
        assert (await served.post("r", {"n": 1})).status_code == 202
        assert await served.chat.said(1) == ["1"]


async def test_an_accepted_event_is_worked_on_after_a_crash_if_its_route_is_still_there(
    serve: Any,
) -> None:
    store = MemoryStore()
    slow = Say("never", hold=asyncio.Event())
    routes = {"kept": {"deliver": "chat:1"}, "gone": {"deliver": "chat:1"}}
    async with serve(slow, slow, routes=routes, store=store, gateway={"drain": 0.05}) as served:
        for name in routes:
            assert (await served.post(name, {"n": name})).status_code == 202
        await served.provider.asked(2)
    assert len(await store.pending("inbox")) == 2
    async with serve("after the crash", routes={"kept": routes["kept"]}, store=store,
                     middleware=[AllowAll(), LetIn({"gone": None})]) as served:  # fmt: skip
        await idle(store)
        assert [t for t in (p.text for p in served.chat.sent) if "after" in t] == [
            "after the crash"
        ]
        assert len(served.provider.requests) == 1


async def test_events_of_one_name_share_a_conversation_and_wait_for_each_other(serve: Any) -> None:
    hold = asyncio.Event()
    routes = {"r": {"session": "pr-{number}", "prompt": "{what}", "deliver": "chat:1"}}
    async with serve(Say("one", hold=hold), "two", "three", routes=routes) as served:
        await served.post("r", {"number": 1, "what": "opened"})
        await served.provider.asked(1)
        await served.post("r", {"number": 1, "what": "pushed"})
        await served.post("r", {"number": 2, "what": "opened"})
        await served.provider.asked(2)
        hold.set()
        assert set(await served.chat.said(3)) == {"one", "two", "three"}
        assert len(await served.store.sessions()) == 2
        texts = [[m.text for m in r.messages if m.role == "user"] for r in served.provider.requests]
        assert sorted(len(each) for each in texts) == [1, 1, 2]


async def test_its_turns_are_the_routes_and_nobody_is_asked(serve: Any) -> None:
    """What was granted to ``route:r`` a policy finds at each call; the text is for grants that
    somebody gave for this prompt alone.
    """
    seen: list[Any] = []

    @tool(effect=READ, needs={"network"}, lane=TOGETHER)
    async def look(*, call: ToolCall) -> str:
        """Look."""
        seen.append(call.authority)
        return "seen"

    route = {"person": "owner", "prompt": "Look at {n}", "toolsets": ["test"]}
    ask = Say(calls=(Call("look", "{}"),))
    parts = {"tools": [look]}
    async with serve(ask, "done", routes={"r": route}, parts=parts) as served:
        await served.post("r", {"n": 1})
        await idle(served.store)
    (authority,) = seen
    assert (authority.person, authority.role, authority.can_ask) == ("owner", "user", False)
    assert (authority.holder, authority.text) == ("route:r", "Look at {n}")
    assert not authority.allowances


@pytest.mark.parametrize(
    ("route", "secrets", "said"),
    [
        (Route(), {}, "routes.r has no secret: put WEBHOOK_SECRET=… into .env"),
        (Route(secret=Secret("env:OWN")), {"WEBHOOK_SECRET": "s"}, "put OWN=… into .env"),
        (Route(deliver_only=True), {"WEBHOOK_SECRET": "s"}, "deliver_only needs a target"),
        (Route(deliver="github_comment"), {"WEBHOOK_SECRET": "s"}, "github_comment is not there"),
        (None, {"WEBHOOK_SECRET": "s"}, "no routes"),
    ],
)
async def test_a_route_that_is_not_what_its_owner_means_is_not_served(
    plugin_context: Any, route: Any, secrets: Any, said: str
) -> None:
    settings = WebhookSettings(routes={"r": route} if route else {})
    platform = WebhookPlatform(plugin_context("webhook", settings=settings, secrets=secrets))
    assert said in platform.missing()


async def test_a_port_that_is_taken_is_said_and_a_probe_really_knocks(serve: Any) -> None:
    async with serve(routes={"r": {}}) as served:
        assert served.webhook.address is not None
        port = served.webhook.address[1]
        assert await served.webhook.probe() == f"listening on 127.0.0.1:{port}, 1 routes"
        settings = WebhookSettings(port=port, routes={"r": Route()})
        home, secrets = served.context.paths.home, {"WEBHOOK_SECRET": "s"}
        second = WebhookPlatform(
            make_context("webhook", home=home, settings=settings, secrets=secrets)
        )
        with pytest.raises(Exception, match=rf"cannot listen on 127.0.0.1:{port}.*webhook.port"):
            await second.run(None)  # type: ignore[arg-type]
        with pytest.raises(Failed, match="does not listen"):
            await second.probe()
        assert json.loads((await served.http.get("/health")).text)["status"] == "ok"
