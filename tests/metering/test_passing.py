"""The corners of a passing call's life that a well-behaved network does not show."""

import asyncio

import pytest

from support.sinks import Sink, stream_through_read
from talkmeter.completions import UpstreamBroke, UpstreamCall
from talkmeter.errors import BadInput, Conflict, StoreError
from talkmeter.metering import keeping, passing
from talkmeter.metering.admission import Whose
from talkmeter.metering.answers import MOST, Answers
from talkmeter.metering.asked import Asked, PassingContext
from talkmeter.metering.ledger import CountEntry, LedgerEntry, OpenEntry
from talkmeter.metering.passing import PassingMeter
from talkmeter.metering.pricebook import PriceBook
from talkmeter.store import open_store

CHAT = b'{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}'
CONTEXT = PassingContext(surface="openai", principal="local")
NOBODY = Whose(user_id="local")
REQUEST = UpstreamCall("", "POST", "chat/completions", ())


class Answer:
    """An answer of these pieces; an exception among them is raised."""

    reason = b"OK"

    def __init__(self, *pieces, status=200, kind=b"application/json", headers=()):
        self.pieces = list(pieces)
        self.status = status
        self.headers = [(b"Content-Type", kind), *headers]
        self.closed = False

    @property
    def ended(self):
        return not self.pieces

    def header(self, name):
        return next((value for known, value in self.headers if known.lower() == name), None)

    async def read(self):
        if not self.pieces:
            return b""
        piece = self.pieces.pop(0)
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def stream_to(self, sink):
        return await stream_through_read(self, sink)

    def close(self):
        self.closed = True


class Provider:
    id, name = "p", "P"

    def __init__(self, answer):
        self.answer = answer

    async def exchange(self, _call):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def hide(self, text):
        return text


@pytest.fixture
async def meter(tmp_path):
    store = await open_store(tmp_path / "talkmeter.db")
    prices = PriceBook(store, lambda _id: None)
    await prices.load()
    yield PassingMeter(store, prices)
    await store.close()


async def begin(meter, answer, **asked):
    fields = {"endpoint": "chat/completions", "model": "gpt-4o", "body": CHAT, "request_bytes": len(CHAT), **asked}
    call = meter.begin(Asked(**fields), Provider(answer), CONTEXT)
    await call.open(NOBODY)
    return call


async def read_all(call):
    while not call.ended:
        await call.read()


async def settled(meter, call):
    await meter.settled(60)
    async with asyncio.timeout(60):
        while (entry := await meter.store.entry(call.opening.id)).settlement is None:
            await asyncio.sleep(0.005)
    return entry.settlement


@pytest.mark.parametrize(("error", "outcome", "provenance"), [
    (BadInput("x", "x"), "not_sent", "counted"),
    (BadInput("x", "x", code="client_left"), "failed", "unknown"),
    (RuntimeError("x"), "failed", "unknown"),
    (asyncio.CancelledError(), "failed", "unknown"),
    (UpstreamBroke("headers", "x"), "failed", "unknown"),
])  # fmt: skip
async def test_what_was_never_answered(meter, error, outcome, provenance):
    call = await begin(meter, error)
    with pytest.raises(type(error)):
        await call.dispatch(REQUEST)
    found = await settled(meter, call)
    assert (found.outcome, found.provenance) == (outcome, provenance)
    assert meter.under_way == 0


async def test_cut_before_its_head(meter):
    for how in ("cut", "cut_at_shutdown"):
        call = await begin(meter, None)
        getattr(call, how)()
        getattr(call, how)()
        assert (await settled(meter, call)).provenance == "unknown"


async def test_a_body_that_ends_without_a_word(meter):
    """The end comes by itself, as an empty read."""
    answer = Answer(b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}', b"")
    call = await begin(meter, answer)
    await call.dispatch(REQUEST)
    await read_all(call)
    assert (await settled(meter, call)).provenance == "reported"
    call = await begin(meter, Answer())
    await call.dispatch(REQUEST)
    assert await call.read() == b""
    assert (await settled(meter, call)).provenance == "counted"


