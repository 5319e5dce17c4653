"""Every answer has an x-request-id: the provider's, or ours where it has none."""

import json

from support.gate import chat
from support.upstreams import Scripted, reply


async def test_the_provider_s_own_stays(gate):
    answer = await gate.call("chat/completions", chat())
    assert answer.headers["x-request-id"] == gate.answered.header("x-request-id")


async def test_a_provider_without_one(gate):
    body = json.dumps({"choices": []}).encode()
    upstream = Scripted()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with upstream.running(reply(head + body)):
        await gate.application.accounts.providers.add("Plain", upstream.base_url, "sk-plain")
        answer = await gate.call("chat/completions", chat(model="Plain/house-7b"))
    assert answer.headers["x-request-id"] == answer.headers["x-talkmeter-call-id"]
