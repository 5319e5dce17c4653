"""The facade of the conversation doors: ids, options, busy rooms, keys that repeat, and whose a conversation is."""

import asyncio

import pytest

from support.workspace import ME, workspace
from talkmeter.accounts.principals import LOCAL_PRINCIPAL, Principal
from talkmeter.conversation.talk_values import Talk
from talkmeter.conversation.values import RoomChange
from talkmeter.errors import BadInput, Conflict, Forbidden, InvalidKey, NotFound
from talkmeter.messages import RoomSettings, TokenWindow

SLOW, FAST = RoomSettings(model="sim-fast@40", max_tokens=40), RoomSettings(model="sim-fast")
OTHER = Principal(user_id="somebody", role="member")


@pytest.fixture
async def desk(tmp_path):
    async with workspace(tmp_path) as made:
        yield made


def talk(prompt="Hello", conversation_id="new", principal=LOCAL_PRINCIPAL, **more):
    return Talk(surface="ask", principal=principal, conversation_id=conversation_id, prompt=prompt, **more)


async def answered(desk, asking):
    started = await desk.talks.ask(asking)
    return await desk.talks.result(asking.principal, started.run_id)


async def test_an_answer_comes_with_its_figures_and_its_surface(desk):
    done = await answered(desk, talk())
    assert (done.status, done.error, done.finish_reason) == ("complete", None, "stop")
    assert done.text
    opening = done.entry.opening
    assert (opening.surface, opening.principal, opening.key_id) == ("ask", "local", None)
    assert (done.provenance, done.usage.prompt_tokens) == ("reported", opening.preflight_tokens)
    assert done.cost.picodollars > 0
    assert done.conversation_id == done.room_id
    assert done.model_served == done.model == "sim-fast"


@pytest.mark.parametrize("name", ["{conversation_id}", "conversation_id", "grpc_1a2b3c4d", "우리 대화/1?&", "x" * 200])
async def test_a_client_may_make_the_id(desk, name):
    first = await answered(desk, talk("one", name))
    second = await answered(desk, talk("two", name))
    assert first.conversation_id == second.conversation_id == name
    assert second.entry.opening.messages_sent == 3
    by_id = await answered(desk, talk("three", first.room_id))
    assert (by_id.room_id, by_id.conversation_id) == (first.room_id, name)
    told = await desk.talks.history(LOCAL_PRINCIPAL, name)
    assert [said.text for said in told.messages if said.role == "user"] == ["one", "two", "three"]


@pytest.mark.parametrize("name", ["a$b", "a\0", "a\nb", "\ud800", "\x85", "\u2028", "x" * 201])
async def test_what_no_id_can_be(desk, name):
    with pytest.raises(BadInput) as refused:
        await desk.talks.ask(talk(conversation_id=name))
    assert refused.value.code == "bad_conversation_id"
    for asking in (desk.talks.history, desk.talks.delete):
        with pytest.raises(BadInput) as refused:
            await asking(LOCAL_PRINCIPAL, name)
        assert refused.value.code == "bad_conversation_id"
    assert (await desk.talks.rooms(LOCAL_PRINCIPAL)).total == 0


@pytest.mark.parametrize("fresh", ["new", ""])
async def test_new_is_another_conversation_each_time(desk, fresh):
    first, second = [await answered(desk, talk(conversation_id=fresh)) for _ in range(2)]
    assert first.room_id != second.room_id
    with pytest.raises(NotFound) as refused:
        await desk.talks.history(LOCAL_PRINCIPAL, fresh)
    assert refused.value.message == ("There is no conversation new." if fresh else "No conversation was named.")
    with pytest.raises(NotFound, match=r"^No run was named\.$"):
        await desk.talks.stop(LOCAL_PRINCIPAL, "")


