"""Corners of conversation: what goes wrong around a run, and pure functions at their edges."""

import asyncio

import pytest

from support.images import png
from support.refusing import refuse
from support.store_values import an_opening
from support.workspace import ME, workspace
from talkmeter.conversation.changes import AddRun, ChangeRun
from talkmeter.conversation.recovery import settle_abandoned, settle_open_entries
from talkmeter.conversation.requests import chat_body
from talkmeter.conversation.runlog import RunLog, merge_deltas, text_of
from talkmeter.conversation.values import PreviewAsk, RoomChange
from talkmeter.errors import Conflict, NotFound, StoreBusy, StoreFull
from talkmeter.messages import RoomSettings, RunEvent


@pytest.fixture
async def desk(tmp_path):
    async with workspace(tmp_path) as made:
        yield made


def nobody(_provider_id, _model):
    raise NotFound("No provider is configured.", "설정된 제공자가 없습니다.", hint="Add one.", hint_ko="추가하십시오.")


async def test_without_a_provider_the_question_is_kept_and_the_reason_told(desk, monkeypatch):
    monkeypatch.setattr(desk.providers, "pick", nobody)
    preview = await desk.conversation.preview(PreviewAsk(principal=ME, text="hello"))
    assert preview.ladder[0].prompt_tokens > 0
    asked, answer, kind = await desk.answer("hello")
    assert (kind, answer.message.provider_name, answer.entry) == ("failed", None, None)
    assert answer.message.error["message"] == "No provider is configured. Add one."
    assert (await desk.rooms.message(ME, asked.question.message.id)).text == "hello"


async def test_a_provider_says_how_much_its_model_takes_and_the_person_decides(desk, monkeypatch):
    monkeypatch.setattr(desk.providers, "context_window", lambda _provider_id, _model: 20)
    draft = PreviewAsk(principal=ME, text="one two three " * 10, room=RoomSettings(model="sim-fast"))
    preview = await desk.conversation.preview(draft)
    assert (preview.context_window, preview.fits, preview.fits_window) == (20, False, None)
    assert (await desk.answer(draft.text))[2] == "finished"


async def test_a_preview_does_not_remember_an_answer_that_is_still_being_written(desk):
    desk.simulator.script({"gate": True, "answer": "one two three four"})
    first = await desk.ask("q1", settings={"window": 0})
    waiting = await desk.ask("q2", first.room.id)
    await desk.runs.stop(ME, waiting.run_id, "cut")
    draft = PreviewAsk(principal=ME, text="q3", room_id=first.room.id)
    before = await desk.conversation.preview(draft)
    await desk.simulator.step(20)
    await desk.events(first.run_id)
    after = await desk.conversation.preview(draft)
    assert after.ladder[-1].messages_sent == before.ladder[-1].messages_sent + 1
    _, answer, _ = await desk.answer("q3", first.room.id)
    assert after.ladder[-1].prompt_tokens == answer.entry.settlement.usage.prompt_tokens


async def test_another_answer_can_come_from_another_provider(desk, monkeypatch):
    asked, _, _ = await desk.answer("one", model="sim-fast")
    picked, pick = [], desk.providers.pick
    monkeypatch.setattr(desk.providers, "pick", lambda *names: picked.append(names) or pick(*names))
    again = await desk.conversation.answer_again(
        principal=ME, question_id=asked.question.message.id, client_id="again", provider_id="provider_other"
    )
    await desk.events(again.run_id)
    assert set(picked) == {("provider_other", "sim-fast")}


async def test_a_mistake_of_ours_before_sending_ends_the_run(desk, monkeypatch, caplog):
    real = desk.images.data_urls

    async def broken(_attachments):
        raise ZeroDivisionError

    monkeypatch.setattr(desk.images, "data_urls", broken)
    _, answer, kind = await desk.answer("hello")
    assert (kind, answer.message.error["code"]) == ("failed", "internal_error")
    assert "could not be prepared" in caplog.text
    monkeypatch.setattr(desk.images, "data_urls", real)
    assert (await desk.answer("again"))[2] == "finished"


