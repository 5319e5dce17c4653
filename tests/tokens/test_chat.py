import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering.tokens import Line, count_prompt, count_text, frame_tokens, guards, message_tokens
from talkmeter.metering.tokens.messages import header_tokens

MODELS = ["gpt-4o", "gpt-4", "gpt-3.5-turbo-0301", "gpt-5.4", "o3", "sim-chat", "llama3.1:8b", "text-davinci-003"]
PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def user(content):
    return {"role": "user", "content": content}


def total(messages, model="gpt-4o", **rest):
    return count_prompt({"messages": messages, **rest}, model).total


def lines(messages, model="gpt-4o", **rest):
    return count_prompt({"messages": messages, **rest}, model).lines


def call(number, name, arguments):
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


def kinds(counted):
    return {line.kind: line for line in counted}


# Figures that OpenAI's pages, its API or the seed's screenshots show for these very texts.
def test_published_figures():
    assert total([user("안녕")]) == 9
    assert total([user("hello")], "gpt-3.5-turbo") == 8
    assert total([{"role": "developer", "content": "You are a helpful assistant."}, user("Hello!")]) == 19


def test_lines_say_where_the_tokens_are():
    counted = count_prompt({"messages": [{"role": "system", "content": "Be brief."}, user("안녕")]}, "gpt-4o")
    assert counted.lines == (
        Line("framing", 0, 4, "exact"),
        Line("text", 0, 3, "exact"),
        Line("framing", 1, 4, "exact"),
        Line("text", 1, 2, "exact"),
        Line("prime", None, 3, "exact"),
    )
    assert (counted.total, counted.encoding, counted.quality) == (16, "o200k_base", "exact")


def test_a_name_is_part_of_the_header():
    named = {"role": "user", "content": "", "name": "user"}
    assert total([named]) == 3 + count_text("user:user", "o200k_base") + 3
    assert count_text(":user", "o200k_base") == 1  # where the cookbook's formula counts two
    assert total([{**named, "name": "x" * 1000}]) == 6 + count_text("user:" + "x" * 1000, "o200k_base")
    assert header_tokens("x" * 1000, "o200k_base") == count_text("x" * 1000, "o200k_base")


def test_the_first_turbo_frames_with_four_and_puts_the_name_in_place_of_the_role():
    assert total([user("hi")], "gpt-3.5-turbo-0301") == 4 + 1 + 1 + 3
    named = {"role": "system", "name": "example_user", "content": "hi"}
    assert total([named], "gpt-3.5-turbo-0301") == 4 + count_text("example_user", "cl100k_base") + 1 + 3


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5.6-sol", "o1", "o4-mini"])
def test_reasoning_models_prime_with_two(model):
    assert frame_tokens(model) == 2
    assert total([user("안녕")], model) == total([user("안녕")], "gpt-4.1") - 1


def test_unknown_models_are_estimates_throughout():
    counted = count_prompt({"messages": [user("안녕")]}, "llama3")
    assert counted.total == 9
    assert counted.quality == "estimate"
    assert {line.quality for line in counted.lines} == {"estimate"}


TEXT = st.text(max_size=60)
PART = st.builds(lambda text: {"type": "text", "text": text}, TEXT) | st.builds(
    lambda detail: {"type": "image_url", "image_url": {"url": PIXEL, "detail": detail}},
    st.sampled_from(["low", "high", "auto"]),
)
PLAIN = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["system", "developer", "user", "assistant"]),
        "content": TEXT | st.lists(PART, max_size=3),
    },
    optional={"name": st.text(min_size=1, max_size=12)},
)


@settings(deadline=None)
@given(st.lists(PLAIN, max_size=6), st.sampled_from(MODELS))
def test_plain_conversations_add_up(messages, model):
    counted = count_prompt({"messages": messages}, model)
    alone = [message_tokens(message, model) for message in messages]
    assert sum(one.total for one in alone) + frame_tokens(model) == counted.total
    assert counted.lines[:-1] == tuple(line for index, one in enumerate(alone) for line in one.lines(index))
    if model in ("gpt-4o", "sim-chat"):
        assert counted.quality == ("estimate" if any(one.quality == "estimate" for one in alone) else "exact")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "name",
                    "type",
                    "text",
                    "image_url",
                    "url",
                    "detail",
                    "tool_calls",
                    "function",
                    "id",
                    "arguments",
                    "parameters",
                    "properties",
                    "required",
                    "items",
                    "anyOf",
                    "enum",
                    "$ref",
                    "$defs",
                    "title",
                    "description",
                    "default",
                    "format",
                    "json_schema",
                    "schema",
                    "input_audio",
                    "data",
                    "tool_call_id",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
