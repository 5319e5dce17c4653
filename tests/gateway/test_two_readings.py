"""Bodies that the gateway and a provider could read differently: neither a list of models nor a budget is got round."""

import json

import pytest

from support.gate import chat
from support.raw_http import RawConnection
from support.simulator_requests import BOUNDARY, FORM

MESSAGES = b'"messages":[{"role":"user","content":"x"}]'
PNG = b"\x89PNG\r\n\x1a\n"


def refused(answer, status, code):
    assert answer.status == status, answer.body
    error = answer.json()["error"]
    assert error["code"] == code
    return error


def form(*parts):
    written = [b"--%b\r\n%b\r\n" % (BOUNDARY.encode(), part) for part in parts]
    return b"".join(written) + b"--%b--\r\n" % BOUNDARY.encode()


def field(name, value, head=b'Content-Disposition: form-data; name="%b"'):
    return head % name + b"\r\n\r\n" + value


MODEL, FILE = (
    field(b"model", b"sim-image"),
    field(b"image", PNG, b'Content-Disposition: form-data; name="%b"; filename="a"'),
)


@pytest.mark.parametrize("body", [
    b'{"model":"sim-fast",%b,"Model":"sim-slow"}',
    b'{"MODEL":"sim-slow","model":"sim-fast",%b}',
    b'{"model":"sim-fast",%b,"\\u004dodel":"sim-slow"}',
    b'{"model":"sim-fast",%b,"mo\\u0044el":"sim-slow"}',
])  # fmt: skip
async def test_a_model_in_other_letters_does_not_slip_through(gate, body):
    _, token = await gate.key(models=["sim-fast"])
    error = refused(await gate.call("chat/completions", body % MESSAGES, key=token), 400, "ambiguous_body")
    assert error["param"].casefold() == "model"
    assert gate.wire.sent == b""
    _, free = await gate.key()
    assert (await gate.call("chat/completions", body % MESSAGES, key=free)).status in (200, 400)
    assert gate.wire.sent != b"", "unknown fields of others travel untouched"


@pytest.mark.parametrize("content", ['the "model" of it', "Model", "MODEL", "\ud55c\uad6d \\u0041"])
async def test_a_list_of_models_is_not_in_the_way_of_words(gate, content):
    _, token = await gate.key(models=["sim-fast"])
    body = chat(content, metadata={"Model": "x", "model": "y"})
    assert (await gate.call("chat/completions", body, key=token)).status == 200


async def test_a_tool_s_model_counts_too(gate):
    _, token = await gate.key(models=["sim-fast"])
    body = {"model": "sim-fast", "input": "x", "tools": [{"type": "image_generation", "model": "gpt-image-1"}]}
    error = refused(await gate.call("responses", body, key=token), 403, "model_not_allowed")
    assert "gpt-image-1" in error["message"]
    body["tools"][0]["model"] = 7
    refused(await gate.call("responses", body, key=token), 403, "model_not_allowed")
    assert gate.wire.sent == b""


@pytest.mark.parametrize(("method", "path"), [
    ("POST", "batches"), ("POST", "threads/runs"), ("POST", "threads/thread_1/runs"), ("POST", "fine_tuning/jobs"),
    ("POST", "evals/eval_1/runs"), ("POST", "videos"),
])  # fmt: skip
async def test_a_key_for_some_models_does_not_have_others_work_unseen(gate, method, path):
    _, token = await gate.key(models=["sim-fast"])
    refused(await gate.call(path, {"model": "sim-slow"}, method=method, key=token), 403, "model_not_allowed")
    assert gate.wire.sent == b""
    assert (await gate.call("files", key=token)).status == 200


@pytest.mark.parametrize("more", [
    b'"n":1,"n":100', b'"n":1,"N":100', b'"max_tokens":10,"max_tokens":16000', b'"Max_Tokens":16000',
    b'"service_tier":"default","service_tier":"priority"', b'"stream":false,"Stream":true',
])  # fmt: skip
async def test_a_hard_budget_holds_for_every_reading(gate, more):
    await gate.budget("1 USD")
    body = b'{"model":"sim-fast","max_completion_tokens":10,%b,%b}' % (MESSAGES, more)
    refused(await gate.call("chat/completions", body), 400, "ambiguous_body")
    assert gate.wire.sent == b""
    assert gate.counters() == []
    assert await gate.ledger() == {}


