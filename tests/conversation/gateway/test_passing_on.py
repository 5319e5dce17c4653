"""From target to target, before a first byte; and how what is under way ends when clients, or we, leave."""

import asyncio
from types import SimpleNamespace

import pytest

from support.sinks import Sink, stream_through_read
from talkmeter.accounts.routes import RouteTarget, Way
from talkmeter.completions import UpstreamBroke, UpstreamNotReached
from talkmeter.conversation.gateway import passing_on
from talkmeter.conversation.gateway.passing_on import Gateway
from talkmeter.conversation.gateway.values import GatewayLimits, PassAsk
from talkmeter.errors import BadInput, StoreError, UpstreamError
from talkmeter.metering.admission import Whose
from talkmeter.metering.asked import Asked, PassingContext
from talkmeter.metering.passing import PassingMeter
from talkmeter.metering.pricebook import PriceBook
from talkmeter.store import open_store

CHAT = b'{"model":"alias","stream":true,"messages":[{"role":"user","content":"hello"}]}'
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":1,"total_tokens":9}}\n\n'
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'


class Answer:
    reason = b"OK"

    def __init__(self, *pieces, status=200, kind=b"text/event-stream", headers=()):
        self.pieces, self.status = list(pieces), status
        self.headers = [(b"content-type", kind), *headers]
        self.closed = asyncio.Event()

    @property
    def ended(self):
        return not self.pieces

    def header(self, name):
        return next((value for known, value in self.headers if known == name), None)

    async def read(self):
        if self.pieces and self.pieces[0] is None:  # silent until it is closed
            await self.closed.wait()
            raise UpstreamBroke("stream", "it was closed")
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def stream_to(self, sink):
        return await stream_through_read(self, sink)

    def close(self):
        self.closed.set()


class Provider:
    def __init__(self, id_, *answers):
        self.id = self.name = id_
        self.answers = list(answers)
        self.calls = []

    async def exchange(self, call):
        self.calls.append(call)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        return answer

    def hide(self, text):
        return text


def not_reached():
    return UpstreamNotReached("x", "x")


@pytest.fixture
async def street(tmp_path, monkeypatch):
    """Providers by their id, ways by model, and a gateway over a real store."""
    monkeypatch.setattr(passing_on, "_pause", lambda _attempt: 0.0)
    store = await open_store(tmp_path / "talkmeter.db")
    prices = PriceBook(store, lambda _id: None)
    await prices.load()
    made = SimpleNamespace(store=store, providers={}, ways={}, meter=PassingMeter(store, prices))
    made.pick = lambda provider_id, _model: made.providers[provider_id or next(iter(made.providers))]
    made.way = lambda model: made.ways.get(model, Way((RouteTarget(),)))
    made.gateway = Gateway(made.meter, made, made)
    yield made
    await made.gateway.close(0.0)
    await store.close()


def client():
    return SimpleNamespace(gone=False, on_gone=None)


def ask(**given):
    fields = {
        "context": PassingContext(surface="openai", principal="local"),
        "whose": Whose(user_id="local"),
        "asked": Asked(endpoint="chat/completions", model="alias", streamed=True, body=CHAT, request_bytes=len(CHAT)),
        "method": "POST",
        "path": "chat/completions",
        "headers": (),
        "body": CHAT,
    }
    return PassAsk(**fields | given)


async def whole(passage):
    pieces = []
    while not passage.ended:
        pieces.append(await passage.read())
    return b"".join(pieces)


async def entries(street):
    await street.meter.settled(5)
    await street.store.check()
    return list(await street.store.open_entries())


async def test_an_alias_is_renamed_and_the_usage_withheld(street):
    one = street.providers["a"] = Provider("a", Answer(WORD, USAGE, b"data: [DONE]\n\n"))
    street.ways["alias"] = Way((RouteTarget("a", "real"),))
    passage = await street.gateway.pass_on(ask(usage_unasked=True), client())
    assert await whole(passage) == WORD + b"data: [DONE]\n\n"
    assert b'"model":"real"' in one.calls[0].body
    assert b'"include_usage":true' in one.calls[0].body
    assert passage.call.opening.model_requested == "real"
    assert passage.call.settlement.usage.prompt_tokens == 8
    assert (passage.status, passage.is_json, passage.entry_id) == (200, False, one.calls[0].call_id)
    assert passage.answer.headers == [(b"content-type", b"text/event-stream")]
    assert await passage.read() == b""
    passage.client_left()
    assert not passage.left