async def test_a_stream_that_is_given_on_ends_as_one_that_is_read(meter):
    said = b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}'
    for pieces, error, outcome in (
        ((said[:9], said[9:]), None, "finished"),
        ((said, b""), None, "finished"),
        ((said, UpstreamBroke("stream", "x")), UpstreamBroke, "failed"),
    ):
        call = await begin(meter, Answer(*pieces))
        await call.dispatch(REQUEST)
        call.overhear(await call.answer.read())
        if error is None:
            assert await call.stream_to(Sink()) == pieces[1]
        else:
            with pytest.raises(error):
                await call.stream_to(Sink())
        assert call.ended
        assert (await settled(meter, call)).outcome == outcome


async def test_an_error_of_whom_it_is_given_to_is_no_word_of_provider_or_client(meter):
    class Broken(Sink):
        def take(self, data):
            raise KeyError(data)

    answer = Answer(b"x", b"y", b"z")
    call = await begin(meter, answer)
    await call.dispatch(REQUEST)
    with pytest.raises(KeyError):
        await call.stream_to(Broken())
    found = await settled(meter, call)
    assert (found.outcome, found.error, answer.closed) == ("interrupted", None, True)


async def test_a_long_refusal_is_kept_in_part(meter):
    call = await begin(meter, Answer(b"x" * 100_000, b"y" * 100_000, status=400))
    await call.dispatch(REQUEST)
    await read_all(call)
    found = await settled(meter, call)
    assert (found.outcome, found.http_status, found.error["status"]) == ("refused", 400, 400)


async def test_an_answer_that_cannot_be_unpacked_is_unknown(meter):
    for coding in (b"br", b"gzip"):
        answer = Answer(b"no gzip", b"at all", headers=[(b"Content-Encoding", coding)])
        call = await begin(meter, answer)
        await call.dispatch(REQUEST)
        await read_all(call)
        assert (await settled(meter, call)).provenance == "unknown"


async def test_an_error_in_a_stream_is_on_the_ledger(meter):
    answer = Answer(b'data: {"error":{"message":"m","code":"c"}}\n\n', kind=b"text/event-stream")
    call = await begin(meter, answer)
    await call.dispatch(REQUEST)
    await read_all(call)
    found = await settled(meter, call)
    assert (found.outcome, found.error["code"]) == ("failed", "c")


async def test_whoever_counts_first_counts_for_all(meter, monkeypatch):
    """An answer that ends while its prompt is being counted is counted, not unknown."""
    counted = []
    real, may_go_on = passing.count_asked, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(asked):
        counted.append(asked)
        asyncio.run_coroutine_threadsafe(may_go_on.wait(), loop).result()
        return real(asked)

    monkeypatch.setattr(passing, "count_asked", slow)
    call = await begin(meter, Answer(b"{}"))
    await call.dispatch(REQUEST)
    keeping = asyncio.create_task(call.count())
    while not counted:
        await asyncio.sleep(0.001)
    await read_all(call)
    may_go_on.set()
    await keeping
    found = await settled(meter, call)
    assert (found.provenance, len(counted)) == ("counted", 1)
    assert found.usage.prompt_tokens > 0


async def test_what_lasts_is_kept(meter, monkeypatch):
    """The prompt once, the text as it comes, and nothing while nothing comes."""
    monkeypatch.setattr(keeping, "KEEP_SECONDS", 0.01)
    answer = Answer(
        b'data: {"choices":[{"delta":{"content":"one"}}]}\n\n', b"data: [DONE]\n\n", kind=b"text/event-stream"
    )
    call = await begin(meter, answer)
    await call.dispatch(REQUEST)
    await call.read()
    async with asyncio.timeout(60):
        while await meter.store.partial_texts(call.opening.id) != ["one"]:
            await asyncio.sleep(0.005)
    await asyncio.sleep(0.05)
    assert await meter.store.kept_prompt(call.opening.id) == CHAT.decode()
    assert (await meter.store.entry(call.opening.id)).opening.preflight_tokens is None
    await read_all(call)
    await settled(meter, call)
    assert await meter.store.partial_texts(call.opening.id) == []
    assert await meter.store.kept_prompt(call.opening.id) is None