REQUEST = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ["messages", "tools", "functions", "tool_choice", "function_call", "response_format", "web_search_options"],
        ANY | st.lists(ANY, max_size=3),
    ),
)


@settings(deadline=None, max_examples=300)
@given(REQUEST, st.sampled_from(MODELS))
def test_any_json_is_counted_and_its_lines_add_up(request_body, model):
    counted = count_prompt(request_body, model)
    assert counted.total == sum(line.tokens for line in counted.lines)
    assert all(line.tokens >= 0 for line in counted.lines)
    assert counted.quality == ("exact" if all(line.quality == "exact" for line in counted.lines) else "estimate")


def test_a_message_that_is_no_object_keeps_its_place():
    counted = lines(["oops", user("안녕")])
    assert [line.message for line in counted] == [0, 0, 1, 1, None]


class TestContent:
    def test_one_text_part_is_exact_several_are_not(self):
        one, two = [{"type": "text", "text": "안녕"}], [{"type": "text", "text": "안"}, {"type": "text", "text": "녕"}]
        assert kinds(lines([user(one)]))["text"] == Line("text", 0, 2, "exact")
        assert kinds(lines([user(two)]))["text"].quality == "estimate"

    def test_images_have_a_line_of_their_own(self):
        content = [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": PIXEL}},
            {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        ]
        assert kinds(lines([user(content)]))["image"] == Line("image", 0, 255 + 85, "exact")
        assert kinds(lines([user(content)], "gpt-5-mini"))["image"].quality == "estimate"

    def test_the_caller_may_know_the_size(self):
        content = [{"type": "image_url", "image_url": {"url": "attachment:7", "detail": "high"}}]
        request = {"messages": [user(content)]}
        known = count_prompt(request, "gpt-4o", image_size={"attachment:7": (1024, 1024)}.get)
        assert kinds(known.lines)["image"] == Line("image", 0, 765, "exact")
        assert message_tokens(user(content), "gpt-4o", image_size=lambda _: (512, 512)).image == 255
        assert kinds(count_prompt(request, "gpt-4o").lines)["image"] == Line("image", 0, 765, "estimate")

    def test_documents_and_unknown_parts_are_owned_up_to(self):
        for part in ({"type": "file", "file": {"file_id": "f"}}, {"type": "hologram"}, {}, "text", None, 7):
            assert kinds(lines([user([part])]))["file"] == Line("file", 0, 0, "estimate")

    def test_audio_is_estimated(self):
        part = {"type": "input_audio", "input_audio": {"data": "A" * 64_000, "format": "mp3"}}
        assert kinds(lines([user([part])]))["file"] == Line("file", 0, 30, "estimate")

    def test_refusals_are_text(self):
        refusal = {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}
        assert message_tokens(refusal, "gpt-4o").text == 2

    def test_content_of_a_wrong_type_is_an_estimate(self):
        assert kinds(lines([user(5)]))["text"] == Line("text", 0, 0, "estimate")
        assert kinds(lines([user(None)]))["text"] == Line("text", 0, 0, "exact")

    def test_text_above_the_limit_is_an_estimate(self, monkeypatch):
        monkeypatch.setattr(guards, "LIMIT", 100)
        assert message_tokens(user("가 " * 200), "gpt-4o").quality == "estimate"


HISTORY = [
    {"role": "system", "content": "Be brief."},
    user("서울 날씨 알려줘"),
    {"role": "assistant", "content": None, "tool_calls": [call("c1", "lookup_weather", '{ "place": "서울" }')]},
    {"role": "tool", "tool_call_id": "c1", "content": "맑음"},
    {
        "role": "assistant",
        "content": "Both.",
        "tool_calls": [call("c2", "add", '{"a": 1, "b": 2}'), call("c3", "now", "")],
    },
    {"role": "tool", "tool_call_id": "c2", "content": "3"},
    {"role": "tool", "tool_call_id": "c3", "content": "12:00"},
    user("고마워"),
]
PARAMETERS = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}
TOOL = {"type": "function", "function": {"name": "lookup_weather", "description": "Weather", "parameters": PARAMETERS}}


