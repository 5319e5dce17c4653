"""Whatever the tree, the texts, the rooms: the queries agree with the plainest Python that says the same."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.store_values import ME, a_message, a_room, a_settlement, an_opening
from talkmeter.conversation.changes import AddMessage, AddRoom
from talkmeter.errors import Conflict
from talkmeter.metering.cost import Cost
from talkmeter.metering.ledger import PriceEntry, Totals
from talkmeter.metering.usage import Usage
from talkmeter.store import open_store

FEW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def with_store(use):
    """Runs `use(store)` on a new SQLite database."""

    async def run():
        with tempfile.TemporaryDirectory() as folder:
            store = await open_store(Path(folder) / "talkmeter.db", ballast=4096)
            try:
                await use(store)
            finally:
                await store.close()

    asyncio.run(run())


@FEW
@given(st.lists(st.tuples(st.integers(0, 30), st.sampled_from(["user", "assistant"])), min_size=1, max_size=30))
def test_any_tree_of_messages(shape):
    """shape: for each message which earlier one it follows (0: none), and its role."""
    room = a_room()
    tree = []
    for number, (parent, role) in enumerate(shape):
        above = tree[(parent - 1) % number] if parent and number else None
        tree.append(a_message(room, above, role=role, created_at=0))
    by_id = {message.id: message for message in tree}
    children = {message.id: [other for other in tree if other.parent_id == message.id] for message in tree}

    def way(message):
        up = [message]
        while up[0].parent_id is not None:
            up.insert(0, by_id[up[0].parent_id])
        return up

    def leaf(message):
        return leaf(children[message.id][-1]) if children[message.id] else message

    async def use(store):
        await store.commit(AddRoom(room), *(AddMessage(message) for message in tree))
        for message in tree:
            assert await store.branch(message.id, None) == way(message)
            for limit in (1, 2, 5):
                assert await store.branch(message.id, limit) == way(message)[-limit:]
            assert await store.newest_descendant(message.id) == leaf(message).id
        ids = list(by_id)
        assert (await store.around(ids)).siblings == {
            message.id: [
                other.id for other in tree if (other.parent_id, other.role) == (message.parent_id, message.role)
            ]
            for message in tree
        }
        assert (await store.around(ids)).answers == {
            above: [child for child in below if child.role == "assistant"][-1].id
            for above, below in children.items()
            if any(child.role == "assistant" for child in below)
        }

    with_store(use)


@FEW
@given(
    st.lists(st.tuples(st.booleans(), st.integers(-3, 3)), max_size=25),
    st.integers(1, 10),
)
def test_any_pages_of_rooms(rooms, limit):
    made = [a_room(pinned=pinned, last_used_at=at) for pinned, at in rooms]
    expected = sorted(made, key=lambda room: (room.pinned, room.last_used_at, room.id), reverse=True)

    async def use(store):
        await store.commit(*(AddRoom(room) for room in made))
        seen, cursor = [], None
        for _ in range(len(made) + 1):
            page = await store.rooms(ME, cursor, limit)
            seen += page.rooms
            cursor = page.next
            if cursor is None:
                break
        assert seen == expected
        assert page.total == len(made)

    with_store(use)


@FEW
@given(st.lists(st.text(max_size=50), min_size=1, max_size=10))
def test_any_text_without_surrogates_comes_back(texts):
    room = a_room()
    messages = [a_message(room, text=text) for text in texts]

    async def use(store):
        await store.commit(AddRoom(room), *(AddMessage(message) for message in messages))
        for message in messages:
            assert await store.message(message.id, ME) == message

    with_store(use)


figures = st.one_of(st.none(), st.integers(0, 10**12))
usages = st.one_of(st.none(), st.builds(Usage, prompt_tokens=figures, completion_tokens=figures))
costs = st.one_of(st.none(), st.integers(0, 2**50))
# What happens to one of three entries: opened, settled with this usage and cost, priced with this cost.
steps = st.tuples(
    st.integers(0, 2),
    st.one_of(st.just("open"), st.tuples(usages, costs), costs.filter(lambda cost: cost is not None)),
)


@settings(FEW, max_examples=40)
@given(st.lists(steps, max_size=20))
def test_any_history_of_entries(history):
    """The ledger is a machine of three states, open → settled → priced, and goes no other way."""
    openings = [an_opening(room_id="room_1") for _ in range(3)]

    async def use(store):
        model = {}  # number → None while open, then [usage, cost]
        for number, step in history:
            change = openings[number]
            if step == "open":
                allowed = number not in model
                after = None
            elif isinstance(step, tuple):
                allowed = model.get(number, "none") is None
                after = list(step)
                change = a_settlement(change, usage=step[0], cost=Cost(step[1]))
            else:
                allowed = model.get(number) is not None and model[number][1] is None
                after = allowed and [model[number][0], step]
                change = PriceEntry(id=change.id, cost=Cost(step))
            try:
                await store.commit(change)
            except Conflict:
                assert not allowed
            else:
                assert allowed
                model[number] = after
        settled = [each for each in model.values() if each is not None]
        assert await store.totals("room_1") == Totals(
            calls=len(model),
            prompt_tokens=sum(usage.prompt_tokens or 0 for usage, _ in settled if usage),
            completion_tokens=sum(usage.completion_tokens or 0 for usage, _ in settled if usage),
            picodollars=sum(cost or 0 for _, cost in settled),
            unpriced_calls=sum(cost is None and usage is not None for usage, cost in settled),
            unknown_calls=sum(cost is None and usage is None for usage, cost in settled),
            open_calls=list(model.values()).count(None),
        )
        still_open = {openings[number].id for number, each in model.items() if each is None}
        assert {entry.opening.id for entry in await store.open_entries()} == still_open
        unpriced = {openings[n].id for n, each in model.items() if each and each[0] is not None and each[1] is None}
        assert {entry.opening.id for entry in await store.unpriced_entries()} == unpriced

    with_store(use)