async def test_a_long_prompt_is_counted_and_not_kept(meter, monkeypatch):
    monkeypatch.setattr(keeping, "KEPT_PROMPT_BYTES", len(CHAT) - 1)
    call = await begin(meter, Answer(b"{}"))
    await call.count_if_long()
    (change,) = call.to_keep()
    assert (type(change), change.preflight_tokens) == (CountEntry, call._count.total)
    assert call.to_keep() == []
    call.cut()


async def test_a_long_prompt_that_cannot_be_counted_is_not_kept_either(meter, monkeypatch):
    monkeypatch.setattr(keeping, "KEPT_PROMPT_BYTES", len(CHAT) - 1)
    call = await begin(meter, Answer(b"{}"), body=b"{" + CHAT)
    await call.count_if_long()
    assert call.to_keep() == []
    call.cut()


async def test_what_could_not_be_written_is_written_anew_and_whole(meter):
    def event(text):
        return b'data: {"choices":[{"delta":{"content":"%b"}}]}\n\n' % text

    store, pieces = meter.store, [event(b"one "), event(b"two "), event(b"three"), b"data: [DONE]\n\n"]
    late = event(b" and more")

    def one_more(call):
        call.overhear(late)
        return call.to_keep()

    call = await begin(meter, Answer(*pieces, kind=b"text/event-stream"))
    call.keep_again()  # nothing was kept yet: nothing is forgotten
    await call.dispatch(REQUEST)
    await call.read()
    await store.commit(*call.to_keep())
    await call.read()
    lost = call.to_keep()
    assert [change.text for change in lost] == ["two "]
    call.keep_again()
    call.keep_again()  # heard twice, it is still all that goes once
    await call.read()
    whole = call.to_keep()
    await store.commit(*lost)  # it was written after all: that does no harm
    await store.commit(*whole)
    assert await store.partial_texts(call.opening.id) == ["one two three"]
    assert await store.kept_prompt(call.opening.id) == CHAT.decode()
    assert call.to_keep() == [], "what is written is not written, nor forgotten, again"
    await store.commit(*one_more(call))
    assert await store.partial_texts(call.opening.id) == ["one two three and more"]
    call.keep_again()
    await read_all(call)
    await settled(meter, call)
    assert await store.partial_texts(call.opening.id) == []


async def test_what_nothing_can_be_sealed_with_is_not_kept(meter):
    meter.seal = lambda _entry_id, _text: ""
    call = await begin(meter, Answer(b"{}"))
    await call.count_if_long()
    assert call.to_keep() == []
    call.cut()


async def test_what_has_no_count_has_nothing_to_keep(meter):
    call = await begin(meter, Answer(b"x", b"y"), endpoint="audio/transcriptions", billing="seconds")
    await call.dispatch(REQUEST)
    await call.count()
    assert call.to_keep() == []
    call.cut()


class Refusing:
    """A store that cannot take changes, for a while."""

    def __init__(self, store, error):
        self._store = store
        self.error = error
        self.refused = 0

    def __getattr__(self, name):
        return getattr(self._store, name)

    def _take(self):
        self.refused += 1
        if self.refused > 2:
            self.error = None

    def submit(self, *changes):
        if self.error is None:
            return self._store.submit(*changes)
        future = asyncio.get_running_loop().create_future()
        future.set_exception(self.error)
        self._take()
        return future

    def submit_quietly(self, changes, failed):
        if self.error is None:
            self._store.submit_quietly(changes, failed)
        else:
            error = self.error
            self._take()
            failed(error)