async def test_a_full_disk_before_sending_sends_nothing_and_ends_the_run_when_there_is_room(desk, monkeypatch):
    commit, troubles = desk.store.commit, []

    async def troubled(*changes):
        names = {type(change).__name__ for change in changes}
        if "OpenEntry" in names:
            raise StoreFull("The disk is full.", "디스크가 가득 찼습니다.")
        if "FinishMessage" in names and len(troubles) < 1:
            troubles.append(names)
            raise StoreBusy("busy", "사용 중")
        await commit(*changes)

    monkeypatch.setattr(desk.store, "commit", troubled)
    _, answer, kind = await desk.answer("hello")
    assert (kind, answer.message.error["code"], answer.entry) == ("failed", "store_full", None)
    assert troubles
    assert desk.simulator.bill.totals()["requests"] == 0


async def test_events_that_cannot_be_written_are_written_later(desk, monkeypatch, caplog):
    commit, failures = desk.store.commit, [StoreBusy("busy", "사용 중")]

    async def troubled(*changes):
        if type(changes[0]).__name__ == "AppendRunEvents" and failures:
            raise failures.pop()
        await commit(*changes)

    monkeypatch.setattr(desk.store, "commit", troubled)
    desk.simulator.script({"gate": True})
    asked = await desk.ask("long 600")
    await desk.simulator.step(20)
    async with asyncio.timeout(60):
        while not text_of(await desk.store.run_events(asked.run_id, 0)):
            await asyncio.sleep(0.05)
    assert "events cannot be written yet" in caplog.text
    await desk.simulator.step(10_000)
    assert (await desk.events(asked.run_id))[-1].kind == "finished"
    assert list(await desk.store.run_events(asked.run_id, 0)) == []


async def test_an_image_that_cannot_be_written_is_not_recorded(desk):
    (desk.folder / "attachments").write_text("in the way")
    with pytest.raises(StoreFull):
        await desk.images.add(ME, "a.png", png(3, 3))


async def test_a_room_that_vanishes_before_its_run_starts(desk, monkeypatch):
    desk.simulator.script({"gate": True})
    asked = await desk.ask("one")
    waiting = await desk.ask("two", asked.room.id)
    await desk.simulator.step(1)

    async def gone(_room_id, _principal):
        return None

    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "room", gone)
        await desk.simulator.step(10_000)
        assert (await desk.events(waiting.run_id))[-1].kind == "failed"
    answer = await desk.rooms.message(ME, waiting.answer.message.id)
    assert answer.error["code"] == "room_not_found"


async def test_the_branch_goes_on_after_any_answer(desk):
    first, _, _ = await desk.answer("one", model="unlisted-model")
    second, _, _ = await desk.answer("two", first.room.id)
    aside, _, _ = await desk.answer("aside", first.room.id, parent_id=first.answer.message.id)
    view = await desk.rooms.view(ME, first.room.id)
    assert view.messages[2].siblings == (second.question.message.id, aside.question.message.id)


async def test_stopped_while_it_was_being_prepared(desk, monkeypatch):
    real, waiting, go = desk.images.data_urls, asyncio.Event(), asyncio.Event()

    async def slow(attachments):
        waiting.set()
        await go.wait()
        return await real(attachments)

    monkeypatch.setattr(desk.images, "data_urls", slow)
    asked = await desk.ask("hello")
    await waiting.wait()
    await desk.runs.stop(ME, asked.run_id, "drain")
    go.set()
    assert (await desk.events(asked.run_id))[-1].kind == "stopped"
    answer = await desk.rooms.message_view(ME, asked.answer.message.id)
    assert (answer.message.status, answer.entry.settlement.outcome) == ("stopped", "not_sent")
    assert desk.simulator.bill.totals()["requests"] == 0


async def test_shutdown_while_it_was_being_prepared_leaves_it_for_the_next_start(desk, monkeypatch):
    waiting = asyncio.Event()

    async def forever(_attachments):
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(desk.images, "data_urls", forever)
    asked = await desk.ask("hello")
    await waiting.wait()
    follower = asyncio.create_task(desk.events(asked.run_id))
    await asyncio.sleep(0)
    closed = await desk.runs.close()
    assert (closed.interrupted, closed.waiting) == (0, 1)
    assert [event.kind for event in await follower] == ["restarting"]  # let go: the run goes on after the next start
    assert (await desk.store.run(asked.run_id, ME)).status == "queued"


