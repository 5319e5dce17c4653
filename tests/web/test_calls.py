"""The list of calls over the page's API: whose they are, how they are filtered, and what a file of them holds."""

import csv
import io
import json

import pytest

from support.store_values import UNPRICED, a_settlement, an_opening
from support.web_house import House
from talkmeter.metering.cost import Cost, CostLine
from talkmeter.metering.usage import Usage
from talkmeter.surfaces.web.translate_calls import LINES, csv_head

CALL = {
    "id", "state", "opened_at", "first_byte_at", "settled_at", "surface", "endpoint", "user_id", "user_name", "key_id",
    "key_name", "provider_id", "provider_name", "model_asked", "model_requested", "model_served", "service_tier", "attempt", "outcome",
    "provenance", "prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens", "reasoning_tokens",
    "cost", "priced", "http_status", "finish_reason", "error_code", "end_user", "tags", "room_id", "upstream_id",
}  # fmt: skip


async def a_call(house: House, settled=True, opening=None, **settlement):
    opened = an_opening(surface="openai", preflight_lines=None, messages_sent=None, **(opening or {}))
    changes = [opened, a_settlement(opened, **settlement)] if settled else [opened]
    await house.application.store.commit(*changes)
    return opened.id


async def listed(house: House, query="", cookie=None):
    answer = await house.send("GET", f"/api/calls{query}", cookie=cookie or house.cookie)
    assert answer.status == 200, answer.body
    return [call["id"] for call in answer.json()["calls"]]


async def test_a_call_with_all_about_it(house: House):
    key = (await house.send("POST", "/api/keys", {"name": "앱", "user_id": house.stranger_id})).json()["key"]
    id_ = await a_call(
        house,
        opening={"principal": house.stranger_id, "key_id": key["id"], "tags": '["a"]', "end_user": "민지"},
        error={"code": "rate_limited"},
    )
    answer = await house.get("/api/calls")
    (call,) = answer["calls"]
    assert set(call) == CALL
    assert (call["id"], call["user_name"], call["key_name"], call["tags"]) == (id_, "stranger", "앱", ["a"])
    assert (call["cost"], call["priced"], call["error_code"]) == ("1234", True, "rate_limited")
    assert answer["next"] is None
    assert answer["totals"] == {
        "calls": 1, "prompt_tokens": 41, "completion_tokens": 9, "cost": "1234", "unpriced_calls": 0,
        "unknown_calls": 0, "open_calls": 0,
    }  # fmt: skip
    assert set(await house.get("/api/calls?totals=0")) == {"calls", "next"}


async def test_a_member_sees_their_own_whatever_they_ask_for(house: House):
    mine = await a_call(house)
    theirs = await a_call(house, opening={"principal": house.stranger_id, "opened_at": 6_000})
    local = await a_call(house, opening={"principal": "local", "opened_at": 7_000})
    assert await listed(house) == [local, theirs, mine]
    assert await listed(house, f"?user={house.stranger_id}") == [theirs]
    assert await listed(house, "?user=local") == [local]
    for query in ("", "?user=owner", f"?user={house.stranger_id}", "?user="):
        assert await listed(house, query, house.stranger) == [theirs]
        file = await house.send("GET", f"/api/calls/export{query}", cookie=house.stranger)
        assert theirs.encode() in file.body
        assert mine.encode() not in file.body
    for entry, cookie, status in (
        (mine, house.stranger, 404),
        (local, house.stranger, 404),
        (theirs, house.stranger, 200),
        (theirs, house.cookie, 200),
        (local, house.cookie, 200),
    ):
        assert (await house.send("GET", f"/api/entries/{entry}/receipt", cookie=cookie)).status == status


