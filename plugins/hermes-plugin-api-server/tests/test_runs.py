"""Runs: they go on without their client, ask, stop, and survive the server's end."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from hermes.middleware import Middleware, Next, Stage
from hermes.testing import MemoryState, MemoryStore
from hermes.testing.answers import Call, Fail, Say
from hermes.tools import READ, TOGETHER, ToolCall, ToolResult, tool
from hermes.turn import Question


class AskFirst(Middleware):
    """A policy that asks each time."""

    stage = Stage.GUARD

    async def tool(self, call: ToolCall, call_next: Next[ToolCall, ToolResult]) -> ToolResult:
        question = Question("May I?", ("once", "always"), "approval", call.request.id, call.digest)
        reply = await call.ask(question)
        if reply.denied:
            return ToolResult("not allowed", is_error=True)
        return await call_next(call.granted("ask-first", f"{reply.choice} by {reply.by}"))


@tool(effect=READ, needs=set(), lane=TOGETHER)
async def look(at: str) -> str:
    """Look at something."""
    return f"saw {at}"


LOOKS = Say(calls=(Call("look", '{"at":"it"}'),))


async def started(api: Any, text: str = "Go", **more: Any) -> str:
    answer = await api.http.post("/v1/runs", json={"input": text, **more})
    assert (answer.status_code, answer.json()["status"]) == (202, "started")
    return str(answer.json()["run_id"])


async def events(api: Any, run: str, until: str = "") -> list[dict[str, Any]]:
    """Read the events of a run until its end, or until one named *until*."""
    found = []
    async with api.http.stream("GET", f"/v1/runs/{run}/events") as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line[6:]))
                if found[-1]["event"] == until:
                    break
    return found


async def test_a_run_goes_on_by_itself_and_its_events_can_be_read_later(serve: Any) -> None:
    async with serve(LOOKS, "Seen.", tools=[look]) as api:
        run = await started(api)
        for _ in range(2):
            heard = await events(api, run)
            names = [event["event"] for event in heard]
            assert names == ["tool.started", "tool.completed", "message.delta", "run.completed"]
            assert heard[-1]["output"] == "Seen."
        state = (await api.http.get(f"/v1/runs/{run}")).json()
        assert (state["status"], state["output"]) == ("completed", "Seen.")
        assert state["usage"]["output_tokens"] > 0


async def test_a_run_asks_and_goes_on_with_the_answer(serve: Any) -> None:
    async with serve(LOOKS, "Seen.", tools=[look], middleware=[AskFirst()]) as api:
        run = await started(api)
        asked = (await events(api, run, until="approval.request"))[-1]
        assert (asked["text"], asked["choices"]) == ("May I?", ["once", "always"])
        state = (await api.http.get(f"/v1/runs/{run}")).json()
        assert state["status"] == "waiting_for_approval"
        path = f"/v1/runs/{run}/approval"
        wrong = await api.http.post(path, json={"choice": "sure"})
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "choice")
        right = await api.http.post(path, json={"choice": "once"})
        assert right.json()["resolved"] == 1
        heard = await events(api, run)
        assert heard[-1]["output"] == "Seen."
        late = await api.http.post(path, json={"choice": "once"})
        assert (late.status_code, late.json()["error"]["code"]) == (409, "approval_not_pending")
        (result,) = api.provider.requests[-1].messages[-1].parts
        assert result.text == "saw it"


async def test_a_run_answers_no_question_of_another(serve: Any) -> None:
    async with serve(LOOKS, "other", tools=[look], middleware=[AskFirst()]) as api:
        asking = await started(api)
        question = (await events(api, asking, until="approval.request"))[-1]["id"]
        other = await started(api)
        await events(api, other)
        body = {"choice": "once", "id": question}
        answer = await api.http.post(f"/v1/runs/{other}/approval", json=body)
        assert answer.status_code == 409
        assert (await api.http.get(f"/v1/runs/{asking}")).json()["questions"]


async def test_completions_and_those_without_a_key_cannot_be_asked(serve: Any) -> None:
    chat = {"messages": [{"role": "user", "content": "Hi"}]}
    async with serve(LOOKS, "No.", tools=[look], middleware=[AskFirst()]) as api:
        await api.http.post("/v1/chat/completions", json=chat)
        assert api.provider.requests[-1].messages[-1].parts[0].text == "not allowed"
    async with serve(LOOKS, "No.", tools=[look], middleware=[AskFirst()], key="") as api:
        await events(api, await started(api))
        assert api.provider.requests[-1].messages[-1].parts[0].text == "not allowed"


async def test_a_run_is_stopped(serve: Any) -> None:
    async with serve(Say("never", hold=asyncio.Event())) as api:
        run = await started(api)
        await api.provider.asked(1)
        answer = await api.http.post(f"/v1/runs/{run}/stop")
        assert answer.json() == {"run_id": run, "status": "stopping"}
        heard = await events(api, run)
        assert heard[-1]["event"] == "run.cancelled"
        assert (await api.http.get(f"/v1/runs/{run}")).json()["status"] == "cancelled"
        assert api.provider.cancelled == 1


async def test_a_run_that_waits_is_stopped_before_it_begins(serve: Any) -> None:
    hold = asyncio.Event()
    async with serve(Say("one", hold=hold), "never") as api:
        first = await started(api, session_id="s")
        await api.provider.asked(1)
        second = await started(api, session_id="s")
        assert (await api.http.get(f"/v1/runs/{second}")).json()["status"] == "queued"
        await api.http.post(f"/v1/runs/{second}/stop")
        hold.set()
        assert (await events(api, first))[-1]["event"] == "run.completed"
        assert (await events(api, second))[-1]["event"] == "run.cancelled"
        assert len(api.provider.requests) == 1


async def test_a_client_that_leaves_does_not_stop_a_run(serve: Any) -> None:
    hold = asyncio.Event()
    async with serve(Say(chunks=("one ", "two"), hold=hold, hold_after=1)) as api:
        run = await started(api)
        await events(api, run, until="message.delta")
        hold.set()
        assert (await events(api, run))[-1]["output"] == "one two"


async def test_a_failed_run_says_why(serve: Any) -> None:
    async with serve(Fail("bad_request", "no such model")) as api:
        run = await started(api)
        heard = await events(api, run)
        assert (heard[-1]["event"], heard[-1]["error"]) == ("run.failed", "no such model")
        assert (await api.http.get(f"/v1/runs/{run}")).json()["status"] == "failed"


async def test_an_unknown_run_is_not_found(serve: Any) -> None:
    async with serve() as api:
        for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/stop")):
            answer = await api.http.request(method, f"/v1/runs/run_x{path}")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "run_not_found")


async def test_the_same_request_with_the_same_key_is_the_same_run(serve: Any) -> None:
    store, state = MemoryStore(), MemoryState()
    body, header = {"input": "Go"}, {"idempotency-key": "k1"}
    async with serve("one", store=store, state=state) as api:
        first, again = [
            await api.http.post("/v1/runs", json=body, headers=header) for _ in range(2)
        ]
        run = first.json()["run_id"]
        assert again.json() == first.json()
        assert again.headers["idempotency-replayed"] == "true"
        other = await api.http.post("/v1/runs", json={"input": "Else"}, headers=header)
        assert other.json()["error"]["code"] == "idempotency_key_conflict"
        await events(api, run)
    async with serve(store=store, state=state) as api:
        later = await api.http.post("/v1/runs", json=body, headers=header)
        assert (later.json()["run_id"], later.status_code) == (run, 202)
        assert (await api.http.get(f"/v1/runs/{run}")).json()["output"] == "one"


async def test_a_run_goes_on_after_the_server_s_end(serve: Any) -> None:
    store, state = MemoryStore(), MemoryState()
    async with serve(LOOKS, Say("never", hold=asyncio.Event()), "x", tools=[look],
                     store=store, state=state) as api:  # fmt: skip
        begun = await started(api, session_id="s")
        await api.provider.asked(2)
        waiting = await started(api, "And then?", session_id="s")
        unborn = await started(api, "Hello", session_id="t")
        await events(api, unborn)
    async with serve("Seen.", "Then that.", tools=[look], store=store, state=state) as api:
        first, second = await events(api, begun), await events(api, waiting)
        assert (first[-1]["output"], second[-1]["output"]) == ("Seen.", "Then that.")
        assert len(api.provider.requests[0].messages) == 3
        assert (await api.http.get(f"/v1/runs/{unborn}")).json()["output"] == "x"
        assert await store.pending("api-server/runs") == []
