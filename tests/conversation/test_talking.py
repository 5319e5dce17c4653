"""Rooms, runs and receipts on a real store, with the simulator as the upstream."""

import asyncio

import pytest

from support.images import png
from support.workspace import ME, workspace
from talkmeter.conversation.values import PreviewAsk, RoomChange
from talkmeter.errors import BadInput, Conflict, NotFound, TooLarge, TooManyPixels, UnsupportedMedia
from talkmeter.messages import RoomSettings
from talkmeter.metering.prices import own_row


@pytest.fixture
async def desk(tmp_path):
    async with workspace(tmp_path) as made:
        yield made


async def sum_equals_the_bill(desk):
    assert await desk.simulator.settled()
    rooms = await desk.rooms.page(ME)
    totals = [await desk.rooms.totals(room.id) for room in rooms.rooms]
    bill = desk.simulator.bill.totals()
    assert sum(t.prompt_tokens for t in totals) == bill["prompt_tokens"]
    assert sum(t.completion_tokens for t in totals) == bill["completion_tokens"]
    assert sum(t.calls for t in totals) == bill["requests"]


async def test_first_message_makes_a_room_and_every_figure_is_the_providers(desk):
    asked, answer, end = await desk.answer("안녕하세요\n둘째 줄")
    assert end == "finished"
    assert asked.room.title == "안녕하세요"
    assert answer.message.status == "complete"
    assert answer.message.text
    settled = answer.entry.settlement
    assert settled.provenance == "reported"
    assert settled.usage.prompt_tokens == answer.entry.opening.preflight_tokens
    assert settled.cost.picodollars > 0
    view = await desk.rooms.view(ME, asked.room.id)
    assert [m.message.role for m in view.messages] == ["user", "assistant"]
    assert view.messages[0].entry.opening.id == answer.entry.opening.id
    assert view.totals.picodollars == settled.cost.picodollars
    assert not view.running
    await sum_equals_the_bill(desk)


async def test_the_window_decides_what_is_sent(desk):
    asked, _, _ = await desk.answer("q1", settings={"window": 2})
    for text in ("q2", "q3"):
        again, answer, _ = await desk.answer(text, asked.room.id)
    assert answer.entry.opening.messages_sent == 2
    receipt = await desk.receipts.receipt(ME, answer.entry.opening.id)
    assert [line.role for line in receipt.sent] == ["assistant", "user"]
    assert receipt.left_out[0].excerpt == "q1"
    assert len(receipt.left_out) == 3
    usage = answer.entry.settlement.usage
    assert sum(line.tokens for line in receipt.lines) == usage.prompt_tokens
    assert sum(line.tokens for line in receipt.output_lines) == usage.completion_tokens
    assert again.room.id == asked.room.id


async def test_the_receipt_still_adds_up_after_the_room_is_gone(desk):
    asked, answer, _ = await desk.answer("hello", settings={"system_prompt": "Be brief."})
    entry_id = answer.entry.opening.id
    before = await desk.receipts.receipt(ME, entry_id)
    assert [(line.role, line.excerpt) for line in before.sent] == [("system", "Be brief."), ("user", "hello")]
    await desk.rooms.change(ME, asked.room.id, RoomChange(system_prompt="Be long."))
    assert await desk.receipts.receipt(ME, entry_id) == before
    await desk.rooms.delete(ME, asked.room.id)
    after = await desk.receipts.receipt(ME, entry_id)
    assert after.lines == before.lines
    assert [line.gone for line in after.sent] == [True, True]
    assert not any(line.excerpt for line in after.sent)
    with pytest.raises(NotFound):
        await desk.rooms.view(ME, asked.room.id)
    with pytest.raises(NotFound):
        await desk.receipts.receipt("somebody", entry_id)


async def test_an_owner_sees_the_figures_of_everybody_and_the_texts_of_nobody_else(desk):
    asked, _, _ = await desk.answer("one")
    _, answer, _ = await desk.answer("two", asked.room.id)
    entry_id = answer.entry.opening.id
    mine = await desk.receipts.receipt(ME, entry_id)
    theirs = await desk.receipts.receipt("somebody", entry_id, everybodys=True)
    assert (theirs.entry, theirs.lines, theirs.output_lines) == (mine.entry, mine.lines, mine.output_lines)
    assert len(theirs.sent) == len(mine.sent) > 1
    assert not any(line.excerpt or line.message_id for line in theirs.sent)
    assert (theirs.left_out, [line.tokens for line in theirs.sent]) == ((), [line.tokens for line in mine.sent])
    with pytest.raises(NotFound):
        await desk.receipts.receipt("somebody", "call_none", everybodys=True)


