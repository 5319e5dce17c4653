"""The tap of answers that pass through: whatever the pieces and whenever it looks, it reads the same figures."""

import gzip
import json
import zlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering.passing_tap import ENDS, TEXT_LIMIT, WHOLE_LIMIT, PassingTap
from talkmeter.metering.unpacking import PIECE_BYTES
from talkmeter.metering.usage import Usage

CHAT_USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10,
              "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 1}}  # fmt: skip
USED = Usage(prompt_tokens=7, cached_tokens=2, completion_tokens=3, reasoning_tokens=1)
RESPONSE_USAGE = {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10,
                  "input_tokens_details": {"cached_tokens": 2}, "output_tokens_details": {"reasoning_tokens": 1}}  # fmt: skip


def delta(**message):
    return {"id": "chatcmpl-1", "model": "m-1", "service_tier": "flex", "usage": None,
            "choices": [{"index": 0, "delta": message, "finish_reason": None}]}  # fmt: skip


def stop(reason="stop"):
    return {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def call(name=None, arguments=None):
    return delta(tool_calls=[{"index": 0, "function": {"name": name, "arguments": arguments}}])


CHAT = [delta(role="assistant", content=""), delta(content="안녕 "), delta(content="하세요"), stop(),
        {"id": "chatcmpl-1", "choices": [], "usage": CHAT_USAGE}, "[DONE]"]  # fmt: skip
TOOLS = [call("weather", ""), call(None, '{"city":'), call(None, '"서울"}'), stop("tool_calls"),
         delta(function_call={"name": "old", "arguments": "{}"}), delta(tool_calls=[{"index": 1, "custom": {"name": "c", "input": "x"}}, 7]),
         delta(refusal="no", reasoning_content="hm"), delta(reasoning="so"), delta(content=[{"text": "part"}]), "[DONE]"]  # fmt: skip
COMPLETIONS = [{"id": "cmpl-1", "choices": [{"text": "하나"}]}, {"choices": [{"text": " 둘", "finish_reason": "length"}]},
               {"choices": [], "usage": CHAT_USAGE}, "[DONE]"]  # fmt: skip
RESPONSES = [
    {"type": "response.created", "response": {"id": "resp_1", "model": "m-1", "status": "in_progress", "usage": None}},
    {"type": "response.output_text.delta", "delta": "안녕 "},
    {"type": "response.function_call_arguments.delta", "delta": "{}"},
    {"type": "response.output_item.done", "item": {}},
    {"type": "response.output_text.done", "text": "안녕"},
    {"type": "response.completed", "response": {"id": "resp_1", "model": "m-1", "service_tier": "flex",
                                                "status": "completed", "usage": RESPONSE_USAGE}},
]  # fmt: skip
IMAGES = [{"type": "image_generation.partial_image", "b64_json": "xx"},
          {"type": "image_generation.completed", "b64_json": "xx", "usage": RESPONSE_USAGE}]  # fmt: skip
SPEECH = [{"type": "speech.audio.delta", "audio": "xx"}, {"type": "speech.audio.done", "usage": RESPONSE_USAGE}]
HEARD = [{"type": "transcript.text.delta", "delta": "들은 말"},
         {"type": "transcript.text.done", "text": "들은 말", "usage": {"type": "duration", "seconds": 2.2}}]  # fmt: skip
FAILED = [{"type": "response.failed", "response": {"status": "failed", "error": {"code": "x", "message": "m"}}},
          {"type": "error"}]  # fmt: skip
STREAMS = {"chat": CHAT, "tools": TOOLS, "completions": COMPLETIONS, "responses": RESPONSES, "images": IMAGES,
           "speech": SPEECH, "heard": HEARD, "failed": FAILED}  # fmt: skip
WHOLE = {
    "chat": {"id": "chatcmpl-1", "object": "chat.completion", "model": "m-1", "service_tier": "flex",
             "choices": [{"message": {"content": "안녕 하세요", "tool_calls": None}, "finish_reason": "stop"}],
             "usage": CHAT_USAGE},
    "response": {"id": "resp_1", "object": "response", "status": "completed", "model": "m-1", "service_tier": "flex",
                 "output": [{"type": "message", "content": [{"type": "output_text", "text": "안녕 하세요"}]}],
                 "usage": RESPONSE_USAGE},
    "embeddings": {"object": "list", "data": [{"embedding": [1]}, {"embedding": [2]}], "model": "m-1",
                   "usage": {"prompt_tokens": 7, "total_tokens": 7}},
    "heard": {"text": "들은 말", "usage": {"type": "duration", "seconds": 2.2}},
    "batch": {"id": "batch_1", "object": "batch", "model": "m-1", "usage": RESPONSE_USAGE},
    "error": {"error": {"message": "no", "code": "c"}},
    "texts": {"choices": [{"message": {"content": 7, "refusal": "no"}}], "model": 7, "id": 7, "service_tier": 7},
}  # fmt: skip


def stream_of(events, end="\n", named=False):
    out = ""
    for event in events:
        if named and isinstance(event, dict) and "type" in event:
            out += f"event: {event['type']}{end}"
        out += f"data: {event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)}{end}{end}"
    return out.encode()


def figures(tap):
    return (tap.usage, tap.raw_usage, tap.problem, tap.model, tap.service_tier, tap.finish_reason, tap.upstream_id,
            tap.error, tap.items, tap.done, "".join(tap.texts), tap.received, tap.ended_early)  # fmt: skip


def read(pieces, ticks=(), *, streamed, encoding="", finish=True, images=False):
    tap = PassingTap(streamed=streamed, encoding=encoding, images=images)
    seen = {}
    for number, piece in enumerate(pieces):
        tap.feed(piece)
        if number in ticks:
            collect(tap, seen)
    if finish:
        tap.finish()
    collect(tap, seen)
    assert [seen[place] for place in sorted(seen)] == tap.texts
    return figures(tap)


def collect(tap, seen):
    for place, text in tap.new_texts():
        assert text
        seen[place] = seen.get(place, "") + text


def cut(data, places):
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(borders)]


