"""Whatever comes in is answered with what was wrong; never with a 5xx, and nothing is asked."""

import pytest

from support.asking import Asker, problem_of
from talkmeter.surfaces.ask.openapi import document

BODIES = [
    (b'{ "prompt": "Hello", \xe2\x80\x9cparent_id": "x"}', 422, "not_json", "line 1, column 22"),
    (b'{\n  "prompt": "Hello",\n}', 422, "not_json", "line 3, column 1"),
    (b"", 422, "not_json", "line 1"),
    (b"prompt=Hello", 422, "not_json", "line 1, column 1"),
    (b"\xff\xfe{\x00}\x00", 422, "not_utf8", "byte 0"),
    (b'"Hello"', 422, "bad_field", "object"),
    (b"[]", 422, "bad_field", "object"),
    (b"null", 422, "bad_field", "object"),
    (b"{}", 422, "bad_field", "prompt"),
    (b'{"prompt": null}', 422, "bad_field", "prompt"),
    (b'{"prompt": 5}', 422, "bad_field", "prompt"),
    (b'{"prompt": ["Hello"]}', 422, "bad_field", "prompt"),
    (b'{"promt": "Hello"}', 422, "unknown_field", "promt"),
    (b'{"prompt": "a", "prompt": "b"}', 422, "duplicate_field", "prompt"),
    (b'{"prompt": "a\\u0000"}', 422, "nul_character", "U+0000"),
    (b'{"prompt": "\\ud83d"}', 422, "lone_surrogate", "surrogate"),
    (b'{"prompt": "a", "temperature": NaN}', 422, "not_finite", "NaN"),
    (b'{"prompt": "a", "temperature": 1e999}', 422, "number_too_large", "number"),
    (b'{"prompt": "a", "max_tokens": 99999999999999999999}', 422, "number_too_large", "integer"),
    (b'{"prompt": "a", "window": {"tokens": "many"}}', 422, "bad_field", "window"),
    (b'{"prompt": "a", "window": {"tokens": 1, "more": 2}}', 422, "unknown_field", "more"),
    (b'{"prompt": "a", "window": true}', 422, "bad_field", "window"),
    (b'{"prompt": "a", "multitask": "rollback"}', 422, "bad_field", "multitask"),
    (b'{"prompt": "a", "parent_id": 7}', 422, "bad_field", "parent_id"),
    (b'{"prompt": "a", "model": "' + b"m" * 201 + b'"}', 422, "bad_field", "model"),
    (b'{"prompt": ' + b"[" * 5000 + b"}", 422, "not_json", ""),
    (b'{"prompt": ' + b"[" * 50 + b"]" * 50 + b"}", 422, "too_deep", "levels"),
    (b'{"prompt": "' + b"a" * 1_000_001 + b'"}', 413, "body_too_large", "1,000,000"),
    (b'{"prompt": "  "}', 400, "empty_question", "empty"),
    (b'{"prompt": "a", "window": -1}', 400, "bad_input", "window"),
    (b'{"prompt": "a", "window": {"tokens": 0}}', 400, "bad_input", "window"),
    (b'{"prompt": "a", "max_tokens": 0}', 400, "bad_input", "max_tokens"),
    (b'{"prompt": "a", "temperature": 1e9}', 400, "bad_input", "temperature"),
    (b'{"prompt": "a", "parent_id": "msg_none"}', 400, "bad_input", "messages"),
]
PATHS = [
    ("POST", "/ask/a%24b", 400, "bad_conversation_id"),
    ("POST", "/ask/%00", 400, "bad_conversation_id"),
    ("POST", "/ask/%0A", 400, "bad_conversation_id"),
    ("POST", "/ask/" + "x" * 201, 400, "bad_conversation_id"),
    ("POST", "/ask/%ff", 400, "not_utf8"),
    ("POST", "/ask/a%24b/stop", 400, "bad_conversation_id"),
    ("DELETE", "/ask/%00", 400, "bad_conversation_id"),
    ("POST", "/ask/a/b", 404, "no_such_route"),
    ("GET", "/ask/a/stop/b", 404, "no_such_route"),
    ("GET", "/ask/a%00", 400, "bad_conversation_id"),
    ("GET", "/ask/new", 404, "conversation_not_found"),
    ("DELETE", "/ask/new", 404, "conversation_not_found"),
    ("GET", "/ask/..%2f..%2fetc%2fpasswd", 404, "conversation_not_found"),
    ("PUT", "/ask/a", 405, "wrong_method"),
    ("DELETE", "/ask", 405, "wrong_method"),
    ("GET", "/ask/a/stop", 405, "wrong_method"),
    ("GET", "/ask?" + "&".join(f"q{number}=1" for number in range(60)), 400, "bad_query"),
    ("GET", "/ask?limit=" + "9" * 50, 400, "bad_field"),
    ("POST", "/openapi.json", 405, "wrong_method"),
    ("GET", "/docs/..%2findex.html", 404, "no_such_file"),
    ("GET", "/docs/nothing.js", 404, "no_such_file"),
    ("GET", "/docs/licenses", 404, "no_such_file"),
]


