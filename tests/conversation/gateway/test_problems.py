"""The event that tells why a stream breaks off."""

import json

import pytest

from talkmeter.conversation.gateway.problems import stream_problem
from talkmeter.errors import UpstreamError

ERROR = UpstreamError("Gone.", "끊겼습니다.", hint="Try again.", code="upstream_broke", details={"phase": "silence"})
TOLD = {
    "message": "Gone. Try again.",
    "type": "server_error",
    "param": None,
    "code": "upstream_broke",
    "talkmeter": {"phase": "silence"},
}


@pytest.mark.parametrize("before", [b"", b"data: x\n\n", b"data: x\r\n\r\n", b"data: x\r\r"])
def test_between_two_events(before):
    event = stream_problem(ERROR, "chat/completions", before)
    assert (event[:6], event[-2:]) == (b"data: ", b"\n\n")
    assert json.loads(event[6:]) == {"error": TOLD}


@pytest.mark.parametrize("before", [b"data: x", b"data: x\n", b"data: x\r\n", b"\n\r\n"])
def test_never_in_the_middle_of_one(before):
    assert stream_problem(ERROR, "chat/completions", before) == b""


@pytest.mark.parametrize(
    ("before", "number"), [(b"", 0), (b'data: {"sequence_number":7}\n\ndata: {"sequence_number": 8}\n\n', 9)]
)
def test_of_a_response(before, number):
    name, data = stream_problem(ERROR, "responses", before).split(b"\n", 1)
    assert name == b"event: error"
    flat = {name: TOLD[name] for name in ("code", "message", "param")}
    assert json.loads(data[6:]) == {"type": "error", **flat, "sequence_number": number, "error": TOLD}