async def test_who_asks_or_follows_during_a_shutdown_is_told_that_it_continues_after_it(desk):
    before = await desk.ask("hello")
    (*_, end) = await desk.events(before.run_id)
    await desk.runs.close()
    assert desk.runs.closing
    asked = await desk.ask("hello")
    (event,) = await desk.events(asked.run_id)
    assert (event.kind, event.seq) == ("restarting", 0)
    assert {"message", "message_ko"} == set(event.data)
    assert (await desk.store.run(asked.run_id, ME)).status == "queued"
    assert (await desk.events(before.run_id))[-1].kind == end.kind == "finished", "what has ended has ended"


async def test_an_answer_under_way_is_given_its_time_and_one_that_needs_longer_is_interrupted(desk):
    for grace, end, interrupted in ((60, "finished", 0), (0, "interrupted", 1)):
        desk.simulator.script({"gate": True})
        asked = await desk.ask("say: one two three")
        await desk.simulator.step(2)
        closing = asyncio.create_task(desk.runs.close(grace))
        if grace:
            await asyncio.sleep(0)
            await desk.simulator.step(1000)
        closed = await closing
        assert (closed.interrupted, closed.waiting) == (interrupted, 0)
        assert (await desk.events(asked.run_id))[-1].kind == end
        desk.runs._closing = False  # as a new process
        desk.runs._live.clear()


async def test_a_run_that_breaks_unexpectedly_is_logged_and_the_next_one_starts(desk, monkeypatch, caplog):
    real, calls = desk.runs._driver.drive, []

    async def broken(live):
        calls.append(live)
        if len(calls) == 1:
            raise RuntimeError("a bug")
        await real(live)

    monkeypatch.setattr(desk.runs._driver, "drive", broken)
    first = await desk.ask("one")
    second = await desk.ask("two", first.room.id)
    assert (await desk.events(second.run_id))[-1].kind == "finished"
    assert "ended unexpectedly" in caplog.text


async def test_the_log_of_a_run_that_is_not_here_is_what_is_stored(desk):
    asked, _, _ = await desk.answer("one")
    run = await desk.store.run(asked.run_id, ME)
    await desk.store.commit(ChangeRun(id=run.id, status="running"))
    desk.runs._live.clear()
    assert await desk.events(run.id) == []
    await desk.runs.stop(ME, run.id, "cut")  # of another process: nothing to do here
    assert await settle_open_entries(desk.store, desk.prices) == 0
    assert (await desk.store.run(run.id, ME)).status == "interrupted"


async def test_an_open_entry_of_a_door_without_rooms_is_settled_too(desk):
    from talkmeter.completions import CompletionRequest
    from talkmeter.ids import new_ordered_id
    from talkmeter.metering.meter import CallContext

    body = {"model": "sim-fast", "messages": [{"role": "user", "content": "hello"}]}
    request = CompletionRequest(new_ordered_id("call"), "chat/completions", body)
    call = await desk.meter.open(request, desk.providers.provider, CallContext(surface="test", principal=ME))
    receipt = await desk.receipts.receipt(ME, call.opening.id)
    assert (receipt.output_lines, len(receipt.sent), receipt.raw_usage) == ((), 1, None)
    assert await settle_open_entries(desk.store, desk.prices) == 1
    settled = (await desk.store.entry(call.opening.id)).settlement
    assert (settled.outcome, settled.provenance, settled.usage) == ("interrupted", "unknown", None)


async def test_only_what_a_dead_process_had_opened_is_settled_for_it(desk):
    from talkmeter.completions import CompletionRequest
    from talkmeter.ids import new_ordered_id
    from talkmeter.metering.meter import CallContext

    body = {"model": "sim-fast", "messages": [{"role": "user", "content": "hello"}]}
    opened = []
    for _ in range(3):
        request = CompletionRequest(new_ordered_id("call"), "chat/completions", body)
        call = await desk.meter.open(request, desk.providers.provider, CallContext(surface="test", principal=ME))
        opened.append(call.opening.id)
    assert await settle_abandoned(desk.store, desk.prices, {opened[0], opened[2], "call_of_nobody"}) == 2
    assert [entry.opening.id for entry in await desk.store.open_entries()] == [opened[1]]
    assert await settle_abandoned(desk.store, desk.prices, set(opened[::2])) == 0