places = st.lists(st.integers(0, 1 << 20), max_size=40)
ticks = st.sets(st.integers(0, 40))


@given(st.sampled_from(sorted(STREAMS)), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), places, ticks,
       st.sampled_from(["", "gzip", "deflate"]), st.booleans())  # fmt: skip
def test_a_stream_in_any_pieces(name, end, named, places, ticks, encoding, finish):
    finish = finish or end == "\r"  # whether a blank line ends in CR or in CR LF, only what follows can tell
    data = stream_of(STREAMS[name], end, named)
    packed = {"": data, "gzip": gzip.compress(data), "deflate": zlib.compress(data)}[encoding]
    plain = read([stream_of(STREAMS[name])], streamed=True, finish=finish)
    assert read(cut(packed, places), ticks, streamed=True, encoding=encoding, finish=finish) == plain


@given(
    st.sampled_from(sorted(WHOLE)), places, ticks, st.sampled_from(["", "gzip", "deflate", "identity"]), st.booleans()
)
def test_an_answer_in_one_piece_in_any_pieces(name, places, ticks, encoding, pretty):
    data = json.dumps(WHOLE[name], indent=2 if pretty else None, ensure_ascii=not pretty).encode()
    packed = {"gzip": gzip.compress(data), "deflate": zlib.compress(data)}.get(encoding, data)
    one = read([json.dumps(WHOLE[name]).encode()], streamed=False)
    many = read(cut(packed, places), ticks, streamed=False, encoding=encoding)
    raw = one[1], many[1]
    assert (raw[0] is None) == (raw[1] is None)
    assert raw[0] is None or json.loads(raw[0]) == json.loads(raw[1])
    assert (one[0], *one[2:]) == (many[0], *many[2:])


