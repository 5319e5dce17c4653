"""Errors: ours are OpenAI's error object and say what to do, the provider's come as they are."""

import json

import pytest

from support.gate import UPSTREAM_KEY, chat
from support.simulator_requests import FORM


def error_of(answer, status):
    assert answer.status == status, answer.body
    error = answer.json()["error"]
    assert {"message", "type", "param", "code"} <= set(error)
    return error


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"null", b"\xff", b'{"model":"\xff"}', b"[" * 100_000])
async def test_bodies_that_are_no_json_object(gate, body):
    error = error_of(await gate.call("chat/completions", body, method="POST"), 400)
    assert (error["code"], error["type"]) == ("invalid_json", "invalid_request_error")
    assert "application/json" in error["message"]
    assert gate.wire.sent == b""


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "it is empty. Send the object"),
        (b'{"model":"a', "it ends in the middle. Send"),
        (rb'{"model":"\ud83d"}', "a text contains half of a surrogate pair. Send"),
        (rb'{"model":"\ude00"}', "a text contains half of a surrogate pair. Send"),
        (rb'{"model":"\ud83d and so on"}', "a text contains half of a surrogate pair. Send"),
        (b'{"model":1,}', "trailing comma in object (byte 11). Send"),
        (b'{"model":"\xff"}', "it is not UTF-8 (byte 10). Send"),
        (b'{"model":' + b"[" * 100_000, "it is nested too deeply. Send"),
    ],
)
async def test_why_a_body_cannot_be_read(gate, body, says):
    message = error_of(await gate.call("chat/completions", body, method="POST"), 400)["message"]
    assert f"The body is not a JSON object that can be read: {says}" in message


@pytest.mark.parametrize(("body", "code"), [
    ({"messages": []}, "missing_required_parameter"),
    ({"model": "", "messages": []}, "invalid_type"),
    ({"model": 7, "messages": []}, "invalid_type"),
    ({"model": "m" * 300, "messages": []}, "invalid_type"),
])  # fmt: skip
async def test_without_a_model_nobody_can_answer(gate, body, code):
    error = error_of(await gate.call("chat/completions", body), 400)
    assert (error["code"], error["param"]) == (code, "model")
    assert "GET /v1/models" in error["message"]


async def test_compressed_bodies_are_refused(gate):
    error = error_of(await gate.call("chat/completions", b"x", content_encoding="gzip"), 415)
    assert (error["code"], error["param"]) == ("unsupported_encoding", "Content-Encoding")


async def test_bodies_that_are_too_large(open_gate):
    gate = await open_gate(gateway_body_bytes=10_000)
    error = error_of(await gate.call("chat/completions", chat("x" * 11_000)), 413)
    assert error["code"] == "body_too_large"
    assert "gateway_body_bytes" in error["message"]


@pytest.mark.parametrize(("kind", "body"), [("text/plain", b"x"), ("multipart/form-data", b"x")])
async def test_forms_that_are_none(gate, kind, body):
    error = error_of(await gate.call("audio/transcriptions", body, content_type=kind), 400)
    assert (error["code"], error["param"]) == ("invalid_form", "Content-Type")


async def test_a_form_with_two_models(gate):
    part = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nsim-whisper\r\n'
    answer = await gate.call("audio/transcriptions", part * 2 + b"--x--\r\n",
                             content_type="multipart/form-data; boundary=x")  # fmt: skip
    assert error_of(answer, 400)["code"] == "invalid_form"
    answer = await gate.call("audio/transcriptions", b"", method="POST", content_type=FORM)
    assert error_of(answer, 400)["param"] == "model"


