"""From the store to the books and back: what is read, what is settled, and what of it can be found again."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from support.reconciling import DAY, NOON, a_line
from support.store_values import a_settlement, an_opening
from talkmeter.clock import SECOND
from talkmeter.metering.budget_store import AddBudget, Budget, Reserve, ReserveItem
from talkmeter.metering.cost import Cost, CostLine
from talkmeter.metering.ledger import CorrectEntry, LedgerEntry
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.reconciling.books import CostItem, Scope, book_line, cost_item
from talkmeter.metering.reconciling.figures import ABSENT, Figures
from talkmeter.metering.reconciling.ours import LONGEST, ours_of
from talkmeter.metering.reconciling.reconciler import Reconciler, was
from talkmeter.metering.reservations import release, reservations_text
from talkmeter.metering.settlement import NOTHING
from talkmeter.metering.usage import Usage
from talkmeter.store import open_store

NIGHT = DAY + 86_400


class Books:
    """What a provider tells, from lines by the minute."""

    def __init__(self, *lines, costs=()):
        self.lines = list(lines)
        self.items = list(costs)
        self.asked = []

    async def usage(self, kind, start, end, width):
        self.asked.append((kind, start, end, width))
        size = {"1m": 60, "1d": 86_400}[width]
        return [
            replace(line, start=line.start // size * size)
            for line in self.lines
            if line.kind == kind and start <= line.start < end
        ]

    async def costs(self, start, end):
        return [item for item in self.items if start <= item.start < end]


@pytest.fixture
async def store(tmp_path):
    opened = await open_store(tmp_path / "talkmeter.db", ballast=64 << 10)
    yield opened
    await opened.close()


def opening(id_="x", at=NOON, **more):
    fields = {"id": id_, "model_requested": "gpt-4o", "opened_at": at * SECOND, "preflight_quality": "estimate"}
    return an_opening(**fields | more)


def settlement(opened, lasts=1, **more):
    fields = {"settled_at": opened.opened_at + lasts * SECOND, "cost": Cost(None, (), ("gpt-4o: usage is not known",))}
    return a_settlement(opened, **fields | {"usage": None, "raw_usage": None, "provenance": "unknown"} | more)


def known(opened, prompt=5, completion=2, **more):
    usage = Usage(prompt_tokens=prompt, cached_tokens=0, completion_tokens=completion)
    lines = (
        CostLine("input", prompt, 2_500_000, 1, "row", prompt * 2_500_000),
        CostLine("output", completion, 10_000_000, 1, "row", completion * 10_000_000),
    )
    cost = Cost(sum(line.picodollars for line in lines), lines)
    return settlement(opened, provenance="reported", usage=usage, cost=cost, **more)


async def reconcile(store, books, *, settle=True, start=DAY, end=NIGHT, scope=None, lag=0, at=NIGHT + 86_400):
    prices = PriceBook(store, {}.get)
    await prices.load()
    reconciler = Reconciler(
        store,
        prices,
        books,
        provider_id="provider_1",
        scope=scope or Scope(),
        complete_until=(at - lag) * SECOND,
        at=at * SECOND,
    )
    return await reconciler.reconcile(start, end, settle=settle)


async def test_an_unknown_call_gets_the_usage_that_is_left(store):
    first, second = opening("k"), opening("x")
    await store.commit(first, second, known(first), settlement(second, problem="odd"))
    costs = [
        CostItem(start=DAY, item=f"gpt-4o, {unit}", picodollars=Decimal(quantity * price), quantity=Decimal(quantity))
        for unit, quantity, price in (
            ("input", 997, 2_500_000),
            ("cached input", 8, 1_250_000),
            ("output", 102, 10_000_000),
        )
    ]
    books = Books(a_line(model="gpt-4o", requests=2, input=1005, cached=8, output=102), costs=costs)
    looked = await reconcile(store, books, settle=False)
    assert [(one.entry_id, one.committed) for one in looked.settled] == [("x", False)]
    assert (await store.entry("x")).settlement.provenance == "unknown"
    report = await reconcile(store, books)
    assert report.explained
    assert not any(line.difference for line in report.usage)
    settled = (await store.entry("x")).settlement
    assert settled.provenance == "reconciled"
    assert settled.usage == Usage(
        prompt_tokens=1000, cached_tokens=8, cache_write_tokens=0, prompt_audio_tokens=0, prompt_image_tokens=0,
        completion_tokens=100, completion_audio_tokens=0, completion_image_tokens=0,
    )  # fmt: skip
    assert settled.cost.picodollars == 992 * 2_500_000 + 8 * 1_250_000 + 100 * 10_000_000
    assert settled.problem == "odd; is taken from the provider's books of that time; was unknown"
    assert (settled.model_served, settled.service_tier) == ("gpt-4o", "default")
    assert (await store.entry("k")).settlement == known(first)
    again = await reconcile(store, books)
    assert again.settled == []


async def test_what_the_provider_never_had_is_nothing_and_stays_so(store):
    opened = opening()
    await store.commit(opened, settlement(opened))
    report = await reconcile(store, Books())
    assert (report.settled[0].usage, report.settled[0].picodollars) == (ABSENT, 0)
    settled = (await store.entry("x")).settlement
    assert settled.problem == "is not in the provider's books of that time; was unknown"
    report = await reconcile(store, Books())
    assert (report.settled, report.explained) == ([], True)
    assert not any(line.difference for line in report.usage)


async def test_budgets_follow(store):
    """An unknown call holds its worst case; once the books have told, what it came to."""
    budget = Budget(
        id="b", name="b", scope="instance", scope_id=None, period="total", unit="picodollars", amount=10**13,
        hard=True, enabled=True, created_at=0,
    )  # fmt: skip
    reserve = Reserve("x", (ReserveItem("b", 0, 10**13, 9_000_000_000, "picodollars"),))
    opened = opening(reservations=reservations_text(reserve))
    settled = settlement(opened)
    await store.commit(AddBudget(budget), opened, reserve)
    await store.commit(settled, *release(opened, settled))
    assert (await store.counted({"b": 0}))["b"].spent == 9_000_000_000
    await reconcile(store, Books(a_line(model="gpt-4o", input=1000, output=100)))
    cost = (await store.entry("x")).settlement.cost.picodollars
    counted = (await store.counted({"b": 0}))["b"]
    assert (counted.spent, counted.reserved) == (cost, 0) == (3_500_000_000, 0)


async def test_nobody_is_overtaken(store):
    """What was told meanwhile stands."""
    opened = opening()
    await store.commit(opened, settlement(opened))
    told = Usage(prompt_tokens=3, completion_tokens=4)

    class Slow(Books):
        async def costs(self, start, end):
            await store.commit(CorrectEntry(id="x", provenance="reported", usage=told, cost=Cost(0)))
            return await super().costs(start, end)

    report = await reconcile(store, Slow(a_line(model="gpt-4o", input=1000, output=100)))
    assert report.settled == []
    assert (await store.entry("x")).settlement.usage == told


async def test_pieces_are_settled_only_where_they_are_paid_for(store):
    whisper, tokens = (
        opening(name, endpoint="audio/transcriptions", model_requested=model, billing="seconds")
        for name, model in (("w", "whisper-1"), ("t", "gpt-4o-transcribe"))
    )
    await store.commit(whisper, tokens, settlement(whisper), settlement(tokens))
    lines = [
        a_line(kind="audio_transcriptions", tier="", model=model, seconds=7)
        for model in ("whisper-1", "gpt-4o-transcribe")
    ]
    report = await reconcile(store, Books(*lines))
    assert [(one.entry_id, one.usage.seconds) for one in report.settled] == [("w", 7)]
    assert (await store.entry("w")).settlement.cost.picodollars == 7 * 100_000_000
    assert (await store.entry("t")).settlement.provenance == "unknown"


async def test_entries_of_other_days_are_looked_at_and_left(store):
    before, after = opening("a", DAY - 10), opening("b", NIGHT - 30)
    await store.commit(before, after, settlement(before), settlement(after, 60))
    lines = [a_line(start=NIGHT - 60, model="gpt-4o", input=7, output=1), a_line(start=NIGHT, model="gpt-4o", input=9)]
    report = await reconcile(store, Books(*lines))
    assert [one.entry_id for one in report.settled] == []
    assert report.doubts == {"outside": 1}
    report = await reconcile(store, Books(lines[1]))
    assert [(one.entry_id, one.usage.prompt_tokens) for one in report.settled] == [("b", 9)]
    assert (await store.entry("a")).settlement.provenance == "unknown"


async def test_what_reaches_out_of_the_minutes_that_were_read_is_not_decided(store):
    """A chain of calls into another day, whose minutes nobody has asked for."""
    chain = [opening(f"c{n}", DAY - 4 * LONGEST + 600 * n) for n in range(25)]
    opened = opening("x", DAY + 5)
    await store.commit(*chain, *(known(one, lasts=700) for one in chain), opened, settlement(opened))
    starts = [one.opened_at // SECOND // 60 * 60 for one in chain]
    lines = [a_line(start=start, model="gpt-4o", input=5, output=2) for start in starts]
    lines[20] = replace(lines[20], figures=Figures(requests=1, input=4, output=2))  # so that no rule is proven
    report = await reconcile(store, Books(*lines))
    assert (report.settled, report.doubts) == ([], {"recent": 1})


async def test_only_days_that_need_it_are_read_by_the_minute(store):
    opened = opening("k", DAY + 3 * 86_400)
    await store.commit(opened, known(opened))
    books = Books(a_line(start=DAY + 3 * 86_400, model="gpt-4o", input=5, output=2))
    report = await reconcile(store, books, end=DAY + 5 * 86_400)
    assert not any(line.difference for line in report.usage)
    assert {width for *_, width in books.asked} == {"1d"}
    books = Books(*(a_line(start=DAY + n * 86_400, model="gpt-4o", input=6) for n in (0, 1, 3)))
    await reconcile(store, books, end=DAY + 5 * 86_400)
    around = 2 * LONGEST
    assert [(start - DAY, end - DAY) for kind, start, end, width in books.asked if width == "1m"] == [
        (-around, 2 * 86_400 + around),
        (3 * 86_400 - around, 4 * 86_400 + around),
    ]


async def test_a_batch_of_embeddings_is_found_where_its_model_is(store):
    opened = opening(endpoint="batches", model_requested="")
    usage = Usage(prompt_tokens=50, completion_tokens=0)
    settled = settlement(
        opened, provenance="reported", usage=usage, cost=Cost(0), model_served="text-embedding-3-small"
    )
    await store.commit(opened, settled)
    line = a_line(kind="embeddings", tier="", model="text-embedding-3-small", requests=5, input=50)
    (compared,) = (await reconcile(store, Books(line))).usage
    assert (compared.group.kind, compared.apart, compared.reasons) == ("embeddings", ("requests",), [])


async def test_embeddings_have_no_completion(store):
    opened = opening(endpoint="embeddings", model_requested="text-embedding-3-small")
    await store.commit(opened, settlement(opened))
    line = a_line(kind="embeddings", tier="", model="text-embedding-3-small", input=50)
    (settled,) = (await reconcile(store, Books(line))).settled
    assert settled.usage == Usage(prompt_tokens=50, completion_tokens=0)
    assert settled.picodollars == 50 * 20_000


async def test_pages_of_entries_are_read_to_the_end(store, monkeypatch):
    monkeypatch.setattr("talkmeter.metering.reconciling.reconciler.PAGE", 2)
    entries = [opening(f"k{n}") for n in range(5)]
    other = opening("o", provider_id="provider_2")
    await store.commit(*entries, *(known(one) for one in entries), other, opening("f", endpoint="files"))
    (line,) = (await reconcile(store, Books(a_line(model="gpt-4o", requests=5, input=25, output=10)))).usage
    assert (line.ours.requests, line.reasons) == (5, [])


def test_what_is_no_call_of_theirs_is_none_of_ours():
    for more in ({"endpoint": "files"}, {}):
        opened = opening(**more)
        outcome = "refused" if not more else "finished"
        assert ours_of(LedgerEntry(opening=opened, settlement=settlement(opened, outcome=outcome)), 0) is None


def test_entries_say_what_they_know():
    def ours(opened, settled=None):
        return ours_of(LedgerEntry(opening=opened, settlement=settled), (NOON + 90) * SECOND)

    chat = opening(preflight_quality="exact")
    waiting = ours(chat)
    assert (waiting.standing, waiting.tier, waiting.last, waiting.expected_input) == ("open", None, NOON + 92, 41)
    told = ours(chat, known(chat, http_status=200, service_tier="flex"))
    assert (told.standing, told.tier, told.sure, told.money_tier) == ("known", "flex", True, "flex")
    assert ours(chat, known(chat)).tier == "standard"
    assert ours(chat, settlement(chat)).tier is None
    assert ours(chat, settlement(chat, lasts=9 * 3600)).last == NOON + LONGEST + 2
    assert ours(chat, settlement(chat)).ended == NOON + 1
    assert ours(chat, settlement(chat, finish_reason="queued")).ended == NOON + 1 + 26 * 3600
    counted = ours(chat, settlement(chat, provenance="counted", usage=NOTHING))
    assert (counted.standing, counted.exact, counted.figures.requests) == ("undecided", True, 1)
    free = opening(endpoint="moderations", billing="nothing")
    assert ours(free, settlement(free, provenance="counted")).standing == "known"
    drawn = opening(endpoint="images/generations", billing="image:standard:1024x1024")
    assert ours(drawn, known(drawn)).untold == ("images",)
    batch = ours(opening(endpoint="batches"))
    assert (batch.tier, batch.money_tier, batch.last) == ("batch", "batch", NOON + 26 * 3600 + 2)


def test_what_an_entry_was_is_said():
    opened = opening()
    for usage, words in (
        (None, "unknown"),
        (Usage(prompt_tokens=41, completion_tokens=9), "unknown 41/9"),
        (Usage(characters=5), "unknown 5 characters"),
        (Usage(images=2), "unknown 2 images"),
    ):
        assert was(settlement(opened, usage=usage)) == words


def test_results_are_read_as_they_are_told():
    told = {"input_tokens": 5, "output_tokens": 2, "num_model_requests": 1, "model": "m", "batch": False}
    line = book_line("completions", NOON, {**told, "service_tier": "default", "project_id": "p", "api_key_id": "k"})
    assert (line.tier, line.project, line.api_key, line.figures) == (
        "standard", "p", "k", Figures(requests=1, input=5, output=2),
    )  # fmt: skip
    assert line.untold == ("cached", "cache_write", "audio_input", "image_input", "audio_output", "image_output")
    assert book_line("completions", NOON, {**told, "batch": True}).tier == "batch"
    embedded = book_line("embeddings", NOON, {"num_model_requests": 1, "input_tokens": 5})
    assert (embedded.model, embedded.tier, embedded.untold) == ("", "", ())
    item = cost_item(NOON, {"amount": {"value": Decimal("0.0000012"), "currency": "usd"}, "line_item": None})
    assert (item.item, item.picodollars, item.quantity) == ("", 1_200_000, None)
    item = cost_item(NOON, {"amount": {"value": 1}, "line_item": "m, input", "quantity": 3, "project_id": "p"})
    assert (item.picodollars, item.quantity, item.project) == (10**12, 3, "p")
