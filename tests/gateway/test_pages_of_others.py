"""Programs in a browser, on pages of other origins: with a key they call and read what any other client does."""

import json

import pytest

from support.gate import chat
from support.raw_http import RawConnection

ORIGIN = "https://app.example"


async def ask_leave(gate, path="chat/completions", **headers):
    named = {"Access-Control-Request-Method": "POST", "Origin": ORIGIN, **headers}
    return await gate.call(path, method="OPTIONS", **{name: text for name, text in named.items() if text})


async def test_a_browser_may_ask_beforehand(gate):
    wanted = "authorization,content-type,x-stainless-lang"
    answer = await ask_leave(gate, **{"Access-Control-Request-Headers": wanted})
    assert (answer.status, answer.body) == (204, b"")
    told = {name: text for name, text in answer.headers.items() if name.startswith("access-control-")}
    assert told == {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": wanted,
        "access-control-expose-headers": "*",
        "access-control-max-age": "7200",
    }
    assert gate.wire.sent == b""
    assert "access-control-allow-headers" not in (await ask_leave(gate)).headers


@pytest.mark.parametrize("headers", [
    {"Access-Control-Request-Method": "TRACE"},
    {"Access-Control-Request-Method": ""},
    {"Origin": ""},
])  # fmt: skip
async def test_other_options_are_no_such_question(gate, headers):
    assert (await ask_leave(gate, **headers)).status in (403, 404)


@pytest.mark.parametrize("streamed", [False, True])
async def test_with_a_key_the_page_reads_the_answer(gate, streamed):
    _, token = await gate.key()
    answer = await gate.call("chat/completions", chat(stream=streamed), key=token, Origin=ORIGIN)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["access-control-expose-headers"] == "*"
    await gate.check_books()
    assert "access-control-allow-origin" not in (await gate.call("models", key=token)).headers


async def test_errors_can_be_read_too(gate):
    answer = await gate.call("chat/completions", chat(), Origin=ORIGIN)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (403, "*")
    assert answer.json()["error"]["code"] == "foreign_origin"
    assert gate.wire.sent == b""


async def test_a_client_of_http_1_0_gets_no_chunks(gate):
    """Its body ends with the connection, whatever its length."""
    for body, end in ((chat("say: one two", stream=True), b"data: [DONE]\n\n"), (chat("say: one two"), b"}")):
        whole = (await gate.call("chat/completions", body)).body
        connection = await RawConnection.open(gate.base_url)
        raw = json.dumps(body).encode()
        await connection.write(
            b"POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\n"
            b"Host: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(raw), raw)
        )
        head, _, told = (await connection._reader.read()).partition(b"\r\n\r\n")
        await connection.close()
        assert b"transfer-encoding" not in head.lower()
        assert b"connection: close" in head.lower()
        assert told.endswith(end)
        assert abs(len(told) - len(whole)) < 40  # ids and times differ, nothing frames it
    await gate.check_books()
