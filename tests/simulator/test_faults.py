"""Every fault: what is on the wire, and what the bill says about it."""

import asyncio
import json
from typing import Any

import pytest

from support.raw_http import exchange
from support.simulator_bench import Bench, prompt_of, tokens_of

SAID = "say: one two three four five six"
TEXT = "one two three four five six"
TOKENS = 6


async def test_refuse_resets_before_any_answer(bench: Bench) -> None:
    with pytest.raises(ConnectionResetError):
        await (await bench.begin(bench.streamed("sim-fault-refuse"))).head()
    await bench.simulator.settled()
    row = bench.row
    assert (row.outcome, row.status, row.fault, row.sent_bytes) == ("refused", None, "refuse", 0)
    assert bench.charged() == (0, 0)


@pytest.mark.parametrize(
    ("model", "status", "kind", "code"),
    [
        ("sim-fault-401", 401, "invalid_request_error", "invalid_api_key"),
        ("sim-fault-429", 429, "requests", "rate_limit_exceeded"),
        ("sim-fault-500", 500, "server_error", None),
        ("sim-fault-503", 503, "server_error", None),
        ("sim-fault-529", 529, "server_error", None),
        ("sim-fault-418", 418, "invalid_request_error", None),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
async def test_error_statuses(bench: Bench, model: str, status: int, kind: str, code: str | None, stream: bool) -> None:
    answer = await bench.ask(bench.request(model, stream=stream))
    error = answer.json()["error"]
    assert (answer.status, error["type"], error["code"]) == (status, kind, code)
    assert answer.headers.get("retry-after") == ("1" if status == 429 else None)
    assert (bench.row.outcome, bench.row.status) == ("error", status)
    assert bench.charged() == (0, 0)


async def test_retry_after_can_be_chosen(bench: Bench) -> None:
    for status in (429, 503):
        fault = {"fault": "status", "status": status, "retry_after": 2.5}
        answer = await bench.ask(bench.request(simulate=fault))
        assert (answer.status, answer.headers["retry-after"]) == (status, "2.5")


async def test_hang_before_headers_ends_when_the_client_leaves(bench: Bench) -> None:
    connection = await bench.begin(bench.streamed("sim-fault-hang-headers"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connection.head(), 0.05)
    assert bench.row.outcome == "running"
    await connection.close()
    assert await bench.simulator.settled()
    assert (bench.row.outcome, bench.row.status, bench.row.sent_bytes) == ("hung", None, 0)
    assert bench.charged() == (0, 0)


@pytest.mark.parametrize("after", [0, 2, 50])
async def test_hang_in_the_stream(bench: Bench, after: int) -> None:
    body = bench.streamed(question=SAID, simulate={"fault": "hang-stream", "after_events": after})
    connection = await bench.begin(body)
    await connection.head()
    for _ in range(1 + min(after, TOKENS)):
        await connection.chunk()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connection.chunk(), 0.05)
    await connection.close()
    assert await bench.simulator.settled()
    text = connection.answer.text
    assert text == " ".join(TEXT.split()[:after])
    assert (bench.row.outcome, bench.row.sent_text) == ("hung", len(text))
    assert bench.charged() == (prompt_of(body), tokens_of(text))
    assert bench.row.sent_bytes == len(connection.answer.body)


@pytest.mark.parametrize("kind", ["cut", "reset"])
async def test_cut_after_k_bytes(bench: Bench, kind: str) -> None:
    body = bench.streamed(question="say: 하나 둘 셋")
    whole = await bench.ask(body)
    boundaries = [0]
    for chunk in whole.chunks:
        boundaries.append(boundaries[-1] + len(chunk))
    # Around every boundary of events, and inside each of them; resets take longer.
    places = {place + near for place in boundaries for near in (-1, 0, 1)} | set(range(0, len(whole.body), 97))
    chosen = sorted(place for place in places if 0 <= place <= len(whole.body))
    for place in chosen if kind == "cut" else chosen[:: len(chosen) // 8]:
        answer = await bench.ask({**body, "model": f"sim-fault-{kind}-{place}"})
        assert answer.ended == ("fin" if kind == "cut" else "rst")
        assert len(answer.body) == place == bench.row.sent_bytes
        assert bench.row.outcome == "cut"
        assert bench.row.sent_text == len(answer.text)
        assert bench.charged() == (prompt_of(body), tokens_of(answer.text)), place
        complete = [payload["usage"] for payload in answer.payloads if payload["usage"]]
        assert bench.row.usage_sent == (complete[0] if complete else None)


async def test_a_cut_behind_the_end_is_none(bench: Bench) -> None:
    answer = await bench.ask(bench.streamed("sim-fault-cut-999999", question=SAID))
    assert (answer.ended, answer.text, bench.row.outcome) == ("complete", TEXT, "finished")


async def test_a_cut_reasoning_stream_is_charged_by_what_both_can_see(bench: Bench) -> None:
    fault = {"fault": "cut", "after_bytes": 1500}
    answer = await bench.ask(bench.streamed("sim-reasoning", simulate=fault))
    assert bench.row.reasoning_tokens == 0
    assert bench.charged()[1] == tokens_of(answer.text) > 0


@pytest.mark.parametrize("after", [0, 3, 99])
async def test_malformed_event_ends_the_stream(bench: Bench, after: int) -> None:
    body = bench.streamed(question=SAID, simulate={"fault": "malformed", "after_events": after})
    answer = await bench.ask(body)
    assert answer.ended == "complete"
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.events[-1])
    assert answer.text == " ".join(TEXT.split()[:after])
    assert (bench.row.outcome, bench.row.usage_sent) == ("error", None)
    assert bench.charged() == (prompt_of(body), tokens_of(answer.text))


async def test_malformed_event_in_an_otherwise_good_stream(bench: Bench) -> None:
    body = bench.streamed(question=SAID, simulate={"fault": "malformed", "then": "continue"})
    answer = await bench.ask(body)
    assert (answer.text, answer.events[-1]) == (TEXT, b"[DONE]")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.events[4])
    assert bench.row.outcome == "finished"
    assert bench.charged() == (prompt_of(body), TOKENS)


async def test_a_line_of_ten_megabytes(bench: Bench) -> None:
    body = bench.streamed("sim-fault-long-line", question=SAID)
    answer = await bench.ask(body)
    assert max(len(data) for data in answer.events) > 10_000_000
    assert answer.text == TEXT
    assert (bench.row.outcome, bench.charged()) == ("finished", (prompt_of(body), TOKENS))


async def test_a_client_that_will_not_take_the_long_line_is_not_charged_for_what_follows(bench: Bench) -> None:
    connection = await bench.begin(bench.streamed("sim-fault-long-line", question=SAID))
    await connection.head()
    for _ in range(4):
        await connection.chunk()
    await connection.close()
    assert await bench.simulator.settled()
    assert bench.row.outcome == "client_left"
    assert bench.charged()[1] == tokens_of(connection.answer.text) == 3


async def test_characters_are_split_between_chunks(bench: Bench) -> None:
    body = bench.streamed("sim-fault-split-utf8")
    answer = await bench.ask(body)
    broken = 0
    for chunk in answer.chunks:
        try:
            chunk.decode()
        except UnicodeDecodeError:
            broken += 1
    assert broken > 100
    assert "시뮬레이터" in answer.text
    assert bench.charged() == (prompt_of(body), tokens_of(answer.text))


async def test_one_byte_chunks(bench: Bench) -> None:
    body = bench.streamed("sim-fault-one-byte", question="say: 둘")
    answer = await bench.ask(body)
    assert {len(chunk) for chunk in answer.chunks} == {1}
    assert (answer.text, answer.events[-1]) == ("둘", b"[DONE]")
    assert (bench.row.outcome, bench.row.sent_bytes) == ("finished", len(answer.chunks))
    assert bench.charged() == (prompt_of(body), tokens_of("둘"))


async def test_crlf(bench: Bench) -> None:
    answer = await bench.ask(bench.streamed("sim-fault-crlf", question=SAID))
    assert answer.body.count(b"\r\n\r\n") == len(answer.events)
    assert b"\n\n" not in answer.body
    assert (answer.text, bench.charged()[1]) == (TEXT, TOKENS)


async def test_no_usage(bench: Bench) -> None:
    body = bench.streamed("sim-fault-no-usage", question=SAID)
    answer = await bench.ask(body)
    assert all(payload["choices"] for payload in answer.payloads)
    assert (bench.row.outcome, bench.row.usage_sent) == ("finished", None)
    assert bench.charged() == (prompt_of(body), TOKENS)


async def test_an_explicit_zero_is_charged_as_it_was_claimed(bench: Bench) -> None:
    answer = await bench.ask(bench.streamed("sim-fault-zero-usage", question=SAID))
    usage = answer.payloads[-1]["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (0, 0, 0)
    assert (bench.row.outcome, bench.row.usage_sent, bench.charged()) == ("finished", usage, (0, 0))


async def test_of_two_usages_the_last_counts(bench: Bench) -> None:
    body = bench.streamed("sim-fault-usage-twice", question=SAID)
    answer = await bench.ask(body)
    first, second = (payload["usage"] for payload in answer.payloads[-2:])
    assert (first["completion_tokens"], second["completion_tokens"]) == (1, TOKENS)
    assert bench.row.usage_sent == second
    assert bench.charged() == (prompt_of(body), TOKENS)


async def test_a_negative_usage_is_no_charge(bench: Bench) -> None:
    body = bench.streamed("sim-fault-negative-usage", question=SAID)
    answer = await bench.ask(body)
    assert answer.payloads[-1]["usage"]["completion_tokens"] < 0
    assert bench.row.usage_sent == answer.payloads[-1]["usage"]
    assert bench.charged() == (prompt_of(body), TOKENS)


async def test_no_done(bench: Bench) -> None:
    body = bench.streamed("sim-fault-no-done", question=SAID)
    answer = await bench.ask(body)
    assert answer.ended == "complete"
    assert b"[DONE]" not in answer.body
    assert answer.text == TEXT
    assert (bench.row.outcome, bench.charged()) == ("finished", (prompt_of(body), TOKENS))


async def test_an_error_object_under_status_200(bench: Bench) -> None:
    body = bench.streamed("sim-fault-error-in-200", question=SAID)
    answer = await bench.ask(body)
    assert (answer.status, answer.ended) == (200, "complete")
    assert json.loads(answer.events[-1])["error"]["type"] == "server_error"
    assert (answer.text, bench.row.outcome) == ("one two three", "error")
    assert bench.charged() == (prompt_of(body), 3)


async def test_an_endless_stream_is_charged_until_the_client_leaves(bench: Bench) -> None:
    body = bench.streamed("sim-fault-endless", question="say: x", max_tokens=5, simulate={"gate": True})
    connection = await bench.begin(body)
    await bench.simulator.step(200)
    await connection.head()
    for _ in range(200):
        await connection.chunk()
    await connection.close()
    assert await bench.simulator.settled()
    text = connection.answer.text
    assert len(text) > 500
    assert (bench.row.outcome, bench.row.sent_text) == ("client_left", len(text))
    assert bench.charged() == (prompt_of(body), tokens_of(text))


async def test_an_endless_stream_flows_by_itself(bench: Bench) -> None:
    connection = await bench.begin(bench.streamed("sim-fault-endless", question="say: x"))
    await connection.head()
    while len(connection.answer.chunks) < 40:
        await connection.chunk()
    await connection.close()
    assert await bench.simulator.settled()
    assert bench.row.sent_text >= len(connection.answer.text) > 100
    assert bench.row.outcome == "client_left"


@pytest.mark.parametrize(
    ("fault", "ended", "outcome", "charged"),
    [
        ("cut-300", "fin", "cut", 0),
        ("reset-300", "rst", "cut", 0),
        ("malformed", "complete", "error", 0),
        ("error-in-200", "complete", "error", 0),
        ("no-usage", "complete", "finished", TOKENS),
        ("negative-usage", "complete", "finished", TOKENS),
        ("one-byte", "complete", "finished", TOKENS),
        ("split-utf8", "complete", "finished", TOKENS),
        ("no-done", "complete", "finished", TOKENS),
        ("crlf", "complete", "finished", TOKENS),
        ("usage-twice", "complete", "finished", TOKENS),
    ],
)
async def test_whole_answers(bench: Bench, fault: str, ended: str, outcome: str, charged: int) -> None:
    body = bench.request(f"sim-fault-{fault}", question=SAID)
    answer = await bench.ask(body)
    assert (answer.status, answer.ended, bench.row.outcome) == (200, ended, outcome)
    assert bench.row.sent_bytes == len(answer.body)
    assert bench.charged() == (prompt_of(body), charged)
    if outcome == "finished":
        assert answer.json()["choices"][0]["message"]["content"] == TEXT
    elif fault == "error-in-200":
        assert answer.json()["error"]["type"] == "server_error"
    else:
        with pytest.raises(json.JSONDecodeError):
            answer.json()


async def test_a_whole_answer_with_zero_usage(bench: Bench) -> None:
    answer = await bench.ask(bench.request("sim-fault-zero-usage", question=SAID))
    assert (answer.json()["usage"]["total_tokens"], bench.charged()) == (0, (0, 0))


async def test_a_long_line_before_a_whole_answer(bench: Bench) -> None:
    body = bench.request(question=SAID, simulate={"fault": "long-line", "line_bytes": 100_000})
    answer = await bench.ask(body)
    assert len(answer.body) > 100_000
    assert answer.json()["choices"][0]["message"]["content"] == TEXT


@pytest.mark.parametrize("fault", ["hang-stream", "endless"])
async def test_a_whole_answer_that_never_comes(bench: Bench, fault: str) -> None:
    body = bench.request(f"sim-fault-{fault}", question=SAID)
    connection = await bench.begin(body)
    await connection.head()
    await connection.chunk()
    await connection.close()
    assert await bench.simulator.settled()
    assert bench.row.outcome == ("hung" if fault == "hang-stream" else "client_left")
    assert bench.charged() == (prompt_of(body), 0)


async def test_a_hang_ends_when_the_simulator_stops(bench: Bench) -> None:
    body = bench.streamed("sim-fault-hang-stream", question=SAID)
    connection = await bench.begin(body)
    await connection.head()
    for _ in range(4):
        await connection.chunk()
    await bench.simulator.stop()
    assert (await connection.rest()).ended == "fin"
    await connection.close()
    assert (bench.row.outcome, bench.charged()) == ("stopped", (prompt_of(body), 3))


async def script(bench: Bench, faults: Any) -> Any:
    return await exchange(f"{bench.root}/_script", faults)


async def test_a_script_is_used_up_in_order(bench: Bench) -> None:
    told = await script(bench, [{"fault": "429", "times": 2, "retry_after": 0}, {"fault": "no-done"}])
    assert [fault["times"] for fault in told.json()["waiting"]] == [2, 1]
    statuses = [(await bench.ask(bench.streamed())).status for _ in range(4)]
    assert statuses == [429, 429, 200, 200]
    assert [row.fault for row in bench.simulator.bill.rows] == ["429", "429", "no-done", None]
    assert (await exchange(f"{bench.root}/_script")).json() == {"waiting": []}


async def test_a_script_can_be_for_one_model(bench: Bench) -> None:
    bench.simulator.script({"fault": "500", "model": "sim-korean"}, {"fault": "503"})
    assert (await bench.ask(bench.request("sim-fast"))).status == 503
    assert (await bench.ask(bench.request("sim-fast"))).status == 200
    assert (await bench.ask(bench.request("sim-korean"))).status == 500


async def test_a_script_can_be_cleared(bench: Bench) -> None:
    bench.simulator.script({"fault": "500"})
    assert (await exchange(f"{bench.root}/_script", method="DELETE")).status == 204
    assert (await bench.ask(bench.request())).status == 200


@pytest.mark.parametrize("faults", [b"{", {"fault": "429"}, [{"fault": "x"}], [{"fault": "cut"}], [{"times": 0}]])
async def test_a_bad_script_is_refused(bench: Bench, faults: Any) -> None:
    answer = await script(bench, faults)
    assert answer.status == 400
    assert answer.json()["error"]["message"]


async def test_a_header_can_ask_for_a_fault(bench: Bench) -> None:
    assert (await bench.ask(bench.request(), X_Simulate='{"fault": "cut-0"}')).ended == "fin"
    assert bench.row.fault == "cut"
    assert (await bench.ask(bench.request(), X_Simulate="{")).status == 400


async def test_a_request_s_own_wish_leaves_the_script_alone(bench: Bench) -> None:
    bench.simulator.script({"fault": "500"})
    assert (await bench.ask(bench.request(simulate={}))).status == 200
    assert (await bench.ask(bench.request())).status == 500


async def test_the_answer_can_be_dictated(bench: Bench) -> None:
    answer = await bench.ask(bench.streamed(simulate={"answer": "정확히 이것"}))
    assert answer.text == "정확히 이것"
    assert bench.charged()[1] == tokens_of("정확히 이것")


async def test_the_wish_itself_is_not_counted(bench: Bench) -> None:
    await bench.ask(bench.request(simulate={"answer": "x" * 1000}))
    assert bench.charged()[0] == prompt_of(bench.request())