async def test_a_soft_budget_refuses_nothing(gate):
    await gate.budget("1 USD", hard=False)
    body = b'{"model":"sim-fast",%b,"metadata":{"a":"1","a":"2"}}' % MESSAGES
    assert (await gate.call("chat/completions", body)).status == 200


@pytest.mark.parametrize("body", [
    form(MODEL, field(b"model", b"x", b"Content-Disposition: form-data; name=%b"), FILE),
    form(MODEL, field(b"model", b"x", b'Content-Disposition: form-data; name="a"; name="%b"'), FILE),
    form(MODEL, field(b"model", b"x", b'Content-Disposition: form-data; name="%b"; filename="a"'), FILE),
    form(MODEL, field(b"model", b"x", b'A: b\r\nContent-Disposition: form-data; name="a"\r\n'
                                      b'Content-Disposition: form-data; name="%b"'), FILE),
    form(MODEL, field(b"Model", b"x"), FILE),
    form(MODEL, field(b"model[]", b"x"), FILE),
    form(MODEL, field(b"model", b"x" + b" " * 70_000), FILE),
    form(MODEL, field(b"n", b"1"), field(b"n", b"10"), FILE),
    form(MODEL, FILE).replace(b"\r\n\r\n\x89PNG", b"\r\n\r\n\n--" + BOUNDARY.encode() + b"\n\x89PNG"),
    form(MODEL, FILE).replace(b"\r\n", b"\n"),
    form(MODEL, FILE)[:-8],
    b"a preamble\n" + form(MODEL, FILE),
], ids=["unquoted", "two-names", "as-a-file", "two-heads", "case", "list", "long", "n", "inner", "lf", "cut", "preamble"],
)  # fmt: skip
async def test_forms_of_two_readings(gate, body):
    answer = await gate.call("images/edits", body, content_type=FORM)
    assert (answer.status, answer.json()["error"]["code"]) in ((400, "invalid_form"), (400, "ambiguous_body"))
    assert gate.wire.sent == b""


@pytest.mark.parametrize("body", [
    form(MODEL, FILE),
    b"a preamble\r\n" + form(MODEL, FILE) + b"an epilogue",
    form(MODEL, field(b"image[]", PNG, b'content-disposition: form-data; name="%b"; filename="a"; filename*=UTF-8\'\'a')),
])  # fmt: skip
async def test_forms_as_clients_write_them(gate, body):
    assert (await gate.call("images/edits", body, content_type=FORM)).status != 400 or gate.wire.sent != b""
    assert gate.asked.body == body


async def test_two_boundaries(gate):
    kind = f"{FORM}; boundary=other"
    refused(await gate.call("images/edits", form(MODEL, FILE), content_type=kind), 400, "invalid_form")
    connection = await RawConnection.open(gate.base_url)
    await connection.send("POST", "/v1/images/edits", form(MODEL, FILE), {"Content-Type": FORM, "content-type": kind})
    refused(await connection.rest(), 400, "invalid_form")
    await connection.close()
    assert gate.wire.sent == b""


async def test_each_picture_of_a_form_is_reserved_for(gate):
    """Few bytes can be a large picture: it may come to 48,169 tokens at 10 µ$ (gpt-image-1)."""
    await gate.budget("100 USD")
    pictures = [field(b"image[]", PNG, b'Content-Disposition: form-data; name="%b"; filename="a"')] * 3
    body = form(field(b"model", b"gpt-image-1"), field(b"prompt", b"x"), field(b"size", b"1024x1024"), *pictures)
    await gate.call("images/edits", body, content_type=FORM)
    entry = await gate.last()
    assert entry["worst_case_picodollars"] > 3 * 48_169 * 10_000_000
    assert json.loads(entry["reservations"])["budgets"]
