"""Budgets and rate limits at the door: what is refused, with which words and headers, and what the ledger keeps."""

import asyncio
import json

import pytest

from support.gate import chat
from talkmeter.metering import admission
from talkmeter.metering.cost import plain_dollars

PRICE_IN, PRICE_OUT = 1_000_000, 4_000_000  # picodollars for a token of sim-fast


def usd(picodollars):
    return f"{plain_dollars(picodollars)} USD"


def refused(answer, code, kind):
    assert answer.status == 429, answer.body
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == (code, kind)
    return error


async def test_a_budget_that_is_used_up(gate):
    key, token = await gate.key("poor")
    budget = await gate.budget("0.0009 USD", name="pocket money", scope="key", scope_id=key.id, period="day")
    body = chat("say: hi", max_tokens=100)  # at worst 400 µ$ for the answer, and a byte is no less than a token
    assert (await gate.call("chat/completions", body, key=token)).status == 200
    error = refused(await gate.call("chat/completions", chat("say: hi", max_tokens=1000), key=token),
                    "insufficient_quota", "insufficient_quota")  # fmt: skip
    assert "pocket money" in error["message"]
    told = error["talkmeter"]
    assert (told["budget"], told["budget_id"]) == ("pocket money", budget.id)
    assert told["limit"] == "900000000"
    assert told["resets_at"] is not None
    assert (await gate.call("chat/completions", chat("say: hi", max_tokens=1000))).status == 200, "it is of that key"
    ledger = await gate.check_books()
    assert len(ledger) == 2, "what was refused has no entry: nothing was sent"


async def test_the_prompt_is_counted_only_where_that_decides(gate, monkeypatch):
    """A byte is no less than a token: far from its end a budget needs no count."""
    counted = []
    count = admission.count_asked
    monkeypatch.setattr(admission, "count_asked", lambda asked: counted.append(1) or count(asked))
    body = chat("say: hi " + "word " * 400, max_tokens=10)
    size = len(json.dumps(body))
    await gate.budget(usd(20 * (size + 40) * PRICE_IN), period="request")
    assert (await gate.call("chat/completions", body)).status == 200
    assert counted == []
    await gate.budget(usd(1200 * PRICE_IN), period="request", name="a small one")
    assert (await gate.call("chat/completions", body)).status == 200
    assert counted == [1]
    entry = await gate.last()
    assert entry["preflight_tokens"] == entry["prompt_tokens"]
    assert entry["worst_case_picodollars"] == 2 * (entry["prompt_tokens"] * PRICE_IN + 10 * PRICE_OUT), (
        "a provider may serve what names no tier in the dearest one"
    )


async def test_ten_of_a_hundred(gate):
    """At once: the budget for ten lets in exactly ten, and what they have really cost is what is spent."""
    body = chat("say: hi", max_tokens=50)
    one = len(json.dumps(body)) * PRICE_IN + 50 * PRICE_OUT
    budget = await gate.budget(usd(one * 10))
    gate.simulator.script({"gate": True, "times": 100})
    asked = [asyncio.create_task(gate.call("chat/completions", body)) for _ in range(100)]
    async with asyncio.timeout(30):
        while sum(task.done() for task in asked) < 80:
            await asyncio.sleep(0.01)
        while len([task for task in asked if not task.done()]) > len(gate.simulator.bill.rows):
            await asyncio.sleep(0.01)
    await gate.simulator.step(1000)
    answers = await asyncio.gather(*asked)
    admitted = [answer for answer in answers if answer.status == 200]
    assert {answer.status for answer in answers} == {200, 429}
    ledger = await gate.check_books()
    assert len(ledger) == len(admitted)
    assert sum(entry["worst_case_picodollars"] for entry in ledger.values()) <= budget.amount
    spent = sum(entry["cost_picodollars"] for entry in ledger.values())
    assert gate.counters() == [(spent, 0)]


async def test_two_hundred_of_all_kinds(gate):
    """Dear tiers, several choices, long prompts, tools, models without a price: nothing of it overspends."""
    budget = await gate.budget("0.02 USD")
    kinds = [
        chat("say: hi", max_tokens=50, service_tier="priority"),
        chat("say: hi", max_tokens=50, n=3),
        chat("say: hi", "gpt-5.4", max_completion_tokens=5),
        chat("say: hi", max_tokens=50, stream=True),
        chat("say: hi", "gpt-99-unheard-of", max_tokens=5),
        chat("say: hi", max_tokens=50, tools=[{"type": "web_search"}]),
        chat("x " * 140_000, "gpt-5.4", max_completion_tokens=5),
    ]
    asked = [kinds[number % 6] for number in range(200)] + [kinds[6]] * 2
    answers = await asyncio.gather(*(gate.call("chat/completions", body) for body in asked))
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 429}
    assert {status for number, status in enumerate(statuses) if number % 6 in (4, 5) or number >= 200} == {429}
    ledger = await gate.check_books()
    assert len(ledger) == statuses.count(200)
    assert all(entry["cost_picodollars"] <= entry["worst_case_picodollars"] for entry in ledger.values())
    ((spent, reserved),) = gate.counters()
    assert (spent, reserved) == (sum(entry["cost_picodollars"] for entry in ledger.values()), 0)
    assert 0 < spent <= budget.amount


