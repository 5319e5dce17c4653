"""A conversation through the door, as the page has it: shapes of docs/page-api.md, to the letter."""

import asyncio
from typing import Any

from support.web_house import House

ROOM = {
    "id": str, "title": str, "pinned": bool, "model": (str, None), "provider_id": (str, None), "window": (int, None),
    "system_prompt": (str, None), "temperature": (float, None), "top_p": (float, None), "max_tokens": (int, None),
    "first_prompt": (str, None),
    "leaf_id": (str, None), "running": bool, "created_at": int, "last_used_at": int, "message_count": int,
}  # fmt: skip
MESSAGE = {
    "id": str, "room_id": str, "parent_id": (str, None), "role": str, "text": str, "status": str, "siblings": list,
    "created_at": int, "finished_at": (int, None), "attachments": list, "model": (str, None),
    "provider_name": (str, None), "run_id": (str, None), "error": (dict, None), "figures": (dict, None),
}  # fmt: skip
FIGURES = {
    "entry_id": str, "state": str, "provenance": (str, None), "prompt_tokens": (int, None),
    "cached_tokens": (int, None), "completion_tokens": (int, None), "reasoning_tokens": (int, None),
    "input_cost": (str, None), "output_cost": (str, None), "cost": (str, None), "priced": (bool, None),
    "preflight_tokens": int, "model_served": (str, None),
}  # fmt: skip
TOTALS = {
    "calls": int, "prompt_tokens": int, "completion_tokens": int, "cost": str, "unpriced_calls": int,
    "unknown_calls": int, "open_calls": int,
}  # fmt: skip
RECEIPT = {
    "entry_id": str, "surface": str, "state": str, "outcome": (str, None), "provenance": (str, None),
    "provider_name": str, "model_asked": (str, None), "model_requested": str, "model_served": (str, None), "service_tier": (str, None),
    "finish_reason": (str, None), "opened_at": int, "first_byte_at": (int, None), "settled_at": (int, None),
    "used_tokens": (int, None), "prompt_tokens": (int, None), "completion_tokens": (int, None),
    "cached_tokens": (int, None), "reasoning_tokens": (int, None), "messages_sent": int, "preflight_tokens": int,
    "preflight_quality": str, "difference": (int, None), "window": (int, None), "sent": list, "left_out": list,
    "lines": list, "output_lines": list, "cost_lines": list, "cost": (str, None), "unpriced": list,
    "raw_usage": (dict, None), "http_status": (int, None), "error": (dict, None), "problem": (str, None),
    "endpoint": str, "attempt": int, "user_id": str, "user_name": (str, None), "key_id": (str, None),
    "key_name": (str, None), "key_hint": (str, None), "room_id": (str, None), "end_user": (str, None), "tags": list,
    "metadata": (dict, None), "upstream_id": (str, None),
}  # fmt: skip
PREVIEW = {
    "model": str, "encoding": str, "quality": str, "context_window": (int, None), "reserved_output": (int, None),
    "window": int, "fits": bool, "fits_window": (int, None), "draft_tokens": int, "ladder": list,
}  # fmt: skip
RUNG = {
    "window": int, "messages_sent": int, "prompt_tokens": int, "cached_tokens": int, "cost_low": (str, None),
    "cost_high": (str, None), "fits": bool, "dropped": int,
}  # fmt: skip


def check_shape(value: dict[str, Any], shape: dict[str, Any]) -> None:
    assert set(value) == set(shape)
    for name, allowed in shape.items():
        kinds = allowed if isinstance(allowed, tuple) else (allowed,)
        kind = None if value[name] is None else type(value[name])
        assert kind in kinds, (name, value[name])


def check_message(message: dict[str, Any]) -> None:
    check_shape(message, MESSAGE)
    if message["figures"] is not None:
        check_shape(message["figures"], FIGURES)


async def test_a_question_is_asked_followed_and_shown_again(house: House):
    asked = await house.ask("say: one two three four five", room={"model": "sim-fast@20"})
    assert set(asked) == {"room", "question", "answer", "run_id"}
    check_shape(asked["room"], ROOM)
    check_message(asked["question"])
    check_message(asked["answer"])
    assert asked["room"]["running"] is True
    assert asked["answer"]["status"] in ("streaming", "queued")

    events = await house.events(asked["run_id"])
    assert [event.id for event in events] == sorted({event.id for event in events}), "ids ascend and never repeat"
    assert events[0].kind == "started"
    assert set(events[0].data) == {"entry_id", "model", "preflight_tokens"}
    text = ""
    for event in events:
        if event.kind == "delta":
            text = text[: event.data["offset"]] + event.data["text"]
    end = events[-1]
    assert end.kind == "finished"
    assert set(end.data) == {"answer", "question", "totals"}
    check_message(end.data["answer"])
    check_shape(end.data["totals"], TOTALS)
    assert end.data["answer"]["text"] == text != ""

    room = await house.get(f"/api/rooms/{asked['room']['id']}")
    assert set(room) == {"room", "messages", "older", "totals"}
    assert [message["role"] for message in room["messages"]] == ["user", "assistant"]
    assert room["messages"][1] == end.data["answer"]
    assert room["totals"] == end.data["totals"]
    assert room["room"]["running"] is False


