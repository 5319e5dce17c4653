"""What a budget is for: names become the ids that calls are counted by, and what is not there is refused."""

import pytest

from talkmeter.accounts.keys import Keys
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.users import Users
from talkmeter.conversation.budget_scopes import BudgetScopes
from talkmeter.conversation.changes import AddRoom
from talkmeter.errors import BadInput, Conflict, NotFound
from talkmeter.messages import Room, RoomSettings
from talkmeter.metering.budget_making import new_budget
from talkmeter.store import open_store


def a_budget(scope, scope_id):
    return new_budget(name="b", amount="5 USD", period="day", scope=scope, scope_id=scope_id)


def a_room(room_id, principal, conversation_id=None):
    return Room(
        id=room_id, principal=principal, title="", pinned=False, settings=RoomSettings(), leaf_id=None, created_at=1,
        last_used_at=1, message_count=0, conversation_id=conversation_id,
    )  # fmt: skip


@pytest.fixture
async def there(tmp_path):
    """BudgetScopes over two users, a key that was rotated, two keys of one name and a revoked one, and some rooms."""
    store = await open_store(tmp_path / "t.sqlite")
    users = Users(store, Passwords(store))
    await users.load()
    kim = await users.add("Kim")
    keys = Keys(store, users)
    await keys.load()
    old, _ = await keys.issue(user_id=kim.id, name="app")
    new, _ = await keys.rotate(old.id, 3600)
    twins = [(await keys.issue(user_id=kim.id, name="twin"))[0] for _ in range(2)]
    gone, _ = await keys.issue(user_id=kim.id, name="gone")
    await keys.revoke(gone.id)
    for room in (a_room("room_1", "owner", "talk"), a_room("room_2", kim.id, "talk"), a_room("room_3", kim.id, "mine")):
        await store.commit(AddRoom(room))
    yield BudgetScopes(users, keys, store, lambda: {"provider_1": "One", "provider_2": "127.0.0.1:21010"}), {
        "kim": kim, "old": old, "new": new, "twins": twins, "gone": gone,
    }  # fmt: skip
    await store.close()


async def test_names_become_what_calls_are_counted_by(there):
    scopes, known = there
    meant = {
        ("instance", None): None,
        ("key", "app"): known["old"].id,
        ("key", known["new"].id): known["old"].id,  # a rotated key counts as the one that it was made from
        ("key", known["twins"][1].hint): known["twins"][1].id,
        ("key", known["gone"].id): known["gone"].id,
        ("user", "kim"): known["kim"].id,
        ("user", "owner"): "owner",
        ("user", "local"): "local",
        ("provider", "one"): "provider_1",
        ("provider", "provider_2"): "provider_2",
        ("provider", "127.0.0.1:21010"): "provider_2",
        ("room", "room_1"): "room_1",
        ("room", "mine"): "room_3",
        ("tag", "team-a"): "team-a",
        ("tag", "검색팀"): "검색팀",
    }
    for (scope, given), scope_id in meant.items():
        assert (await scopes.meant(a_budget(scope, given))).scope_id == scope_id


@pytest.mark.parametrize(
    ("scope", "given", "kind", "says"),
    [
        ("key", "ap", NotFound, "no API key 'ap'"),
        ("key", "gone", NotFound, "'gone' has been revoked: key_"),
        ("key", "twin", Conflict, "2 keys are named 'twin'"),
        ("user", "Kym", NotFound, "no such user"),
        ("provider", "Two", NotFound, "no provider “Two”"),
        ("room", "nope", NotFound, "no room “nope”"),
        ("room", "talk", Conflict, "2 rooms are called “talk”: room_1, room_2"),
        ("tag", "a,b", BadInput, "no tag that a call can carry"),
        ("tag", "a b", BadInput, "no tag that a call can carry"),
        ("tag", "a" * 65, BadInput, "no tag that a call can carry"),
    ],
)
async def test_what_no_call_can_name_is_refused(there, scope, given, kind, says):
    scopes, _ = there
    with pytest.raises(kind) as refused:
        await scopes.meant(a_budget(scope, given))
    assert says in refused.value.message


async def test_what_is_shown_of_it(there):
    scopes, known = there
    shown = {
        ("key", known["old"].id): "app",
        ("key", known["new"].id): None,  # as older versions kept it: nothing is counted by this id
        ("key", "app"): None,
        ("user", known["kim"].id): "Kim",
        ("user", "local"): "local",
        ("user", "Kim"): None,
        ("provider", "provider_1"): "One",
        ("provider", "nope"): None,
        ("room", "room_3"): "room_3",
        ("room", "mine"): None,
        ("tag", "lab"): "lab",
    }
    for (scope, scope_id), name in shown.items():
        assert await scopes.name_of(a_budget(scope, scope_id)) == name
