"""Chunks that are read past the parser come to what the parser reads."""

import pytest
from httptools import HttpParserError, HttpResponseParser
from hypothesis import example, given
from hypothesis import strategies as st

from talkmeter.providers.http.chunks import read_chunks

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Parsed:
    """What httptools makes of chunks."""

    def __init__(self) -> None:
        self.body = b""
        self.complete = False
        self._parser = HttpResponseParser(self)
        self._parser.feed_data(HEAD)

    def feed(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


@pytest.mark.parametrize(
    ("data", "content", "taken"),
    [
        (b"5\r\nhello\r\n", b"hello", 10),
        (b"A\r\n0123456789\r\n", b"0123456789", 15),
        (b"2\r\nab\r\n1\r\nc\r\n", b"abc", 13),
        (b"0005\r\nhello\r\n", b"hello", 13),
        (b"2\r\n\r\n\r\n", b"\r\n", 7),
        (b"2\r\nab\r\n0\r\n\r\n", b"ab", 7),
        (b"2\r\nab\r\n5\r\nhel", b"ab", 7),
    ],
)
def test_whole_chunks_are_read(data, content, taken):
    assert read_chunks(data) == (content, taken)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"5", b"5\r", b"5\r\n", b"5\r\nhell", b"5\r\nhello", b"5\r\nhello\r", b"5\r\nhello\n\n", b"5\nhello\n",
        b"5;a=b\r\nhello\r\n", b" 5\r\nhello\r\n", b"5 \r\nhello\r\n", b"0x5\r\nhello\r\n", b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n", b"1_0\r\n0123456789abcdef\r\n", b"0\r\n\r\n", b"00\r\n\r\n", b"g\r\nhello\r\n",
        b"000000005\r\nhello\r\n", b"4\r\nhello\r\n", b"6\r\nhello\r\n", b"\r\n5\r\nhello\r\n", b"\xef\xbc\x95\r\nhello\r\n",
    ],
)  # fmt: skip
def test_what_is_not_of_the_plainest_form_is_left(data):
    assert read_chunks(data) == (b"", 0)


PIECES = st.one_of(
    st.builds(lambda body: b"%x\r\n%b\r\n" % (len(body), body), st.binary(min_size=1, max_size=40)),
    st.builds(lambda body: b"%X\r\n%b\r\n" % (len(body), body), st.binary(min_size=1, max_size=40)),
    st.sampled_from([b"0\r\n\r\n", b"0\r\nx: y\r\n\r\n", b"1;e\r\na\r\n", b"\r\n", b"5\r\nhel", b"zz\r\n", b"1\na\n"]),
    st.binary(max_size=5),
)


@given(st.lists(PIECES, max_size=6), st.lists(st.integers(0, 80), max_size=4))
@example([b"3\r\nabc\r\n", b"0\r\n\r\n"], [])
def test_read_past_the_parser_it_comes_to_the_same(pieces, cuts):
    """However the bytes are cut into reads: content, end and refusal are the parser's own."""
    whole = b"".join(pieces)
    places = sorted({min(cut, len(whole)) for cut in cuts})
    reads = [whole[start:stop] for start, stop in zip([0, *places], [*places, len(whole)], strict=True)]
    usual, ours = Parsed(), Parsed()
    content = b""
    at_chunk, refused, usually_refused = True, False, False
    for read in reads:
        if not usually_refused and not usual.complete:
            try:
                usual.feed(read)
            except HttpParserError:
                usually_refused = True
        if refused or ours.complete:
            continue
        past, taken = read_chunks(read) if at_chunk else (b"", 0)
        content += past
        if taken < len(read):
            at_chunk = False
            before = len(ours.body)
            try:
                ours.feed(read[taken:])
            except HttpParserError:
                refused = True
            content += ours.body[before:]
    assert (content, ours.complete, refused) == (usual.body, usual.complete, usually_refused)