async def test_figures_receipt_and_totals_agree(house: House):
    asked = await house.ask("How much is this?")
    end = await house.finish(asked["run_id"])
    figures = end["answer"]["figures"]
    assert end["question"]["figures"] == figures
    assert (figures["state"], figures["provenance"], figures["priced"]) == ("settled", "reported", True)
    receipt = await house.get(f"/api/entries/{figures['entry_id']}/receipt")
    check_shape(receipt, RECEIPT)
    assert receipt["used_tokens"] == figures["prompt_tokens"] + figures["completion_tokens"]
    assert sum(line["tokens"] for line in receipt["lines"]) == receipt["prompt_tokens"]
    assert sum(line["tokens"] for line in receipt["output_lines"]) == receipt["completion_tokens"]
    assert sum(int(line["picodollars"]) for line in receipt["cost_lines"]) == int(receipt["cost"])
    assert int(figures["input_cost"]) + int(figures["output_cost"]) == int(figures["cost"]) == int(receipt["cost"])
    assert receipt["difference"] == 0
    assert [line["excerpt"] for line in receipt["sent"]] == ["How much is this?"]
    assert all(line["price_source"] for line in receipt["cost_lines"])
    assert end["totals"] == {
        "calls": 1,
        "prompt_tokens": figures["prompt_tokens"],
        "completion_tokens": figures["completion_tokens"],
        "cost": figures["cost"],
        "unpriced_calls": 0,
        "unknown_calls": 0,
        "open_calls": 0,
    }


async def test_the_same_client_id_never_asks_twice(house: House):
    body = {"room_id": None, "client_id": "one-and-only", "text": "Once?"}
    answers = await asyncio.gather(*(house.send("POST", "/api/ask", body) for _ in range(8)))
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    await house.finish(answers[0].json()["run_id"])
    assert len((await house.get("/api/rooms"))["rooms"]) == 1
    assert len(await house.application.store.ledger_sums()) == 1


