"""Server-sent events: any chunking gives the same events."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering.sse import EventTooLarge, SseReader

STREAM = (
    b'\xef\xbb\xbf: a comment\r\ndata: {"a":1}\r\n\r\nevent: x\ndata:no space\ndata:  two\n\n'
    b"id: 7\rdata\rdata: \xed\x95\x9c\xea\xb8\x80\r\rdata: [DONE]\n\n\n\n"
)
EVENTS = [b'{"a":1}', b"no space\n two", b"\n\xed\x95\x9c\xea\xb8\x80", b"[DONE]"]


def read(chunks, limit=1000):
    reader = SseReader(limit)
    return [event for chunk in chunks for event in reader.feed(chunk)]


def test_all_kinds_of_lines():
    assert read([STREAM]) == EVENTS


def test_one_byte_at_a_time():
    assert read([STREAM[i : i + 1] for i in range(len(STREAM))]) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_any_chunking_gives_the_same_events(cuts):
    edges = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in pairwise(edges)]
    assert read(chunks) == EVENTS


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=6))
def test_arbitrary_bytes_do_not_depend_on_chunking(data, cuts):
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in pairwise(edges)]
    whole, parts = SseReader(), SseReader()
    events = whole.feed(data) + whole.finish()
    assert [event for chunk in chunks for event in parts.feed(chunk)] + parts.finish() == events


@given(st.lists(st.text().map(lambda text: re.sub(r"[\r\n]", " ", text)), min_size=1, max_size=5))
def test_what_is_written_is_read(texts):
    stream = b"".join(b"data: " + text.encode() + b"\n\n" for text in texts)
    assert read([stream], 10_000) == [text.encode() for text in texts]


def test_an_event_without_its_blank_line_counts_only_at_a_proper_end():
    reader = SseReader()
    assert reader.feed(b"data: last") == []
    assert reader.finish() == [b"last"]
    assert reader.finish() == []


@pytest.mark.parametrize(
    "chunks",
    [[b"data: " + b"x" * 2000], [b"data: " + b"x" * 700 + b"\n", b"data: " + b"x" * 700 + b"\n"], [b":" * 1001]],
)
def test_an_event_past_the_limit_is_refused(chunks):
    with pytest.raises(EventTooLarge) as caught:
        read(chunks)
    assert caught.value.limit == 1000