@given(st.binary(max_size=400), places, ticks, st.booleans(), st.sampled_from(["", "gzip", "br"]))
def test_any_bytes(data, places, ticks, streamed, encoding):
    """Nothing breaks, nothing is made up."""
    found = read(cut(data, places), ticks, streamed=streamed, encoding=encoding)
    assert found[0] is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["choices", "delta", "message", "usage", "error", "response", "content", "id",
                                         "tool_calls", "function", "type", "output", "data", "text", "model",
                                         "prompt_tokens", "completion_tokens", "object"]), inner, max_size=5),
                    max_leaves=20), st.booleans())  # fmt: skip
def test_any_json(value, streamed):
    data = json.dumps(value).encode()
    read([b"data: " + data + b"\n\n" if streamed else data], streamed=streamed)


def test_what_is_read_of_a_chat():
    found = read([stream_of(CHAT)], streamed=True)
    assert found[0] == USED
    assert json.loads(found[1]) == CHAT_USAGE
    assert found[2:] == (None, "m-1", "flex", "stop", "chatcmpl-1", None, None, True, "안녕 하세요", True, False)


def test_what_is_read_of_tools():
    found = read([stream_of(TOOLS)], streamed=True)
    assert found[10] == 'weather{"city":"서울"}old{}cxhmsonopart'
    assert found[5] == "tool_calls"


@pytest.mark.parametrize(
    ("name", "text"), [("completions", "하나 둘"), ("responses", "안녕 {}"), ("images", ""), ("speech", "")]
)
def test_what_is_read_of_other_streams(name, text):
    found = read([stream_of(STREAMS[name])], streamed=True)
    assert (found[0], found[9], found[10], found[12]) == (USED, True, text, False)


def test_what_is_read_of_pictures():
    found = read([stream_of(IMAGES)], streamed=True, images=True)
    assert found[0].completion_image_tokens == 3


def test_what_is_heard():
    assert read([stream_of(HEARD)], streamed=True)[0] == Usage(seconds=3)
    assert read([json.dumps(WHOLE["heard"]).encode()], streamed=False)[0] == Usage(seconds=3)


def test_what_is_read_of_errors():
    assert read([stream_of(FAILED)], streamed=True)[7] == {"code": "x", "message": "m"}
    assert read([stream_of(FAILED[1:])], streamed=True)[7] == {"message": "the stream ended in an error"}
    assert read([b'{"error":"words"}'], streamed=False)[7] == {"message": "words"}


def test_what_is_read_of_a_batch():
    found = read([json.dumps(WHOLE["batch"]).encode()], streamed=False)
    assert (found[0], found[4]) == (USED, "batch")


def test_how_many_items():
    assert read([json.dumps(WHOLE["embeddings"]).encode()], streamed=False)[8] == 2


def test_the_last_usage_that_can_be_used_stands():
    def event(usage):
        return {"choices": [], "usage": usage}

    good, better = {"prompt_tokens": 1, "completion_tokens": 1}, {"prompt_tokens": 1, "completion_tokens": 5}
    assert read([stream_of([event(good), event(better)])], streamed=True)[0].completion_tokens == 5
    found = read([stream_of([event(good), event({"prompt_tokens": -1})])], streamed=True)
    assert (found[0].completion_tokens, "negative" in found[2]) == (1, True)
    found = read([stream_of([event(good), event({})])], streamed=True)
    assert (found[0].completion_tokens, found[2]) == (1, None)
    found = read([stream_of([event(good), event([1])])], streamed=True)
    assert (found[0].completion_tokens, found[2]) == (1, "usage is not an object")


def test_an_event_without_its_blank_line_counts_only_at_a_proper_end():
    data = stream_of(CHAT[:-1])[:-2]
    assert read([data], streamed=True)[0] == USED
    assert read([data], streamed=True, finish=False)[0] is None
    data = stream_of(CHAT[:-1], "\r\n")[:-4]
    assert read([data], streamed=True)[0] == USED