async def test_what_the_provider_counts_beyond_our_lines_is_unexplained(desk):
    from support.store_values import a_settlement, an_opening
    from talkmeter.metering.usage import Usage

    for lines, prompt, found in (
        ('[{"kind":"text","message":0,"tokens":30,"quality":"exact"}]', 41, [("message", 30), ("unexplained", 11)]),
        ('[{"kind":"text","message":0,"tokens":41,"quality":"exact"}]', 41, [("message", 41)]),
        ('[{"kind":"text","message":0,"tokens":50,"quality":"estimate"}]', 41, [("message", 50), ("unexplained", -9)]),
    ):
        opening = an_opening(preflight_lines=lines, messages_sent=None)
        await desk.store.commit(opening, a_settlement(opening, usage=Usage(prompt_tokens=prompt)))
        receipt = await desk.receipts.receipt(ME, opening.id)
        assert [(line.kind, line.tokens) for line in receipt.lines] == found


async def test_a_call_of_the_gateway_has_a_receipt_without_messages(desk):
    from support.store_values import a_settlement, an_opening

    opening = an_opening(surface="openai", preflight_lines=None, preflight_tokens=None, messages_sent=None)
    await desk.store.commit(opening, a_settlement(opening))
    receipt = await desk.receipts.receipt(ME, opening.id)
    assert (receipt.sent, receipt.left_out, receipt.lines) == ((), (), ())
    assert [line.tokens for line in receipt.output_lines] == [9]
    assert receipt.entry.opening == opening


async def test_editing_and_regenerating_make_siblings(desk):
    asked, first, _ = await desk.answer("one")
    again = await desk.conversation.answer_again(
        principal=ME, question_id=asked.question.message.id, client_id="again", model="sim-korean"
    )
    await desk.events(again.run_id)
    view = await desk.rooms.view(ME, asked.room.id)
    assert view.messages[1].message.id == again.answer.message.id
    assert view.messages[1].siblings == (first.message.id, again.answer.message.id)
    assert view.messages[1].entry.opening.model_requested == "sim-korean"
    edited = await desk.ask("one, edited", asked.room.id, parent_id=None)
    await desk.events(edited.run_id)
    view = await desk.rooms.view(ME, asked.room.id)
    assert view.messages[0].siblings == (asked.question.message.id, edited.question.message.id)
    room = await desk.rooms.change(ME, asked.room.id, RoomChange(leaf_id=asked.question.message.id))
    assert room.leaf_id == again.answer.message.id
    await sum_equals_the_bill(desk)


async def test_the_same_client_id_never_asks_twice(desk):
    results = await asyncio.gather(*(desk.ask("once", client_id="x") for _ in range(5)))
    assert len({result.run_id for result in results}) == 1
    await desk.events(results[0].run_id)
    assert (await desk.ask("once", client_id="x")).run_id == results[0].run_id
    again = {"principal": ME, "question_id": results[0].question.message.id, "client_id": "x"}
    assert (await desk.conversation.answer_again(**again)).run_id == results[0].run_id
    assert desk.simulator.bill.totals()["requests"] == 1


async def test_two_questions_that_come_together_follow_each_other(desk):
    asked, _, _ = await desk.answer("one")
    both = await asyncio.gather(desk.ask("two", asked.room.id), desk.ask("three", asked.room.id))
    for one in both:
        await desk.events(one.run_id)
    view = await desk.rooms.view(ME, asked.room.id)
    assert sorted(m.message.text for m in view.messages if m.message.role == "user") == ["one", "three", "two"]
    assert all(len(m.siblings) == 1 for m in view.messages)


async def test_questions_wait_their_turn(desk):
    first = await desk.ask("long 3000", settings={"window": 0})
    second = await desk.ask("second", first.room.id)
    assert second.answer.message.status == "queued"
    assert desk.runs.running() == 2
    events = await desk.events(second.run_id)
    assert [event.kind for event in events][:2] == ["queued", "started"]
    assert (await desk.rooms.message_view(ME, second.answer.message.id)).entry.opening.messages_sent == 3
    await sum_equals_the_bill(desk)


