"""Corners of the way of a call that the contract tests do not reach."""

import asyncio

import msgspec
import pytest

from support.workspace import ME, workspace
from talkmeter.completions import Chunk, CompletionRequest, Head
from talkmeter.errors import StoreBusy, StoreFull
from talkmeter.ids import new_ordered_id
from talkmeter.metering import tap
from talkmeter.metering.meter import CallContext, MeterLimits
from talkmeter.metering.prices import own_row
from talkmeter.metering.upstream_words import error_of_refusal


@pytest.fixture
async def desk(tmp_path):
    async with workspace(tmp_path) as made:
        yield made


async def call(desk, *, stream=True, model="sim-fast", text="say: hello", **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more}
    request = CompletionRequest(new_ordered_id("call"), "chat/completions", body)
    return await desk.meter.open(request, desk.providers.provider, CallContext(surface="test", principal=ME))


async def finish(desk, one):
    got = []
    await one.read(got.append)
    settlement = await one.settlement()
    await one.settle(settlement)
    entry = await desk.store.entry(one.opening.id)
    assert entry.settlement == settlement
    return "".join(got), settlement


async def test_a_whole_answer_reads_like_a_streamed_one(desk):
    text, settlement = await finish(desk, await call(desk, stream=False))
    streamed, other = await finish(desk, await call(desk, stream_options={"include_usage": True}))
    assert text == streamed == "hello"
    assert settlement.usage == other.usage
    assert (settlement.outcome, settlement.provenance) == ("finished", "reported")


async def test_an_entry_is_on_the_disk_before_anything_is_sent(desk):
    one = await call(desk)
    assert [entry.opening.id for entry in await desk.store.open_entries()] == [one.opening.id]
    assert desk.simulator.bill.totals()["requests"] == 0
    await finish(desk, one)
    assert desk.simulator.bill.totals()["requests"] == 1


async def test_a_call_cut_before_it_left_was_not_sent(desk):
    one = await call(desk)
    one.cut()
    _, settlement = await finish(desk, one)
    assert (settlement.outcome, settlement.usage.prompt_tokens) == ("not_sent", 0)
    assert desk.simulator.bill.totals()["requests"] == 0


async def test_an_entry_is_settled_exactly_once(desk, caplog):
    one = await call(desk)
    _, settlement = await finish(desk, one)
    await one.settle(msgspec.structs.replace(settlement, outcome="failed"))
    assert (await desk.store.entry(one.opening.id)).settlement.outcome == "finished"
    assert "settled already" in caplog.text


async def test_a_settlement_waits_for_the_disk(desk, monkeypatch, caplog):
    one = await call(desk)
    commit, failures = desk.store.commit, [StoreFull("full", "가득 참"), StoreBusy("busy", "사용 중")]

    async def troubled(*changes):
        if failures:
            raise failures.pop()
        await commit(*changes)

    monkeypatch.setattr(desk.store, "commit", troubled)
    _, settlement = await finish(desk, one)
    assert settlement.outcome == "finished"
    assert caplog.text.count("cannot be settled yet") == 1


async def test_an_answer_past_the_limit_ends(tmp_path):
    async with workspace(tmp_path, limits=MeterLimits(answer_characters=50)) as desk:
        _, settlement = await finish(desk, await call(desk, text="long 3000"))
        assert (settlement.outcome, settlement.error["code"]) == ("failed", "answer_too_long")


async def test_a_stream_of_nonsense_ends(desk, monkeypatch):
    monkeypatch.setattr(tap, "MALFORMED_LIMIT", 0)
    desk.simulator.script({"fault": "malformed", "then": "continue"})
    _, settlement = await finish(desk, await call(desk, text="long 500"))
    assert (settlement.outcome, settlement.error["code"]) == ("failed", "stream_unreadable")