def test_json_that_is_odd():
    """Lone surrogates and NaN are no JSON to the quick reader; what is bill in it is read all the same."""
    data = b'{"choices":[{"delta":{"content":"\\ud800 x"},"logprobs":NaN}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    found = read([b"data: " + data + b"\n\n"], streamed=True)
    assert found[0] == Usage(prompt_tokens=1, completion_tokens=1)
    found = read([b'data: {"response":{"usage":{"input_tokens":1,"output_tokens":1},"x":NaN}}\n\n'], streamed=True)
    assert found[0] == Usage(prompt_tokens=1, completion_tokens=1)
    for nothing in (
        b"data: NaN\n\n",
        b'data: {"a":\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
        b'data: {"choices":7,"x":NaN}\n\n',
    ):
        assert read([nothing], streamed=True)[0] is None


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_huge_events_are_bounded_and_what_follows_is_read(end):
    """10 MB without a blank line: not kept, and the usage behind it is found."""
    tap = PassingTap(streamed=True)
    events = [f'data: {{"x":"{"x" * (10 << 20)}"}}{end}{end}'.encode(), stream_of(CHAT, end)]
    data = b"".join(events)
    for start in range(0, len(data), 1 << 16):
        tap.feed(data[start : start + (1 << 16)])
        tap.read()
        assert len(tap._carry) <= WHOLE_LIMIT + (1 << 16)
    tap.finish()
    assert (tap.usage, "".join(tap.texts), tap.done) == (USED, "안녕 하세요", True)
    assert tap.incomplete


@pytest.mark.parametrize("size", [WHOLE_LIMIT - 1000, WHOLE_LIMIT + 1, 3 * WHOLE_LIMIT])
def test_huge_answers_are_bounded_and_their_usage_is_read(size):
    tap = PassingTap(streamed=False)
    body = json.dumps({"data": [{"b64_json": "x" * size}], "note": '"usage":{ }', "usage": CHAT_USAGE, "x": 1}).encode()
    for start in range(0, len(body), 1 << 20):
        tap.feed(body[start : start + (1 << 20)])
        tap.read()
        assert len(tap._carry) + len(tap._first) <= WHOLE_LIMIT + 2 * ENDS
    tap.finish()
    assert tap.usage == USED
    assert tap.too_long == (size > WHOLE_LIMIT)


@pytest.mark.parametrize("end", [b'"usage":{"prompt_tokens":', b"no usage at all"])
def test_huge_answers_without_a_usage(end):
    tap = PassingTap(streamed=False)
    tap.feed(b"x" * (WHOLE_LIMIT + 1) + end)
    tap.finish()
    assert tap.usage is None
    assert tap.incomplete, "what was not read cannot be counted"


def test_text_is_bounded():
    tap = PassingTap(streamed=True)
    part = "x" * (1 << 20)
    tap.feed(stream_of([delta(content=part)] * 20))
    tap.finish()
    assert sum(map(len, tap.texts)) == TEXT_LIMIT
    assert tap.incomplete


def test_compression_that_cannot_be_read():
    tap = PassingTap(streamed=True, encoding="gzip")
    tap.feed(b"this is no gzip at all")
    tap.read()
    assert tap.problem == "the answer's compression could not be read"
    tap.feed(gzip.compress(stream_of(CHAT)))
    tap.finish()
    assert tap.usage is None
    assert tap.unreadable


def test_encodings():
    assert PassingTap(streamed=True).plain
    assert PassingTap(streamed=True, encoding="identity").plain
    assert not PassingTap(streamed=True, encoding="gzip").plain
    for coding in ("br", "zstd", "gzip, gzip"):
        tap = PassingTap(streamed=True, encoding=coding)
        tap.feed(stream_of(CHAT))
        tap.finish()
        assert tap.unreadable
        assert tap.incomplete
        assert tap.usage is None
        assert tap.problem == f"the answer came packed as {coding}, which is not read here"