async def test_two_followers_and_a_late_one_read_the_same(desk):
    asked = await desk.ask("long 4000")
    one, two = await asyncio.gather(desk.events(asked.run_id), desk.events(asked.run_id))
    late = await desk.events(asked.run_id, after=5)
    text = (await desk.rooms.message_view(ME, asked.answer.message.id)).message.text
    for events in (one, two):
        got = ""
        for event in events:
            if event.kind == "delta":
                got = got[: event.data["offset"]] + event.data["text"]
        assert got == text
    assert late[0].seq > 5
    assert late[-1].kind == "finished"
    desk.runs._live.clear()  # as if the process had restarted since
    replay = await desk.events(asked.run_id)
    assert [event.kind for event in replay] == ["delta", "finished"]
    assert replay[0].data == {"offset": 0, "text": text}
    for stranger in (desk.runs.follow("somebody", asked.run_id), desk.runs.follow(ME, "run_x")):
        with pytest.raises(NotFound):
            await anext(stranger)


async def test_stop_and_drain_keeps_the_exact_bill(desk):
    desk.simulator.script({"gate": True})
    asked = await desk.ask("long 2000")
    await desk.simulator.step(10)
    await desk.runs.stop(ME, asked.run_id, "drain")
    await desk.runs.stop(ME, asked.run_id, "drain")
    await desk.simulator.step(100_000)
    events = await desk.events(asked.run_id)
    assert [event.kind for event in events][-1] == "stopped"
    answer = await desk.rooms.message_view(ME, asked.answer.message.id)
    assert answer.message.status == "stopped"
    assert 0 < len(answer.message.text) < 500
    assert answer.entry.settlement.provenance == "drained"
    await sum_equals_the_bill(desk)
    await desk.runs.stop(ME, asked.run_id, "cut")  # it has ended: nothing happens


async def test_stop_and_cut_is_counted(desk):
    desk.simulator.script({"gate": True})
    asked = await desk.ask("long 2000")
    await desk.simulator.step(10)
    async for event in desk.runs.follow(ME, asked.run_id):
        if event.kind == "delta":
            break
    await desk.runs.stop(ME, asked.run_id, "cut")
    assert (await desk.events(asked.run_id))[-1].kind == "stopped"
    answer = await desk.rooms.message_view(ME, asked.answer.message.id)
    settled = answer.entry.settlement
    assert (settled.outcome, settled.provenance) == ("stopped", "counted")
    await desk.simulator.settled()
    bill = desk.simulator.bill.totals()
    assert settled.usage.prompt_tokens == bill["prompt_tokens"]
    assert 0 < settled.usage.completion_tokens <= bill["completion_tokens"]


async def test_a_waiting_question_can_be_stopped_and_is_never_sent(desk):
    desk.simulator.script({"gate": True})
    first = await desk.ask("one")
    second = await desk.ask("two", first.room.id)
    await desk.runs.stop(ME, second.run_id, "drain")
    assert (await desk.events(second.run_id))[-1].kind == "stopped"
    await desk.simulator.step(100_000)
    await desk.events(first.run_id)
    assert (await desk.rooms.message_view(ME, second.answer.message.id)).message.status == "stopped"
    await sum_equals_the_bill(desk)
    with pytest.raises(BadInput):
        await desk.runs.stop(ME, first.run_id, "gently")
    with pytest.raises(NotFound):
        await desk.runs.stop(ME, "run_x", "cut")


async def test_a_refusal_is_told_in_the_providers_words_and_can_be_retried(desk):
    asked, answer, end = await desk.answer("hello", settings={"temperature": 3.0})
    assert end == "failed"
    assert answer.message.error["status"] == 400
    assert "temperature" in answer.message.error["message"]
    assert (await desk.rooms.view(ME, asked.room.id)).messages[0].message.text == "hello"
    await desk.rooms.change(ME, asked.room.id, RoomChange(temperature=None))
    again = await desk.conversation.answer_again(principal=ME, question_id=asked.question.message.id, client_id="retry")
    assert (await desk.events(again.run_id))[-1].kind == "finished"
    await sum_equals_the_bill(desk)