@pytest.mark.parametrize(
    ("content_type", "body", "code"),
    [
        ("text/html; charset=utf-8", b"<html>Welcome</html>", "not_an_answer"),
        ("application/json", b'{"status": "ok"}', "not_an_answer"),
        ("", b"", "not_an_answer"),
        ("text/event-stream", b"", "ended_early"),
        ("text/plain", b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n', "ended_early"),
    ],
)
async def test_a_page_in_place_of_an_answer_is_told_from_an_answer_that_broke_off(desk, content_type, body, code):
    class Elsewhere:
        id, name, hide = "sim", "Elsewhere", staticmethod(str)

        async def send(self, _request):
            yield Head(200, {"content-type": content_type} if content_type else {})
            yield Chunk(body)

    one = await call(desk)
    one._provider = Elsewhere()
    _, settlement = await finish(desk, one)
    assert (settlement.outcome, settlement.error["code"]) == ("failed", code)


async def test_a_refusal_that_breaks_off_is_still_a_refusal(desk):
    desk.simulator.script({"fault": "status", "status": 500, "gate": False})
    one = await call(desk)
    one._start(Head(500, {"retry-after": "7"}))
    ending = one._broken("broke", None)
    assert (ending.kind, ending.error["retry_after"]) == ("refused", 7)
    await finish(desk, one)


async def test_a_mistake_of_ours_does_not_leave_an_entry_open(desk, caplog):
    one = await call(desk)

    def wrong(_text):
        raise RuntimeError("a bug")

    await one.read(wrong)
    settlement = await one.settlement()
    await one.settle(settlement)
    assert (settlement.outcome, settlement.error["code"]) == ("failed", "stream_unreadable")
    assert "reading failed" in caplog.text
    assert list(await desk.store.open_entries()) == []


async def test_a_cancel_from_elsewhere_is_not_swallowed(desk):
    desk.simulator.script({"gate": True})
    one = await call(desk)
    task = asyncio.create_task(one.read(lambda _text: None))
    await desk.simulator.step(2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await desk.simulator.settled()
    settlement = await one.settlement()
    assert settlement.outcome == "failed"
    await one.settle(settlement)


async def test_a_price_that_arrives_later_is_back_filled_once(desk):
    desk.simulator.script({"model": "sim-fault-no-usage", "answer": "hi"})
    _, settlement = await finish(desk, await call(desk, model="sim-fault-no-usage"))
    one = await call(desk)
    opening = msgspec.structs.replace(one.opening, id=new_ordered_id("call"), model_requested="home-model")
    usage = settlement.usage
    at = opening.opened_at
    await finish(desk, one)
    await desk.store.commit(opening)
    cost = desk.prices.cost(usage, "sim", ("home-model",), None, at)
    assert (cost.picodollars, desk.prices.cost(usage, "gone", ("home-model",), None, at).picodollars) == (None, None)
    await desk.store.commit(
        msgspec.structs.replace(settlement, id=opening.id, cost=cost, model_served=None, settled_at=at)
    )
    await desk.prices.add(own_row(model="home-model", unit="input", usd="2"))
    assert (await desk.store.entry(opening.id)).settlement.cost.picodollars is None
    await desk.prices.add(own_row(model="home-model", unit="output", usd="4"))
    priced = (await desk.store.entry(opening.id)).settlement.cost
    assert priced.picodollars == usage.prompt_tokens * 2_000_000 + usage.completion_tokens * 4_000_000
    await desk.prices.delete(desk.prices.own_rows()[0].id)
    await desk.prices.add(own_row(model="home-model", unit="output", usd="40", effective_from=1))
    assert (await desk.store.entry(opening.id)).settlement.cost == priced


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        (b'{"error": {"code": "rate_limit", "message": "Slow down."}}', "rate_limit", "Slow down."),
        (b'{"error": {"type": "server_error", "message": "Sorry."}}', "server_error", "Sorry."),
        (b'{"detail": "Not here."}', "http_429", "Not here."),
        (b'{"error": "no"}', "http_429", "no"),
        (b"[1]", "http_429", "[1]"),
        (b"<html>gateway</html>", "http_429", "gateway"),
        (b"", "http_429", "(no text)"),
        (b'{"error": {}}', "http_429", '{"error": {}}'),
    ],
)
def test_the_providers_own_words(body, code, words):
    error = error_of_refusal(429, {"retry-after": "20"}, body)
    assert (error["code"], error["status"], error["retry_after"]) == (code, 429, 20)
    assert error["message"].endswith(words)
    assert error["message_ko"].endswith(words)
    assert error_of_refusal(429, {"retry-after": "Fri, 01 Jan 2027"}, body)["retry_after"] is None


def test_half_a_character_can_be_written_down():
    error = error_of_refusal(502, {}, b'{"error": {"message": "x \\ud800 y", "code": "\\udc00"}}')
    assert (error["code"], error["message"]) == ("\ufffd", "The provider answered 502: x \ufffd y")
    assert error_of_refusal(502, {}, '{"error": {"message": "\U0001f600 좋아"}}'.encode())["message"].endswith(
        "😀 좋아"
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("<html>\n<head><title>502 Bad\n Gateway</title></head><body><h1>502</h1></body></html>", "502 Bad Gateway"),
        ("\ufeff <!DOCTYPE html><head><style>p{}</style></head><p>Too <b>many</b> &amp; late", "Too many & late"),
        ("<html><title></title><script>x()</script>" + "<p>word" * 100, ("word " * 100)[:200] + "…"),
        ("<html>", "(no text)"),
        ("<html><head><title>502</title></head><![foo bar]>hello</html>", "502"),
        ("<html><![%x[hello<!doctype><p>again<", "again"),
        ("<html>" + "<a b='" * 10_000 + "<title" * 10_000, "(no text)"),
        ("<html>" + "<script>" * 10_000 + "<style" * 10_000, "(no text)"),
        ("<error>no page</error>", "<error>no page</error>"),
    ],
)
def test_a_web_page_in_an_answers_place_is_told_by_its_words(body, words):
    error = error_of_refusal(502, {}, body.encode())
    assert error["message"] == f"The provider answered 502: {words}"
    assert error["message_ko"].endswith(words)
