"""Where a model's name leads: aliases, prefixes, fallbacks, retries, breakers; each attempt has its own entry."""

import asyncio
import json

import pytest

from support.gate import chat
from support.gateway_requests import REQUESTS
from support.simulator_requests import wav
from support.wire import messages
from talkmeter.accounts.routes import RouteTarget
from talkmeter.conversation.gateway import breakers, passing_on


@pytest.fixture
async def two(gate):
    """A gate with a second name for its provider, so that a model can have two targets."""
    return gate, await gate.application.accounts.providers.add("Second", gate.wire.base_url, "sk-second")


def environment(gate):
    return gate.application.accounts.providers.enabled()[0].id


async def route(gate, pattern, *targets, retries=0):
    return await gate.application.accounts.routes.add(pattern, [RouteTarget(*one) for one in targets], retries)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(passing_on, "_pause", lambda _attempt: 0.0)


async def attempts(gate):
    return [(one["provider_name"] == "Second", one["model_requested"], one["attempt"], one["http_status"])
            for one in (await gate.ledger()).values()]  # fmt: skip


async def test_an_alias(gate):
    await route(gate, "fast", (None, "sim-fast"))
    answer = await gate.call("chat/completions", chat(model="fast"))
    assert answer.json()["model"] == "sim-fast"
    assert json.loads(gate.asked.body) == chat(model="sim-fast")
    entry = await gate.entry(answer)
    names = [entry[name] for name in ("model_asked", "model_requested", "model_served")]
    assert names == ["fast", "sim-fast", "sim-fast"]
    plain = await gate.entry(await gate.call("chat/completions", chat(model="sim-fast")))
    assert (plain["model_asked"], plain["model_requested"]) == (None, "sim-fast")
    await gate.check_books()


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
async def test_an_alias_at_every_endpoint(gate, request_):
    known = json.loads(request_.body)["model"] if request_.kind == "application/json" else None
    if known is None:
        known = next(one for one in ("sim-image", "sim-transcribe", "sim-whisper") if one.encode() in request_.body)
    await route(gate, "my-alias", (None, known))
    answer = await gate.call(request_.path, request_.of_model("my-alias").body, **request_.headers)
    assert answer.status == 200, answer.body
    if request_.kind == "application/json":
        sent = json.loads(gate.asked.body)
        if "unasked" in request_.name:
            assert sent.pop("stream_options") == {"include_usage": True}
        assert sent == json.loads(request_.body)
    else:
        assert gate.asked.body == request_.body
    await gate.check_books(unknown=request_.name == "translation")


async def test_the_other_members_keep_their_bytes(gate):
    await route(gate, "fast", (None, "sim-fast"))
    body = b'{"model": "fast", "messages": [{"role":"user","content":"\\ud55c \xea\xb8\x80"}], "temperature": 0.70}'
    await gate.call("chat/completions", body)
    sent = gate.asked.body
    assert b'[{"role":"user","content":"\\ud55c \xea\xb8\x80"}]' in sent
    assert b"0.70" in sent


async def test_prefixes_and_provider_names(two):
    gate, second = two
    await route(gate, "sim-*", (second.id, None))
    await route(gate, "sim-s*", (environment(gate), None))
    await gate.call("chat/completions", chat())
    await gate.call("chat/completions", chat(model="sim-slow"))
    await gate.call("chat/completions", chat(model="second/sim-fast"))
    assert await attempts(gate) == [(True, "sim-fast", 1, 200), (False, "sim-slow", 1, 200), (True, "sim-fast", 1, 200)]
    assert [one.header("authorization") for one in gate.wire.requests].count("Bearer sk-second") == 2


async def test_fallbacks_in_order(two, impatient):
    gate, second = two
    await route(gate, "m", (environment(gate), "sim-fast"), (second.id, "sim-slow"), (environment(gate), "sim-korean"))
    gate.simulator.script({"fault": "503"}, {"fault": "429", "retry_after": 600})
    answer = await gate.call("chat/completions", chat(model="m"))
    assert answer.json()["model"] == "sim-korean"
    assert await attempts(gate) == [
        (False, "sim-fast", 1, 503),
        (True, "sim-slow", 2, 429),
        (False, "sim-korean", 3, 200),
    ]
    await gate.check_books()


async def test_a_provider_that_nobody_reaches_is_passed_over(gate, impatient):
    nowhere = await gate.application.accounts.providers.add("Nowhere", "http://127.0.0.1:9/v1", "sk-x")
    await route(gate, "m", (nowhere.id, "sim-fast"), (environment(gate), "sim-fast"))
    assert (await gate.call("chat/completions", chat(model="m"))).status == 200
    first, second = (await gate.ledger()).values()
    assert (first["outcome"], first["prompt_tokens"], second["outcome"]) == ("not_sent", 0, "finished")
    await gate.check_books(unseen=True)


async def test_retries_are_bounded(gate, impatient):
    await route(gate, "m", (None, "sim-fast"), retries=2)
    gate.simulator.script({"fault": "500", "times": 5})
    answer = await gate.call("chat/completions", chat(model="m"))
    assert answer.status == 500
    assert answer.body == gate.answered.body
    assert [one[2:] for one in await attempts(gate)] == [(1, 500), (2, 500), (3, 500)]
    await gate.check_books()