async def test_how_the_askers_rate_limits_stand(desk):
    key, _ = await desk.keys.issue(user_id=ME, name="k", rpm=3)
    limited = Principal(user_id=ME, role="owner", key=key)
    done = await answered(desk, talk(principal=limited))
    (standing,) = desk.talks.rates(limited, done.run_id)
    assert (standing.kind, standing.limit, standing.remaining) == ("requests", 3, 2)
    assert desk.talks.rates(OTHER, done.run_id) == ()
    assert desk.talks.rates(limited, "run_nothing") == ()
    free = await answered(desk, talk())
    assert desk.talks.rates(LOCAL_PRINCIPAL, free.run_id) == ()


async def test_two_first_questions_at_once_make_one_room(desk):
    started = await asyncio.gather(*[desk.talks.ask(talk(f"q{number}", "shared")) for number in range(8)])
    assert len({each.room_id for each in started}) == 1
    ended = [await desk.talks.result(LOCAL_PRINCIPAL, each.run_id) for each in started]
    assert {each.status for each in ended} == {"complete"}
    told = await desk.talks.history(LOCAL_PRINCIPAL, "shared")
    assert sorted(said.text for said in told.messages if said.role == "user") == [f"q{number}" for number in range(8)]
    assert told.under_way == ()


async def test_what_is_under_way_is_what_the_messages_say(desk, monkeypatch):
    """A run is stored a moment before it begins, and a moment before it is known to have ended; a stop counts at once."""
    enqueue, stored = desk.runs.enqueue, []
    monkeypatch.setattr(desk.runs, "enqueue", stored.append)
    run_id = (await desk.talks.ask(talk("one", "trip"))).run_id
    told = await desk.talks.history(LOCAL_PRINCIPAL, "trip")
    assert (told.messages[-1].status, told.under_way) == ("streaming", (run_id,))
    await desk.talks.stop(LOCAL_PRINCIPAL, run_id)
    enqueue(*stored)
    assert (await desk.talks.result(LOCAL_PRINCIPAL, run_id)).status == "stopped"
    assert desk.simulator.bill.totals()["requests"] == 0, "it has never left"
    monkeypatch.setattr(desk.runs, "under_way", lambda _room_id: [run_id])
    assert (await desk.talks.history(LOCAL_PRINCIPAL, "trip")).under_way == ()


async def test_a_stop_before_the_run_is_known_is_on_the_disk_and_ends_it_also_in_the_queue(desk, monkeypatch):
    desk.simulator.script({"gate": True})
    first = await desk.talks.ask(talk("one", "trip"))
    enqueue, stored = desk.runs.enqueue, []
    monkeypatch.setattr(desk.runs, "enqueue", stored.append)
    waiting = (await desk.talks.ask(talk("two", "trip"))).run_id
    await desk.talks.stop(LOCAL_PRINCIPAL, waiting)
    assert (await desk.store.run(waiting, LOCAL_PRINCIPAL.user_id)).stop_mode == "drain", "also if the process ends now"
    enqueue(*stored)
    ended = await desk.talks.result(LOCAL_PRINCIPAL, waiting)
    assert ended.status == "stopped", "although the one before it is still being answered"
    assert desk.runs.is_running(first.room_id)
    await desk.simulator.step(100_000)
    assert (await desk.talks.result(LOCAL_PRINCIPAL, first.run_id)).status == "complete"
    assert desk.simulator.bill.totals()["requests"] == 1


async def test_another_principals_conversation_looks_like_none(desk):
    mine = await answered(desk, talk("mine", "secret"))
    for known in (mine.conversation_id, mine.room_id):
        for unknown in (known, "nothing-here"):
            with pytest.raises(NotFound) as refused:
                await desk.talks.history(OTHER, unknown)
            assert refused.value.message == f"There is no conversation {unknown}."
            with pytest.raises(NotFound):
                await desk.talks.delete(OTHER, unknown)
    for reach in (desk.talks.result, desk.talks.standing, desk.talks.stop):
        with pytest.raises(NotFound):
            await reach(OTHER, mine.run_id)
    theirs = await answered(desk, talk("theirs", mine.room_id, OTHER))
    assert theirs.room_id != mine.room_id
    assert theirs.conversation_id == mine.room_id
    assert (await desk.talks.history(OTHER, mine.room_id)).messages[0].text == "theirs"
    with pytest.raises(NotFound):
        await desk.talks.ask(talk("more", mine.room_id, OTHER, parent_id=mine.message_id))


