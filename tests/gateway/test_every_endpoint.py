"""Every endpoint through the gateway, whole and streamed: the bytes are the provider's, and the ledger is the bill."""

import json

import pytest

from support.gate import chat
from support.gateway_requests import QUESTION, REQUESTS

OURS = {"x-talkmeter-call-id", "x-talkmeter-cost", "x-content-type-options", "content-security-policy"}


def check_same(gate, answer):
    """What the client got is what the provider sent: status, headers, and every byte of the body."""
    sent = gate.answered
    assert answer.ended == "complete"
    assert answer.status == int(sent.first.split(" ")[1])
    got = sorted((name, value) for name, value in answer.headers.items() if name not in OURS)
    known = {"date", "connection", "transfer-encoding", "content-length"}
    assert [pair for pair in got if pair[0] not in known] == [pair for pair in sent.end_to_end if pair[0] not in known]
    assert answer.body == sent.body


@pytest.mark.parametrize("request_", [one for one in REQUESTS if "unasked" not in one.name], ids=str)
async def test_the_bytes_are_the_same_and_so_is_the_bill(gate, request_):
    answer = await gate.call(request_.path, request_.body, **request_.headers)
    assert answer.status == 200, answer.body
    check_same(gate, answer)
    assert gate.asked.body == request_.body, "the request is forwarded as it came"
    (entry,) = (await gate.check_books(unknown=request_.name == "translation")).values()
    assert answer.headers["x-talkmeter-call-id"] == entry["id"]
    assert (entry["outcome"], entry["surface"], entry["principal"]) == ("finished", "openai", "local")
    assert entry["endpoint"] == request_.path
    if not request_.streamed and request_.name != "speech" and entry["cost_picodollars"] is not None:
        assert round(float(answer.headers["x-talkmeter-cost"]) * 1e12) == entry["cost_picodollars"]


@pytest.mark.parametrize("request_", [one for one in REQUESTS if "unasked" in one.name], ids=str)
async def test_a_usage_event_that_only_we_asked_for_is_withheld(gate, request_):
    answer = await gate.call(request_.path, request_.body, **request_.headers)
    assert answer.status == 200, answer.body
    blocks = gate.answered.body.split(b"\n\n")
    usage = [block for block in blocks if b'"choices":[]' in block and b'"usage":{' in block]
    assert len(usage) == 1
    assert answer.body == b"\n\n".join([block for block in blocks if block not in usage])
    asked = json.loads(gate.asked.body)
    assert asked.pop("stream_options") == {"include_usage": True}
    assert asked == json.loads(request_.body)
    assert next(iter((await gate.check_books()).values()))["provenance"] == "reported"


@pytest.mark.parametrize(
    ("fault", "more"),
    [
        ("crlf", {}),
        ("split-utf8", {}),
        ("one-byte", {}),
        ("long-line", {"line_bytes": 3_000_000}),
        (None, {"event_bytes": 1_000_000}),
        (None, {"gzip": True}),
        (None, {"gzip": True, "event_bytes": 200_000}),
        ("usage-twice", {}),
        ("no-done", {}),
        ("malformed", {"then": "continue"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
@pytest.mark.parametrize(
    "request_",
    [one for one in REQUESTS if one.name in ("chat-stream", "responses-stream", "chat", "responses")],
    ids=str,
)
async def test_odd_bytes_pass_unchanged(gate, request_, fault, more):
    """CRLF, split characters, huge events, compression: what the client sees is what the provider wrote."""
    gate.simulator.script({**({"fault": fault} if fault else {}), **more})
    answer = await gate.call(request_.path, request_.body, accept_encoding="gzip", **request_.headers)
    check_same(gate, answer)
    assert answer.headers.get("content-encoding") == ("gzip" if "gzip" in more else None)
    await gate.check_books()


@pytest.mark.parametrize("coding", ["gzip", "br, gzip;q=0.5", "identity", "*"])
@pytest.mark.parametrize("fault", [{"gzip": True}, {"fault": "crlf"}, {"fault": "one-byte"}, {"event_bytes": 300_000}],
                         ids=str)  # fmt: skip
async def test_withholding_among_odd_bytes(gate, fault, coding):
    """Also where the client takes compressed answers: the event that it did not ask for is not in it."""
    gate.simulator.script(fault)
    answer = await gate.call(
        "chat/completions", chat(QUESTION, stream=True), accept_encoding=coding, content_type="application/json"
    )
    assert answer.ended == "complete"
    assert "content-encoding" not in answer.headers, "what must be read to be withheld cannot be compressed"
    end = b"\r\n\r\n" if fault.get("fault") == "crlf" else b"\n\n"
    blocks = gate.answered.body.split(end)
    kept = [block for block in blocks if not (b'"choices":[]' in block and b'"usage":{' in block)]
    assert len(kept) == len(blocks) - 1
    assert answer.body == end.join(kept)
    await gate.check_books()


async def test_unknown_fields_travel_untouched(gate):
    body = b'{ "model" : "sim-fast",\r\n "messages":[{"role":"user","content":"say: \\ud55c \xea\xb8\x80"}], "simulate" : {"answer":"x"}}'
    answer = await gate.call(
        "chat/completions", body, content_type="application/json", x_custom="kept", openai_beta="a=b"
    )
    assert answer.status == 200, answer.body
    assert gate.asked.body == body
    assert (gate.asked.header("x-custom"), gate.asked.header("openai-beta")) == ("kept", "a=b")


async def test_the_trailer_tells_what_a_stream_has_cost_to_who_asks(gate):
    body = chat(QUESTION, "gpt-4o-mini", stream=True)
    answer = await gate.call("chat/completions", body, x_talkmeter_cost="trailer")
    entry = await gate.entry(answer)
    dollars = f"{entry['cost_picodollars'] / 1e12:.12f}".rstrip("0")
    assert answer.body.endswith(f"data: [DONE]\n\n: talkmeter call={entry['id']} cost={dollars}\n\n".encode())
    again = await gate.call("chat/completions", body)
    assert again.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("request_", [one for one in REQUESTS if one.name in ("speech", "chat", "embeddings")], ids=str)
async def test_only_streams_of_events_have_a_trailer(gate, request_):
    answer = await gate.call(request_.path, request_.body, x_talkmeter_cost="trailer", **request_.headers)
    check_same(gate, answer)


async def test_who_asks_for_a_trailer_gets_no_compressed_stream(gate):
    gate.simulator.script({"gzip": True})
    body = chat(QUESTION, stream=True, stream_options={"include_usage": True})
    answer = await gate.call("chat/completions", body, x_talkmeter_cost="trailer", accept_encoding="gzip")
    assert answer.body.startswith(gate.answered.body)
    assert b": talkmeter call=" in answer.body
