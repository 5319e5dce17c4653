"""Answers that are made later: their figures come with whoever asks for them, once, and onto the call that began it."""

import asyncio
import json
import sqlite3
from contextlib import closing

from support import books
from support.gate import chat
from support.simulator_requests import FORM, form


async def corrected(gate, entry_id, provenance="reported"):
    """The entry, once the correction is there."""
    async with asyncio.timeout(60):
        while (entry := (await gate.ledger())[entry_id])["provenance"] != provenance:
            await asyncio.sleep(0.01)
    return entry


async def test_a_response_in_the_background(gate):
    begun = await gate.call("responses", {"model": "sim-fast", "input": "say: 하나 둘", "background": True})
    first = begun.headers["x-talkmeter-call-id"]
    if begun.json()["status"] != "completed":
        assert (await gate.ledger())[first]["provenance"] == "unknown"
    assert await gate.simulator.settled()
    told = await gate.call(f"responses/{begun.json()['id']}")
    assert told.json()["status"] == "completed"
    entry = await corrected(gate, first)
    usage = told.json()["usage"]
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
    assert entry["cost_picodollars"] == usage["input_tokens"] * 1_000_000 + usage["output_tokens"] * 4_000_000
    looked = (await gate.ledger())[told.headers["x-talkmeter-call-id"]]
    assert (looked["cost_picodollars"], looked["prompt_tokens"]) == (0, None), "looking costs nothing"
    await gate.call(f"responses/{begun.json()['id']}")
    assert (await gate.ledger())[first] == entry, "once"
    check_sums(gate, await gate.ledger())


async def test_a_response_in_the_background_followed_as_a_stream(gate):
    begun = await gate.call("responses", {"model": "sim-fast", "input": "say: 하나 둘", "background": True})
    followed = await gate.call(f"responses/{begun.json()['id']}?stream=true")
    assert b"response.completed" in followed.body
    assert followed.body == gate.answered.body
    await corrected(gate, begun.headers["x-talkmeter-call-id"])
    check_sums(gate, await gate.ledger())


async def test_its_budget_is_put_right(gate):
    await gate.budget("1 USD")
    begun = await gate.call("responses", {"model": "sim-fast", "input": "say: hi", "background": True})
    assert await gate.simulator.settled()
    await gate.call(f"responses/{begun.json()['id']}")
    entry = await corrected(gate, begun.headers["x-talkmeter-call-id"])
    assert gate.counters() == [(entry["cost_picodollars"], 0)]


async def test_a_batch(gate):
    lines = [
        {"custom_id": str(n), "method": "POST", "url": "/v1/chat/completions", "body": chat(f"say: {n} 하나")}
        for n in range(3)
    ]
    text = "\n".join(json.dumps(line) for line in lines).encode()
    file = await gate.call("files", form({"purpose": "batch", "file": ("in.jsonl", text)}), content_type=FORM)
    assert file.status == 200, file.body
    made = await gate.call("batches", {
        "input_file_id": file.json()["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h",
    })  # fmt: skip
    assert await gate.simulator.settled()
    first = made.headers["x-talkmeter-call-id"]
    assert (await gate.ledger())[first]["provenance"] in ("unknown", "reported")
    told = await gate.call(f"batches/{made.json()['id']}")
    assert told.json()["status"] == "completed"
    entry = await corrected(gate, first)
    usage = told.json()["usage"]
    assert (entry["prompt_tokens"], entry["completion_tokens"]) == (usage["input_tokens"], usage["output_tokens"])
    assert entry["service_tier"] == "batch"
    assert entry["cost_picodollars"] == (usage["input_tokens"] * 1_000_000 + usage["output_tokens"] * 4_000_000) // 2
    rows = [row for row in gate.simulator.bill.rows if row.batch]
    assert len(rows) == 3
    assert entry["prompt_tokens"] == sum(row.prompt_tokens for row in rows)
    assert entry["completion_tokens"] == sum(row.completion_tokens for row in rows)


async def test_cancelled_in_the_background(gate):
    gate.simulator.script({"gate": True})
    begun = await gate.call("responses", {"model": "sim-fast", "input": "say: 하나 둘 셋", "background": True})
    answer = await gate.call(f"responses/{begun.json()['id']}/cancel", method="POST")
    assert answer.json()["status"] == "cancelled"
    assert (await gate.ledger())[begun.headers["x-talkmeter-call-id"]]["provenance"] in ("unknown", "reported")


async def test_asked_for_before_its_entry_is_stored(gate):
    """The database is slow, the client is not: a member still finds the own response, and its figures arrive."""
    member = await gate.application.accounts.users.add("member")
    _, token = await gate.key(user=member.id)
    with closing(sqlite3.connect(gate.data_dir / "talkmeter.db", isolation_level=None)) as other:
        gate.simulator.script({"delay": 0.2})
        asking = asyncio.create_task(
            gate.call("responses", {"model": "sim-fast", "input": "say: hi", "background": True}, key=token)
        )
        async with asyncio.timeout(60):
            while not gate.simulator.bill.rows:
                await asyncio.sleep(0.002)
        other.execute("BEGIN IMMEDIATE")
        begun = await asking
        assert await gate.simulator.settled()
        looking = asyncio.create_task(gate.call(f"responses/{begun.json()['id']}", key=token))
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
    told = await looking
    assert (told.status, told.json()["status"]) == (200, "completed")
    await corrected(gate, begun.headers["x-talkmeter-call-id"])


async def test_a_stream_that_is_cancelled_from_elsewhere(gate):
    """By the id that its first event told, while its entry is still open."""
    member = await gate.application.accounts.users.add("member")
    _, token = await gate.key(user=member.id)
    gate.simulator.script({"gate": True})
    body = {"model": "sim-fast", "input": "say: 하나 둘 셋", "background": True, "stream": True}
    connection = await gate.open("responses", body, key=token)
    await gate.simulator.step(2)
    await connection.head()
    first = json.loads((await connection.chunk()).partition(b"data: ")[2])
    cancelled = await gate.call(f"responses/{first['response']['id']}/cancel", method="POST", key=token)
    assert cancelled.json()["status"] == "cancelled"
    await gate.simulator.step(1000, wait=0.05)
    await connection.rest()
    await connection.close()


def check_sums(gate, ledger):
    rows = gate.simulator.bill.rows
    for name in books.FIGURES:
        assert sum(entry[name] or 0 for entry in ledger.values()) == sum(getattr(row, name) for row in rows)