async def test_a_deleted_conversation_begins_anew(desk):
    first = await answered(desk, talk("one", "trip"))
    await desk.talks.delete(LOCAL_PRINCIPAL, "trip")
    with pytest.raises(NotFound):
        await desk.talks.standing(LOCAL_PRINCIPAL, first.run_id)
    again = await answered(desk, talk("two", "trip"))
    assert again.room_id != first.room_id
    assert again.entry.opening.messages_sent == 1


async def test_a_room_that_goes_in_the_very_moment_is_made_again(desk, monkeypatch):
    first = await answered(desk, talk("one", "trip"))
    find = desk.store.named_room

    async def found_and_gone(conversation_id, user_id):
        room = await find(conversation_id, user_id)
        if room is not None and room.id == first.room_id:
            await desk.rooms.delete(user_id, room.id)
        return room

    monkeypatch.setattr(desk.store, "named_room", found_and_gone)
    again = await answered(desk, talk("two", "trip"))
    assert (again.status, again.conversation_id) == ("complete", "trip")
    assert again.room_id != first.room_id


async def test_a_question_follows_the_answer_that_it_names(desk):
    first = await answered(desk, talk("one", "trip"))
    await answered(desk, talk("two", "trip"))
    aside = await answered(desk, talk("three", "trip", parent_id=first.message_id))
    assert aside.entry.opening.messages_sent == 3
    newest = await answered(desk, talk("four", "trip", parent_id="new"))
    told = await desk.talks.history(LOCAL_PRINCIPAL, "trip")
    assert [said.text for said in told.messages if said.role == "user"] == ["one", "three", "four"]
    assert told.messages[-1].id == newest.message_id
    assert told.messages[-1].entry.opening.id == newest.entry.opening.id
    older = await desk.talks.history(LOCAL_PRINCIPAL, "trip", before=told.messages[-2].parent_id, limit=2)
    assert [said.role for said in older.messages] == ["user", "assistant"]
    with pytest.raises(NotFound) as refused:
        await desk.talks.ask(talk("five", "trip", parent_id="msg_none"))
    assert refused.value.code == "message_not_found"
    with pytest.raises(BadInput):
        await desk.talks.ask(talk("five", "trip", parent_id=told.messages[0].id))


async def test_options_are_the_rooms_where_it_is_made_and_the_answers_elsewhere(desk):
    made = await answered(
        desk, talk("one", "trip", options=RoomSettings(model="sim-korean", system_prompt="Be brief."))
    )
    assert (made.model, made.entry.opening.messages_sent) == ("sim-korean", 2)
    once = await answered(
        desk, talk("two", "trip", options=RoomSettings(model="sim-fast", system_prompt="", max_tokens=3, window=1))
    )
    assert (once.model, once.entry.opening.messages_sent, once.entry.opening.max_output_tokens) == ("sim-fast", 1, 3)
    later = await answered(desk, talk("three", "trip"))
    assert (later.model, later.entry.opening.messages_sent) == ("sim-korean", 6)
    told = await desk.talks.history(LOCAL_PRINCIPAL, "trip")
    assert told.settings == RoomSettings(model="sim-korean", system_prompt="Be brief.")
    with pytest.raises(BadInput):
        await desk.talks.ask(talk("four", "trip", options=RoomSettings(window=-1)))


async def test_options_of_a_question_that_was_refused_do_not_stay(desk):
    bad = RoomSettings(model="no-such-model", system_prompt="Be brief.")
    for _ in range(2):
        refused = await answered(desk, talk("one", "trip", options=bad))
        assert refused.error["status"] == 404
    done = await answered(desk, talk("one", "trip"))
    assert (done.status, done.model, done.entry.opening.messages_sent) == ("complete", "sim-fast", 1)
    assert (await desk.talks.history(LOCAL_PRINCIPAL, "trip")).settings == RoomSettings()
    await answered(desk, talk("one", "other", options=bad))
    await answered(desk, talk("one", "other", options=RoomSettings(model="sim-korean")))
    await answered(desk, talk("two", "other", options=bad))
    assert (await answered(desk, talk("three", "other"))).model == "sim-korean", "that of the first that was answered"


