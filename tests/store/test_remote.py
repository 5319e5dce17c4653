"""A store whose changes another process writes: the same order, results and errors, and nothing left behind."""

import asyncio
import socket

import msgspec
import pytest

from support.held_writer import HeldWriter
from support.store_values import a_room, a_settlement, an_opening
from talkmeter.accounts.store import SaveSettings
from talkmeter.conversation.changes import AddRoom, ChangeRoom
from talkmeter.errors import BadInput, Conflict, StoreBusy, StoreError, StoreFull
from talkmeter.metering.budget_store import RateItem, RatesTaken, TakeRates
from talkmeter.metering.ledger import ForgetPartials, KeepPartial, OpenEntry
from talkmeter.store import faults, open_remote_store, wire
from talkmeter.store.store import APPLY


def said(error):
    return {name: getattr(error, name) for name in wire._SAID}


class Pair:
    """A store, and another one that submits to it."""

    def __init__(self, store, url):
        self.store, self.url = store, url
        self.lost = 0

    async def __aenter__(self):
        ours, theirs = socket.socketpair()
        self.submissions = await self.store.write_for(ours)
        self.remote = await open_remote_store(self.url, theirs, self._lose)
        return self

    def _lose(self):
        self.lost += 1

    async def __aexit__(self, *_):
        await self.remote.close()

    def break_off(self):
        """As if the submitting process had been killed."""
        self.remote._writer._transport.abort()


@pytest.fixture
async def pair(store, url):
    async with Pair(store, url) as made:
        yield made


async def test_what_is_submitted_is_stored_and_read_back(pair):
    opening = an_opening(metadata='{"가": "나"}', reservations="[]")
    await pair.remote.commit(opening)
    assert (await pair.store.entry(opening.id)).opening == opening
    settlement = a_settlement(opening)
    await pair.remote.commit(settlement)
    assert (await pair.remote.entry(opening.id)).settlement == settlement


async def test_the_order_of_one_process_is_kept(pair):
    room = a_room()
    await pair.remote.commit(AddRoom(room))
    async with HeldWriter(pair.store):
        commits = [pair.remote.submit(ChangeRoom(id=room.id, title=str(number))) for number in range(500)]
    await asyncio.gather(*commits)
    assert (await pair.store.room(room.id, room.principal)).title == "499"


async def test_many_changes_travel_together_and_become_durable_together(pair):
    before = pair.store.written
    async with HeldWriter(pair.store):
        commits = [pair.remote.submit(an_opening()) for _ in range(200)]
        assert pair.remote.written.waiting == 200
        while pair.store.written.waiting < 200:
            await asyncio.sleep(0)
    await asyncio.gather(*commits)
    assert pair.store.written.transactions - before.transactions == 2
    assert pair.remote.written.waiting == 0
    assert len(await pair.remote.open_entries()) == 200


async def test_a_conflict_comes_back_as_it_was_and_nothing_of_its_commit_is_stored(pair):
    opening = an_opening()
    await pair.remote.commit(opening)
    with pytest.raises(Conflict) as here:
        await pair.store.commit(opening)
    other = an_opening()
    outcomes = await asyncio.gather(
        pair.remote.submit(SaveSettings({"a": 1}), opening), pair.remote.submit(other), return_exceptions=True
    )
    assert isinstance(outcomes[0], Conflict)
    assert said(outcomes[0]) == said(here.value)
    assert outcomes[1] == ()
    assert await pair.store.settings() == {}


async def test_results_come_back_in_their_types_and_details_in_full(pair):
    item = RateItem("key_1:requests", "requests", 1, 1)
    given = await pair.remote.commit(TakeRates((item,), 1_000_000))
    assert isinstance(given[0], RatesTaken)
    assert (given[0].rates[0].limit, given[0].rates[0].remaining) == (1, 0)
    with pytest.raises(Conflict) as there:
        await pair.remote.commit(TakeRates((item,), 1_000_000))
    with pytest.raises(Conflict) as here:
        await pair.store.commit(TakeRates((item,), 1_000_000))
    assert there.value.details == here.value.details != {}


@pytest.mark.parametrize("error", [faults.full("x"), faults.broken("x", "y"), StoreBusy("a", "나", details={"b": 1})])
def test_every_error_of_the_store_keeps_what_it_says(error):
    (told,) = wire.answers(wire.frames([wire.outcome(error, "db")])[4:])
    made = wire.error(told, "db")
    assert type(made) is type(error)
    assert said(made) == said(error)


def test_an_error_that_nobody_expected_is_one_of_the_store():
    (said,) = wire.answers(wire.frames([wire.outcome(ZeroDivisionError("0"), "db")])[4:])
    made = wire.error(said, "db")
    assert type(made) is StoreError
    assert "ZeroDivisionError: 0" in made.message


async def test_no_room_on_the_disk_is_told_as_such(pair, monkeypatch):
    monkeypatch.setattr(pair.store._writer, "_write", lambda batch: [faults.full("db") for _ in batch])
    with pytest.raises(StoreFull):
        await pair.remote.commit(an_opening())
    with pytest.raises(StoreFull):
        await pair.remote.check()