@pytest.mark.parametrize("error", [StoreError("x", "x"), Conflict("x", "x")])
async def test_a_store_that_is_away(meter, error, monkeypatch, caplog):
    monkeypatch.setattr(keeping, "KEEP_SECONDS", 0.01)
    call = await begin(meter, Answer(b"x", b"{}"))
    store = meter.store
    await call.dispatch(REQUEST)
    if isinstance(error, StoreError):
        meter.store = meter._keeping._store = Refusing(store, error)
        async with asyncio.timeout(60):
            while "cannot be kept" not in caplog.text:
                await asyncio.sleep(0.005)
    meter.store = Refusing(store, error)
    await read_all(call)
    await meter.settled(60)
    if isinstance(error, Conflict):
        assert "settled already" in caplog.text
        meter.store = store
    else:
        assert (await settled(meter, call)).provenance == "counted"


async def test_an_error_that_nobody_expected_ends_no_keeping(meter, monkeypatch, caplog):
    monkeypatch.setattr(keeping, "KEEP_SECONDS", 0.01)
    said = b'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
    call = await begin(meter, Answer(said, b"data: [DONE]\n\n", kind=b"text/event-stream"))
    meter._keeping._store = Refusing(meter.store, KeyError("mine"))
    await call.dispatch(REQUEST)
    await call.read()
    async with asyncio.timeout(60):
        while await meter.store.partial_texts(call.opening.id) != ["one"]:
            await asyncio.sleep(0.005)
    assert "KeyError: 'mine'" in caplog.text
    await read_all(call)
    await settled(meter, call)


@pytest.mark.parametrize("step", ["count_if_long", "to_keep"])
async def test_a_call_that_trips_us_keeps_no_other_from_being_kept(meter, monkeypatch, caplog, step):
    monkeypatch.setattr(keeping, "KEEP_SECONDS", 0.01)
    said = b'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
    calls = [await begin(meter, Answer(said, b"data: [DONE]\n\n", kind=b"text/event-stream")) for _ in range(2)]
    times = 0

    def trip():
        nonlocal times
        times += 1
        raise KeyError("mine")

    monkeypatch.setattr(calls[0], step, trip)
    for call in calls:
        await call.dispatch(REQUEST)
        await call.read()
    async with asyncio.timeout(60):
        while await meter.store.partial_texts(calls[1].opening.id) != ["one"] or times < 3:
            await asyncio.sleep(0.005)
    assert [record.getMessage() for record in caplog.records].count("texts under way are not kept") == 1
    monkeypatch.undo()
    for call in calls:
        await read_all(call)
        assert (await settled(meter, call)).provenance == "counted"


async def test_a_call_that_ends_while_another_is_counted_is_not_kept_any_more(meter, monkeypatch):
    monkeypatch.setattr(keeping, "KEEP_SECONDS", 0.01)
    said = b'data: {"choices":[{"delta":{"content":"one"}}]}\n\n'
    calls = [await begin(meter, Answer(said, said, b"data: [DONE]\n\n", kind=b"text/event-stream")) for _ in range(2)]
    counted: list[object] = []

    async def count(one, other):
        counted.append(one)
        if len(counted) == 2:  # both are to be kept in this turn
            await read_all(other)

    for call, other in (calls, calls[::-1]):
        monkeypatch.setattr(call, "count_if_long", lambda call=call, other=other: count(call, other))
        await call.dispatch(REQUEST)
        await call.read()
    async with asyncio.timeout(60):
        while not any(call.ended for call in calls):
            await asyncio.sleep(0.005)
    for call in calls:
        await read_all(call)
        assert (await settled(meter, call)).provenance == "counted"
        assert await meter.store.partial_texts(call.opening.id) == []


@pytest.mark.parametrize("error", [StoreError("x", "x"), Conflict("x", "x")])
async def test_a_correction_that_does_not_get_through(meter, error):
    first = await begin(meter, Answer(b'{"object":"response","id":"resp_1","status":"queued"}'), endpoint="responses")
    await first.dispatch(REQUEST)
    await read_all(first)
    entry = await meter.answers.entry_of("resp_1")
    assert entry.settlement.provenance == "unknown"
    await settled(meter, first)
    asking = await begin(meter, Answer(b'{"id":"resp_1","usage":{"input_tokens":1,"output_tokens":1}}'),
                         endpoint="responses/…", billing="nothing", late=True)  # fmt: skip
    await asking.dispatch(REQUEST)
    asking.tells = entry
    meter.store = Refusing(meter.store, error)
    meter.store.submit_quietly = meter.store._store.submit_quietly
    await read_all(asking)
    await meter.settled(60)
    assert (await settled(meter, first)).provenance == "unknown"
    assert await meter.answers.entry_of("resp_none") is None