async def test_filters_orders_and_pages(house: House):
    cheap = await a_call(house, opening={"opened_at": 1_000, "model_requested": "모델 a"}, cost=Cost(1))
    dear = await a_call(house, opening={"opened_at": 2_000}, cost=Cost(2**62), settled_at=2_001)
    running = await a_call(house, settled=False, opening={"opened_at": 3_000})
    unpriced = await a_call(house, opening={"opened_at": 4_000}, cost=UNPRICED)
    assert await listed(house) == [unpriced, running, dear, cheap]
    assert await listed(house, "?sort=cost") == [dear, cheap, unpriced, running]
    assert await listed(house, "?sort=duration") == [cheap, unpriced, dear, running]
    assert await listed(house, "?from=2000&to=4000") == [running, dear]
    assert await listed(house, "?unpriced=1") == [unpriced]
    assert await listed(house, "?state=open") == [running]
    assert await listed(house, "?state=&model=&from=&to=&unpriced=0") == [unpriced, running, dear, cheap]
    assert await listed(house, "?model=%EB%AA%A8%EB%8D%B8%20a") == [cheap]
    page = await house.get("/api/calls?sort=tokens&limit=3")
    rest = await house.get(f"/api/calls?sort=tokens&limit=3&cursor={page['next']}")
    assert [call["id"] for call in (*page["calls"], *rest["calls"])] == [unpriced, dear, cheap, running]
    assert page["totals"]["cost"] == str(2**62 + 1)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("from=yesterday", "from"),
        ("to=-1", "to"),
        ("to=1.5", "to"),
        ("state=lost", "state"),
        ("sort=name", "sort"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("totals=2", "totals"),
        ("unpriced=yes", "unpriced"),
        ("cursor=here", "cursor"),
        ("cursor=cost.1.1", "cursor"),
        ("model=%00", "model"),
        ("colour=red", "colour"),
    ],
)
async def test_what_cannot_be_asked_for_is_named(house: House, query: str, param: str):
    answer = await house.send("GET", f"/api/calls?{query}")
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)
    assert answer.json()["error"]["message_ko"]


