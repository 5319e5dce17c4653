"""What is read from a call, and what its metadata and pages can hold."""

import pytest

from talkmeter.errors import BadInput
from talkmeter.messages import TokenWindow
from talkmeter.surfaces.grpc.entering import address_of, caller_of, metadata_of, token_of
from talkmeter.surfaces.grpc.messages import chat_pb2
from talkmeter.surfaces.grpc.pieces import PAGE_BYTES, PIECE, newest_that_fit, pieces
from talkmeter.surfaces.grpc.trailers import plain
from talkmeter.surfaces.grpc.translate import options_of
from talkmeter.surfaces.grpc.translate_conversations import time_of


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:5432", "127.0.0.1"),
        ("ipv6:[::1]:5432", "::1"),
        ("ipv6:%5B::1%5D:5432", "::1"),
        ("ipv6:[::ffff:127.0.0.1]:5432", "::ffff:127.0.0.1"),
        ("ipv4:192.0.2.1:9", "192.0.2.1"),
        ("unix:/tmp/socket", None),
        ("", None),
    ],
)
def test_the_address_of_a_peer(peer, address):
    assert address_of(peer) == address


@pytest.mark.parametrize(
    ("metadata", "token"),
    [
        ({}, None),
        ({"authorization": "Bearer tm_x"}, "tm_x"),
        ({"authorization": "bearer  tm_x "}, "tm_x"),
        ({"authorization": "Basic abc"}, None),
        ({"authorization": "Bearer "}, None),
        ({"x-api-key": " tm_y "}, "tm_y"),
        ({"authorization": "Bearer tm_x", "x-api-key": "tm_y"}, "tm_x"),
        ({"authorization": "Basic abc", "x-api-key": "tm_y"}, "tm_y"),
        ({"authorization": "tm_x"}, "tm_x"),
        ({"api-key": "tm_x"}, "tm_x"),
        ({"authorization": "Bearer sk-1", "x-api-key": "tm_y"}, "tm_y"),
        ({"authorization": "Bearer \u2026"}, "?"),
    ],
)
def test_the_token(metadata, token):
    assert token_of(metadata) == token


def test_the_first_of_two_values_counts_and_binary_ones_are_not_read():
    assert metadata_of([("a", "1"), ("b-bin", b"\0"), ("a", "2")]) == {"a": "1"}


@pytest.mark.parametrize("name", ["forwarded", "x-forwarded-for", "via"])
def test_who_speaks_for_somebody_else(name):
    assert caller_of("ipv4:127.0.0.1:1", {name: "x"}).proxied
    assert not caller_of("ipv4:127.0.0.1:1", {"user-agent": "x"}).proxied


def test_metadata_are_printable():
    assert plain("room_1 {id}/?&") == "room_1 {id}/?&"
    assert plain("대화%\n") == "%EB%8C%80%ED%99%94%25%0A"


def test_a_text_in_pieces():
    text = "가" * (2 * PIECE) + "나"
    assert [(offset, len(piece)) for offset, piece in pieces(text)] == [(0, PIECE), (PIECE, PIECE), (2 * PIECE, 1)]
    assert "".join(piece for _, piece in pieces(text)) == text
    assert list(pieces("")) == []


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        ([], 0),
        ([1, 1, 1], 3),
        ([PAGE_BYTES, 1], 1),
        ([1, PAGE_BYTES * 2], 1),
        ([PAGE_BYTES - 1, 1], 2),
        ([1, PAGE_BYTES - 1, 1], 2),
    ],
)
def test_how_much_goes_on_a_page(sizes, taken):
    assert newest_that_fit(sizes) == taken


def test_options_are_what_is_set_and_zero_is_set():
    assert options_of(chat_pb2.askrequest(prompt="x")) is None
    options = options_of(chat_pb2.askrequest(temperature=0.0, window=0, model="m"))
    assert (options.temperature, options.window, options.model, options.top_p) == (0.0, 0, "m", None)
    assert options_of(chat_pb2.askrequest(window_tokens=500)).window == TokenWindow(500)
    with pytest.raises(BadInput) as refused:
        options_of(chat_pb2.askrequest(window=1, window_tokens=500))
    assert refused.value.param == "window_tokens"


def test_a_time_before_1970_and_after():
    assert (time_of(1_500_000).seconds, time_of(1_500_000).nanos) == (1, 500_000_000)
    assert (time_of(-1).seconds, time_of(-1).nanos) == (-1, 999_999_000)
