"""Messages: branches, siblings, leaves, and the ends of answers."""

import pytest
from msgspec.structs import replace

from support.store_values import ME, a_message, a_room
from talkmeter.conversation.changes import AddMessage, AddRoom, DeleteRoom, FinishMessage, SetMessageStatus
from talkmeter.errors import Conflict


@pytest.fixture
async def tree(store):
    """q1 ─ a1 ─ q2 ─ a2      and beside them
       │         └ a2b       (regenerated)
       └ a1b ─ q2b           (regenerated, then another question)
    r1 ─ b1                  (the first question, edited)
    """
    room = a_room()
    await store.commit(AddRoom(room))
    made = {}
    for name, parent in (
        ("q1", None),
        ("a1", "q1"),
        ("q2", "a1"),
        ("a2", "q2"),
        ("a1b", "q1"),
        ("a2b", "q2"),
        ("r1", None),
        ("q2b", "a1b"),
        ("b1", "r1"),
    ):
        role = "user" if name[0] in "qr" else "assistant"
        # The clock stands still or runs backwards: order is the order of commits.
        made[name] = a_message(room, made.get(parent), id=f"msg_{name}", role=role, created_at=-len(made))
        await store.commit(AddMessage(made[name]))
    return made


def names(messages):
    return [getattr(each, "id", each).removeprefix("msg_") for each in messages]


async def test_a_message_comes_back_as_it_was(store):
    room = a_room()
    message = a_message(
        room,
        text="탭\t줄\n😀 'quoted' %s %(this)s :this ?",
        role="assistant",
        status="failed",
        finished_at=9,
        model="gpt-4o",
        provider_name="OpenAI",
        run_id="run_1",
        error={"code": "x", "message": "m", "message_ko": "메", "status": 429, "retry_after": 1.5},
    )
    await store.commit(AddRoom(room), AddMessage(message))
    assert await store.message(message.id, ME) == message
    assert await store.message(message.id, "somebody else") is None
    assert await store.message("msg_none", ME) is None


async def test_a_room_that_is_gone_takes_no_message(store):
    with pytest.raises(Conflict) as refused:
        await store.commit(AddMessage(a_message(a_room())))
    assert refused.value.code == "room_gone"


async def test_a_message_is_added_once(store):
    room = a_room()
    message = a_message(room)
    await store.commit(AddRoom(room), AddMessage(message))
    with pytest.raises(Conflict) as refused:
        await store.commit(AddMessage(message))
    assert refused.value.code == "message_refused"
    assert (await store.room(room.id, ME)).message_count == 1


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_the_parent_of_a_message_is_in_its_room(store, elsewhere):
    room, other = a_room(), a_room()
    foreign = a_message(other)
    await store.commit(AddRoom(room), AddRoom(other))
    if elsewhere:
        await store.commit(AddMessage(foreign))
    with pytest.raises(Conflict) as refused:
        await store.commit(AddMessage(a_message(room, foreign)))
    assert refused.value.code == "message_refused"
    assert (await store.room(room.id, ME)).message_count == 0


@pytest.mark.parametrize(
    ("leaf", "limit", "expected"),
    [
        ("a2", None, ["q1", "a1", "q2", "a2"]),
        ("a2b", None, ["q1", "a1", "q2", "a2b"]),
        ("q2b", None, ["q1", "a1b", "q2b"]),
        ("b1", None, ["r1", "b1"]),
        ("q1", None, ["q1"]),
        ("a2", 1, ["a2"]),
        ("a2", 3, ["a1", "q2", "a2"]),
        ("a2", 4, ["q1", "a1", "q2", "a2"]),
        ("a2", 99, ["q1", "a1", "q2", "a2"]),
        ("a2", 0, []),
        ("none", None, []),
    ],
)
async def test_a_branch_is_the_way_from_the_root(store, tree, leaf, limit, expected):
    found = await store.branch(f"msg_{leaf}", limit)
    assert names(found) == expected
    assert list(found) == [tree[name] for name in expected]


async def test_siblings_share_parent_and_role_oldest_first(store, tree):
    found = (await store.around([message.id for message in tree.values()])).siblings
    assert {name: names(found[f"msg_{name}"]) for name in tree} == {
        "q1": ["q1", "r1"],
        "r1": ["q1", "r1"],
        "a1": ["a1", "a1b"],
        "a1b": ["a1", "a1b"],
        "q2": ["q2"],
        "a2": ["a2", "a2b"],
        "a2b": ["a2", "a2b"],
        "q2b": ["q2b"],
        "b1": ["b1"],
    }
    assert (await store.around(["msg_none"])).siblings == {}
    assert (await store.around([])).siblings == {}


async def test_siblings_of_another_role_or_room_are_none(store, tree):
    room = a_room()
    root = a_message(room)
    system = a_message(room, role="system")
    await store.commit(AddRoom(room), AddMessage(root), AddMessage(system))
    assert (await store.around([root.id, system.id])).siblings == {root.id: [root.id], system.id: [system.id]}


@pytest.mark.parametrize(
    ("start", "leaf"), [("q1", "q2b"), ("a1", "a2b"), ("q2", "a2b"), ("a2", "a2"), ("r1", "b1"), ("none", "none")]
)
async def test_the_newest_descendant_follows_the_newest_child(store, tree, start, leaf):
    assert await store.newest_descendant(f"msg_{start}") == f"msg_{leaf}"


async def test_the_newest_answer_is_the_one_committed_last(store, tree):
    found = (await store.around(["msg_q1", "msg_q2", "msg_r1", "msg_q2b", "msg_none"])).answers
    assert found == {"msg_q1": "msg_a1b", "msg_q2": "msg_a2b", "msg_r1": "msg_b1"}
    assert (await store.around([])).answers == {}


async def test_an_answer_ends(store, tree):
    error = {"code": "upstream_broke", "message": "…", "message_ko": "…"}
    finish = FinishMessage(id="msg_a2", text="끝", status="interrupted", finished_at=12, error=error)
    await store.commit(finish)
    assert await store.message("msg_a2", ME) == replace(
        tree["a2"], text="끝", status="interrupted", finished_at=12, error=error
    )
    await store.commit(FinishMessage(id="msg_a2", text="끝", status="complete", finished_at=13))
    assert (await store.message("msg_a2", ME)).error is None


async def test_a_status_is_set(store, tree):
    await store.commit(SetMessageStatus("msg_a2", "streaming"))
    assert await store.message("msg_a2", ME) == replace(tree["a2"], status="streaming")


async def test_the_end_of_an_answer_that_is_gone_does_nothing(store, tree):
    await store.commit(DeleteRoom(tree["q1"].room_id))
    await store.commit(
        FinishMessage(id="msg_a2", text="끝", status="complete", finished_at=1),
        SetMessageStatus("msg_a2", "failed"),
    )
    assert await store.message("msg_a2", ME) is None


async def test_a_room_of_thousands_is_read_whole(store):
    room = a_room()
    messages = []
    for _ in range(1_200):
        messages.append(a_message(room, messages[-1] if messages else None))
    await store.commit(AddRoom(room), *(AddMessage(message) for message in messages))
    leaf = messages[-1].id
    assert [message.id for message in await store.branch(leaf, None)] == [message.id for message in messages]
    assert await store.branch(leaf, 60) == messages[-60:]
    assert await store.newest_descendant(messages[0].id) == leaf
    ids = [message.id for message in messages]
    assert (await store.around(ids)).siblings == {each: [each] for each in ids}
    questions = [message.id for message in messages if message.role == "user"]
    assert len((await store.around(questions)).answers) == 600
