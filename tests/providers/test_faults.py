"""Every fault of the simulator, as the client names it; and the head and the bytes that came before it."""

import json

import pytest

from support.upstreams import CANARY, chat, collect, provider_at
from talkmeter.completions import UpstreamBroke, UpstreamNotReached, UpstreamSilent
from talkmeter.simulator.faults import fault_names

WHOLE = {
    "malformed",
    "long-line",
    "split-utf8",
    "no-usage",
    "zero-usage",
    "usage-twice",
    "no-done",
    "one-byte",
    "error-in-200",
    "negative-usage",
    "crlf",
}
REFUSED = {"401", "429", "500", "503"}
BROKEN = {
    "refuse": (UpstreamBroke, "headers"),
    "hang-headers": (UpstreamSilent, "headers"),
    "hang-stream": (UpstreamSilent, "silence"),
    "cut-200": (UpstreamBroke, "stream"),
    "reset-200": (UpstreamBroke, "stream"),
}


def test_no_fault_is_forgotten():
    assert {*WHOLE, *REFUSED, *BROKEN, "endless"} == set(fault_names())


async def test_an_honest_answer(provider, simulator):
    result = await collect(provider, chat(stream_options={"include_usage": True}))
    assert result.error is None
    assert result.head.status == 200
    assert result.head.headers["content-type"].startswith("text/event-stream")
    assert result.body.endswith(b"data: [DONE]\n\n")
    (row,) = simulator.bill.rows
    assert row.client_request_id == "call_1"


@pytest.mark.parametrize("name", sorted(WHOLE))
async def test_odd_answers_are_passed_on_to_their_end(provider, name):
    result = await collect(provider, chat(f"sim-fault-{name}"))
    assert result.error is None
    assert result.head.status == 200
    assert b"data: " in result.body


@pytest.mark.parametrize("name", sorted(REFUSED))
async def test_a_refusal_is_a_head_like_any_other(provider, name):
    result = await collect(provider, chat(f"sim-fault-{name}"))
    assert result.error is None
    assert result.head.status == int(name)
    assert json.loads(result.body)["error"]["message"]


@pytest.mark.parametrize("name", sorted(BROKEN))
async def test_a_break_is_named_with_its_phase(simulator, client, impatient, name):
    kind, phase = BROKEN[name]
    provider = provider_at(simulator.base_url, impatient if kind is UpstreamSilent else client)
    result = await collect(provider, chat(f"sim-fault-{name}"))
    assert type(result.error) is kind
    assert result.error.phase == phase
    assert (result.head is None) == (phase == "headers")
    assert "200" not in name or len(result.body) == 200, "everything that arrived is handed on"


async def test_hanging_after_some_events_hands_them_on_first(simulator, impatient):
    result = await collect(provider_at(simulator.base_url, impatient), chat("sim-fault-hang-stream"))
    assert result.body.count(b"data: ") >= 3


async def test_the_key_is_in_no_error(simulator, impatient):
    provider = provider_at(simulator.base_url, impatient)
    for name in [*BROKEN, *REFUSED]:
        result = await collect(provider, chat(f"sim-fault-{name}"))
        seen = f"{result.error!r} {result.error} {result.body!r} {getattr(result.error, '__context__', None)!r}"
        assert CANARY not in seen
    assert CANARY not in repr(provider)


@pytest.mark.parametrize(
    "base_url",
    ["http://127.0.0.1:9/v1", "http://no-such-host.invalid/v1", "https://127.0.0.1:{port}/v1"],
    ids=["nothing listens", "no such name", "no TLS there"],
)
async def test_what_was_not_reached_says_that_nothing_was_sent(client, simulator, base_url):
    port = simulator.base_url.split(":")[2].split("/")[0]
    result = await collect(provider_at(base_url.format(port=port), client), chat())
    assert type(result.error) is UpstreamNotReached
    assert "Nothing was sent" in result.error.hint
    assert result.head is None
    assert simulator.bill.rows == []
