"""What shows only afterwards what it has cost: assistants' runs, training, videos, batches. Never free, never unbounded."""

import json
from contextlib import AsyncExitStack

import pytest

from support.gate import chat, gate_open
from support.simulator_requests import FORM, form
from support.upstreams import Scripted, reply
from talkmeter.conversation.gateway.endpoints import find_endpoint

SPENDING = [
    "threads/runs", "threads/thread_1/runs", "threads/thread_1/runs/run_1/submit_tool_outputs", "fine_tuning/jobs",
    "fine_tuning/jobs/ft_1/resume", "fine_tuning/alpha/graders/run", "evals/eval_1/runs", "containers", "videos",
    "videos/video_1/remix", "vector_stores", "vector_stores/vs_1/files", "vector_stores/vs_1/search",
    "vector_stores/vs_1/file_batches", "chat/new", "responses/resp_1/new", "files/new/thing",
]  # fmt: skip
FREE = [
    "files", "uploads", "uploads/up_1/parts", "uploads/up_1/complete", "uploads/up_1/cancel", "batches/b_1/cancel",
    "chat/completions/c_1", "responses/resp_1/cancel", "conversations", "conversations/c_1", "conversations/c_1/items",
    "assistants", "assistants/a_1", "threads", "threads/thread_1", "threads/thread_1/messages",
    "threads/thread_1/messages/m_1", "threads/thread_1/runs/run_1", "threads/thread_1/runs/run_1/cancel", "evals",
    "evals/eval_1", "evals/eval_1/runs/run_1/cancel", "containers/c_1/files", "fine_tuning/jobs/ft_1/cancel",
    "fine_tuning/jobs/ft_1/pause", "vector_stores/vs_1", "vector_stores/vs_1/files/f_1",
    "vector_stores/vs_1/file_batches/b_1/cancel",
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "billing"), [*((one, "elsewhere") for one in SPENDING), *((one, "nothing") for one in FREE)]
)
def test_what_may_cost_money(path, billing):
    assert find_endpoint("POST", path).billing == billing
    for method in ("GET", "DELETE"):
        assert find_endpoint(method, path).billing == "nothing"


@pytest.fixture
async def assistants(tmp_path):
    """`await assistants(body, kind)`: the answer and the entry of a run at a provider that answers exactly this."""
    upstream = Scripted()

    async def call(body, kind=b"application/json"):
        head = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (kind, len(body))
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(upstream.running(reply(head + body)))
            gate = await stack.enter_async_context(gate_open(tmp_path, {"OPENAI_BASE_URL": upstream.base_url}))
            answer = await gate.call("threads/thread_1/runs", {"assistant_id": "asst_1", "model": "gpt-4o"})
            assert answer.status == 200, answer.body
            return answer, await gate.entry_anywhere(answer)

    return call


async def test_a_run_that_tells_nothing_is_unknown_not_free(assistants):
    answer, entry = await assistants(b'{"id":"run_1","object":"thread.run","model":"gpt-4o","usage":null}')
    assert (entry["provenance"], entry["prompt_tokens"], entry["cost_picodollars"]) == ("unknown", None, None)
    assert "only on the provider's bill" in entry["unpriced"]
    assert "x-talkmeter-cost" not in answer.headers


async def test_a_run_that_tells_its_tokens_is_priced(assistants):
    """gpt-4o: 2.50 / 10."""
    run = {"id": "run_1", "object": "thread.run", "model": "gpt-4o",
           "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}}  # fmt: skip
    body = b"event: thread.run.completed\ndata: " + json.dumps(run).encode() + b"\n\nevent: done\ndata: [DONE]\n\n"
    _, entry = await assistants(body, b"text/event-stream")
    assert (entry["provenance"], entry["model_served"]) == ("reported", "gpt-4o")
    assert entry["cost_picodollars"] == 100 * 2_500_000 + 10 * 10_000_000


@pytest.mark.parametrize("unit", ["5 USD", "1000000 tokens"])
@pytest.mark.parametrize("path", ["threads/thread_1/runs", "fine_tuning/jobs", "videos", "batches", "vector_stores"])
async def test_a_hard_budget_refuses_what_nobody_can_bound(gate, path, unit):
    await gate.budget(unit, name="the team")
    answer = await gate.call(path, {"model": "gpt-4o"})
    assert answer.status == 429
    error = answer.json()["error"]
    assert (error["code"], error["talkmeter"]["reason"]) == ("insufficient_quota", "unseen")
    assert "the team" in error["message"]
    assert "gateway_unseen" in error["message"]
    assert gate.wire.sent == b""
    assert await gate.ledger() == {}


async def test_what_costs_nothing_passes_a_budget(gate):
    await gate.budget("0.000000001 USD")
    assert (await gate.call("files")).status == 200


async def test_a_soft_budget_lets_it_pass(gate):
    await gate.budget("5 USD", hard=False)
    assert (await gate.call("batches", {"input_file_id": "x"})).status != 429
    assert gate.wire.sent != b""


async def test_where_the_owner_allows_it_the_budget_counts_what_is_told_later(open_gate):
    gate = await open_gate(gateway_unseen=True)
    await gate.budget("5 USD")
    line = {"custom_id": "1", "method": "POST", "url": "/v1/chat/completions", "body": chat("say: x", "gpt-4o-mini")}
    fields = {"purpose": "batch", "file": ("in.jsonl", json.dumps(line).encode())}
    file = await gate.call("files", form(fields), content_type=FORM)
    made = await gate.call("batches", {"input_file_id": file.json()["id"], "endpoint": "/v1/chat/completions",
                                       "completion_window": "24h"})  # fmt: skip
    assert made.status == 200, made.body
    assert await gate.simulator.settled()
    told = (await gate.call(f"batches/{made.json()['id']}")).json()["usage"]
    entry = (await gate.ledger())[made.headers["x-talkmeter-call-id"]]
    assert entry["cost_picodollars"] == told["input_tokens"] * 75_000 + told["output_tokens"] * 300_000 > 0
    assert gate.counters() == [(entry["cost_picodollars"], 0)]
