"""Going through a stream event by event, and leaving after each."""

import asyncio

from support.raw_http import RawConnection, exchange
from support.simulator_bench import Bench, prompt_of, tokens_of

SAID = "say: 하나 둘 셋"


async def test_nothing_goes_without_a_step(bench: Bench) -> None:
    body = bench.streamed(question=SAID, simulate={"gate": True})
    connection = await bench.begin(body)
    await connection.head()
    (state,) = await bench.simulator.step(2)
    assert state == {"id": bench.row.id, "written": 2, "ended": False}
    await connection.chunk()
    await connection.chunk()
    assert (bench.row.outcome, bench.row.sent_bytes) == ("running", len(connection.answer.body))
    (state,) = await bench.simulator.step(1000)
    assert state["ended"]
    answer = await connection.rest()
    assert (answer.ended, answer.text, answer.events[-1]) == ("complete", "하나 둘 셋", b"[DONE]")
    await connection.close()


async def test_the_client_leaves_at_each_event(bench: Bench) -> None:
    body = bench.streamed(question=SAID, simulate={"gate": True})
    events = len((await bench.ask(bench.streamed(question=SAID))).events)
    for count in range(events + 1):
        connection = await bench.begin(body)
        await connection.head()
        if count:
            await bench.simulator.step(count)
        for _ in range(count):
            await connection.chunk()
        await connection.close()
        assert await bench.simulator.settled()
        answer, row = connection.answer, bench.row
        assert row.outcome == ("finished" if count == events else "client_left")
        assert (row.sent_bytes, row.sent_text) == (len(answer.body), len(answer.text))
        # The usage event is the last but one; it agrees with the text here.
        assert bench.charged() == (prompt_of(body), tokens_of(answer.text))
        assert (row.usage_sent is None) == (count < events - 1)
    assert bench.simulator.bill.totals()["requests"] == events + 2


async def test_steps_over_http(bench: Bench) -> None:
    connection = await bench.begin(bench.streamed(question=SAID, simulate={"gate": True}))
    told = await exchange(f"{bench.root}/_step", {"events": 3})
    assert [one["written"] for one in told.json()["released"]] == [3]
    other = await bench.begin(bench.streamed(question=SAID, simulate={"gate": True}))
    await other.head()
    first, second = (row.id for row in bench.simulator.bill.rows)
    told = await exchange(f"{bench.root}/_step", {"events": 1, "request": second})
    assert told.json()["released"] == [{"id": second, "written": 1, "ended": False}]
    told = await exchange(f"{bench.root}/_step", {"events": 1})
    assert {one["id"]: one["written"] for one in told.json()["released"]} == {first: 4, second: 2}
    await connection.close()
    await other.close()


async def test_a_step_waits_for_a_request_only_so_long(bench: Bench) -> None:
    assert (await exchange(f"{bench.root}/_step", {"wait": 0.01})).json() == {"released": []}


async def test_a_bad_step_is_refused(bench: Bench) -> None:
    for body in (b"{", {"event": 1}, {"events": "all"}):
        assert (await exchange(f"{bench.root}/_step", body)).status == 400


async def test_a_whole_answer_can_be_held_back(bench: Bench) -> None:
    connection = await bench.begin(bench.request(question=SAID, simulate={"gate": True}))
    (state,) = await bench.simulator.step()
    assert (state["written"], state["ended"]) == (1, True)
    assert (await connection.rest()).json()["choices"][0]["message"]["content"] == "하나 둘 셋"
    await connection.close()


async def test_leaving_before_a_whole_answer_began_costs_nothing(bench: Bench) -> None:
    connection = await bench.begin(bench.request(question=SAID, simulate={"gate": True}))
    assert await bench.simulator.step(0)
    await connection.close()
    assert await bench.simulator.settled()
    assert (bench.row.outcome, bench.row.status, bench.charged()) == ("client_left", None, (0, 0))


async def stuck(bench: Bench) -> RawConnection:
    """A connection whose client reads nothing but the headers, when the stream has come to a halt."""
    connection = await bench.begin(bench.streamed(question="long 400000"), receive_buffer=4096)
    await connection.head()
    before = -1
    while bench.row.sent_bytes != before:
        before = bench.row.sent_bytes
        await asyncio.sleep(0.1)
    assert (bench.row.outcome, bench.row.status) == ("running", 200)
    assert bench.row.sent_text < 400_000
    return connection


async def test_a_client_that_does_not_read_holds_the_stream_back(bench: Bench) -> None:
    connection = await stuck(bench)
    await connection.close()
    assert await bench.simulator.settled()
    assert bench.row.outcome == "client_left"
    assert 0 < bench.row.sent_text < 400_000
    assert bench.row.completion_tokens > 0


async def test_a_client_that_does_not_read_does_not_hold_up_the_end(bench: Bench) -> None:
    connection = await stuck(bench)
    await bench.simulator.stop()
    assert bench.row.outcome == "stopped"
    await connection.close()
