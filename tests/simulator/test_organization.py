"""The provider's own books: they agree with the bill, in OpenAI's shape, to the last decimal."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest

from support.raw_http import Answer
from support.simulator_bench import Bench
from support.simulator_requests import FORM, form, smallest, wav
from talkmeter.metering.cost import price_usage
from talkmeter.metering.prices import PriceTable
from talkmeter.metering.usage import parse_usage
from talkmeter.simulator import Simulator
from talkmeter.simulator.bill import Row

DAY = 86_400
NOON = 1_795_219_200 + DAY // 2  # 21 November 2026
ADMIN = {"Authorization": "Bearer sk-admin-1"}


async def books(bench: Bench, what: str, **query: Any) -> Any:
    pairs = [(name, one) for name, value in query.items() for one in (value if isinstance(value, list) else [value])]
    url = f"organization/{what}?" + "&".join(f"{name}={value}" for name, value in pairs)
    answer: Answer = await bench.call(url, **ADMIN)
    assert answer.status == 200, answer.body
    return json.loads(answer.body, parse_float=Decimal)


def today() -> dict[str, int]:
    now = int(time.time())
    return {"start_time": now - DAY, "end_time": now + 60}


def results(page: Any) -> list[dict[str, Any]]:
    return [result for bucket in page["data"] for result in bucket["results"]]


def put(bench: Bench, at: int, **fields: Any) -> None:
    """A row as if a request had come at that second."""
    row = Row(id=f"req_{len(bench.simulator.bill.rows)}", at=at * 1_000_000, status=200, outcome="finished")
    for name, value in ({"model": "sim-fast", "service_tier": "default"} | fields).items():
        setattr(row, name, value)
    bench.simulator.bill.add(row)


async def test_it_takes_an_admin_key(bench: Bench) -> None:
    for what in ("usage/completions", "costs"):
        url = f"organization/{what}?start_time=1"
        for key, status, code in (
            (None, 401, None),
            ("sk-1", 403, "missing_scope"),
            ("sk-bad-1", 401, "invalid_api_key"),
        ):
            answer = await bench.call(url, **({"Authorization": f"Bearer {key}"} if key else {}))
            assert (answer.status, answer.json()["error"]["code"]) == (status, code)
    assert bench.simulator.bill.rows == []


async def test_usage_is_the_bill(bench: Bench) -> None:
    usage = {
        "prompt_tokens": 3000,
        "completion_tokens": 20,
        "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 512, "audio_tokens": 5},
        "completion_tokens_details": {"audio_tokens": 7},
    }
    await bench.ask(bench.request(question="say: a b", simulate={"usage": usage}))
    await bench.call("responses", {"model": "sim-fast", "input": "say: a b"})
    await bench.ask(bench.request(simulate={"fault": "500"}))
    cut = {"fault": "error-in-200", "after_events": 1}
    await bench.ask(bench.request(question="say: a b", stream=True, simulate=cut))
    (told,) = results(await books(bench, "usage/completions", **today()))
    totals = bench.simulator.bill.totals()
    assert told == {
        "object": "organization.usage.completions.result",
        "input_tokens": totals["prompt_tokens"],
        "input_cached_tokens": 1024,
        "input_cache_write_tokens": 512,
        "input_uncached_tokens": totals["prompt_tokens"] - 1536,
        "output_tokens": 20 + 2 + 1,
        "input_text_tokens": totals["prompt_tokens"] - 5,
        "output_text_tokens": 16,
        "input_cached_text_tokens": 1024,
        "input_audio_tokens": 5,
        "input_cached_audio_tokens": 0,
        "output_audio_tokens": 7,
        "input_image_tokens": 0,
        "input_cached_image_tokens": 0,
        "output_image_tokens": 0,
        "num_model_requests": 3,
        **dict.fromkeys(("project_id", "user_id", "api_key_id", "model", "batch", "service_tier")),
    }


async def test_every_kind_has_its_books(bench: Bench) -> None:
    for kind, model in (
        ("embedding", "sim-embedding"),
        ("moderation", "sim-moderation"),
        ("image", "sim-image-classic"),
        ("speech", "sim-speech"),
    ):
        path, body = smallest(kind, model)
        assert (await bench.call(path, body)).status == 200
    heard = form({"model": "sim-whisper", "file": ("a.wav", wav(2.2))})
    assert (await bench.call("audio/transcriptions", heard, Content_Type=FORM)).status == 200
    expected = {
        "embeddings": {"input_tokens": 1},
        "moderations": {"input_tokens": 1},
        "images": {"images": 1, "source": "image.generation", "size": "1024x1024"},
        "audio_speeches": {"characters": 5},
        "audio_transcriptions": {"seconds": 3},
    }
    for kind, figures in expected.items():
        group = ["model", "source", "size"] if kind == "images" else ["model"]
        (told,) = results(await books(bench, f"usage/{kind}", **today(), group_by=group))
        assert told["object"] == f"organization.usage.{kind}.result"
        assert {name: told[name] for name in figures} == figures
        assert told["num_model_requests"] == 1
        assert told["model"].startswith("sim-")
    priced = results(await books(bench, "costs", **today(), group_by="line_item"))
    assert {one["line_item"]: (one["amount"]["value"], one["quantity"], one["quantity_unit"]) for one in priced} == {
        "sim-embedding, input": (Decimal("0.0000001"), 1, "tokens"),
        "sim-moderation, input": (0, 1, "tokens"),
        "sim-image-classic, image standard 1024x1024": (Decimal("0.04"), 1, "images"),
        "sim-speech, character": (Decimal("0.000075"), 5, "characters"),
        "sim-whisper, second": (Decimal("0.0003"), 3, "duration_seconds"),
    }


async def test_buckets_lie_where_utc_has_them(bench: Bench) -> None:
    for at in (NOON - 1, NOON, NOON + 59, NOON + 60, NOON + DAY):
        put(bench, at, prompt_tokens=1)
    for width, seconds, tokens in (("1m", 60, [2, 1]), ("1h", 3600, [3]), ("1d", DAY, [3, 1])):
        page = await books(
            bench, "usage/completions", start_time=NOON, end_time=NOON + DAY + 1, bucket_width=width, limit=24
        )
        assert all(one["end_time"] - one["start_time"] == seconds for one in page["data"])
        assert all(one["start_time"] % seconds == 0 for one in page["data"])
        assert [one["input_tokens"] for one in results(page)] == tokens
    empty = await books(bench, "usage/completions", start_time=NOON + 2 * DAY, end_time=NOON + 3 * DAY)
    assert [bucket["results"] for bucket in empty["data"]] == [[], []]


async def test_pages_follow_each_other(bench: Bench) -> None:
    for day in range(5):
        put(bench, NOON + day * DAY, prompt_tokens=day + 1)
    for what in ("usage/completions", "costs"):
        query: dict[str, Any] = {"start_time": NOON, "end_time": NOON + 5 * DAY, "limit": 4}
        first = await books(bench, what, **query)
        assert (len(first["data"]), first["has_more"]) == (4, True)
        second = await books(bench, what, **query, page=first["next_page"])
        assert (len(second["data"]), second["has_more"], second["next_page"]) == (2, False, None)
        assert len(results(first)) + len(results(second)) == 5


async def test_groups_and_filters(bench: Bench) -> None:
    put(bench, NOON, prompt_tokens=1, key="AAAA", project="p1")
    put(bench, NOON, prompt_tokens=2, key="BBBB", project="p1", batch=True)
    put(bench, NOON, prompt_tokens=4, key="BBBB", model="sim-korean", service_tier="flex")
    put(bench, NOON, prompt_tokens=8, key="BBBB", served_model="sim-fast-2")
    span = {"start_time": NOON - DAY, "end_time": NOON + DAY}

    async def split(*names: str, **only: Any) -> dict[Any, int]:
        told = results(await books(bench, "usage/completions", **span, group_by=list(names), **only))
        return {tuple(one[name] for name in names): one["input_tokens"] for one in told}

    assert await split("model") == {("sim-fast",): 3, ("sim-korean",): 4, ("sim-fast-2",): 8}
    assert await split("api_key_id", "batch") == {
        ("key_AAAA", False): 1,
        ("key_BBBB", True): 2,
        ("key_BBBB", False): 12,
    }
    assert await split("service_tier") == {("default",): 11, ("flex",): 4}
    assert await split("project_id", models="sim-fast") == {("p1",): 3}
    assert await split(api_key_ids=["key_AAAA", "key_BBBB"], batch="false") == {(): 13}
    assert await split(**{"project_ids[]": "p1", "batch": "true"}) == {(): 2}
    assert await split("user_id", models="sim-fast,sim-korean") == {("user-simulator",): 7}
    assert await split(user_ids="somebody") == {}


async def test_costs_are_exact(bench: Bench) -> None:
    usage = {
        "prompt_tokens": 3001,
        "completion_tokens": 77,
        "total_tokens": 3078,
        "prompt_tokens_details": {"cached_tokens": 1024},
    }
    for fields in ({}, {"served_tier": "flex"}, {"served_tier": "priority"}):
        await bench.ask(bench.request(simulate={"usage": usage, **fields}), Authorization="Bearer sk-x-AAAA")
    # 1977 × 1 + 1024 × 0.25 + 77 × 4 = 2541 millionths of a dollar; half of it for flex, twice for priority
    (all_,) = results(await books(bench, "costs", **today()))
    assert all_["amount"] == {"value": Decimal("0.0088935"), "currency": "usd"}
    assert (all_["line_item"], all_["quantity"]) == (None, None)
    items = results(await books(bench, "costs", **today(), group_by=["line_item", "api_key_id"]))
    assert {one["line_item"]: one["amount"]["value"] for one in items} == {
        "sim-fast, input": Decimal("0.001977"),
        "sim-fast, cached input": Decimal("0.000256"),
        "sim-fast, output": Decimal("0.000308"),
        "sim-fast flex, input": Decimal("0.0009885"),
        "sim-fast flex, cached input": Decimal("0.000128"),
        "sim-fast flex, output": Decimal("0.000154"),
        "sim-fast priority, input": Decimal("0.003954"),
        "sim-fast priority, cached input": Decimal("0.000512"),
        "sim-fast priority, output": Decimal("0.000616"),
    }
    assert {one["api_key_id"] for one in items} == {"key_AAAA"}


async def test_costs_of_real_models_are_openais(bench: Bench) -> None:
    real = Simulator(None, 0, any_model=True)
    other = Bench(real, await real.start())
    answer = (await other.ask(other.request("gpt-4o-mini"))).json()
    (told,) = results(await books(other, "costs", **today()))
    row = other.row
    cost = price_usage(
        parse_usage(answer["usage"]), PriceTable(), provider="openai", model="gpt-4o-mini", tier="default", at=row.at
    )
    assert cost.picodollars
    assert told["amount"]["value"] == Decimal(cost.picodollars).scaleb(-12)
    await real.stop()


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("", "start_time"),
        ("start_time=x", "start_time"),
        ("start_time=-1", "start_time"),
        ("start_time=10&end_time=10", "end_time"),
        ("start_time=1&bucket_width=1w", "bucket_width"),
        ("start_time=1&limit=32", "limit"),
        ("start_time=1&limit=0", "limit"),
        ("start_time=1&group_by=colour", "group_by"),
        ("start_time=1&page=none", "page"),
    ],
)
async def test_what_is_refused(bench: Bench, query: str, param: str) -> None:
    answer = await bench.call(f"organization/usage/completions?{query}", **ADMIN)
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)


async def test_costs_have_days_only_and_faults_can_be_scripted(bench: Bench) -> None:
    url = "organization/costs?start_time=1&bucket_width=1h"
    assert (await bench.call(url, **ADMIN)).json()["error"]["param"] == "bucket_width"
    bench.simulator.script({"fault": "429", "endpoint": "/v1/organization/costs", "retry_after": 3})
    limited = await bench.call("organization/costs?start_time=1", **ADMIN)
    assert (limited.status, limited.headers["retry-after"]) == (429, "3")
    assert (await bench.call("organization/usage/vector_stores?start_time=1", **ADMIN)).status == 404