async def test_what_cannot_be_stored_is_refused_by_itself(pair):
    failed = []
    outcomes = await asyncio.gather(
        pair.remote.submit(an_opening(opened_at=1 << 70)),
        pair.remote.submit(an_opening()),
        return_exceptions=True,
    )
    assert (type(outcomes[0]), outcomes[1]) == (BadInput, ())
    pair.remote.submit_quietly((an_opening(opened_at=1 << 70),), failed.append)
    await pair.remote.commit(an_opening())
    assert [type(error) for error in failed] == [BadInput]
    with pytest.raises(TypeError):
        pair.remote.submit(a_room())


async def test_who_submits_quietly_hears_of_failures_only(pair):
    opening, failed = an_opening(), []
    pair.remote.submit_quietly((opening,), failed.append)
    await pair.remote.commit(an_opening())
    assert failed == []
    pair.remote.submit_quietly((opening,), failed.append)
    await pair.remote.commit(an_opening())
    assert [error.code for error in failed] == ["entry_exists"]


async def test_a_caller_that_is_cancelled_changes_nothing(pair):
    opening = an_opening()
    async with HeldWriter(pair.store):
        commit = asyncio.ensure_future(pair.remote.commit(opening))
        await asyncio.sleep(0)
        commit.cancel()
    await pair.remote.commit(an_opening())
    assert await pair.store.entry(opening.id) is not None


async def test_huge_changes_pass(pair):
    opening = an_opening()
    texts = ["가" * 3_000_000, "x" * 7_000_000]
    pieces = [KeepPartial(entry_id=opening.id, seq=number, text=text) for number, text in enumerate(texts)]
    await pair.remote.commit(opening, *pieces)
    assert await pair.remote.partial_texts(opening.id) == ["".join(texts)]


async def test_closing_waits_for_what_was_submitted_and_takes_nothing_more(pair):
    opening = an_opening()
    async with HeldWriter(pair.store):
        commit = pair.remote.submit(opening)
        closing = asyncio.ensure_future(pair.remote.close())
        while not pair.remote._writer._closed:
            await asyncio.sleep(0)
        with pytest.raises(StoreError, match="closed"):
            pair.remote.submit(an_opening())
        assert not closing.done()
    await commit
    await closing
    assert await pair.store.entry(opening.id) is not None
    assert await pair.submissions.gone == {opening.id}
    assert pair.lost == 0


async def test_what_a_process_leaves_open_is_known_when_it_is_gone(pair):
    settled, kept, refused, late = (an_opening() for _ in range(4))
    await pair.store.commit(refused)
    await pair.remote.commit(settled)
    await pair.remote.commit(kept, ForgetPartials(kept.id))
    await pair.remote.commit(a_settlement(settled))
    with pytest.raises(Conflict):
        await pair.remote.commit(refused)
    async with HeldWriter(pair.store):
        waiting = pair.remote.submit(late)
        while not pair.store.written.waiting:
            await asyncio.sleep(0)
        pair.break_off()
        with pytest.raises(StoreError):
            await waiting
        assert not pair.submissions.gone.done()  # what had come through is decided first
    assert await pair.submissions.gone == {kept.id, late.id}


async def test_without_the_writing_process_nothing_is_taken_and_nobody_connects_again(pair):
    pair.submissions._transport.abort()
    waiting = pair.remote.submit(an_opening())
    with pytest.raises(StoreError) as gone:
        await waiting
    assert gone.value.code == "store_closed"
    assert pair.lost == 1
    with pytest.raises(StoreError, match="closed"):
        pair.remote.submit(an_opening())


async def test_a_closed_writer_ends_the_connection(pair):
    await asyncio.to_thread(pair.store._writer.close)
    with pytest.raises(StoreError):
        await pair.remote.commit(an_opening())
    assert pair.lost == 1
    assert await pair.submissions.gone == set()


async def test_what_cannot_be_read_ends_the_connection(pair):
    pair.remote._writer._transport.write(wire.frames([[["NoSuchChange", {}]]]))
    assert await pair.submissions.gone == set()


async def test_frames_come_in_any_pieces():
    sent = wire.frames([wire.tagged([an_opening()], "db")]) + wire.frames([None])
    frames = wire.Frames()
    found = [frame for byte in sent for frame in frames.feed(bytes([byte]))]
    assert len(found) == 2
    (job,) = wire.jobs(found[0])
    assert isinstance(wire.Reader({"OpenEntry": OpenEntry}).values(job)[0], OpenEntry)


@pytest.mark.parametrize("kind", APPLY, ids=lambda kind: kind.__name__)
def test_every_change_can_be_read_back(kind):
    """A change whose fields msgspec could not read would only fail in a process of its own."""
    msgspec.msgpack.Decoder(kind)


def test_no_two_changes_have_one_name():
    assert len({kind.__name__ for kind in APPLY}) == len(APPLY)