async def test_options_that_a_person_has_set_stay_after_a_refusal(desk):
    await answered(desk, talk("one", "trip", options=RoomSettings(model="no-such-model")))
    room = await desk.talks.room(LOCAL_PRINCIPAL, "trip")
    await desk.rooms.change(LOCAL_PRINCIPAL.user_id, room.id, RoomChange(model="sim-korean"))
    done = await answered(desk, talk("one", "trip", options=RoomSettings(max_tokens=3)))
    assert (done.status, done.model) == ("complete", "sim-korean")
    told = await desk.talks.history(LOCAL_PRINCIPAL, "trip")
    assert told.settings == RoomSettings(model="sim-korean")


async def test_a_key_may_ask_its_own_model_where_another_was_refused(desk):
    key, free = await a_key(desk)
    _, token = await desk.keys.issue(user_id=key.user_id, name="narrow", models=["sim-fast"])
    principal = desk.keys.principal(token)
    await answered(desk, talk("one", "trip", free, options=RoomSettings(model="no-such-model")))
    assert (await answered(desk, talk("one", "trip", principal))).model == "sim-fast"


async def test_a_window_by_tokens_is_kept_as_what_it_came_to(desk):
    window = RoomSettings(window=TokenWindow(tokens=60))
    for number in range(4):
        done = await answered(desk, talk(f"question {number} with some words", "trip", options=window))
        assert done.usage.prompt_tokens <= 60
    told = await desk.talks.history(LOCAL_PRINCIPAL, "trip")
    assert told.settings.window == TokenWindow(tokens=60)
    receipt = await desk.receipts.receipt("local", done.entry.opening.id)
    assert done.entry.opening.window == len(receipt.sent) < 7
    assert receipt.sent[0].role == "user"


async def test_a_repeated_key_never_asks_twice(desk):
    once = talk("one", idempotency_key="k" * 255)
    first, second = await asyncio.gather(desk.talks.ask(once), desk.talks.ask(once))
    assert first.run_id == second.run_id
    assert {first.repeated, second.repeated} == {False, True}
    await desk.talks.result(LOCAL_PRINCIPAL, first.run_id)
    again = await desk.talks.ask(once)
    assert (again.repeated, again.run_id, again.message_id) == (True, first.run_id, first.message_id)
    assert desk.simulator.bill.totals()["requests"] == 1
    for other in (talk("two", idempotency_key="k" * 255), talk("one", "elsewhere", idempotency_key="k" * 255)):
        with pytest.raises(BadInput) as refused:
            await desk.talks.ask(other)
        assert (refused.value.status, refused.value.code) == (422, "idempotency_key_reused")
    theirs = await desk.talks.ask(talk("one", principal=OTHER, idempotency_key="k" * 255))
    assert theirs.run_id != first.run_id
    for bad in ("", "k" * 256):
        with pytest.raises(BadInput) as refused:
            await desk.talks.ask(talk(idempotency_key=bad))
        assert refused.value.code == "bad_idempotency_key"


async def test_what_a_database_cannot_hold_is_still_the_same_question(desk):
    odd = talk("NUL \0 and half a pair \ud83d", idempotency_key="odd")
    assert (await desk.talks.ask(odd)).run_id == (await desk.talks.ask(odd)).run_id