async def test_resuming_after_any_event_gives_the_same_answer(house: House):
    asked = await house.ask("Resume me")
    events = await house.events(asked["run_id"])
    text = events[-1].data["answer"]["text"]
    for after in (0, 1, events[len(events) // 2].id, events[-2].id):
        again = await house.events(asked["run_id"], after)
        assert [event.id for event in again] == sorted(event.id for event in again)
        assert all(event.id > after for event in again)
        assert again[-1].data["answer"]["text"] == text
    by_header = await house.events(asked["run_id"], 0, {"Last-Event-ID": str(events[-2].id)})
    assert [event.kind for event in by_header] == ["finished"]


async def test_a_reader_that_leaves_changes_nothing(open_house):
    house = await open_house(simulator_tokens_per_second=400)
    asked = await house.ask("Go on without me")
    await house.follow_until(asked["run_id"], b"event: delta")
    end = await house.finish(asked["run_id"])
    assert end["answer"]["status"] == "complete"
    assert end["answer"]["figures"]["provenance"] == "reported"


async def test_stopping(open_house):
    house = await open_house()
    for mode, provenance in (("drain", "drained"), ("cut", "counted")):
        step = await house.gate()
        asked = await house.ask("Stop me")
        await step(3)
        await house.follow_until(asked["run_id"], b"event: delta")
        answer = await house.send("POST", f"/api/runs/{asked['run_id']}/stop", {"mode": mode})
        assert (answer.status, answer.json()) == (202, {})
        if mode == "drain":
            await step(10_000)
        events = await house.events(asked["run_id"])
        assert "stopping" in [event.kind for event in events]
        assert events[-1].kind == "stopped"
        assert events[-1].data["answer"]["status"] == "stopped"
        assert events[-1].data["answer"]["figures"]["provenance"] == provenance


async def test_a_second_question_waits_its_turn(open_house):
    house = await open_house()
    step = await house.gate()
    first = await house.ask("First")
    second = await house.ask("Second", first["room"]["id"])
    assert second["answer"]["status"] == "queued"
    await step(10_000)
    events = await house.events(second["run_id"])
    assert events[0].kind == "queued"
    assert events[0].data == {"behind": first["run_id"]}
    assert events[-1].kind == "finished"


async def test_edit_and_regenerate_make_siblings_and_a_leaf_is_chosen(house: House):
    asked = await house.ask("Version one")
    await house.finish(asked["run_id"])
    room_id, question_id = asked["room"]["id"], asked["question"]["id"]
    edited = await house.ask("Version two", room_id, parent_id=None)
    await house.finish(edited["run_id"])
    assert edited["question"]["siblings"] == [question_id, edited["question"]["id"]]
    answer = await house.send("POST", f"/api/messages/{question_id}/answer", {"client_id": "again"})
    assert answer.status == 202
    await house.finish(answer.json()["run_id"])
    assert answer.json()["answer"]["siblings"] == [asked["answer"]["id"], answer.json()["answer"]["id"]]
    chosen = await house.send("PATCH", f"/api/rooms/{room_id}", {"leaf_id": edited["question"]["id"]})
    assert chosen.json()["leaf_id"] == edited["answer"]["id"], "the branch goes on to its newest end"
    shown = await house.get(f"/api/rooms/{room_id}")
    assert shown["messages"][0]["text"] == "Version two"


async def test_rooms_are_paged_changed_and_deleted(house: House):
    for number in range(3):
        asked = await house.ask(f"Room {number}")
        await house.finish(asked["run_id"])
    first = await house.get("/api/rooms?limit=2")
    assert (len(first["rooms"]), first["total"]) == (2, 3)
    second = await house.get(f"/api/rooms?limit=2&cursor={first['next']}")
    assert (len(second["rooms"]), second["next"]) == (1, None)
    room_id = second["rooms"][0]["id"]
    changed = await house.send("PATCH", f"/api/rooms/{room_id}", {"title": "새 이름", "pinned": True, "window": 0})
    check_shape(changed.json(), ROOM)
    assert (changed.json()["title"], changed.json()["pinned"], changed.json()["window"]) == ("새 이름", True, 0)
    assert (await house.get("/api/rooms"))["rooms"][0]["id"] == room_id, "pinned rooms come first"
    back = await house.send("PATCH", f"/api/rooms/{room_id}", {"window": None})
    assert back.json()["window"] is None
    receipt_of = (await house.get(f"/api/rooms/{room_id}"))["messages"][1]["figures"]["entry_id"]
    deleted = await house.send("DELETE", f"/api/rooms/{room_id}")
    assert deleted.status == 204
    gone = await house.send("GET", f"/api/rooms/{room_id}")
    assert (gone.status, gone.code) == (404, "room_not_found")
    receipt = await house.get(f"/api/entries/{receipt_of}/receipt")
    assert receipt["sent"][0]["gone"] is True
    assert receipt["sent"][0]["excerpt"] == ""
    assert sum(line["tokens"] for line in receipt["lines"]) == receipt["prompt_tokens"]


async def test_older_messages_come_page_by_page(house: House):
    asked = await house.ask("One")
    room_id = asked["room"]["id"]
    await house.finish(asked["run_id"])
    for text in ("Two", "Three"):
        await house.finish((await house.ask(text, room_id))["run_id"])
    newest = await house.get(f"/api/rooms/{room_id}?limit=2")
    texts = [message["text"] for message in newest["messages"] if message["role"] == "user"]
    pages = 1
    cursor = newest["older"]
    while cursor is not None:
        page = await house.get(f"/api/rooms/{room_id}/messages?before={cursor}&limit=2")
        assert set(page) == {"messages", "older"}
        texts = [message["text"] for message in page["messages"] if message["role"] == "user"] + texts
        cursor = page["older"]
        pages += 1
    assert (texts, pages) == (["One", "Two", "Three"], 3)


async def test_the_preview_counts_what_would_be_sent(house: House):
    asked = await house.ask("The first question")
    room_id = asked["room"]["id"]
    end = await house.finish(asked["run_id"])
    preview = await house.send("POST", "/api/preview", {"room_id": room_id, "text": "The second question"})
    assert preview.status == 200
    body = preview.json()
    check_shape(body, PREVIEW)
    for rung in body["ladder"]:
        check_shape(rung, RUNG)
    assert [rung["window"] for rung in body["ladder"]] == [1, 2, 4, 5, 8, 16, 0]
    whole = body["ladder"][-1]
    second = await house.ask("The second question", room_id)
    started = (await house.events(second["run_id"]))[0]
    assert started.data["preflight_tokens"] == whole["prompt_tokens"]
    assert end["answer"]["status"] == "complete"


async def test_a_window_that_does_not_fit_is_told_before_anything_is_kept(house: House):
    text = "word " * 60_000
    answer = await house.send("POST", "/api/ask", {"client_id": "big", "text": text, "room": {"model": "gpt-4"}})
    assert (answer.status, answer.code) == (409, "context_too_small")
    error = answer.json()["error"]
    assert {"fits_window", "prompt_tokens", "context_window", "request_id", "message_ko"} <= set(error)
    assert (await house.get("/api/rooms"))["total"] == 0


async def test_a_refused_call_is_told_in_the_room(house: House):
    asked = await house.ask("Fail please", room={"model": "sim-fault-429"})
    end = await house.finish(asked["run_id"])
    assert end["answer"]["status"] == "failed"
    assert end["answer"]["error"]["status"] == 429
    assert {"code", "message", "message_ko", "status", "retry_after"} <= set(end["answer"]["error"])
    assert end["question"]["text"] == "Fail please"
