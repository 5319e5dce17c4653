"""Moderations, files, and batches."""

import json
from typing import Any

import pytest

from support.simulator_bench import Bench, prompt_of, tokens_of
from support.simulator_requests import FORM, form, smallest

SAID = "say: one two three"


async def upload(bench: Bench, lines: list[Any], purpose: str = "batch") -> dict[str, Any]:
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    answer = await bench.call("files", form({"purpose": purpose, "file": ("in.jsonl", data)}), Content_Type=FORM)
    assert answer.status == 200
    return answer.json()


def line(body: dict[str, Any], number: int = 1, url: str = "/v1/chat/completions") -> dict[str, Any]:
    return {"custom_id": f"c-{number}", "method": "POST", "url": url, "body": body}


async def begin(bench: Bench, file_id: str, **fields: Any) -> dict[str, Any]:
    wanted = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h", **fields}
    answer = await bench.call("batches", wanted, Authorization="Bearer sk-batch-WXYZ")
    assert answer.status == 200, answer.body
    return answer.json()


async def test_moderation_is_free_and_flags_what_it_is_told_to(bench: Bench) -> None:
    body = {"model": "sim-moderation", "input": ["hello", "flag: violence"]}
    answer = (await bench.call("moderations", body)).json()
    assert [result["flagged"] for result in answer["results"]] == [False, True]
    assert answer["results"][1]["categories"]["violence"] is True
    assert answer["results"][1]["category_scores"]["violence"] > 0.5
    assert bench.charged() == (tokens_of("hello") + tokens_of("flag: violence"), 0)
    parts = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    assert len((await bench.call("moderations", {"input": parts})).json()["results"]) == 1
    assert bench.row.model == "sim-moderation"


@pytest.mark.parametrize("given", [None, 5, [], [5], [{"type": "text", "text": 5}]])
async def test_what_cannot_be_judged(bench: Bench, given: Any) -> None:
    assert (await bench.call("moderations", {"input": given})).status == 400


async def test_files_are_kept_as_they_came(bench: Bench) -> None:
    data = bytes(range(256)) + b"\r\n--x\r\n"
    made = await bench.call("files", form({"purpose": "user_data", "file": ("ü.bin", data)}), Content_Type=FORM)
    shown = made.json()
    assert (shown["object"], shown["bytes"], shown["filename"], shown["purpose"]) == (
        "file",
        len(data),
        "ü.bin",
        "user_data",
    )
    assert (await bench.call(f"files/{shown['id']}")).json() == shown
    content = await bench.call(f"files/{shown['id']}/content")
    assert (content.body, content.headers["content-type"]) == (data, "application/octet-stream")
    others = [await upload(bench, [number]) for number in range(3)]
    listed = (await bench.call("files?order=asc&limit=2&purpose=batch")).json()
    assert ([one["id"] for one in listed["data"]], listed["has_more"]) == ([one["id"] for one in others[:2]], True)
    rest = (await bench.call(f"files?order=asc&purpose=batch&after={listed['last_id']}")).json()
    assert ([one["id"] for one in rest["data"]], rest["has_more"]) == ([others[2]["id"]], False)
    assert (await bench.call("files?limit=none")).status == 400
    deleted = (await bench.call(f"files/{shown['id']}", method="DELETE")).json()
    assert deleted == {"id": shown["id"], "object": "file", "deleted": True}
    assert (await bench.call(f"files/{shown['id']}")).status == 404
    totals = bench.simulator.bill.totals()
    assert totals["requests"] == len(bench.simulator.bill.rows) > 8
    assert sum(totals.values()) == totals["requests"]


@pytest.mark.parametrize("fields", [{"purpose": "batch"}, {"file": b"x"}, {"purpose": "fun", "file": b"x"}])
async def test_a_file_that_is_refused(bench: Bench, fields: Any) -> None:
    assert (await bench.call("files", form(fields), Content_Type=FORM)).status == 400


