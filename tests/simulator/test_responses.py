"""The Responses API: its events, what is kept, what goes on in the background, and what is charged."""

import json
from typing import Any

import pytest

from support.raw_http import exchange
from support.simulator_bench import Bench, tokens_of
from talkmeter.metering.tokens import count_responses_prompt

SAID = "say: one two three four five six"
TEXT = "one two three four five six"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def body_of(question: Any = SAID, model: str = "sim-fast", **fields: Any) -> dict[str, Any]:
    return {"model": model, "input": question, **fields}


def prompt_of(body: dict[str, Any]) -> int:
    return count_responses_prompt(body, body["model"]).total


def delta_text(answer: Any) -> str:
    return "".join(data["delta"] for name, data in answer.named if name == "response.output_text.delta")


async def test_a_whole_response(bench: Bench) -> None:
    body = body_of(instructions="Be brief.", metadata={"a": "b"})
    answer = await bench.call("responses", body)
    response = answer.json()
    assert answer.status == 200
    assert (response["object"], response["status"], response["model"]) == ("response", "completed", "sim-fast")
    assert response["id"].startswith("resp_")
    (message,) = response["output"]
    assert (message["type"], message["role"], message["content"][0]["text"]) == ("message", "assistant", TEXT)
    assert (response["instructions"], response["metadata"]) == ("Be brief.", {"a": "b"})
    assert response["usage"] == {
        "input_tokens": prompt_of(body),
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt_of(body) + 6,
    }
    assert (bench.row.endpoint, bench.row.completion_id, bench.row.outcome) == (
        "/v1/responses",
        response["id"],
        "finished",
    )
    assert (bench.charged(), bench.row.sent_text) == ((prompt_of(body), 6), len(TEXT))