async def test_deleting_a_room_with_an_answer_under_way(desk):
    desk.simulator.script({"gate": True})
    asked = await desk.ask("long 2000")
    waiting = await desk.ask("next", asked.room.id)
    await desk.simulator.step(5)
    await desk.rooms.delete(ME, asked.room.id)
    assert not desk.runs.is_running(asked.room.id)
    with pytest.raises(NotFound):
        await desk.rooms.message(ME, waiting.question.message.id)
    assert await desk.store.open_entries() == []
    assert desk.simulator.bill.totals()["requests"] == 1
    with pytest.raises(NotFound):
        await desk.events(asked.run_id)


async def test_images_are_kept_counted_and_sent(desk):
    image = await desk.images.add(ME, "../../etc/passwd", png(100, 60))
    assert (image.mime, image.width, image.height, image.name) == ("image/png", 100, 60, "../../etc/passwd")
    asked, answer, _ = await desk.answer("What is this?", attachment_ids=(image.id,))
    assert asked.question.message.attachments[0].id == image.id
    receipt = await desk.receipts.receipt(ME, answer.entry.opening.id)
    assert receipt.sent[0].image_tokens > 0
    edited = await desk.ask("And now?", asked.room.id, parent_id=None, attachment_ids=(image.id,))
    await desk.events(edited.run_id)
    _, path = await desk.images.open(ME, image.id)
    assert path.parent == desk.folder / "attachments"
    await desk.rooms.delete(ME, asked.room.id)
    assert list((desk.folder / "attachments").iterdir()) == []
    await desk.images.remove([path.name])
    for wrong in (("somebody", image.id), (ME, image.id)):
        with pytest.raises(NotFound):
            await desk.images.open(*wrong)


async def test_what_is_no_image_or_too_much_of_one_is_refused(desk):
    with pytest.raises(UnsupportedMedia):
        await desk.images.add(ME, "x.png", b"<svg/>")
    with pytest.raises(TooManyPixels):
        await desk.images.add(ME, "x.png", png(3000, 2000))
    with pytest.raises(TooLarge):
        await desk.images.add(ME, "x.png", b"x" * 1_000_001)


async def test_a_lost_file_is_told_and_nothing_leaves(desk):
    image = await desk.images.add(ME, "a.png", png(10, 10))
    (desk.folder / "attachments" / image.file).unlink()
    _, answer, end = await desk.answer("look", attachment_ids=(image.id,))
    assert (end, answer.message.error["code"], answer.entry) == ("failed", "attachment_file_missing", None)
    assert desk.simulator.bill.totals()["requests"] == 0


@pytest.mark.parametrize(
    ("ask", "error"),
    [
        ({"text": " "}, BadInput),
        ({"text": "x" * 800_001}, TooLarge),
        ({"text": "x", "client_id": "c" * 65}, BadInput),
        ({"text": "x", "attachment_ids": ("a",) * 11}, BadInput),
        ({"text": "x", "attachment_ids": ("file_x",)}, NotFound),
        ({"text": "x", "room_id": "room_x"}, NotFound),
        ({"text": "x", "parent_id": "msg_x"}, BadInput),
        ({"text": "x", "settings": {"window": -1}}, BadInput),
        ({"text": "x", "settings": {"temperature": float("nan")}}, BadInput),
        ({"text": "x", "settings": {"max_tokens": 0}}, BadInput),
        ({"text": "x", "settings": {"system_prompt": "y" * 400_001}}, BadInput),
    ],
)
async def test_bad_questions_are_refused_and_nothing_is_kept(desk, ask, error):
    with pytest.raises(error):
        await desk.ask(**ask)
    assert (await desk.rooms.page(ME)).total == 0


async def test_bad_parents_and_settings_of_a_room_that_exists(desk):
    asked, _, _ = await desk.answer("one")
    other, _, _ = await desk.answer("other")
    for parent, error in [
        (asked.question.message.id, BadInput),
        (other.answer.message.id, NotFound),
        ("msg_x", NotFound),
    ]:
        with pytest.raises(error):
            await desk.ask("two", asked.room.id, parent_id=parent)
    image = await desk.images.add(ME, "a.png", png(10, 10))
    with pytest.raises(BadInput):
        await desk.ask("two", asked.room.id, attachment_ids=(image.id, image.id))
    from talkmeter.conversation.values import Ask

    ask = Ask(surface="web", principal=ME, client_id="c", text="t", room_id=asked.room.id, room=RoomSettings())
    with pytest.raises(BadInput):
        await desk.conversation.ask(ask)
    with pytest.raises(BadInput):
        await desk.conversation.answer_again(principal=ME, question_id=asked.answer.message.id, client_id="c")
    for change in (RoomChange(title="  "), RoomChange(title="x" * 201)):
        with pytest.raises(BadInput):
            await desk.rooms.change(ME, asked.room.id, change)
    with pytest.raises(NotFound):
        await desk.rooms.change(ME, asked.room.id, RoomChange(leaf_id=other.answer.message.id))
    with pytest.raises(NotFound):
        await desk.rooms.older(ME, asked.room.id, other.answer.message.id)