async def test_a_conflict_of_another_kind_is_not_taken_for_a_repeat(desk, monkeypatch):
    refuse(monkeypatch, desk.store, AddRun, Conflict("something else", "다른 충돌"))
    with pytest.raises(Conflict):
        await desk.ask("hello")


async def test_many_counts_are_forgotten_in_order(desk, monkeypatch):
    from talkmeter.conversation import counting

    monkeypatch.setattr(counting, "REMEMBERED", 1)
    asked, _, _ = await desk.answer("one", settings={"window": 0})
    await desk.answer("two", asked.room.id)
    preview = await desk.conversation.preview(PreviewAsk(principal=ME, text="three", room_id=asked.room.id))
    again = await desk.conversation.preview(PreviewAsk(principal=ME, text="three", room_id=asked.room.id))
    assert preview == again


async def test_a_preview_while_an_answer_is_being_written(desk):
    desk.simulator.script({"gate": True})
    asked = await desk.ask("say: one two three")
    await desk.simulator.step(3)
    preview = await desk.conversation.preview(PreviewAsk(principal=ME, text="and?", room_id=asked.room.id))
    assert preview.ladder[-1].messages_sent == 2  # the answer has no text on the disk yet
    await desk.simulator.step(10_000)
    await desk.events(asked.run_id)
    after = await desk.conversation.preview(PreviewAsk(principal=ME, text="and?", room_id=asked.room.id))
    assert after.ladder[-1].messages_sent == 3


async def test_a_model_that_is_silent_is_reported_as_thinking(desk, monkeypatch):
    from talkmeter.conversation import driving

    monkeypatch.setattr(driving, "THINKING_SECONDS", 0.02)
    desk.simulator.script({"gate": True})
    asked = await desk.ask("say: one")
    async for event in desk.runs.follow(ME, asked.run_id):
        if event.kind == "reasoning":
            break
    await desk.runs.stop(ME, asked.run_id, "drain")
    await asyncio.sleep(0.1)
    await desk.simulator.step(10_000)
    kinds = [event.kind for event in await desk.events(asked.run_id)]
    assert kinds[-1] == "stopped"
    assert "reasoning" not in kinds[kinds.index("stopping") :]


async def test_a_model_that_has_begun_to_speak_is_not_thinking(desk, monkeypatch):
    from talkmeter.conversation import driving

    monkeypatch.setattr(driving, "THINKING_SECONDS", 0.05)
    desk.simulator.script({"gate": True})
    asked = await desk.ask("say: one two three four")
    await desk.simulator.step(4)
    async for event in desk.runs.follow(ME, asked.run_id):
        if event.kind == "delta":
            break
    await asyncio.sleep(0.12)
    await desk.simulator.step(10_000)
    kinds = [event.kind for event in await desk.events(asked.run_id)]
    assert "reasoning" not in kinds[kinds.index("delta") :]


async def test_opening_the_page_loads_the_default_models_encoding_once(desk, monkeypatch):
    from talkmeter.conversation import estimate

    loaded = []
    monkeypatch.setattr(estimate, "is_loaded", loaded.__contains__)
    monkeypatch.setattr(estimate, "preload", loaded.append)
    desk.conversation.warm_up()
    desk.conversation.warm_up()
    assert loaded == ["o200k_base"]


async def test_a_slow_follower_gets_what_waits_as_one_delta(desk):
    log = RunLog("run_x", desk.store)
    log.text("a")
    follower = log.follow(0)
    assert (await anext(follower)).data == {"offset": 0, "text": "a"}
    log.text("b")
    log.text("c")
    log.add("finished", {})
    assert (await anext(follower)).data == {"offset": 1, "text": "bc"}
    assert [event.kind async for event in follower] == ["finished"]
    await log.close()
    log.add("late", {})
    await log.close()