async def test_an_unpriced_model_under_a_money_budget(gate):
    await gate.budget("5 USD", name="money")
    for more, word in (({}, "max_completion_tokens"), ({"max_tokens": 5}, "price")):
        error = refused(await gate.call("chat/completions", chat(model="gpt-99-unheard-of", **more)),
                        "insufficient_quota", "insufficient_quota")  # fmt: skip
        assert word in error["message"]
    assert gate.wire.sent == b""


async def test_a_soft_budget_only_warns(gate):
    await gate.budget("0.000000001 USD", name="soft", hard=False)
    answer = await gate.call("chat/completions", chat())
    assert answer.status == 200
    again = await gate.call("chat/completions", chat())
    assert again.headers["x-talkmeter-budget-warning"].startswith("soft; ")


@pytest.mark.parametrize("status", [401, 503])
async def test_what_a_provider_refuses_frees_its_reservation(gate, status):
    await gate.budget("1 USD")
    gate.simulator.script({"fault": str(status)})
    assert (await gate.call("chat/completions", chat())).status == status
    await gate.ledger()
    assert gate.counters() == [(0, 0)]


async def test_a_tag_s_budget(gate):
    await gate.budget("0.0000001 USD", scope="tag", scope_id="team-a", name="team A")
    assert (await gate.call("chat/completions", chat(), x_talkmeter_tags="team-b")).status == 200
    error = refused(await gate.call("chat/completions", chat(), x_talkmeter_tags="x, team-a"), "insufficient_quota",
                    "insufficient_quota")  # fmt: skip
    assert "team A" in error["message"]


async def test_what_is_free_needs_no_budget(gate):
    await gate.budget("0.0000001 USD")
    assert (await gate.call("moderations", {"model": "sim-moderation", "input": "x"})).status == 200
    assert (await gate.call("responses/input_tokens", {"model": "sim-fast", "input": "x"})).status == 200


async def test_requests_a_minute(gate):
    _, token = await gate.key("slow", rpm=2)
    first = await gate.call("chat/completions", chat(), key=token)
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert first.headers["x-ratelimit-reset-requests"].endswith("s")
    assert (await gate.call("chat/completions", chat(), key=token)).headers["x-ratelimit-remaining-requests"] == "0"
    answer = await gate.call("chat/completions", chat(), key=token)
    error = refused(answer, "rate_limit_exceeded", "rate_limit_error")
    assert "2 requests per minute" in error["message"]
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    assert answer.headers["x-ratelimit-limit-requests"] == "2"
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert answer.headers["x-ratelimit-reset-requests"].endswith("s")
    assert len(await gate.check_books()) == 2


async def test_tokens_a_minute(gate):
    _, token = await gate.key("small", tpm=1000)
    body = chat("say: hi", max_tokens=100)
    answer = await gate.call("chat/completions", body, key=token)
    taken = len(json.dumps(body)) // admission.BYTES_PER_TOKEN + 100
    assert answer.headers["x-ratelimit-limit-tokens"] == "1000"
    assert answer.headers["x-ratelimit-remaining-tokens"] == str(1000 - taken)
    error = refused(await gate.call("chat/completions", chat(max_tokens=5000), key=token), "rate_limit_exceeded",
                    "rate_limit_error")  # fmt: skip
    assert error["talkmeter"]["kind"] == "tokens"


async def test_a_user_s_limit_holds_for_all_their_keys(gate):
    user = await gate.application.accounts.users.add("busy", rpm=1)
    (_, one), (_, two) = [await gate.key(user=user.id) for _ in range(2)]
    assert (await gate.call("chat/completions", chat(), key=one)).status == 200
    refused(await gate.call("chat/completions", chat(), key=two), "rate_limit_exceeded", "rate_limit_error")


async def test_a_rotated_key_keeps_its_limits(gate):
    key, one = await gate.key(rpm=1)
    assert (await gate.call("chat/completions", chat(), key=one)).status == 200
    _, two = await gate.application.accounts.keys.rotate(key.id)
    refused(await gate.call("chat/completions", chat(), key=two), "rate_limit_exceeded", "rate_limit_error")


async def test_a_refused_budget_takes_no_request_from_the_rate(gate):
    key, token = await gate.key(rpm=5)
    await gate.budget("0.0000001 USD", scope="key", scope_id=key.id)
    refused(await gate.call("chat/completions", chat(), key=token), "insufficient_quota", "insufficient_quota")
    await gate.call("moderations", {"model": "sim-moderation", "input": "x"}, key=token)
    answer = await gate.call("moderations", {"model": "sim-moderation", "input": "x"}, key=token)
    assert answer.headers["x-ratelimit-remaining-requests"] == "3"