@pytest.mark.parametrize("streamed", [True, False])
def test_a_bomb_is_not_unpacked_to_its_end(streamed):
    """60 MB out of some 100 kB: after the sixth part of it that is enough."""
    tap = PassingTap(streamed=streamed, encoding="gzip")
    bomb = gzip.compress((b"data: {}\n\n" if streamed else b" " * 10) * 6_000_000)
    for start in range(0, len(bomb), 10_000):
        tap.feed(bomb[start : start + 10_000])
        tap.read()
        assert len(tap._carry) <= WHOLE_LIMIT + PIECE_BYTES
    tap.finish()
    assert tap.unreadable
    assert tap.incomplete
    assert tap.usage is None
    assert "100 times" in tap.problem


def test_a_packed_answer_without_its_end():
    tap = PassingTap(streamed=True, encoding="gzip")
    tap.feed(gzip.compress(stream_of(CHAT[:3]))[:-9])
    tap.finish()
    assert tap.incomplete
    whole = PassingTap(streamed=True, encoding="gzip")
    whole.feed(gzip.compress(stream_of(CHAT)))
    whole.finish()
    assert (whole.usage, whole.incomplete) == (USED, False)


def test_a_stream_that_says_nothing_of_its_end():
    assert read([stream_of(CHAT[:2])], streamed=True)[12]
    assert not read([stream_of(CHAT[:4])], streamed=True)[12]
    assert not read([b"x"], streamed=False)[12]


@pytest.mark.parametrize(("more", "said"), [
    ({}, ("m", "default", "c-1", "stop")),
    ({"model": 7, "service_tier": None, "id": None}, (None, None, None, "stop")),
    ({"choices": [{"finish_reason": None}]}, ("m", "default", "c-1", None)),
    ({"choices": []}, ("m", "default", "c-1", None)),
])  # fmt: skip
def test_of_a_plain_answer_only_the_figures_are_read(more, said):
    answer = {
        "id": "c-1",
        "object": "chat.completion",
        "model": "m",
        "service_tier": "default",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "words"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
        **more,
    }
    tap = PassingTap(streamed=False)
    tap.feed(json.dumps(answer).encode())
    tap.finish()
    assert (tap.usage.prompt_tokens, tap.usage.completion_tokens) == (3, 2)
    assert (tap.model, tap.service_tier, tap.upstream_id, tap.finish_reason) == said
    assert tap.texts == []


def test_a_plain_answer_whose_usage_cannot_be_is_read_for_its_words():
    answer = {
        "object": "chat.completion",
        "choices": [{"message": {"content": "words"}}],
        "usage": {"prompt_tokens": -3, "completion_tokens": 2},
    }
    tap = PassingTap(streamed=False)
    tap.feed(json.dumps(answer).encode())
    tap.finish()
    assert tap.usage is None
    assert tap.problem
    assert tap.texts == ["words"]


