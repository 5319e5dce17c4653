import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering.tokens import count_prompt, count_responses_prompt

PARAMETERS = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
FUNCTION = {"name": "lookup_weather", "description": "Weather", "parameters": PARAMETERS}
HELLO = [{"role": "user", "content": "Hello!"}]


def total(request, model="gpt-4o"):
    return count_responses_prompt(request, model).total


def test_input_may_be_a_text_or_messages():
    assert total({"input": "안녕"}) == 9
    assert total({"input": HELLO}, "gpt-5") == total({"input": "Hello!"}) - 1 == 8
    assert count_responses_prompt({"input": HELLO}, "gpt-4.1").quality == "exact"
    assert total({}) == 3


def test_instructions_are_a_system_message():
    system = {"role": "system", "content": "Be brief."}
    assert total({"instructions": "Be brief.", "input": "Hello!"}) == total({"input": [system, *HELLO]})


def test_parts_have_the_dialects_own_names():
    content = [
        {"type": "input_text", "text": "안녕"},
        {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"},
    ]
    counted = count_responses_prompt({"input": [{"type": "message", "role": "user", "content": content}]}, "gpt-4o")
    assert (counted.total, counted.quality) == (9 + 85, "exact")
    sized = count_responses_prompt(
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        "gpt-4o",
        image_size=lambda _: (512, 512),
    )
    assert sized.total == 7 + 255


@pytest.mark.parametrize(
    ("model", "system", "frame"), [("gpt-5", 0, 9), ("gpt-5", 1, 22), ("gpt-4o", 0, 9), ("gpt-4o", 1, 5)]
)
def test_tools_cost_their_own_frame(model, system, frame):
    request = {"input": "Hello!", "tools": [{"type": "function", **FUNCTION}]}
    if system:
        request["instructions"] = "Be brief."
    counted = count_responses_prompt(request, model)
    in_chat = count_prompt({"messages": HELLO, "tools": [{"type": "function", "function": FUNCTION}]}, "gpt-4o")
    (ours,) = [line for line in counted.lines if line.kind == "tools"]
    (theirs,) = [line for line in in_chat.lines if line.kind == "tools"]
    assert ours.tokens == theirs.tokens - 9 + frame
    assert ours.quality == ("exact" if model == "gpt-5" else "estimate")


def test_calls_in_history_are_translated_and_estimated():
    items = [
        *HELLO,
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "ok"},
        {"type": "function_call_output", "call_id": "c2", "output": "ok"},
        {"type": "function_call", "call_id": "c3", "name": "f", "arguments": "{}"},
    ]
    function = {"f": '{"a": 1}', "g": "{}"}
    calls = [
        {"id": number, "function": {"name": name, "arguments": function[name]}}
        for number, name in (("c1", "f"), ("c2", "g"))
    ]
    messages = [
        *HELLO,
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "ok"},
        {"role": "tool", "tool_call_id": "c2", "content": "ok"},
        {"role": "assistant", "tool_calls": [{"id": "c3", "function": {"name": "f", "arguments": "{}"}}]},
    ]
    counted = count_responses_prompt({"input": items}, "gpt-4o")
    assert counted.total == count_prompt({"messages": messages}, "gpt-4o").total
    assert {line.quality for line in counted.lines if line.kind == "tool"} == {"estimate"}
    assert {line.quality for line in counted.lines if line.kind != "tool"} == {"exact"}


@pytest.mark.parametrize("kept", ["previous_response_id", "conversation", "prompt"])
def test_what_the_provider_keeps_cannot_be_counted(kept):
    counted = count_responses_prompt({"input": "Hello!", kept: "x_1"}, "gpt-4o")
    assert counted.quality == "estimate"
    assert counted.lines[-1].kind == "history"


def test_reasoning_items_and_hosted_tools_are_estimates():
    counted = count_responses_prompt({"input": [{"type": "reasoning", "summary": []}, *HELLO]}, "gpt-5")
    assert counted.quality == "estimate"
    hosted = count_responses_prompt({"input": "x", "tools": [{"type": "image_generation"}]}, "gpt-5")
    assert hosted.lines[2].tokens == 2249
    assert hosted.quality == "estimate"


def test_a_json_schema_stands_under_text_format():
    chosen = {"type": "json_schema", "name": "answer", "schema": PARAMETERS}
    counted = count_responses_prompt({"input": "Hello!", "text": {"format": chosen}}, "gpt-4o")
    in_chat = count_prompt(
        {"messages": HELLO, "response_format": {"type": "json_schema", "json_schema": chosen}}, "gpt-4o"
    )
    assert counted == in_chat


ANY = st.recursive(
    st.none()
    | st.integers()
    | st.text(max_size=5)
    | st.sampled_from(["message", "function_call", "function_call_output"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "call_id", "name", "arguments", "format"]), inner
        )
    ),
    max_leaves=15,
)
KEYS = ["input", "instructions", "tools", "tool_choice", "text", "conversation"]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), ANY))
def test_any_json_is_counted(request_body):
    counted = count_responses_prompt(request_body, "gpt-5")
    assert counted.total == sum(line.tokens for line in counted.lines)