class TestTools:
    def test_calls_are_written_in_the_providers_dialect(self):
        one = message_tokens(HISTORY[2], "gpt-4o")
        assert one.framing == 4
        assert one.tool == count_text(" to=functions.lookup_weather", "o200k_base") + count_text(
            '{"place":"서울"}', "o200k_base"
        )
        both = message_tokens(HISTORY[4], "gpt-4o")
        written = (
            '{"tool_uses":[{"recipient_name":"functions.add","parameters":{"a":1,"b":2}},'
            '{"recipient_name":"functions.now","parameters":{}}]}'
        )
        assert both.tool == count_text(" to=multi_tool_use.parallel", "o200k_base") + count_text(written, "o200k_base")
        assert both.text == count_text("Both.", "o200k_base")

    @pytest.mark.parametrize(("model", "expected"), [("gpt-4o", 115), ("gpt-4", 127), ("o3", 132)])
    def test_history_with_calls_and_results(self, model, expected):
        counted = count_prompt({"messages": HISTORY}, model)
        assert (counted.total, counted.quality) == (expected, "exact")

    def test_results_cost_more_on_reasoning_models(self):
        plain, reasoning = (kinds(lines(HISTORY[2:4], model))["tool"].tokens for model in ("gpt-4o", "o3"))
        assert reasoning == plain + 6

    def test_an_orphan_result_is_an_estimate(self):
        counted = message_tokens({**HISTORY[3], "name": "lookup_weather"}, "gpt-4o")
        assert counted.estimated == {"tool"}
        assert counted.tool == 3 + count_text("lookup_weather", "o200k_base")

    def test_arguments_that_are_no_json_are_counted_as_they_are(self):
        counted = message_tokens({"role": "assistant", "tool_calls": [call("c", "f", "{broken")]}, "gpt-4o")
        assert counted.estimated == {"tool"}
        deep = message_tokens({"role": "assistant", "tool_calls": [call("c", "f", "[" * 100_000)]}, "gpt-4o")
        assert deep.estimated == {"tool"}

    def test_definitions_cost_their_text_and_a_frame(self):
        text = (
            "namespace functions {\n\n// Weather\ntype lookup_weather = (_: { place: string }) => any;\n\n"
            "} // namespace functions"
        )
        size = count_text(text, "o200k_base")
        alone = kinds(lines([user("hi")], tools=[TOOL]))
        assert alone["tools"] == Line("tools", None, size + 9, "exact")
        beside = kinds(lines([HISTORY[0]], tools=[TOOL]))
        assert beside["tools"] == Line("tools", None, size + 5, "exact")
        assert kinds(lines([user("hi")], "gpt-5", tools=[TOOL]))["tools"].tokens == size + 91

    def test_the_first_system_message_ends_in_a_line_break_beside_tools(self):
        system = {"role": "system", "content": "One word"}
        texts = [line.tokens for line in lines([system, system], tools=[TOOL]) if line.kind == "text"]
        assert texts == [count_text("One word\n", "o200k_base"), count_text("One word", "o200k_base")]
        assert texts[0] == texts[1] + 1
        parts = {"role": "system", "content": [{"type": "text", "text": "One word"}, {"type": "image_url"}]}
        assert [line.tokens for line in lines([parts], tools=[TOOL]) if line.kind == "text"] == texts[:1]
        for empty in ([], None, [{"type": "image_url"}]):
            silent = {"role": "system", "content": empty}
            assert [line.tokens for line in lines([silent], tools=[TOOL]) if line.kind == "text"] == [0]

    def test_schema_words_that_no_recording_has_are_estimates(self):
        odd = {"type": "function", "function": {"name": "f", "parameters": {**PARAMETERS, "oneOf": []}}}
        assert kinds(lines([user("hi")], tools=[TOOL, odd]))["tools"].quality == "estimate"

    def test_custom_and_hosted_tools_are_estimates(self):
        custom = {"type": "custom", "custom": {"name": "shell", "description": "Runs a command"}}
        counted = lines([user("hi")], tools=[custom, {"type": "code_interpreter"}, {"type": "web_search"}])
        assert [(line.kind, line.quality) for line in counted[2:5]] == [
            ("tools", "estimate"),
            ("hosted", "estimate"),
            ("hosted", "estimate"),
        ]
        assert counted[3].tokens == 1320
        assert kinds(lines([user("hi")], web_search_options={}))["hosted"].quality == "estimate"

    @pytest.mark.parametrize(
        ("choice", "added"),
        [
            ("auto", 0),
            ("required", 0),
            (None, 0),
            ("none", 1),
            ({"type": "function", "function": {"name": "lookup_weather"}}, 4 + 2),
            ({"type": "function", "name": "lookup_weather"}, 4 + 2),
        ],
    )
    def test_tool_choice(self, choice, added):
        request = {"messages": [user("hi")], "tools": [TOOL]}
        chosen = count_prompt({**request, "tool_choice": choice}, "gpt-4o")
        assert chosen.total - count_prompt(request, "gpt-4o").total == added
        assert chosen.quality == ("estimate" if added else "exact")