def listed(method, path):
    """The statuses that the document has for an operation."""
    stop, one = path.endswith("/stop"), path.startswith("/ask/")
    where = "/ask/{conversation_id}/stop" if stop else "/ask/{conversation_id}" if one else "/ask"
    return {int(status) for status in document("1")["paths"][where][method.lower()]["responses"]}


@pytest.mark.parametrize(("body", "status", "code", "named"), BODIES, ids=lambda value: str(value)[:40])
async def test_bodies(gate, body, status, code, named):
    answer = await Asker(gate).call("POST", "/ask/trip", body)
    if b"[" * 5000 in body:
        assert answer.json()["error"]["code"] in ("not_json", "too_deep")
        code = answer.json()["error"]["code"]
    problem = problem_of(answer, status, code)
    assert named in problem["error"]["message"]
    assert status in listed("POST", "/ask/trip")
    assert gate.wire.sent == b""
    assert (await Asker(gate).call("GET", "/ask")).json()["total"] == 0


@pytest.mark.parametrize(("method", "path", "status", "code"), PATHS, ids=lambda value: str(value)[:40])
async def test_paths(gate, method, path, status, code):
    body = {"prompt": "Hello"} if method == "POST" and not path.endswith("/stop") else None
    problem_of(await Asker(gate).call(method, path, body), status, code)
    if path.startswith("/ask") and code not in ("wrong_method", "no_such_route"):
        assert status in listed(method, path)
    assert gate.wire.sent == b""


@pytest.mark.parametrize(("name", "value", "status", "code"), [
    ("X-Talkmeter-Tags", "a tag with spaces", 400, "invalid_tags"),
    ("X-Talkmeter-Tags", ",".join(f"t{number}" for number in range(17)), 400, "invalid_tags"),
    ("Authorization", "Bearer tm_short", 401, "invalid_api_key"),
    ("Authorization", "Bearer tm_" + "x" * 5000, 401, "invalid_api_key"),
])  # fmt: skip
async def test_headers(gate, name, value, status, code):
    problem_of(await Asker(gate).ask("Hello", headers={name: value}), status, code)
    assert gate.wire.sent == b""


@pytest.mark.parametrize("body", [b'{"mode": "hard"}', b'{"run": 1}', b"[", b'"drain"'])
async def test_stopping(gate, body):
    await Asker(gate).reply("hi", "trip")
    assert problem_of(await Asker(gate).call("POST", "/ask/trip/stop", body), 422, _code(body))


async def test_a_limit_says_its_bounds(gate):
    refused = problem_of(await Asker(gate).call("GET", "/ask?limit=1000000"), 400, "bad_field")
    assert refused["error"]["message"] == "limit is a whole number from 1 to 999,999."


def _code(body):
    return {b'{"run": 1}': "unknown_field", b"[": "not_json"}.get(body, "bad_field")