async def test_a_batch_is_answered_line_by_line(bench: Bench) -> None:
    bodies = [bench.request(question=SAID), bench.request("sim-reasoning"), bench.request(temperature=9), {"x": 1}]
    sent = await upload(bench, [line(body, number) for number, body in enumerate(bodies)])
    batch = await begin(bench, sent["id"], metadata={"night": "1"})
    assert (batch["status"], batch["object"], batch["metadata"]) == ("completed", "batch", {"night": "1"})
    assert batch["request_counts"] == {"total": 4, "completed": 2, "failed": 2}
    rows = [row for row in bench.simulator.bill.rows if row.batch]
    assert [(row.status, row.outcome) for row in rows] == [(200, "finished")] * 2 + [(400, "error")] * 2
    assert {(row.key, row.endpoint) for row in rows} == {("WXYZ", "/v1/chat/completions")}
    assert rows[0].prompt_tokens == prompt_of(bodies[0])
    assert rows[0].completion_tokens == 3
    assert batch["usage"]["input_tokens"] == sum(row.prompt_tokens for row in rows)
    assert batch["usage"]["output_tokens"] == sum(row.completion_tokens for row in rows)
    assert batch["usage"]["output_tokens_details"]["reasoning_tokens"] == rows[1].reasoning_tokens > 0
    output = (await bench.call(f"files/{batch['output_file_id']}/content")).body.splitlines()
    answers = [json.loads(one) for one in output]
    assert [one["custom_id"] for one in answers] == ["c-0", "c-1"]
    assert answers[0]["response"]["body"]["choices"][0]["message"]["content"] == "one two three"
    errors = (await bench.call(f"files/{batch['error_file_id']}/content")).body.splitlines()
    assert json.loads(errors[0])["response"]["status_code"] == 400
    assert (await bench.call(f"batches/{batch['id']}")).json() == batch
    assert (await bench.call("batches")).json()["data"] == [batch]
    assert (await bench.call(f"batches/{batch['id']}/cancel", {})).status == 409
    assert (await bench.call("batches/none")).status == 404


async def test_a_batch_of_embeddings(bench: Bench) -> None:
    body = {"model": "sim-embedding", "input": "one two"}
    sent = await upload(bench, [line(body, url="/v1/embeddings"), line(body)])
    batch = await begin(bench, sent["id"], endpoint="/v1/embeddings")
    assert batch["request_counts"] == {"total": 2, "completed": 1, "failed": 1}
    assert batch["usage"]["total_tokens"] == 2


@pytest.mark.parametrize(
    ("kind", "model"), [("response", "sim-fast"), ("completion", "sim-instruct"), ("moderation", "sim-moderation")]
)
async def test_a_batch_of_every_kind(bench: Bench, kind: str, model: str) -> None:
    path, body = smallest(kind, model)
    sent = await upload(bench, [line(body, url=f"/v1/{path}")])
    batch = await begin(bench, sent["id"], endpoint=f"/v1/{path}")
    assert batch["request_counts"] == {"total": 1, "completed": 1, "failed": 0}
    (row,) = [row for row in bench.simulator.bill.rows if row.batch]
    assert batch["usage"]["total_tokens"] == row.prompt_tokens + row.completion_tokens > 0


async def test_a_batch_that_waits_can_be_cancelled(bench: Bench) -> None:
    sent = await upload(bench, [line(bench.request())])
    batch = await begin(bench, sent["id"], simulate={"gate": True})
    assert batch["status"] == "validating"
    cancelled = (await bench.call(f"batches/{batch['id']}/cancel", {})).json()
    assert cancelled["status"] == "cancelled"
    assert not any(row.batch for row in bench.simulator.bill.rows)


@pytest.mark.parametrize(
    "fields",
    [{"endpoint": None}, {"endpoint": "/v1/files"}, {"completion_window": "1h"}, {"completion_window": None}],
)
async def test_a_batch_that_is_refused(bench: Bench, fields: Any) -> None:
    sent = await upload(bench, [])
    wanted = {"input_file_id": sent["id"], "endpoint": "/v1/embeddings", "completion_window": "24h", **fields}
    assert (await bench.call("batches", wanted)).status == 400
    assert (
        await bench.call(
            "batches",
            {**wanted, "endpoint": "/v1/embeddings", "completion_window": "24h", "input_file_id": "file-none"},
        )
    ).status == 404