async def test_a_busy_room_queues_refuses_or_is_interrupted(desk):
    first = await desk.talks.ask(talk("one", "trip", options=SLOW))
    waiting = await desk.talks.ask(talk("two", "trip"))
    kinds = []
    async for event in desk.talks.follow(LOCAL_PRINCIPAL, first.run_id):
        kinds.append(event.kind)
        if event.kind == "delta":
            break
    with pytest.raises(Conflict) as refused:
        await desk.talks.ask(talk("three", "trip", multitask="reject"))
    assert (refused.value.status, refused.value.code) == (409, "room_busy")
    assert refused.value.details == {"run_id": first.run_id}
    assert (await desk.talks.history(LOCAL_PRINCIPAL, "trip")).under_way == (first.run_id, waiting.run_id)
    now = await desk.talks.ask(talk("four", "trip", multitask="interrupt", options=FAST))
    ended = [await desk.talks.result(LOCAL_PRINCIPAL, each.run_id) for each in (first, waiting, now)]
    assert [each.status for each in ended] == ["stopped", "stopped", "complete"]
    assert ended[0].provenance == "drained"
    assert ended[1].entry is None
    assert ended[1].usage is ended[1].cost is ended[1].provenance is ended[1].finish_reason is None
    assert ended[1].model_served is None
    free = await answered(desk, talk("five", "trip", multitask="reject", options=FAST))
    assert free.status == "complete"
    assert await desk.simulator.settled()
    assert desk.simulator.bill.totals()["requests"] == 3


async def test_what_is_under_way_can_be_stopped(desk):
    started = await desk.talks.ask(talk(options=SLOW))
    await desk.talks.stop(LOCAL_PRINCIPAL, started.run_id, "cut")
    assert (await desk.talks.result(LOCAL_PRINCIPAL, started.run_id)).status == "stopped"
    with pytest.raises(BadInput):
        await desk.talks.stop(LOCAL_PRINCIPAL, started.run_id, "hard")


async def a_key(desk, **fields):
    user = await desk.users.add("Mina", role="member")
    key, token = await desk.keys.issue(user_id=user.id, name="app", **fields)
    return key, desk.keys.principal(token)


async def test_a_key_may_ask_only_for_its_models(desk):
    _, principal = await a_key(desk, models=["sim-korean"])
    with pytest.raises(Forbidden) as refused:
        await desk.talks.ask(talk(principal=principal))
    assert refused.value.code == "model_not_allowed"
    done = await answered(desk, talk(principal=principal, options=RoomSettings(model="sim-korean")))
    assert done.entry.opening.key_id == principal.key.id
    assert done.entry.opening.principal == principal.user_id


async def test_budgets_of_key_and_tag_hold_at_this_door(desk):
    key, principal = await a_key(desk)
    for scope, scope_id, asking in (
        ("key", key.id, talk(principal=principal)),
        ("tag", "team-a", talk(tags=("team-a", "x"))),
    ):
        budget = await a_budget(desk, scope, scope_id)
        refused = await answered(desk, asking)
        assert (refused.status, refused.error["code"]) == ("failed", "insufficient_quota")
        assert refused.entry is None
        await desk.budgets.delete(budget.id)
        done = await answered(desk, asking)
        assert done.status == "complete"
    assert done.entry.opening.tags == '["team-a","x"]'
    assert desk.simulator.bill.totals()["requests"] == 2


async def test_rate_limits_of_a_key_hold_and_are_put_right(desk):
    key, principal = await a_key(desk, rpm=2, tpm=100_000)
    options = RoomSettings(max_tokens=50)
    for _ in range(2):
        done = await answered(desk, talk(principal=principal, options=options))
        assert done.status == "complete"
    assert f"{key.id}:tokens" in done.entry.opening.reservations
    refused = await answered(desk, talk("three", "trip", principal=principal))
    assert (refused.status, refused.error["code"]) == ("failed", "rate_limit_exceeded")
    await desk.keys.update(key.id, rpm=None)
    again = await answered(desk, talk("three", "trip", principal=principal))
    assert (again.status, again.entry.opening.messages_sent) == ("complete", 1)
    told = await desk.talks.history(principal, "trip")
    assert [said.text for said in told.messages if said.role == "user"] == ["three"]


async def test_a_key_that_is_revoked_while_its_question_waits_sends_nothing(desk):
    key, principal = await a_key(desk)
    first = await desk.talks.ask(talk("one", "trip", principal=principal, options=SLOW))
    second = await desk.talks.ask(talk("two", "trip", principal=principal))
    await desk.keys.revoke(key.id)
    assert (await desk.talks.result(principal, first.run_id)).status == "complete"
    refused = await desk.talks.result(principal, second.run_id)
    assert (refused.status, refused.error["code"], refused.entry) == ("failed", "invalid_api_key", None)
    with pytest.raises(InvalidKey):
        await desk.talks.ask(talk("three", "trip", principal=principal))