async def test_found_while_it_is_under_way(meter):
    told = b'data: {"type":"response.created","response":{"id":"resp_2"}}\n\n'
    other = await begin(meter, Answer(b"x", b"y"), endpoint="responses")
    await other.dispatch(REQUEST)
    unanswered = await begin(meter, None, endpoint="responses")
    meter.watch(unanswered)
    call = await begin(meter, Answer(told, b"data: [DONE]\n\n", kind=b"text/event-stream"), endpoint="responses")
    await call.dispatch(REQUEST)
    await call.read()
    entry = await meter.answers.entry_of("resp_2")
    assert (entry.opening.id, entry.settlement) == (call.opening.id, None)
    assert await meter.answers.entry_of("resp_of_nobody") is None
    for each in (call, other, unanswered):
        each.cut()


@pytest.mark.parametrize(("body", "images", "provenance"), [
    (b'{"data":[{},{}]}', 2, "counted"), (b'{"made":2}', None, "unknown"), (b"x" * (9 << 20), 3, "counted"),
])  # fmt: skip
async def test_pictures_are_as_many_as_came(meter, body, images, provenance):
    """Of an answer too long to be read whole: as many as were asked for."""
    call = await begin(meter, Answer(body), endpoint="images/generations", model="dall-e-2",
                       billing="image:standard:1024x1024", images=3)  # fmt: skip
    await call.dispatch(REQUEST)
    await read_all(call)
    found = await settled(meter, call)
    assert (found.usage and found.usage.images, found.provenance) == (images, provenance)


async def test_others_are_asked_for_what_is_not_known_here(meter):
    call = await begin(meter, Answer(b"x"), endpoint="responses")
    there = LedgerEntry(opening=call.opening)
    asked = []

    async def others(answer_id):
        asked.append(answer_id)
        return there if answer_id == "resp_there" else None

    meter.answers.others = others
    assert await meter.answers.entry_of("resp_there") == there
    assert await meter.answers.entry_of("resp_nowhere") is None
    assert await meter.answers.entry_of("x" * 600) is None
    assert asked == ["resp_there", "resp_nowhere"]
    await call.dispatch(REQUEST)
    call.cut()


async def test_found_while_it_is_being_counted(meter):
    """Its stream broke off before its usage: between its end and its settlement somebody asks."""
    told = b'data: {"type":"response.created","response":{"id":"resp_3"}}\n\n'
    call = await begin(meter, Answer(told, b"", kind=b"text/event-stream"), endpoint="responses")
    await call.dispatch(REQUEST)
    await call.read()
    call.cut()
    entry = meter.answers.here("resp_3")
    assert (entry.opening.id, entry.settlement) == (call.opening.id, None)
    await meter.settled(60)
    assert meter.answers.here("resp_3").settlement.provenance == "counted"


def test_lately_forgets_the_oldest():
    from talkmeter.metering.cost import Cost
    from talkmeter.metering.ledger import SettleEntry

    answers = Answers(None, ())
    for number in range(MOST + 5):
        opening = OpenEntry(id=f"c{number}", surface="openai", principal="local", endpoint="responses", provider_id="p",
                            provider_name="P", model_requested="m", opened_at=1)  # fmt: skip
        change = SettleEntry(id=f"c{number}", outcome="finished", provenance="reported", usage=None, raw_usage=None,
                             cost=Cost(0), settled_at=1, upstream_id=f"resp_{number}")  # fmt: skip
        answers.note(opening, change.upstream_id, change)
    assert len(answers.lately) == MOST
    assert answers.here("resp_4") is None
    assert answers.here("resp_5").settlement.id == "c5"