async def test_an_export_has_every_call_once_with_exact_money(house: House, monkeypatch):
    monkeypatch.setattr("talkmeter.surfaces.web.routes_calls.EXPORT_PAGE", 2)
    ids = [
        await a_call(
            house, opening={"opened_at": 1_000_000 * n}, cost=Cost(2**62 + n), settled_at=1_000_000 * n + 1_500
        )
        for n in range(5)
    ]
    await a_call(
        house,
        opening={"opened_at": 10**15, "metadata": '{"run":"7"}', "tags": '["a","b"]'},
        usage=Usage(prompt_tokens=0),
        cost=UNPRICED,
    )
    answer = await house.send("GET", "/api/calls/export?format=csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="talkmeter-calls.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [row["id"] for row in rows[1:]] == ids[::-1]
    assert rows[1]["cost_usd"] == "4611686.018427387908"
    assert rows[1]["cost_picodollars"] == str(2**62 + 4)
    assert (rows[1]["opened_at"], rows[1]["duration_ms"], rows[1]["provenance"], rows[1]["pricing"]) == (
        "1970-01-01T00:00:04.000000Z", "1", "reported", "priced",
    )  # fmt: skip
    first = rows[0]
    assert (first["prompt_tokens"], first["completion_tokens"], first["cost_usd"], first["pricing"]) == (
        "0", "", "", "unpriced",
    )  # fmt: skip
    assert (first["tags"], first["metadata"]) == ("a, b", '{"run":"7"}')
    lines = (await house.send("GET", "/api/calls/export?format=ndjson")).body.splitlines()
    told = [json.loads(line) for line in lines]
    assert [line["id"] for line in told[1:]] == ids[::-1]
    assert (told[0]["completion_tokens"], told[0]["tags"], told[0]["metadata"]) == (None, ["a", "b"], {"run": "7"})
    assert list(told[0]) == list(rows[0]), "both forms have the same columns"
    filtered = await house.send("GET", "/api/calls/export?format=ndjson&from=3000000&to=4000000")
    assert [json.loads(line)["id"] for line in filtered.body.splitlines()] == [ids[3]]
    empty = await house.send("GET", "/api/calls/export?model=none")
    assert empty.body == csv_head()
    assert (await house.send("GET", "/api/calls/export?format=xlsx")).json()["error"]["param"] == "format"


async def test_a_model_is_found_by_both_its_names(house: House):
    routed = await a_call(house, opening={"model_asked": "fast", "model_requested": "m-1"})
    plain = await a_call(house, opening={"model_requested": "fast", "opened_at": 4_000})
    assert await listed(house, "?model=fast") == [routed, plain]
    assert await listed(house, "?model=m-1") == [routed]
    (call, other) = (await house.get("/api/calls"))["calls"]
    assert (call["model_asked"], call["model_requested"], other["model_asked"]) == ("fast", "m-1", None)
    receipt = await house.get(f"/api/entries/{routed}/receipt")
    assert (receipt["model_asked"], receipt["model_requested"]) == ("fast", "m-1")
    answer = await house.send("GET", "/api/calls/export?model=fast")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert [(row["model_asked"], row["model_requested"]) for row in rows] == [("fast", "m-1"), ("", "fast")]


async def test_an_export_has_all_that_is_priced(house: House):
    fees = (CostLine("web_search", 2, 10**10, 1, "a/b", 2 * 10**10),)
    usage = Usage(
        **{name: 10 + n for n, name in enumerate(Usage.__struct_fields__) if name not in ("seconds", "images")}
    )
    await a_call(house, opening={"opened_at": 3}, usage=usage, cost=Cost(2 * 10**10, fees))
    await a_call(
        house, opening={"opened_at": 2}, usage=Usage(seconds=3, images=2),
        cost=Cost(None, (), ("m: file_search has no price (used 4 times)",)),
    )  # fmt: skip
    await a_call(house, opening={"opened_at": 1}, usage=None, cost=Cost(None), provenance="unknown")
    await a_call(house, settled=False, opening={"opened_at": 0})
    answer = await house.send("GET", "/api/calls/export?format=ndjson")
    first, second, *rest = (json.loads(line) for line in answer.body.splitlines())
    for name in Usage.__struct_fields__:
        assert first[name] == getattr(usage, name)
    assert (second["seconds"], second["images"], second["characters"]) == (3, 2, None)
    uses = [{name: line[name] for name in line if name.endswith("_uses")} for line in (first, second, *rest)]
    none = {"web_search_uses": 0, "file_search_uses": 0, "code_interpreter_uses": 0, "image_generation_uses": 0}
    assert uses[:2] == [{**none, "web_search_uses": 2}, {**none, "file_search_uses": 4}]
    assert uses[2:] == [dict.fromkeys(none)] * 2
    answer = await house.send("GET", "/api/calls/export?format=csv")
    rows = list(csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"))))
    assert list(rows[0]) == list(first)
    assert (rows[0]["web_search_uses"], rows[0]["prompt_audio_tokens"], rows[1]["seconds"]) == ("2", "13", "3")
    assert (rows[2]["web_search_uses"], rows[1]["characters"]) == ("", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1"])
async def test_no_text_of_a_client_is_a_formula(house: House, text: str):
    await a_call(house, opening={"end_user": text, "model_requested": text}, finish_reason=text)
    answer = await house.send("GET", "/api/calls/export")
    (row,) = csv.DictReader(io.StringIO(answer.body.decode("utf-8-sig"), newline=""))
    assert [row[name] for name in ("end_user", "model_requested", "finish_reason")] == [f"'{text}"] * 3


async def test_states_of_money_in_an_export(house: House):
    await a_call(house, settled=False)
    await a_call(house, usage=None, cost=Cost(None), provenance="unknown")
    answer = await house.send("GET", "/api/calls/export?format=ndjson")
    told = {line["pricing"]: line["settled_at"] for line in map(json.loads, answer.body.splitlines())}
    assert set(told) == {"open", "unknown"}
    assert told["open"] is None
    assert set(LINES) == {"csv", "ndjson"}


async def test_the_receipt_of_a_call_of_the_gateway(house: House):
    key = (await house.send("POST", "/api/keys", {"name": "app"})).json()["key"]
    id_ = await a_call(
        house,
        opening={
            "key_id": key["id"], "tags": '["a"]', "metadata": '{"run":"7"}', "end_user": "u1", "attempt": 2,
            "preflight_tokens": None,
        },
        upstream_id="chatcmpl-1",
    )  # fmt: skip
    receipt = await house.get(f"/api/entries/{id_}/receipt")
    assert (receipt["sent"], receipt["left_out"], receipt["lines"]) == ([], [], [])
    assert (receipt["messages_sent"], receipt["window"], receipt["room_id"]) == (None, None, None)
    assert (receipt["used_tokens"], receipt["prompt_tokens"], receipt["completion_tokens"]) == (50, 41, 9)
    assert (receipt["key_name"], receipt["key_hint"], receipt["user_name"]) == ("app", key["hint"], "owner")
    assert (receipt["tags"], receipt["metadata"], receipt["end_user"]) == (["a"], {"run": "7"}, "u1")
    assert (receipt["attempt"], receipt["endpoint"], receipt["upstream_id"]) == (2, "chat/completions", "chatcmpl-1")
    assert sum(int(line["picodollars"]) for line in receipt["cost_lines"]) == int(receipt["cost"])
    assert receipt["difference"] is None