@pytest.mark.parametrize("fault", ["401", "429", "500", "503", "404", "422"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_the_provider_s_errors_come_as_they_are(gate, fault, streamed):
    gate.simulator.script({"fault": fault, "headers": {"x-ratelimit-remaining-requests": "0"}})
    answer = await gate.call("chat/completions", chat(stream=streamed))
    assert answer.status == int(fault)
    assert answer.body == gate.answered.body
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert answer.headers.get("retry-after") == gate.answered.header("retry-after")
    entry = await gate.entry(answer)
    assert (entry["outcome"], entry["http_status"]) == ("refused", int(fault))
    assert entry["cost_picodollars"] == 0
    await gate.check_books()


async def test_the_provider_s_own_words_about_our_request(gate):
    answer = await gate.call("chat/completions", chat(temperature=9))
    assert answer.status == 400
    assert answer.body == gate.answered.body
    assert error_of(answer, 400)["param"] == "temperature"


async def test_the_provider_s_key_is_hidden_in_its_errors(gate):
    gate.simulator.script({"fault": "401", "headers": {"x-echo": UPSTREAM_KEY}})
    answer = await gate.call("chat/completions", chat())
    assert answer.status == 401
    assert UPSTREAM_KEY not in json.dumps(answer.headers) + answer.body.decode()


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_provider_that_refuses_the_connection(gate, streamed):
    gate.simulator.script({"fault": "refuse"})
    error = error_of(await gate.call("chat/completions", chat(stream=streamed)), 502)
    assert (error["type"], error["code"]) == ("server_error", "upstream_broke")
    assert error["message"].endswith("Try again.")
    await gate.check_books(unknown=True)


@pytest.mark.parametrize("fault", ["refuse", "hang-headers", "cut-0"])
async def test_an_error_of_ours_names_the_entry(open_gate, fault):
    gate = await open_gate(upstream_header_seconds=1)
    gate.simulator.script({"fault": fault})
    answer = await gate.call("chat/completions", chat())
    assert answer.status in (502, 504)
    assert (await gate.entry(answer))["outcome"] == "failed"
    assert answer.json()["error"]["talkmeter"]["call_id"] == answer.headers["x-talkmeter-call-id"]


async def test_a_provider_that_nobody_reaches(gate):
    await gate.application.accounts.providers.add("Nowhere", "http://127.0.0.1:9/v1", "sk-x")
    error = error_of(await gate.call("chat/completions", chat(model="Nowhere/gpt-4o")), 502)
    assert (error["type"], error["code"]) == ("server_error", "upstream_not_reached")
    entry = await gate.last()
    assert (entry["outcome"], entry["prompt_tokens"], entry["cost_picodollars"]) == ("not_sent", 0, 0)


async def test_a_provider_that_is_silent(open_gate):
    gate = await open_gate(upstream_header_seconds=1)
    gate.simulator.script({"fault": "hang-headers"})
    error = error_of(await gate.call("chat/completions", chat()), 504)
    assert (error["type"], error["code"]) == ("server_error", "upstream_silent")
    assert (await gate.last())["provenance"] == "unknown"


@pytest.mark.parametrize("fault", ["cut-200", "reset-200", "cut-0"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_an_answer_that_breaks_off_is_not_taken_for_whole(gate, fault, streamed):
    gate.simulator.script({"fault": fault})
    usage = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    answer = await gate.call("chat/completions", chat("say: " + "x y " * 200, **usage))
    if answer.status == 502:
        assert not streamed or fault == "cut-0"
        assert error_of(answer, 502)["code"] == "upstream_broke"
    else:
        assert answer.status == 200
        assert answer.ended in ("fin", "rst")
        if fault == "cut-0":  # between two events there is room for a word
            assert json.loads(answer.body.removeprefix(b"data: "))["error"]["code"] == "upstream_broke"
        else:
            assert answer.body == gate.answered.body
    entry = await gate.last()
    assert entry["outcome"] == "failed"
    await gate.check_books()


async def test_shutting_down(gate):
    await gate.application.gateway.close(0)
    error = error_of(await gate.call("chat/completions", chat()), 503)
    assert (error["code"], error["type"]) == ("shutting_down", "server_error")


@pytest.mark.parametrize(("path", "body"), [("files", b"x" * 2_000_000), ("batches", b"{}")])
async def test_what_the_provider_refuses_of_uploads(gate, path, body):
    answer = await gate.call(path, body, content_type="text/plain")
    assert answer.status == 400
    assert answer.body == gate.answered.body