async def test_no_model_anywhere(tmp_path):
    async with workspace(tmp_path, defaults={"default_model": ""}) as desk:
        with pytest.raises(BadInput) as caught:
            await desk.ask("x")
        assert caught.value.code == "no_model"


async def test_older_messages_come_in_pages(desk):
    asked, _, _ = await desk.answer("q1")
    for number in range(2, 6):
        await desk.answer(f"q{number}", asked.room.id)
    view = await desk.rooms.view(ME, asked.room.id, limit=4)
    texts = [m.message.text for m in view.messages if m.message.role == "user"]
    assert texts == ["q4", "q5"]
    page = await desk.rooms.older(ME, asked.room.id, view.older, limit=4)
    assert [m.message.text for m in page.messages if m.message.role == "user"] == ["q2", "q3"]
    last = await desk.rooms.older(ME, asked.room.id, page.older, limit=4)
    assert (len(last.messages), last.older) == (2, None)


async def test_the_preview_is_the_request_that_goes_out(desk):
    asked, _, _ = await desk.answer("q1", settings={"window": 0, "system_prompt": "Answer in Korean."})
    await desk.answer("q2", asked.room.id)
    preview = await desk.conversation.preview(PreviewAsk(principal=ME, text="그리고?", room_id=asked.room.id))
    assert (preview.quality, preview.window, preview.fits) == ("exact", 0, True)
    rungs = {rung.window: rung for rung in preview.ladder}
    _, answer, _ = await desk.answer("그리고?", asked.room.id)
    assert rungs[0].prompt_tokens == answer.entry.settlement.usage.prompt_tokens
    assert rungs[0].cost_low <= answer.entry.settlement.cost.picodollars <= rungs[0].cost_high
    assert rungs[1].messages_sent == 1
    again = await desk.conversation.preview(
        PreviewAsk(principal=ME, text="x", room_id=asked.room.id, room=RoomSettings(window=2, model="no-such-model"))
    )
    assert (again.window, again.quality, again.ladder[0].cost_low) == (2, "estimate", None)
    with pytest.raises(TooLarge):
        await desk.conversation.preview(PreviewAsk(principal=ME, text="x" * 800_001))


async def test_a_window_that_does_not_fit_is_refused_before_anything_is_kept(desk):
    asked, _, _ = await desk.answer("say: " + "word " * 3000, model="gpt-4", settings={"window": 0})
    with pytest.raises(Conflict) as caught:
        await desk.ask("word " * 6000, asked.room.id)
    assert caught.value.code == "context_too_small"
    assert caught.value.details["fits_window"] == 1
    assert caught.value.details["context_window"] == 8192
    assert len((await desk.rooms.view(ME, asked.room.id)).messages) == 2


async def test_unpriced_is_not_zero_and_is_back_filled_once(desk):
    desk.simulator.script({"gate": False, "model": "sim-fast"})
    await desk.prices.add(own_row(model="unrelated", unit="input", usd="1"))
    entry_model = "sim-fast"
    asked, answer, _ = await desk.answer("hello", model=entry_model)
    assert answer.entry.settlement.cost.picodollars is not None
    opening = answer.entry.opening
    unpriced = desk.prices.cost(answer.entry.settlement.usage, "sim", ("mystery",), None, opening.opened_at)
    assert unpriced.picodollars is None
    assert unpriced.unpriced
    rows = desk.prices.rows("sim-fast")
    assert {row.unit for row in rows} >= {"input", "output"}
    assert [row.model for row in desk.prices.own_rows()] == ["unrelated"]
    assert await desk.prices.back_fill() == 0
    await desk.prices.delete(desk.prices.own_rows()[0].id)
    assert desk.prices.own_rows() == []
    assert asked.room.id