async def test_a_streamed_response(bench: Bench) -> None:
    body = body_of(stream=True)
    answer = await bench.call("responses", body)
    names = [name for name, _ in answer.named]
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert names[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert names[4:-4] == ["response.output_text.delta"] * 6
    assert names[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert all(name == data["type"] for name, data in answer.named)
    assert [data["sequence_number"] for _, data in answer.named] == list(range(len(names)))
    assert delta_text(answer) == TEXT
    completed = answer.named[-1][1]["response"]
    assert completed["usage"]["output_tokens"] == 6
    assert bench.row.usage_sent == completed["usage"]
    assert bench.charged() == (prompt_of(body), 6)
    assert bench.row.stream


async def test_reasoning_is_an_item_without_its_text(bench: Bench) -> None:
    answer = await bench.call("responses", body_of(model="sim-reasoning", reasoning={"effort": "high"}))
    response = answer.json()
    reasoning, message = response["output"]
    assert (reasoning["type"], reasoning["summary"], message["type"]) == ("reasoning", [], "message")
    hidden = response["usage"]["output_tokens_details"]["reasoning_tokens"]
    assert hidden > 0
    assert response["usage"]["output_tokens"] == hidden + 6
    assert (bench.row.completion_tokens, bench.row.reasoning_tokens) == (hidden + 6, hidden)


@pytest.mark.parametrize("stream", [True, False])
async def test_an_output_limit_makes_it_incomplete(bench: Bench, stream: bool) -> None:
    answer = await bench.call("responses", body_of("long 900", max_output_tokens=20, stream=stream))
    response = answer.named[-1][1]["response"] if stream else answer.json()
    if stream:
        assert answer.named[-1][0] == "response.incomplete"
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert bench.charged()[1] == response["usage"]["output_tokens"] <= 20


async def test_a_function_is_called(bench: Bench) -> None:
    question = 'tool: get_weather {"city": "서울"}'
    answer = await bench.call("responses", body_of(question, tools=[WEATHER], stream=True))
    names = [name for name, _ in answer.named]
    assert "response.function_call_arguments.delta" in names
    (call,) = answer.named[-1][1]["response"]["output"]
    assert (call["type"], call["name"], json.loads(call["arguments"])) == (
        "function_call",
        "get_weather",
        {"city": "서울"},
    )
    assert bench.charged()[1] == tokens_of("get_weather") + tokens_of(call["arguments"])
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    told = {"role": "user", "content": question}
    again = await bench.call("responses", body_of([told, call, output], tools=[WEATHER]))
    assert again.json()["output"][0]["type"] == "message"


async def test_an_earlier_response_is_the_beginning_of_the_next(bench: Bench) -> None:
    first = (await bench.call("responses", body_of())).json()
    second = await bench.call("responses", body_of("say: more", previous_response_id=first["id"]))
    told = {"role": "user", "content": SAID}
    said = {"role": "assistant", "content": TEXT}
    whole = body_of([told, said, {"role": "user", "content": "say: more"}])
    assert second.json()["previous_response_id"] == first["id"]
    assert bench.charged() == (prompt_of(whole), 1)
    missing = await bench.call("responses", body_of(previous_response_id="resp_none"))
    assert (missing.status, missing.json()["error"]["code"]) == (400, "previous_response_not_found")


async def test_what_is_stored_can_be_looked_up_and_deleted(bench: Bench) -> None:
    made = (await bench.call("responses", body_of())).json()
    shown = await bench.call(f"responses/{made['id']}")
    assert shown.json() == made
    assert (bench.row.method, bench.row.endpoint, bench.charged()) == ("GET", "/v1/responses/{id}", (0, 0))
    items = (await bench.call(f"responses/{made['id']}/input_items")).json()
    assert (items["object"], items["has_more"]) == ("list", False)
    assert items["data"][0]["content"][0]["text"] == SAID
    replayed = await bench.call(f"responses/{made['id']}?stream=true&starting_after=5")
    assert replayed.named[0][1]["sequence_number"] == 6
    assert replayed.named[-1][1]["response"]["usage"] == made["usage"]
    assert bench.charged() == (0, 0)
    deleted = (await bench.call(f"responses/{made['id']}", method="DELETE")).json()
    assert deleted == {"id": made["id"], "object": "response.deleted", "deleted": True}
    assert (await bench.call(f"responses/{made['id']}")).status == 404
    unkept = (await bench.call("responses", body_of(store=False))).json()
    assert (await bench.call(f"responses/{unkept['id']}")).status == 404


async def test_tokens_are_counted_free_of_charge(bench: Bench) -> None:
    body = body_of([{"role": "user", "content": "안녕"}], instructions="Be brief.", tools=[WEATHER])
    counted = (await bench.call("responses/input_tokens", body)).json()
    assert counted == {"object": "response.input_tokens", "input_tokens": prompt_of(body)}
    assert (bench.row.endpoint, bench.charged()) == ("/v1/responses/input_tokens", (0, 0))


async def test_in_the_background(bench: Bench) -> None:
    body = body_of(background=True, simulate={"gate": True})
    made = (await exchange(f"{bench.base_url}/responses", body)).json()
    assert (made["status"], made["output"], made["usage"]) == ("queued", [], None)
    assert bench.charged() == (prompt_of(body), 0)
    await bench.simulator.step(3)
    shown = await _look(bench, made["id"])
    assert (shown["status"], shown["usage"], bench.simulator.bill.rows[0].outcome) == ("in_progress", None, "running")
    await bench.simulator.step(100)
    await bench.simulator.settled()
    shown = await _look(bench, made["id"])
    assert (shown["status"], shown["output"][0]["content"][0]["text"]) == ("completed", TEXT)
    row = bench.simulator.bill.rows[0]
    assert (row.outcome, row.completion_tokens, row.usage_sent) == ("finished", 6, shown["usage"])


async def test_in_the_background_and_followed(bench: Bench) -> None:
    answer = await bench.call("responses", body_of(background=True, stream=True))
    assert answer.named[0][0] == "response.queued"
    assert (answer.named[-1][0], delta_text(answer)) == ("response.completed", TEXT)
    made = answer.named[0][1]["response"]["id"]
    again = await bench.call(f"responses/{made}?stream=true&starting_after=3")
    assert again.named == answer.named[4:]
    assert (await bench.call(f"responses/{made}?stream=true&starting_after=99")).named == []
    assert bench.simulator.bill.totals()["completion_tokens"] == 6


async def test_cancelled_in_the_background(bench: Bench) -> None:
    body = body_of(background=True, simulate={"gate": True})
    made = (await exchange(f"{bench.base_url}/responses", body)).json()
    # queued, created, in_progress, item, part, and two pieces
    await bench.simulator.step(7)
    cancelled = (await bench.call(f"responses/{made['id']}/cancel", {})).json()
    assert (cancelled["status"], cancelled["usage"]) == ("cancelled", None)
    row = bench.simulator.bill.rows[0]
    assert (row.outcome, row.prompt_tokens, row.completion_tokens) == ("cancelled", prompt_of(body), 2)
    again = await bench.call(f"responses/{made['id']}/cancel", {})
    assert again.json()["status"] == "cancelled"
    whole = (await bench.call("responses", body_of())).json()
    assert (await bench.call(f"responses/{whole['id']}/cancel", {})).status == 400


async def test_a_cut_response_is_charged_by_what_is_there(bench: Bench) -> None:
    body = body_of(stream=True)
    whole = await bench.call("responses", body)
    for place in range(0, len(whole.body), 301):
        cut = await bench.call("responses", {**body, "simulate": {"fault": "cut", "after_bytes": place}})
        assert (cut.ended, len(cut.body)) == ("fin", place)
        assert bench.charged() == (prompt_of(body), tokens_of(delta_text(cut))), place


@pytest.mark.parametrize(
    ("fault", "last", "charged"),
    [
        ("no-usage", "response.completed", 6),
        ("zero-usage", "response.completed", 0),
        ("negative-usage", "response.completed", 6),
        ("usage-twice", "response.completed", 6),
        ("no-done", "response.output_item.done", 6),
        ("error-in-200", "error", 1),
        ("crlf", "response.completed", 6),
        ("one-byte", "response.completed", 6),
    ],
)
async def test_faults_of_a_stream(bench: Bench, fault: str, last: str, charged: int) -> None:
    answer = await bench.call("responses", body_of(stream=True, simulate={"fault": fault}))
    assert answer.named[-1][0] == last
    assert bench.charged()[1] == charged


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [5]}]}, "input[0].content[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_text"}]}]}, "input[0].content[0].text"),
        ({"max_output_tokens": 5}, "max_output_tokens"),
        ({"messages": []}, None),
        ({"background": True, "store": False}, "background"),
        ({"model": "sim-reasoning", "temperature": 0.3}, "temperature"),
        ({"tools": 5}, "tools"),
        ({"include": 5}, "include"),
        ({"reasoning": {"effort": "most"}}, "effort"),
    ],
)
async def test_what_is_refused(bench: Bench, changes: dict[str, Any], param: str | None) -> None:
    answer = await bench.call("responses", {**body_of(), **changes})
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)
    assert bench.charged() == (0, 0)


async def _look(bench: Bench, response_id: str) -> dict[str, Any]:
    return (await exchange(f"{bench.base_url}/responses/{response_id}")).json()