@pytest.mark.parametrize("last", [b"data: [DONE]\n\n", USAGE])
@pytest.mark.parametrize("full", [None, 1])
async def test_a_stream_is_given_on_without_what_nobody_asked_for(street, full, last):
    street.providers["a"] = Provider("a", Answer(WORD, USAGE, WORD, USAGE[:9], USAGE[9:], last))
    passage = await street.gateway.pass_on(ask(usage_unasked=True), client())
    sink = Sink(full)
    rest = await passage.stream_to(sink)
    assert b"".join([*sink.pieces, rest]) == WORD + WORD + last.replace(USAGE, b"")
    assert sink.waited == (0 if full is None else 2)
    assert passage.ended
    assert passage.call.settlement.usage.prompt_tokens == 8


@pytest.mark.parametrize("full", [None, 1])
@pytest.mark.parametrize("pieces", [(WORD,), (USAGE,), (WORD, USAGE), (USAGE, WORD)])
async def test_what_was_held_back_for_another_target_is_given_first(street, pieces, full):
    street.providers |= {"a": Provider("a", Answer(*pieces)), "b": Provider("b")}
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b")))
    passage = await street.gateway.pass_on(ask(usage_unasked=True), client())
    sink = Sink(full)
    rest = await passage.stream_to(sink)
    assert b"".join([*sink.pieces, rest]) == WORD * pieces.count(WORD)
    assert passage.given_last == b"".join(sink.pieces)
    assert passage.ended


async def test_a_stream_whose_client_asked_for_its_usage_is_given_on_whole(street):
    street.providers["a"] = Provider("a", Answer(WORD, USAGE, b"data: [DONE]\n\n"))
    passage = await street.gateway.pass_on(ask(), client())
    sink = Sink()
    assert await passage.stream_to(sink) == b"data: [DONE]\n\n"
    assert sink.pieces == [WORD, USAGE]


async def test_a_form_is_renamed_in_its_place(street):
    one = street.providers["a"] = Provider("a", Answer(b"{}", kind=b"application/json"))
    street.ways["alias"] = Way((RouteTarget("a", "whisper-1"),))
    body = b"model=alias;file"
    asked = Asked(endpoint="audio/transcriptions", model="alias", billing="seconds", request_bytes=len(body))
    passage = await street.gateway.pass_on(ask(asked=asked, body=body, model_span=(6, 11)), client())
    assert passage.is_json
    assert one.calls[0].body == b"model=whisper-1;file"
    await whole(passage)


async def test_a_streamed_body_goes_to_the_first_target_only(street):
    async def pieces():
        yield b"x"

    street.providers |= {"a": Provider("a", not_reached()), "b": Provider("b", Answer(b"x"))}
    street.ways["alias"] = Way((RouteTarget("a", "real"), RouteTarget("b")), retries=3)
    with pytest.raises(UpstreamNotReached):
        await street.gateway.pass_on(ask(body=pieces(), body_length=1), client())
    assert street.providers["b"].calls == []


async def test_from_target_to_target_and_round_again(street):
    refusal = Answer(b'{"error":{}}', status=503, kind=b"application/json", headers=[(b"retry-after", b"0")])
    street.providers |= {"a": Provider("a", not_reached(), Answer(WORD)), "b": Provider("b", refusal)}
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b")), retries=1)
    passage = await street.gateway.pass_on(ask(), client())
    assert (await whole(passage), passage.call.opening.attempt) == (WORD, 3)
    assert await entries(street) == []


async def test_an_answer_that_another_could_follow_waits_for_its_first_piece(street):
    broken = Answer(UpstreamBroke("stream", "x"))
    street.providers |= {"a": Provider("a", broken), "b": Provider("b", Answer(WORD, USAGE)), "c": Provider("c")}
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b"), RouteTarget("c")))
    passage = await street.gateway.pass_on(ask(), client())
    assert (passage.call.opening.attempt, passage.ended) == (2, False)
    assert await passage.read() == WORD
    assert await passage.read() == USAGE
    assert await entries(street) == []


async def test_a_first_piece_that_is_all_there_is(street):
    street.providers |= {"a": Provider("a", Answer(WORD), Answer(b"")), "b": Provider("b")}
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b")))
    passage = await street.gateway.pass_on(ask(), client())
    assert (passage.call.ended, passage.ended, passage.broke_silently) == (True, False, True)
    assert await whole(passage) == WORD
    assert passage.ended
    empty = await street.gateway.pass_on(ask(), client())
    assert (empty.ended, await empty.read()) == (True, b"")
    assert street.gateway._passages == set()


