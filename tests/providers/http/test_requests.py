"""Nothing that a caller gives becomes more than it is: no second header, no second request, no other place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.upstreams import post, provider_at, reply
from talkmeter.completions import UpstreamCall, UpstreamNotReached
from talkmeter.errors import BadInput
from talkmeter.providers.http.requests import (
    LONGEST_HEADERS,
    LONGEST_TARGET,
    MOST_KNOWN,
    RESERVED,
    Heads,
    target_below,
)


def head(method, own, headers, call_id, length):
    return Heads(b"", own).of(UpstreamCall(call_id, method, "x", headers), length)


ODD = [b"\r", b"\n", b"\0", b"\r\n", b"\r\nX: y", b"\x01", b"\x7f", b"\x0b"]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("place", ["name", "value", "id", "path", "method"])
async def test_what_would_end_a_line_is_refused_and_nothing_sent(scripted, client, odd, place):
    name, value = b"X" + odd * (place == "name"), b"y" + odd * (place == "value")
    text = odd.decode("latin-1")
    call = post(
        "models" + text * (place == "path"),
        (name, value),
        method="POST" + text * (place == "method"),
        call_id="call_1" + text * (place == "id"),
    )
    async with scripted.running(reply(b"")):
        with pytest.raises(BadInput) as caught:
            await provider_at(scripted.base_url, client).exchange(call)
    assert caught.value.code == "bad_upstream_request"
    assert "Nothing was sent" in caught.value.hint
    assert scripted.connections == 0


@pytest.mark.parametrize("name", [*sorted(RESERVED), b"Authorization", b"", b"a b", b"a:", b"\xff", b"x" * 300])
def test_names_that_are_not_the_callers_to_set(name):
    with pytest.raises(BadInput):
        head("POST", b"", ((name, b"x"),), "", 0)


def test_headers_have_a_size():
    head("POST", b"", ((b"X", b"y" * (LONGEST_HEADERS - 10)),), "", 0)
    with pytest.raises(BadInput):
        head("POST", b"", ((b"X", b"y" * LONGEST_HEADERS),), "", 0)


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "post", "", "GET /x HTTP/1.1\r\n\r\nGET"])
def test_methods_that_are_not_passed_on(method):
    with pytest.raises(BadInput):
        head(method, b"", (), "", 0)


@pytest.mark.parametrize(
    ("method", "length", "line"),
    [
        ("POST", 0, b"Content-Length: 0\r\n"),
        ("POST", 7, b"Content-Length: 7\r\n"),
        ("POST", None, b"Transfer-Encoding: chunked\r\n"),
        ("DELETE", 0, b""),
        ("DELETE", 7, b"Content-Length: 7\r\n"),
        ("GET", 0, b""),
    ],
)
def test_how_the_body_is_framed(method, length, line):
    made = head(method, b"Host: h\r\n", ((b"User-Agent", b"x"),), "", length)
    assert made == b"%b /x HTTP/1.1\r\nHost: h\r\nUser-Agent: x\r\n%b\r\n" % (method.encode(), line)


@given(st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=20)), max_size=6).map(tuple))
def test_any_headers_are_refused_or_one_line_each(headers):
    try:
        made = head("POST", b"Host: h\r\n", headers, "call_1", 0)
    except BadInput:
        return
    start, *lines, empty, end = made.split(b"\r\n")
    assert (start, empty, end) == (b"POST /x HTTP/1.1", b"", b"")
    assert made.count(b"\n") == made.count(b"\r") == len(lines) + 2
    given_ones = [b"%b: %b" % one for one in headers if one[0].lower() != b"x-client-request-id"]
    assert [line for line in lines if line in given_ones] == given_ones
    assert len(lines) - len(given_ones) == 3 + (not any(name.lower() == b"user-agent" for name, _ in headers))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "a b",
        "안",
        "a#b",
        "..",
        "a/../../admin",
        "a/./b",
        "%2e%2e/x",
        "a/%2E./x",
        "a/..%2fx",
        "a\\..\\b",
        "a/..;x/b",
        "%252e%252e/x",
        "%" + "25" * 9 + "2e",
        "x" * (LONGEST_TARGET + 1),
    ],
)
def test_paths_that_lead_elsewhere(path):
    with pytest.raises(BadInput):
        target_below(b"/v1", path)


@pytest.mark.parametrize(
    "path", ["models", "models/gpt-4..1", "files/a%2Fb", "x?q=../..&r=%00", "a//b", "...", "models/org/name:tag"]
)
def test_paths_that_are_passed_on_as_they_are(path):
    assert target_below(b"/v1", path) == b"/v1/" + path.encode()


@pytest.mark.parametrize(
    "base_url", ["", "x", "ftp://h/v1", "http://", "http://h:x/v1", "http://h:99999/v1", "http://[::1"]
)
async def test_what_is_no_base_url(client, base_url):
    with pytest.raises(UpstreamNotReached):
        await provider_at(base_url, client).exchange(post())


@pytest.mark.parametrize(
    ("base_url", "host", "target"),
    [
        ("http://example.org/v1", b"example.org", b"/v1/m"),
        ("http://example.org:80", b"example.org", b"/m"),
        ("http://example.org:8080/a%20b/한", b"example.org:8080", b"/a%20b/%ED%95%9C/m"),
        ("https://[::1]:443/v1/", b"[::1]", b"/v1/m"),
        ("https://[::1]:80/v1/", b"[::1]:80", b"/v1/m"),
    ],
)
def test_host_and_target_of_a_base_url(client, base_url, host, target):
    made = client.at(base_url, None)._heads.of(UpstreamCall("", "GET", "m", ()), 0)
    assert made.startswith(b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n")


def test_what_is_remembered_of_headers_holds_for_these_and_this_request_only():
    """Each head is what one that remembers nothing makes of it."""
    heads = Heads(b"/v1", b"Host: h\r\n")
    first, second = ((b"X-Client-Request-Id", b"theirs"), (b"a", b"b")), ((b"User-Agent", b"x"),)
    calls = [
        UpstreamCall(call_id, method, path, headers)
        for headers in (first, second, (*first[:1], *first[1:]), ())
        for method, path in (("POST", "m"), ("POST", "n?a=b"), ("PUT", "m"), ("GET", "m"))
        for call_id in ("call_1", "call_2", "")
    ]
    for call in [*calls, *calls]:
        for length in (0, 3, None):
            assert heads.of(call, length) == Heads(b"/v1", b"Host: h\r\n").of(call, length)
    made = heads.of(calls[0], 3)
    assert made == (
        b"POST /v1/m HTTP/1.1\r\nHost: h\r\n" + made.split(b"\r\n")[2] + b"\r\na: b\r\n"
        b"X-Client-Request-Id: call_1\r\nContent-Length: 3\r\n\r\n"
    )
    for bad in (("call\n1", "POST", "m"), ("call_1", "post", "m"), ("call_1", "POST", "..")):
        with pytest.raises(BadInput):
            heads.of(UpstreamCall(*bad, first), 3)


def test_headers_are_not_remembered_without_end():
    heads = Heads(b"", b"")
    for number in range(MOST_KNOWN + 2):
        headers = ((b"a", b"%d" % number),)
        assert b"\r\na: %d\r\n" % number in heads.of(UpstreamCall("call_1", "POST", "m", headers), 0)
    assert len(heads._known) <= MOST_KNOWN


def test_a_key_that_cannot_stand_in_a_header_is_refused_without_showing_it(client):
    with pytest.raises(BadInput) as caught:
        client.at("http://example.org", "sk-\r\nX: y")
    assert "sk-" not in repr(caught.value)
