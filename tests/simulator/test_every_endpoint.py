"""Every fault at every endpoint that a model serves, whole and streamed: the row ends, and charges by the rules."""

import asyncio
from typing import Any

import pytest

from support.raw_http import Answer, exchange
from support.simulator_bench import Bench
from support.simulator_requests import FORM, form, smallest
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.faults import fault_names

MODELS = {
    "chat": "sim-fast",
    "response": "sim-fast",
    "completion": "sim-instruct",
    "embedding": "sim-embedding",
    "moderation": "sim-moderation",
    "image": "sim-image",
    "speech": "sim-speech-tokens",
    "transcription": "sim-transcribe",
}
STREAMED: dict[str, dict[str, Any]] = {
    "chat": {"stream": True, "stream_options": {"include_usage": True}},
    "response": {"stream": True},
    "completion": {"stream": True, "stream_options": {"include_usage": True}},
    "image": {"stream": True, "partial_images": 3},
    "speech": {"stream_format": "sse"},
    "transcription": {"stream": "true"},
}
NOTHING_CHARGED = {"refuse", "401", "429", "500", "503", "hang-headers"}
GIVEN = ("prompt_tokens", "prompt_audio_tokens", "prompt_image_tokens", "characters", "seconds")


CASES = [(kind, stream) for kind in MODELS for stream in ((False, True) if kind in STREAMED else (False,))]


async def ask(bench: Bench, kind: str, stream: bool, wish: dict[str, Any]) -> Answer | None:
    """The answer; None if the client gave up or none came."""
    path, body = smallest(kind, MODELS[kind])
    body |= STREAMED[kind] if stream else {}
    body["simulate"] = wish
    raw, headers = (form(body), {"Content-Type": FORM}) if kind == "transcription" else (body, {})
    try:
        async with asyncio.timeout(0.4 if wish.get("fault") in ("hang-headers", "hang-stream", "endless") else 20):
            answer = await exchange(f"{bench.base_url}/{path}", raw, headers=headers)
    except (ConnectionError, TimeoutError):
        answer = None
    assert await bench.simulator.settled()
    return answer


def charge(bench: Bench) -> Charge:
    return Charge(*(getattr(bench.row, name) for name in Charge._fields))


@pytest.mark.parametrize(("kind", "stream"), CASES)
async def test_every_fault(bench: Bench, kind: str, stream: bool) -> None:
    honest = await ask(bench, kind, stream, {})
    assert honest is not None
    assert (honest.status, bench.row.outcome, bench.row.stream) == (200, "finished", stream)
    truth = charge(bench)
    assert any(truth)
    for fault in fault_names():
        await ask(bench, kind, stream, {"fault": fault, "line_bytes": 100_000})
        row, cost = bench.row, charge(bench)
        assert row.outcome != "running", fault
        assert min(cost) >= 0
        if fault in NOTHING_CHARGED:
            assert not any(cost), fault
        elif fault == "zero-usage" and row.usage_sent is not None:
            assert cost.prompt_tokens == cost.completion_tokens == 0
        else:
            assert [getattr(cost, name) for name in GIVEN] == [getattr(truth, name) for name in GIVEN], fault
            if row.outcome == "finished" and fault not in ("split-utf8", "negative-usage", "zero-usage"):
                assert cost._replace(completion_tokens=0) == truth._replace(completion_tokens=0), fault
    totals = bench.simulator.bill.totals()
    assert totals["requests"] == len(fault_names()) + 1


@pytest.mark.parametrize(("kind", "stream"), CASES)
async def test_every_wish(bench: Bench, kind: str, stream: bool) -> None:
    await ask(bench, kind, stream, {})
    truth = charge(bench)
    wish = {"headers": {"x-extra": "1"}, "gzip": True, "event_bytes": 50_000, "served_model": "other", "delay": 0.01}
    answer = await ask(bench, kind, stream, wish)
    assert answer is not None
    assert (answer.headers["x-extra"], bench.row.served_model, charge(bench)) == ("1", "other", truth)
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "input_tokens": 11, "output_tokens": 7}
    await ask(bench, kind, stream, {"usage": usage})
    if bench.row.usage_sent is not None:
        assert bench.row.usage_sent == usage
        assert bench.charged() == (11, 7)