CITATION = {"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "x"}}


def searching(*choices, model="m-1", **more):
    """The uses of a chat in one piece and of the same as a stream, with a usage; choices: their annotations."""
    usage = {"usage": CHAT_USAGE}
    messages = [{"content": "words", **({} if one is None else {"annotations": one})} for one in choices]
    made = [{"index": at, "message": one, "finish_reason": "stop"} for at, one in enumerate(messages)]
    whole = PassingTap(streamed=False)
    whole.feed(json.dumps({"object": "chat.completion", "model": model, "choices": made, **usage, **more}).encode())
    stream = PassingTap(streamed=True)
    for at, one in enumerate(messages):
        for part in ({"role": "assistant", "content": ""}, one, {"content": ""}):
            stream.feed(stream_of([{"model": model, "choices": [{"index": at, "delta": part}]}]))
    stream.feed(stream_of([{"choices": [], **usage}, "[DONE]"]))
    for tap in (whole, stream):
        tap.finish()
        assert tap.usage == USED
    return whole.uses, stream.uses


@pytest.mark.parametrize(
    ("choices", "model", "times"),
    [
        ([[CITATION]], "m-1", 1),
        ([[CITATION, CITATION], None, [CITATION]], "m-1", 2),
        ([None, [], [{"type": "other"}]], "m-1", 0),
        ([None], "gpt-4o-search-preview", 1),
        ([[CITATION], None], "gpt-5-search-api", 2),
        ([None], "my-search-model", 0),
    ],
)
def test_searches_of_a_chat(choices, model, times):
    """The usage does not tell them: an answer that cites the web has searched for it, and some models always do."""
    uses = {"web_search": times} if times else {}
    assert searching(*choices, model=model) == (uses, uses)


@pytest.mark.parametrize(
    ("block", "done"), [("[DONE]", True), ("[DONE] \t", True), (" [DONE]", True), ("[DONE]]", False)]
)
def test_the_word_that_ends_a_stream(block, done):
    tap = PassingTap(streamed=True)
    tap.feed(f"data: {block}\n\n".encode())
    tap.finish()
    assert tap.done is done


@pytest.mark.parametrize("event", [
    b'{"choices":[{"index":0,"delta":{"content":"a\xffb"}}]}',
    b'{"id":"\xb0\xa1","choices":[{"index":0,"delta":{"content":"a\xef\xbf\xbdb"}}]}',
    b'{"type":"response.output_text.delta","delta":"a\xffb","output_index":0,"content_index":0}',
])  # fmt: skip
def test_bytes_that_are_no_utf_8_are_read_as_far_as_they_can_be(event):
    """A provider that answers in another encoding is metered all the same."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"note":"\xb0"}}\n\n'
    tap = PassingTap(streamed=True)
    tap.feed(b"data: " + event + b"\n\n" + usage)
    tap.finish()
    assert tap.texts == ["a\ufffdb"]
    assert (tap.usage, tap.incomplete) == (Usage(prompt_tokens=3, completion_tokens=2), False)
    whole = PassingTap(streamed=False)
    whole.feed(b'{"object":"chat.completion","id":"\xff","choices":[{"index":0,"message":{"content":"a\xff"}}],')
    whole.feed(b'"usage":{"prompt_tokens":3,"completion_tokens":2}}')
    whole.finish()
    assert (whole.texts, whole.usage) == (["a\ufffd"], tap.usage)


@pytest.mark.parametrize("inside", [b'"\xb0\xa1"', b'{"message":"\xb0\xa1","code":1}'])
def test_an_error_in_another_encoding_is_one_all_the_same(inside):
    tap = PassingTap(streamed=False)
    tap.feed(b'{"error":' + inside + b"}")
    tap.finish()
    assert tap.error is not None
    assert tap.error["message"] == "\ufffd\ufffd"


def test_what_is_nested_too_deep_for_us_is_said(monkeypatch):
    def too_deep(*_):
        raise RecursionError

    monkeypatch.setattr("talkmeter.metering.passing_tap.json.loads", too_deep)
    monkeypatch.setattr("talkmeter.metering.passing_tap.read_usage", too_deep)
    tap = PassingTap(streamed=True)
    tap.feed(b'data: {"error":[[]],"usage":{"prompt_tokens":1}}\n\n')
    tap.feed(b'data: {"choices":[{"index":0,"delta":{"content":"after"}}]}\n\n')
    tap.finish()
    assert tap.texts == ["after"]
    assert (tap.error, tap.usage, tap.problem) == ({"message": "[[]]"}, None, "the usage cannot be read")


def test_an_event_that_trips_us_is_left_out_and_the_rest_is_read(monkeypatch, caplog):
    def trip(*_):
        raise TypeError("tripped")

    monkeypatch.setattr("talkmeter.metering.passing_tap.said_in_calls", trip)
    tap = PassingTap(streamed=True)
    tap.feed(b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{}]}}]}\n\n')
    assert not tap.new_texts()
    assert (tap.incomplete, tap.problem) == (True, "part of the answer cannot be read")
    tap.feed(b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n')
    tap.finish()
    assert tap.usage == Usage(prompt_tokens=3, completion_tokens=2)
    assert "tripped" in caplog.text