FUNCTION = {"name": "foo", "parameters": {"type": "object", "properties": {"a": {"type": "string"}}}}


class TestLegacyFunctions:
    def test_definitions_are_rendered_as_in_2023(self):
        text = "namespace functions {\n\ntype foo = (_: {\na?: string,\n}) => any;\n\n} // namespace functions"
        counted = kinds(lines([user("hello")], "gpt-4", functions=[FUNCTION]))
        assert counted["tools"] == Line("tools", None, count_text(text, "cl100k_base") + 9, "exact")
        assert kinds(lines([user("hello")], "gpt-4o", functions=[FUNCTION]))["tools"].quality == "estimate"

    def test_tools_win_over_functions(self):
        assert total([user("x")], tools=[TOOL], functions=[FUNCTION]) == total([user("x")], tools=[TOOL])
        assert kinds(lines([user("x")], tools=[{"type": "web_search"}], functions=[FUNCTION]))["tools"].tokens

    @pytest.mark.parametrize(("choice", "added"), [("auto", 0), ("none", 1), ({"name": "foo"}, 5)])
    def test_function_call(self, choice, added):
        without = total([user("x")], "gpt-4", functions=[FUNCTION])
        chosen = count_prompt({"messages": [user("x")], "functions": [FUNCTION], "function_call": choice}, "gpt-4")
        assert chosen.total - without == added
        assert chosen.quality == "exact"

    def test_calls_and_results_in_history(self):
        made = {"role": "assistant", "content": "", "function_call": {"name": "foo", "arguments": '{"a": "b"}'}}
        counted = message_tokens(made, "gpt-4")
        assert counted.tool == 3 + count_text("foo", "cl100k_base") + count_text('{"a": "b"}', "cl100k_base")
        result = message_tokens({"role": "function", "name": "foo", "content": "ok"}, "gpt-4")
        assert (result.framing, result.tool, result.text) == (3, 1, 1)


SCHEMA = {
    "title": "Answer",
    "type": "object",
    "properties": {"title": {"type": "string", "title": "Title"}, "all": {"anyOf": [{"title": "A"}]}},
}


class TestResponseFormat:
    def test_plain_formats_cost_nothing(self):
        for chosen in ({"type": "text"}, {"type": "json_object"}, None, "text"):
            assert "response_format" not in kinds(lines([user("x")], response_format=chosen))

    def test_a_schema_is_estimated_without_its_titles(self):
        written = '{"type":"object","properties":{"title":{"type":"string"},"all":{"anyOf":[{}]}}}'
        size = count_text(f"# Response Formats\n\n## answer\n\n{written}", "o200k_base")
        chosen = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}
        assert kinds(lines([user("x")], response_format=chosen))["response_format"] == Line(
            "response_format", None, size + 9, "estimate"
        )
        assert kinds(lines([HISTORY[0]], response_format=chosen))["response_format"].tokens == size + 6

    def test_a_bottomless_schema_has_an_answer(self):
        schema = json.loads('{"items":' * 400 + "{}" + "}" * 400)
        for _ in range(5000):
            schema = {"items": schema}
        chosen = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        assert kinds(lines([user("x")], response_format=chosen))["response_format"].tokens > 0
