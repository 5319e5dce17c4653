"""Answers that come packed: forwarded untouched; what the meter cannot or will not unpack is unknown, never a guess."""

import gzip

import pytest

from support.gate import chat
from support.upstreams import Scripted, reply


@pytest.fixture
async def packed(gate):
    """`await packed(body, coding, kind)`: the answer and entry of a provider that answers so."""
    upstream = Scripted()

    async def call(body, coding, kind):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
        async with upstream.running(reply(head % (kind, coding, len(body)) + body)):
            await gate.application.accounts.providers.add("Packed", upstream.base_url, "sk-packed")
            answer = await gate.call("chat/completions", chat(model="Packed/gpt-4o"), accept_encoding="gzip")
            return answer, await gate.entry_anywhere(answer)

    return call


@pytest.mark.parametrize("kind", [b"text/event-stream", b"application/json"])
@pytest.mark.parametrize(("coding", "body", "problem"), [
    (b"gzip", gzip.compress(bytes(64 << 20)), "unpacks to more than 100 times its size"),
    (b"gzip", b"this is no gzip", "compression could not be read"),
    (b"br", b"\x8b\x02\x80hello\x03", "packed as br"),
    (b"zstd", b"\x28\xb5\x2f\xfdhello", "packed as zstd"),
    (b"gzip, gzip", gzip.compress(gzip.compress(b"{}")), "packed as gzip, gzip"),
], ids=["bomb", "no gzip", "br", "zstd", "twice"])  # fmt: skip
async def test_what_is_not_unpacked_is_unknown(packed, kind, coding, body, problem):
    answer, entry = await packed(body, coding, kind)
    assert answer.status == 200
    assert answer.body == body
    assert answer.headers["content-encoding"].encode() == coding
    assert (entry["provenance"], entry["prompt_tokens"], entry["cost_picodollars"]) == ("unknown", None, None)
    assert problem in entry["problem"]


async def test_several_packed_files_are_one_answer(packed):
    first, second = b'{"model":"gpt-4o","usage":{"prompt_tokens":7,', b'"completion_tokens":3,"total_tokens":10}}'
    body = gzip.compress(first) + gzip.compress(second)
    answer, entry = await packed(body, b"gzip", b"application/json")
    assert answer.body == body
    assert (entry["provenance"], entry["prompt_tokens"], entry["completion_tokens"]) == ("reported", 7, 3)


async def test_an_answer_too_long_to_be_read_is_not_counted_by_its_ends(packed):
    """Nine MB in one piece without a usage: the text in the middle was not read."""
    body = b'{"choices":[{"message":{"content":"' + b"word " * (9 << 18) + b'"}}]}'
    answer, entry = await packed(body, b"identity", b"application/json")
    assert answer.body == body
    assert entry["provenance"] == "unknown"
