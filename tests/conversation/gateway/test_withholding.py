"""Whatever the pieces, all bytes go on but exactly the usage event."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.conversation.gateway.withholding import HELD, UsageWithheld, is_usage_event

USAGE = b'data: {"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
WORD = 'data: {"choices":[{"delta":{"content":"안녕 \\"choices\\":[]"}}],"usage":null}'.encode()
NEVER = (
    b"",
    b": a comment",
    b"data: [DONE]",
    WORD,
    b'data: {"choices":[],"usage":null}',
    b'data: {"choices":[],"prompt_filter_results":[{"prompt_index":0}]}',
    b'data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}',
    b'data: {"choices":[{"delta":{"content":"\\"choices\\":[] \\"usage\\":{"}}]}',
    b'data: {"choices":[],"usage":{',
    b'data: {"x":{"choices":[]},"choices":[{}],"usage":{}}',
    b'event: x\ndata: {"error":{"message":"choices [] usage {"}}',
    b'{"choices":[],"usage":{}}',
    b"data: " + b"[" * 2000 + b'"choices":[] "usage":{',
)
ALWAYS = (
    USAGE,
    b'data:{"usage" : {"prompt_tokens":1},"choices" : [ ]}',
    b'event: chunk\nid: 7\ndata: {"choices":[],"usage":{"prompt_tokens":1}}',
    b'data: {"choices":[],\ndata: "usage":{"prompt_tokens":1}}',
)


def through(pieces):
    withheld = UsageWithheld()
    out = b"".join([withheld.feed(piece) for piece in pieces]) + withheld.finish()
    return out, withheld.withheld


def cut(data, places):
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(borders)]


@given(
    st.lists(st.sampled_from([*NEVER, *ALWAYS]), max_size=12),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.lists(st.integers(0, 1 << 20), max_size=30),
    st.booleans(),
)
def test_any_pieces(events, end, places, ended):
    """The last event may lack its blank line."""
    blocks = [event.replace(b"\n", end) for event in events]
    marks = [end * 2] * len(blocks)
    if blocks and not ended:
        marks[-1] = b""
    data = b"".join([block + mark for block, mark in zip(blocks, marks, strict=True)])
    kept = [block + mark for block, mark, event in zip(blocks, marks, events, strict=True) if event not in ALWAYS]
    assert through(cut(data, places)) == (b"".join(kept), len(events) - len(kept))


@given(st.binary(max_size=300), st.lists(st.integers(0, 1 << 20), max_size=20))
def test_bytes_that_are_no_events(data, places):
    assert through(cut(data, places)) == (data, 0)


@pytest.mark.parametrize("size", [HELD - 20, HELD, HELD + 1, 5 * HELD])
@pytest.mark.parametrize("piece", [1000, 4096, 1 << 20])
def test_a_large_event_is_not_kept_back(size, piece):
    large = b"data: " + b"x" * size
    data = large + b"\n\n" + USAGE + b"\n\ndata: [DONE]\n\n"
    pieces = [data[start : start + piece] for start in range(0, len(data), piece)]
    assert through(pieces) == (large + b"\n\ndata: [DONE]\n\n", 1)
    withheld, gone, given_on = UsageWithheld(), 0, 0
    for one in pieces:
        gone += len(one)
        given_on += len(withheld.feed(one))
        assert gone - given_on <= HELD + piece, "what is kept back is bounded"


def test_the_end_of_a_large_event():
    withheld = UsageWithheld()
    assert withheld.feed(b"data: " + b"x" * (2 * HELD) + b"\r\n") == b"data: " + b"x" * (2 * HELD)
    assert withheld.finish() == b"\r\n"


@pytest.mark.parametrize("event", NEVER)
def test_what_is_none(event):
    assert not is_usage_event(event)


@pytest.mark.parametrize("event", ALWAYS)
def test_what_is_one(event):
    assert is_usage_event(event)
    assert is_usage_event(event.replace(b"\n", b"\r\n") + b"\r\n\r\n")