async def test_a_first_piece_is_given_on_before_the_rest(street):
    street.providers |= {
        "a": Provider("a", Answer(WORD, WORD, USAGE), Answer(USAGE, WORD), Answer(WORD)),
        "b": Provider("b"),
    }
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b")))
    sink = Sink(full=1)
    passage = await street.gateway.pass_on(ask(), client())
    assert passage.given_last == b""
    assert await passage.stream_to(sink) == USAGE
    assert (sink.pieces, sink.waited, passage.given_last) == ([WORD, WORD], 2, WORD + WORD)
    assert passage.call.settlement.usage.prompt_tokens == 8, "it is overheard once"
    unasked = await street.gateway.pass_on(ask(usage_unasked=True), client())
    assert await unasked.stream_to(sink) == WORD
    alone = await street.gateway.pass_on(ask(), client())
    assert await alone.stream_to(sink) == WORD
    assert len(sink.pieces) == 2
    assert await entries(street) == []


@pytest.mark.parametrize("leaves", [True, False])
async def test_waiting_for_a_first_piece_can_be_given_up(street, leaves):
    """By a client that leaves, or from outside: the entry is settled, and nobody else is asked."""
    silent = Answer(None)
    street.providers |= {"a": Provider("a", silent), "b": Provider("b")}
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b")))
    leaver = client()
    going = asyncio.ensure_future(street.gateway.pass_on(ask(disconnect="cut"), leaver))
    while street.meter.under_way == 0 or not next(iter(street.meter._live)).answer:
        await asyncio.sleep(0)
    if leaves:
        leaver.on_gone()
        with pytest.raises(BadInput):
            await going
    else:
        going.cancel()
        with pytest.raises(asyncio.CancelledError):
            await going
    assert silent.closed.is_set()
    assert street.providers["b"].calls == []
    assert await entries(street) == []


async def test_the_last_answer_is_the_answer(street):
    street.providers["a"] = Provider("a", Answer(b"no", status=429, headers=[(b"retry-after", b"soon")]))
    street.ways["alias"] = Way((RouteTarget("a"),), retries=2)
    passage = await street.gateway.pass_on(ask(), client())  # a date or a word is not waited for
    assert (passage.status, await whole(passage)) == (429, b"no")


async def test_a_target_that_wants_to_be_left_alone_is_not_asked_again(street):
    long = Answer(b"later", status=429, headers=[(b"retry-after", b"3600")])
    street.providers |= {"a": Provider("a", long), "b": Provider("b", not_reached(), Answer(WORD))}
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b")), retries=1)
    passage = await street.gateway.pass_on(ask(), client())
    assert await whole(passage) == WORD
    assert len(street.providers["a"].calls) == 1


async def test_refusals_that_break_off_or_never_end_are_left_behind(street, monkeypatch):
    monkeypatch.setattr(passing_on, "REFUSAL_BYTES", 10)
    broken = Answer(UpstreamBroke("stream", "x"), status=500)
    endless = Answer(*[b"12345"] * 9, status=500)
    street.providers |= {"a": Provider("a", broken), "b": Provider("b", endless), "c": Provider("c", Answer(WORD))}
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b"), RouteTarget("c")))
    assert await whole(await street.gateway.pass_on(ask(), client())) == WORD
    assert endless.closed.is_set()
    assert await entries(street) == []


async def test_a_breaker_that_is_open_is_passed_by_where_there_is_another_way(street):
    failures = [not_reached() for _ in range(5)]
    street.providers |= {"a": Provider("a", *failures), "b": Provider("b", *[Answer(WORD) for _ in range(7)])}
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b")))
    for _ in range(7):
        await whole(await street.gateway.pass_on(ask(), client()))
    assert len(street.providers["a"].calls) == 5
    street.providers["a"].answers = [Answer(WORD)]
    await whole(await street.gateway.pass_on(ask(provider_id="a"), client()))  # asked for by name it is tried
    assert len(street.providers["a"].calls) == 6


async def test_a_pinned_call_takes_the_routes_name_for_its_model(street):
    street.providers |= {"a": Provider("a"), "b": Provider("b", Answer(WORD))}
    street.ways["alias"] = Way((RouteTarget("a", "x"), RouteTarget("b", "y")))
    passage = await street.gateway.pass_on(ask(provider_id="b"), client())
    assert passage.call.opening.model_requested == "y"
    await whole(passage)


async def test_what_an_answer_tells_of_an_earlier_call(street):
    street.providers["a"] = Provider("a", Answer(None), Answer(WORD, USAGE))
    first = await street.gateway.pass_on(ask(disconnect="cut"), client())
    first.client_left()
    await entries(street)
    earlier = await street.store.entry(first.entry_id)
    assert street.gateway.entry_is_late(earlier)
    assert not street.gateway.entry_is_late(None)
    await whole(await street.gateway.pass_on(ask(late_for=earlier), client()))
    await entries(street)
    told = await street.store.entry(first.entry_id)
    assert (told.settlement.provenance, told.settlement.usage.prompt_tokens) == ("reported", 8)
    assert not street.gateway.entry_is_late(told)