@pytest.mark.parametrize("status", ["400", "401", "403", "404", "422"])
async def test_what_a_retry_cannot_mend_is_not_retried(gate, status, impatient):
    await route(gate, "m", (None, "sim-fast"), retries=2)
    gate.simulator.script({"fault": status})
    assert (await gate.call("chat/completions", chat(model="m"))).status == int(status)
    assert len(await gate.ledger()) == 1


async def test_retry_after_is_honoured(gate, monkeypatch):
    """The very pause that was asked for is what is waited, also if another target was tried meanwhile."""
    pauses = []
    sleep = asyncio.sleep

    async def short(seconds):
        pauses.append(seconds)
        await sleep(0)

    await route(gate, "m", (None, "sim-fast"), (None, "sim-slow"), retries=1)
    gate.simulator.script({"fault": "429", "retry_after": 3}, {"fault": "503"})
    monkeypatch.setattr(passing_on.asyncio, "sleep", short)
    answer = await gate.call("chat/completions", chat(model="m"))
    monkeypatch.undo()
    assert answer.status == 200
    assert any(2.5 < pause <= 3 for pause in pauses)
    assert [one[1:] for one in await attempts(gate)] == [
        ("sim-fast", 1, 429),
        ("sim-slow", 2, 503),
        ("sim-fast", 3, 200),
    ]


async def test_a_long_retry_after_goes_to_the_client(gate):
    await route(gate, "m", (None, "sim-fast"), retries=3)
    gate.simulator.script({"fault": "429", "retry_after": 60})
    answer = await gate.call("chat/completions", chat(model="m"))
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    assert len(await gate.ledger()) == 1


async def test_no_other_attempt_after_the_first_byte(gate, impatient):
    await route(gate, "m", (None, "sim-fast"), retries=3)
    gate.simulator.script({"fault": "cut-200"})
    answer = await gate.call("chat/completions", chat("say: " + "word " * 100, "m", stream=True))
    assert (answer.status, answer.ended) == (200, "fin")
    assert len(await gate.ledger()) == 1
    await gate.check_books()


async def test_an_answer_without_headers_is_tried_again(gate, impatient):
    await route(gate, "m", (None, "sim-fast"), retries=1)
    gate.simulator.script({"fault": "refuse"})
    assert (await gate.call("chat/completions", chat(model="m"))).status == 200
    first, second = (await gate.ledger()).values()
    assert (first["outcome"], first["provenance"], second["outcome"]) == ("failed", "unknown", "finished")
    await gate.check_books(unknown=True)


async def test_the_breaker_spares_a_failing_provider(two, monkeypatch):
    gate, second = two
    clock = [1000.0]
    monkeypatch.setattr(passing_on, "_pause", lambda _attempt: 0.0)
    gate.application.gateway._breakers = breakers.Breakers(lambda: clock[0])
    await route(gate, "m", (environment(gate), "sim-fast"), (second.id, "sim-fast"))
    for _ in range(breakers.FAILURES):
        gate.simulator.script({"fault": "500"})
        assert (await gate.call("chat/completions", chat(model="m"))).status == 200
    assert len(await gate.ledger()) == 2 * breakers.FAILURES
    assert (await gate.call("chat/completions", chat(model="m"))).status == 200
    assert (await attempts(gate))[-1][:3] == (True, "sim-fast", 2), "the failing one was not asked"
    assert (await gate.call("chat/completions", chat())).status == 200, "without another way it is asked all the same"
    gate.application.gateway._breakers.failed(environment(gate))
    clock[0] += breakers.OPEN_SECONDS
    for _ in range(breakers.FAILURES):
        gate.application.gateway._breakers.failed(environment(gate))
    clock[0] += breakers.OPEN_SECONDS
    assert (await gate.call("chat/completions", chat(model="m"))).status == 200
    assert (await attempts(gate))[-1][0] is False, "after a while it is tried again"
    await gate.check_books()


async def test_uploads_that_stream_have_one_target(two):
    gate, second = two
    body = b"x" * 1_500_000
    answer = await gate.call("files", body, content_type="multipart/form-data; boundary=x")
    assert answer.status == 400
    assert gate.asked.body == body
    assert second.id != environment(gate)


async def test_a_form_s_alias_changes_nothing_else(gate):
    await route(gate, "heard", (None, "sim-whisper"))
    fields = {"model": "heard", "file": ("a.wav", wav(1.2)), "language": "ko", "prompt": "model\r\nheard"}
    answer = await gate.send_form("audio/transcriptions", fields)
    assert answer.status == 200, answer.body
    assert gate.asked.body.count(b"sim-whisper") == 1
    assert gate.asked.body.replace(b"sim-whisper", b"heard", 1).count(b"heard") == 2
    assert (await gate.entry(answer))["seconds"] == 2


async def test_a_response_goes_on_where_it_is_kept(two, impatient):
    """Also if the route's first target has come back meanwhile."""
    gate, second = two
    await route(gate, "m", (environment(gate), "sim-fast"), (second.id, "sim-fast"))
    gate.simulator.script({"fault": "503"})
    made = (await gate.call("responses", {"model": "m", "input": "say: 하나"})).json()["id"]
    await gate.ledger()
    gate.wire.forget()
    answer = await gate.call("responses", {"model": "m", "input": "say: 둘", "previous_response_id": made})
    assert answer.status == 200, answer.body
    assert gate.asked.header("authorization") == "Bearer sk-second"
    assert messages(gate.wire.sent)[-1].header("authorization") == "Bearer sk-second"