async def test_settings_go_back_to_their_defaults(desk):
    asked, _, _ = await desk.answer("one", settings={"window": 3, "top_p": 0.5})
    room = await desk.rooms.change(ME, asked.room.id, RoomChange(window=None, title="  new \n title ", pinned=True))
    assert (room.settings.window, room.settings.top_p, room.title, room.pinned) == (None, 0.5, "new title", True)


def test_replaying_deltas_twice_is_harmless():
    events = [RunEvent(seq=i + 1, kind="delta", data={"offset": i, "text": c}) for i, c in enumerate("가나다라")]
    assert text_of(events) == text_of([*events, *events[1:]]) == "가나다라"
    assert [event.seq for event in merge_deltas(events)] == [4]


def test_the_limit_has_the_name_that_the_model_wants():
    for model, name in [
        ("gpt-4o", "max_tokens"),
        ("o3-mini", "max_completion_tokens"),
        ("gpt-5.2", "max_completion_tokens"),
    ]:
        body = chat_body(RoomSettings(model=model, max_tokens=9, top_p=0.3), [])
        assert (body[name], body["top_p"], body["stream_options"]) == (9, 0.3, {"include_usage": True})


async def test_what_a_dead_gateway_had_kept_of_a_call_is_counted(desk):
    from talkmeter.metering.ledger import KeepPartial

    opening = an_opening(id="call_kept", provider_id="sim", model_requested="sim-fast")
    kept = [(0, 1, "hello "), (1, 1, "hello "), (0, 2, "there"), (1, 2, "there")]  # two choices, interleaved
    partials = [KeepPartial(entry_id=opening.id, part=part, seq=seq, text=text) for part, seq, text in kept]
    await desk.store.commit(opening, *partials)
    assert await desk.store.partial_texts(opening.id) == ["hello there"] * 2
    assert await settle_open_entries(desk.store, desk.prices) == 1
    settled = (await desk.store.entry(opening.id)).settlement
    assert (settled.outcome, settled.provenance, settled.usage.completion_tokens) == ("interrupted", "counted", 4)
    assert await desk.store.partial_texts(opening.id) == []


@pytest.mark.parametrize("opens", [True, False])
async def test_the_prompt_of_a_dead_gateways_call_is_counted_from_what_was_kept(desk, opens):
    from talkmeter.metering.ledger import PROMPT_PART, KeepPartial

    opening = an_opening(
        id="call_kept", provider_id="sim", model_requested="gpt-4o", endpoint="chat/completions", preflight_tokens=None
    )
    request = '{"model":"gpt-4o","messages":[{"role":"user","content":"hello"}]}'
    kept = [
        KeepPartial(entry_id=opening.id, part=part, seq=1, text=text)
        for part, text in ((0, "hello"), (PROMPT_PART, request))
    ]
    await desk.store.commit(opening, *kept)
    assert await desk.store.partial_texts(opening.id) == ["hello"]

    def open_text(_id, text):
        return text if opens or text != request else None

    assert await settle_open_entries(desk.store, desk.prices, open_text) == 1
    settled = (await desk.store.entry(opening.id)).settlement
    if opens:
        assert (settled.provenance, settled.usage.prompt_tokens, settled.usage.completion_tokens) == ("counted", 8, 1)
    else:
        assert (settled.provenance, settled.usage) == ("unknown", None)
    assert await desk.store.kept_prompt(opening.id) is None


async def test_what_was_kept_and_cannot_be_opened_any_more_is_unknown(desk):
    """Its key is lost: the entry does not pretend to know, even if it can read a part of it."""
    from talkmeter.metering.ledger import KeepPartial

    opening = an_opening(id="call_kept", provider_id="sim", model_requested="sim-fast")
    kept = [KeepPartial(entry_id=opening.id, part=part, seq=1, text=text) for part, text in ((0, "hello"), (1, "?"))]
    await desk.store.commit(opening, *kept)
    assert await settle_open_entries(desk.store, desk.prices, lambda _id, text: None if text == "?" else text) == 1
    settled = (await desk.store.entry(opening.id)).settlement
    assert (settled.provenance, settled.usage) == ("unknown", None)
    assert await desk.store.partial_texts(opening.id) == []