@pytest.mark.parametrize("limits", [GatewayLimits(drain_calls=0), GatewayLimits(drain_picodollars=-1)])
async def test_beyond_the_limits_nothing_is_drained(street, limits):
    street.gateway = Gateway(street.meter, street, street, limits)
    street.providers["a"] = Provider("a", Answer(WORD, None))
    passage = await street.gateway.pass_on(ask(), client())
    assert await passage.read() == WORD
    passage.client_left()
    assert passage.ended
    await entries(street)
    assert passage.call.settlement.outcome == "stopped"


async def test_a_drain_that_lasts_too_long_is_cut(street):
    street.gateway = Gateway(street.meter, street, street, GatewayLimits(drain_seconds=0.01))
    street.providers["a"] = Provider("a", Answer(WORD, None))
    passage = await street.gateway.pass_on(ask(), client())
    assert await passage.read() == WORD
    passage.client_left()
    with pytest.raises(UpstreamError):
        await passage.read()
    assert passage.ended


async def test_a_drain_that_ends_says_drained(street):
    street.providers["a"] = Provider("a", Answer(WORD, USAGE))
    passage = await street.gateway.pass_on(ask(), client())
    passage.client_left()
    passage.client_left()
    await whole(passage)
    assert passage.call.settlement.provenance == "drained"


async def test_a_client_that_leaves_before_the_head(street):
    street.providers["a"] = Provider("a", None)
    leaver = client()
    going = asyncio.ensure_future(street.gateway.pass_on(ask(disconnect="cut"), leaver))
    while not street.providers["a"].calls:
        await asyncio.sleep(0)
    leaver.on_gone()
    with pytest.raises(BadInput) as gone:
        await going
    assert gone.value.code == "client_left"
    assert await entries(street) == []


async def test_somebody_elses_cancellation_stays_one(street):
    street.providers["a"] = Provider("a", None)
    going = asyncio.ensure_future(street.gateway.pass_on(ask(), client()))
    while not street.providers["a"].calls:
        await asyncio.sleep(0)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert await entries(street) == []


async def test_the_end_waits_a_little_then_cuts_and_takes_nothing_new(street):
    street.providers["a"] = Provider("a", Answer(WORD, None))
    passage = await street.gateway.pass_on(ask(), client())
    await street.gateway.close(0.05)
    assert passage.ended
    with pytest.raises(StoreError) as closing:
        await street.gateway.pass_on(ask(), client())
    assert closing.value.code == "shutting_down"
    assert await entries(street) == []


@pytest.mark.parametrize(
    ("status", "outcome", "provenance"), [(200, "interrupted", "estimated"), (503, "refused", "counted")]
)
async def test_the_end_cuts_what_is_held_back_and_begins_no_other(street, status, outcome, provenance):
    """An answer of which the client has not heard, as another could follow: it is counted, not left to the next start."""
    street.providers |= {"a": Provider("a", Answer(None, status=status)), "b": Provider("b", Answer(WORD))}
    street.ways["alias"] = Way((RouteTarget("a"), RouteTarget("b")))
    going = asyncio.ensure_future(street.gateway.pass_on(ask(), client()))
    async with asyncio.timeout(60):
        while not street.gateway._held:
            await asyncio.sleep(0)
    await street.gateway.close(0.0)
    with pytest.raises(StoreError) as closing:
        await going
    assert closing.value.code == "shutting_down"
    assert street.providers["b"].calls == []
    assert await entries(street) == []
    settled = (await street.store.entry(street.providers["a"].calls[0].call_id)).settlement
    assert (settled.outcome, settled.provenance) == (outcome, provenance)


def test_pauses_grow_to_their_limit():
    assert 0.2 < passing_on._pause(1) <= 0.5
    assert passing_on._pause(50) <= passing_on.LONGEST_PAUSE


async def test_who_goes_on_from_an_answer_waits_for_its_end(street):
    created = b'data: {"type":"response.created","response":{"id":"resp_1"}}\n\n'
    street.providers["a"] = Provider("a", Answer(WORD, WORD), Answer(created, WORD))
    other = await street.gateway.pass_on(ask(), client())
    asked = Asked(endpoint="responses", model="alias", streamed=True, body=b"{}")
    passage = await street.gateway.pass_on(ask(asked=asked), client())
    await street.gateway.until_ended("resp_1")  # nobody knows it yet
    await passage.read()
    waiting = [asyncio.create_task(street.gateway.until_ended("resp_1")) for _ in range(2)]
    await street.gateway.until_ended("resp_2")
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    await passage.read()
    assert passage.ended
    await asyncio.wait_for(asyncio.gather(*waiting), 60)
    other.cut()
    await entries(street)
