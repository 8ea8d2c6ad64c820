"""What goes over the wire."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from hermes import Image, Message, ModelSpec, Text, Thinking, ToolOutput, ToolSpec, ToolUse, user
from hermes.testing.openai_rules import Refusal, check
from hermes_plugin_openai.wire import Dialect, Renderer, is_strict, keep_details, wire_name

PLAIN = Dialect(host="api.example.com")
IMAGE = Image("image/png", "iVBORw0KGgo=")
TOOL = ToolSpec("look", "Look.", '{"type": "object",  "properties": {"b": {}, "a": {}}}')


def body(*messages: Message, dialect: Dialect = PLAIN, **spec) -> dict:
    made = Renderer(dialect).body(ModelSpec("openai:m", "Prompt.", messages, **spec), "m")
    return json.loads(made)


def step(number: int, *, images: bool = False) -> tuple[Message, Message]:
    use = ToolUse(f"call_{number}", "look", f'{{"n": {number}}}')
    output = ToolOutput(use.id, "look", f"seen {number}", images=(IMAGE,) if images else ())
    answer = Message("assistant", (Thinking("hm"), Text("Looking."), use))
    return answer, Message("tool", (output,))


def test_each_request_starts_with_the_bytes_of_the_one_before() -> None:
    renderer = Renderer(PLAIN)
    messages = (user("Look at these."),)
    last = b""
    for number in range(50):
        spec = ModelSpec("openai:m", "Prompt.", messages, (TOOL,), step=number)
        made = renderer.body(spec, "m")
        assert made.startswith(last)
        assert made.endswith(b"]}")
        assert made == Renderer(PLAIN).body(spec, "m"), "a rebuilt agent sends the same"
        last = made[:-2]
        messages += step(number, images=number % 3 == 0)
        if number == 20:
            messages += (user("Go on."),)


def test_the_cache_stays_within_its_bounds_and_changes_nothing() -> None:
    renderer = Renderer(PLAIN, limit=10_000)
    messages: tuple[Message, ...] = ()
    for number in range(40):
        messages += (user(f"message {number} " + "x" * 200),)
        spec = ModelSpec("openai:m", "", messages)
        assert renderer.body(spec, "m") == Renderer(PLAIN).body(spec, "m")
        assert renderer._size <= 10_000


def test_what_nobody_used_for_two_minutes_is_not_kept() -> None:
    now = 0.0
    renderer = Renderer(PLAIN, clock=lambda: now)
    spoken = user("still spoken of")
    for number in range(1000):  # conversations that come and go, however short their messages
        now = number * 10.0
        spec = ModelSpec("openai:m", "", (spoken, user(f"message {number}")))
        assert renderer.body(spec, "m") == Renderer(PLAIN).body(spec, "m")
        assert len(renderer._kept) <= 14


def test_pictures_of_tools_follow_all_outputs_of_their_answer() -> None:
    uses = tuple(ToolUse(f"call_{n}", "look", "{}") for n in range(2))
    outputs = tuple(ToolOutput(use.id, "look", "seen", images=(IMAGE,)) for use in uses)
    made = body(user("x"), Message("assistant", uses), Message("tool", outputs))
    check(made)
    assert [m["role"] for m in made["messages"]] == [
        "system", "user", "assistant", "tool", "tool", "user",
    ]  # fmt: skip
    assert [part["type"] for part in made["messages"][-1]["content"]] == [
        "text", "image_url", "text", "image_url",
    ]  # fmt: skip


def test_a_model_without_eyes_gets_a_line_instead() -> None:
    blind = Dialect(images=False)
    made = body(Message("user", (Text("What is it?"), IMAGE)), dialect=blind)
    assert "iVBOR" not in json.dumps(made)
    assert "image/png" in made["messages"][1]["content"][1]["text"]


def test_reasoning_goes_back_only_where_it_is_wanted() -> None:
    told = (user("x"), Message("assistant", (Thinking("Hm."), Text("Yes."))), user("y"))
    check(body(*told))
    assert "reasoning" not in json.dumps(body(*told))
    wants = Dialect(reasoning_field="reasoning_content")
    assert body(*told, dialect=wants)["messages"][2]["reasoning_content"] == "Hm."


def test_structured_reasoning_goes_back_untouched_to_who_made_it() -> None:
    details = [{"type": "reasoning.encrypted", "data": "gAAA", "index": 0}]
    thought = Thinking("Hm.", keep_details(details, "openrouter.ai"))
    told = (user("x"), Message("assistant", (thought, Text("Yes."))))
    back = body(*told, dialect=Dialect(host="openrouter.ai"))["messages"][2]
    assert back["reasoning_details"] == details
    assert "reasoning_details" not in body(*told)["messages"][2]
    signed_by_others = Thinking("Hm.", "EqQBCgIYAhIM")
    assert "reasoning_details" not in body(Message("assistant", (signed_by_others,)))["messages"][1]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{ "a" :1.0, "a": 2}', '{ "a" :1.0, "a": 2}'),
        ("", "{}"),
        ("  ", "{}"),
        ('{"a', '{"invalid_json":"{\\"a"}'),
        ("[1]", '{"invalid_json":"[1]"}'),
        ("null", '{"invalid_json":"null"}'),
        ("[" * 100_000, None),
    ],
)
def test_arguments_are_the_models_own_unless_they_are_no_object(written, sent) -> None:
    use = ToolUse("call_1", "look", written)
    made = body(Message("assistant", (use,)))["messages"][1]["tool_calls"][0]["function"]
    assert sent is None or made["arguments"] == sent
    assert isinstance(json.loads(made["arguments"]), dict)


@given(st.text())
def test_any_name_becomes_one_that_is_taken(name: str) -> None:
    made = wire_name(name)
    check({"model": "m", "messages": [{"role": "user", "content": ""}],
           "tools": [{"type": "function", "function": {"name": made}}]})  # fmt: skip
    assert wire_name(made) == made


def test_good_names_stay_and_bad_ones_stay_apart() -> None:
    assert wire_name("mcp__server__tool-1") == "mcp__server__tool-1"
    assert len({wire_name(name) for name in ("a.b", "a/b", "a b", "a" * 70, "a" * 71, "")}) == 6


any_text = st.text(alphabet=st.characters(), max_size=20)


@given(any_text, any_text, any_text)
def test_no_text_makes_a_request_that_is_refused(said: str, name: str, shown: str) -> None:
    use = ToolUse("call_1", name, said)
    output = ToolOutput("call_1", name, shown)
    told = (user(said), Message("assistant", (Text(shown), use)), Message("tool", (output,)))
    spec = ModelSpec("openai:m", said, told, (ToolSpec(name, shown, "{}"),))
    made = Renderer(PLAIN).body(spec, "m")
    try:
        check(json.loads(made.decode("utf-8")))
    except Refusal as refusal:
        assert "Invalid schema" in str(refusal)  # noqa: PT017 - "{}" says no type


def test_the_schema_of_a_tool_is_sent_byte_for_byte() -> None:
    spec = ModelSpec("openai:m", "", (user("x"),), (TOOL,))
    assert TOOL.parameters.encode() in Renderer(PLAIN).body(spec, "m")


def test_a_model_without_tools_gets_none() -> None:
    assert "tools" not in body(user("x"), dialect=Dialect(tools=False), tools=(TOOL,))


def test_settings_can_add_change_and_leave_out_fields() -> None:
    extra = {"stream_options": None, "top_p": 0.5, "messages": "never", "temperature": 1}
    made = body(user("x"), dialect=Dialect(extra_body=extra), temperature=0.2)
    assert "stream_options" not in made
    assert made["top_p"] == 0.5
    assert made["temperature"] == 1
    assert isinstance(made["messages"], list)


def test_an_answer_can_be_bound_to_a_schema() -> None:
    closed = (
        '{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],'
        '"additionalProperties":false}'
    )
    made = body(user("x"), answer_schema=closed)
    check(made)
    assert made["response_format"]["json_schema"]["strict"] is True
    loose = body(user("x"), answer_schema='{"type":"object","properties":{"a":{}}}')
    assert "strict" not in loose["response_format"]["json_schema"]
    assert is_strict({"type": "array", "items": {"type": "string"}})


def test_an_answer_of_nothing_is_still_a_message() -> None:
    check(body(user("x"), Message("assistant", (Thinking("Hm."),)), user("y")))
