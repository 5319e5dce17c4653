"""A provider's own books: every page, whatever waits in between, and words that help where they cannot be read."""

import json
import time
from decimal import Decimal

import pytest

from talkmeter.errors import UpstreamError
from talkmeter.providers.organization import OrganizationBooks, _wait
from talkmeter.simulator.bill import Row

DAY = 86_400
MIDNIGHT = int(time.time()) // DAY * DAY - 400 * DAY
ADMIN = "sk-admin-canary-0123456789"


@pytest.fixture
def slept():
    return []


@pytest.fixture
def books(simulator, client, slept):
    return books_at(simulator.base_url, client, slept)


def books_at(base_url, client, slept=None, **more):
    async def sleep(seconds):
        slept.append(seconds)

    more = {"admin_key": ADMIN} | more
    return OrganizationBooks(base_url=base_url, client=client, sleep=sleep, **more)


def put(simulator, at, **fields):
    row = Row(id=f"req_{len(simulator.bill.rows)}", at=at * 1_000_000, status=200, outcome="finished")
    for name, value in ({"model": "sim-fast", "service_tier": "default", "key": "abcd"} | fields).items():
        setattr(row, name, value)
    simulator.bill.add(row)


async def test_all_pages_are_read(simulator, books):
    for day in range(0, 400, 7):
        put(simulator, MIDNIGHT + day * DAY + 5, prompt_tokens=day, completion_tokens=1)
    lines = await books.usage("completions", MIDNIGHT, MIDNIGHT + 400 * DAY, "1d")
    assert [line.figures.input for line in lines] == list(range(0, 400, 7))
    assert {(line.model, line.tier, line.project, line.api_key) for line in lines} == {
        ("sim-fast", "standard", "proj_simulator", "key_abcd"),
    }
    (minute,) = await books.usage("completions", MIDNIGHT + 7 * DAY, MIDNIGHT + 10 * DAY, "1m")
    assert (minute.start, minute.figures.input) == (MIDNIGHT + 7 * DAY, 7)
    costs = await books.costs(MIDNIGHT, MIDNIGHT + 400 * DAY)
    assert sum(item.quantity for item in costs if item.item == "sim-fast, input") == sum(range(0, 400, 7))


@pytest.mark.parametrize("kind", ["embeddings", "moderations", "images", "audio_speeches", "audio_transcriptions"])
async def test_every_book_can_be_read(books, kind):
    assert await books.usage(kind, MIDNIGHT, MIDNIGHT + DAY, "1d") == []


async def test_amounts_keep_all_their_decimals(simulator, client):
    put(simulator, MIDNIGHT + 5, completion_tokens=1, service_tier="flex")
    (item,) = await books_at(simulator.base_url, client, by_key=True).costs(MIDNIGHT, MIDNIGHT + DAY)
    assert (item.item, item.picodollars, item.quantity, item.api_key) == (
        "sim-fast flex, output", Decimal(2_000_000), 1, "key_abcd",
    )  # fmt: skip


async def test_it_waits_as_long_as_it_is_told(simulator, books, slept):
    path = "/v1/organization/usage/completions"
    simulator.script(
        {"fault": "429", "endpoint": path, "retry_after": 7, "times": 2}, {"fault": "503", "endpoint": path}
    )
    put(simulator, MIDNIGHT + 5, prompt_tokens=5)
    assert len(await books.usage("completions", MIDNIGHT, MIDNIGHT + DAY, "1d")) == 1
    assert slept[:2] == [7, 7]
    assert len(slept) == 3


async def test_it_gives_up_in_the_end(simulator, books, slept):
    simulator.script({"fault": "429", "endpoint": "/v1/organization/costs", "retry_after": 1, "times": 6})
    with pytest.raises(UpstreamError, match="refused with 429"):
        await books.costs(MIDNIGHT, MIDNIGHT + DAY)
    assert len(slept) == 5
    simulator.script({"fault": "429", "endpoint": "/v1/organization/costs", "retry_after": 3600})
    with pytest.raises(UpstreamError, match="refused with 429"):
        await books.costs(MIDNIGHT, MIDNIGHT + DAY)
    assert len(slept) == 5


@pytest.mark.parametrize("key", ["sk-canary-0123456789", "sk-bad-canary-0123456789"])
async def test_a_key_that_may_not_read_them_is_refused_and_not_shown(simulator, client, key):
    with pytest.raises(UpstreamError) as caught:
        await books_at(simulator.base_url, client, admin_key=key).costs(MIDNIGHT, MIDNIGHT + DAY)
    assert caught.value.code == "books_refused"
    assert "admin key" in caught.value.hint
    assert "canary" not in caught.value.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html>", "malformed"),
        (b'{"data": [{"start_time": 1, "results": [{"amount": {}}]}]}', "KeyError"),
        (b'{"data": [{"start_time": 1, "results": [{"amount": null}]}]}', "TypeError"),
        (b'{"data": [{"start_time": 1, "results": [{"amount": {"value": "x"}}]}]}', "Invalid"),
    ],
)
async def test_what_is_no_book_is_said(client, scripted, body, words):
    async with scripted.running(saying(body)):
        with pytest.raises(UpstreamError, match=words) as caught:
            await books_at(scripted.base_url, client).costs(MIDNIGHT, MIDNIGHT + DAY)
    assert caught.value.code == "books_unreadable"


async def test_pages_without_an_end_have_one(client, scripted, monkeypatch):
    monkeypatch.setattr("talkmeter.providers.organization.MOST_PAGES", 3)
    body = json.dumps({"data": [], "has_more": True, "next_page": "again"}).encode()
    async with scripted.running(saying(body)):
        with pytest.raises(UpstreamError, match="more than 3 pages"):
            await books_at(scripted.base_url, client).costs(MIDNIGHT, MIDNIGHT + DAY)
    assert len(scripted.requests) == 3


def saying(body):
    async def answer(_reader, writer, _request):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()

    return answer


def test_a_wait_that_is_no_number_is_our_own():
    assert _wait(b"soon", 1) == _wait(None, 1) == 0.5
    assert _wait(b"-1", 1) is None