async def test_what_is_asked_for_survives_a_restart(tmp_path):
    async with workspace(tmp_path) as desk:
        key, principal = await a_key(desk, rpm=600)
        slow = talk("one", "trip", principal=principal, options=RoomSettings(model="sim-fast@1"))
        first = await desk.talks.ask(slow)
        async for event in desk.talks.follow(principal, first.run_id):
            if event.kind == "started":  # one that had not left would only wait for the next start
                break
        options = RoomSettings(model="sim-fast", system_prompt="Be brief.", window=TokenWindow(tokens=500))
        waiting = await desk.talks.ask(talk("two", "trip", principal=principal, options=options, tags=("a", "b")))
    async with workspace(tmp_path) as desk:
        assert (await desk.talks.result(principal, first.run_id)).status == "interrupted"
        done = await desk.talks.result(principal, waiting.run_id)
        assert done.status == "complete"
        opening = done.entry.opening
        assert (opening.key_id, opening.tags, opening.surface) == (key.id, '["a","b"]', "ask")
        receipt = await desk.receipts.receipt(principal.user_id, opening.id)
        assert receipt.sent[0].excerpt == "Be brief."


async def test_after_a_refusal_the_next_question_takes_the_place_of_the_refused_one(desk):
    before = await answered(desk, talk("one", "trip"))
    for _ in range(2):
        refused = await answered(desk, talk("two", "trip", options=RoomSettings(model="no-such-model")))
        assert (refused.status, refused.text) == ("failed", "")
    done = await answered(desk, talk("three", "trip", options=FAST))
    told = await desk.talks.history(LOCAL_PRINCIPAL, "trip")
    assert [said.id for said in told.messages][1:] == [before.message_id, done.question_id, done.message_id]
    assert done.entry.opening.messages_sent == 3
    first = await answered(desk, talk("one", "other", options=RoomSettings(model="no-such-model")))
    assert first.status == "failed"
    await answered(desk, talk("two", "other", options=FAST))
    told = await desk.talks.history(LOCAL_PRINCIPAL, "other")
    assert [said.text for said in told.messages if said.role == "user"] == ["two"]


async def test_the_first_prompt_opens_every_request_whatever_the_window(tmp_path):
    given = {"default_first_prompt": "You answer in rhymes.", "default_system_prompt": "Be brief.", "default_window": 1}
    async with workspace(tmp_path, defaults=given) as desk:
        for text in ("one", "two"):
            done = await answered(desk, talk(text, "trip"))
            receipt = await desk.receipts.receipt("local", done.entry.opening.id)
            assert [(line.role, line.excerpt) for line in receipt.sent] == [
                ("system", "Be brief."),
                ("user", "You answer in rhymes."),
                ("assistant", "Understood."),
                ("user", text),
            ]
            assert done.usage.prompt_tokens == done.entry.opening.preflight_tokens
        told = await desk.talks.history(LOCAL_PRINCIPAL, "trip")
        assert [said.text for said in told.messages if said.role == "user"] == ["one", "two"]
        narrow = await answered(desk, talk("three", "trip", options=RoomSettings(window=TokenWindow(tokens=40))))
        assert narrow.entry.opening.window == 1


async def test_rooms_of_all_doors_are_in_one_list(desk):
    await answered(desk, talk("one", "trip", principal=Principal(user_id=ME, role="owner")))
    await desk.answer("two")
    page = await desk.talks.rooms(Principal(user_id=ME, role="owner"))
    assert [room.conversation_id for room in page.rooms] == [None, "trip"]


async def a_budget(desk, scope, scope_id):
    from talkmeter.metering.budget_store import Budget

    return await desk.budgets.add(
        Budget(
            id=f"budget_{scope}",
            name=f"little {scope}",
            scope=scope,
            scope_id=scope_id,
            period="total",
            unit="tokens",
            amount=1,
            hard=True,
            enabled=True,
            created_at=1,
        )
    )
