"""Raw bytes that are no good body: always a 4xx in both languages, never a 5xx, and nothing is stored."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.web_house import House
from talkmeter.errors import BadInput, TalkmeterError
from talkmeter.strict_json import load_json, parse_json
from talkmeter.surfaces.web.shapes import AskBody, RoomChangeBody

# Bodies that cannot be used anywhere, with the code that says why.
RAW: list[tuple[bytes, str]] = [
    (b"", "not_json"),
    (b" ", "not_json"),
    (b"{", "not_json"),
    (b"}", "not_json"),
    (b"nope", "not_json"),
    (b"{'text': 1}", "not_json"),
    (b'{"text": "a",}', "not_json"),
    (b'{"text": "a"} {}', "not_json"),
    (b'{"text": "a"}garbage', "not_json"),
    (b'{"text": "a\nb"}', "not_json"),
    (b'{"text": "\\x41"}', "not_json"),
    (b'{"text": "\\u00"}', "not_json"),
    (b'{"text": 01}', "not_json"),
    (b'{"text": +1}', "not_json"),
    (b'{"text": .5}', "not_json"),
    (b'{"text": 1.}', "not_json"),
    (b'{text: "a"}', "not_json"),
    (b"/* c */ {}", "not_json"),
    (b"\xef\xbb\xbf{}", "not_json"),
    ("{}".encode("utf-16"), "not_utf8"),
    ("{}".encode("utf-32"), "not_utf8"),
    (b'{"text": "\xff"}', "not_utf8"),
    (b'{"text": "\xc3\x28"}', "not_utf8"),
    (b'{"text": "\xc0\x80"}', "not_utf8"),
    (b'{"text": "\xed\xa0\x80"}', "not_utf8"),
    (b'{"text": "\xf4\x90\x80\x80"}', "not_utf8"),
    (b'{"text": "\xea\xb0"}', "not_utf8"),
    (b'{"text": NaN}', "not_finite"),
    (b'{"text": Infinity}', "not_finite"),
    (b'{"text": -Infinity}', "not_finite"),
    (b'{"text": 1e999}', "number_too_large"),
    (b'{"text": -1e999}', "number_too_large"),
    (b'{"text": ' + b"9" * 20 + b"}", "number_too_large"),
    (b'{"text": ' + b"9" * 5000 + b"}", "number_too_large"),
    (b'{"text": -' + b"9" * 100_000 + b"}", "number_too_large"),
    (b'{"text": "\\ud800"}', "lone_surrogate"),
    (b'{"text": "\\udc00\\ud800"}', "lone_surrogate"),
    (b'{"text": "a\\udfffb"}', "lone_surrogate"),
    (b'{"\\ud800": 1}', "lone_surrogate"),
    (b'{"text": ["\\udbff"]}', "lone_surrogate"),
    (b'{"text": "\\u0000"}', "nul_character"),
    (b'{"te\\u0000xt": "a"}', "nul_character"),
    (b'{"text": "a", "text": "b"}', "duplicate_field"),
    (b'{"room": {"model": "a", "model": "b"}}', "duplicate_field"),
    (b"[" * 33 + b"]" * 33, "too_deep"),
    (b"[" * 100_000 + b"]" * 100_000, "too_deep"),
    (b"[" * 100_000, "too_deep"),
    (b'{"a":' * 5000 + b"1" + b"}" * 5000, "too_deep"),
]

# JSON that is no body for the route.
SHAPES: list[tuple[str, str, Any, str, str | None]] = [
    ("POST", "/api/ask", [], "bad_field", None),
    ("POST", "/api/ask", None, "bad_field", None),
    ("POST", "/api/ask", "text", "bad_field", None),
    ("POST", "/api/ask", 7, "bad_field", None),
    ("POST", "/api/ask", {}, "bad_field", "client_id"),
    ("POST", "/api/ask", {"client_id": "c"}, "bad_field", "text"),
    ("POST", "/api/ask", {"client_id": 1, "text": "a"}, "bad_field", "client_id"),
    ("POST", "/api/ask", {"client_id": "c", "text": None}, "bad_field", "text"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "txet": "b"}, "unknown_field", "txet"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "api_key": "sk-1"}, "unknown_field", "api_key"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "base_url": "http://x"}, "unknown_field", "base_url"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "principal": "x"}, "unknown_field", "principal"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "room_id": 5}, "bad_field", "room_id"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "attachment_ids": "x"}, "bad_field", "attachment_ids"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "attachment_ids": [1]}, "bad_field", "attachment_ids[0]"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "room": {"window": "5"}}, "bad_field", "room.window"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "room": {"window": 1.5}}, "bad_field", "room.window"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "room": {"window": True}}, "bad_field", "room.window"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "room": {"window": -1}}, "bad_input", "window"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "room": {"max_tokens": 0}}, "bad_input", "max_tokens"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "room": {"temperature": 1e300}}, "bad_input", "temperature"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "room": {"x": 1}}, "unknown_field", "room.x"),
    ("POST", "/api/ask", {"client_id": "", "text": "a"}, "bad_input", "client_id"),
    ("POST", "/api/ask", {"client_id": "c" * 65, "text": "a"}, "bad_input", "client_id"),
    ("POST", "/api/ask", {"client_id": "c", "text": " \n"}, "empty_question", "text"),
    ("POST", "/api/ask", {"client_id": "c", "text": "a", "room_id": None, "parent_id": "m"}, "bad_input", "parent_id"),
    ("POST", "/api/preview", {"text": 1}, "bad_field", "text"),
    ("POST", "/api/preview", {"text": "a", "client_id": "c"}, "unknown_field", "client_id"),
    ("POST", "/api/sign-in", {"password": 1}, "bad_field", "password"),
    ("POST", "/api/sign-in", {"password": "x", "user": "root"}, "unknown_field", "user"),
    ("POST", "/api/sign-out", {"all": True}, "unknown_field", "all"),
    ("POST", "/api/sign-in", {"password": "x", "name": 1}, "bad_field", "name"),
    ("POST", "/api/users", {}, "bad_field", "name"),
    ("POST", "/api/users", {"name": " "}, "bad_name", "name"),
    ("POST", "/api/users", {"name": "a\u202eb"}, "bad_name", "name"),
    ("POST", "/api/users", {"name": "a", "role": "root"}, "bad_field", "role"),
    ("POST", "/api/users", {"name": "a", "id": "owner"}, "unknown_field", "id"),
    ("POST", "/api/users", {"name": "a", "password": "x"}, "unknown_field", "password"),
    ("POST", "/api/users", {"name": "a", "rpm": 0}, "bad_field", "rpm"),
    ("POST", "/api/users", {"name": "a", "tpm": 1.5}, "bad_field", "tpm"),
    ("PATCH", "/api/users/owner", {"disabled": 1}, "bad_field", "disabled"),
    ("PATCH", "/api/users/owner", {"disabled_at": 1}, "unknown_field", "disabled_at"),
    ("PATCH", "/api/users/owner", {"rpm": True}, "bad_field", "rpm"),
    ("POST", "/api/users/owner/password", {}, "bad_field", "password"),
    ("POST", "/api/users/owner/password", {"password": "1234567"}, "bad_password", "password"),
    ("POST", "/api/users/owner/invitation", {"seconds": 1}, "unknown_field", "seconds"),
    ("POST", "/api/keys", {}, "bad_field", "name"),
    ("POST", "/api/keys", {"name": "a", "token": "tm_x"}, "unknown_field", "token"),
    ("POST", "/api/keys", {"name": "a", "models": "gpt-4o"}, "bad_field", "models"),
    ("POST", "/api/keys", {"name": "a", "models": ["a*b"]}, "bad_field", "models"),
    ("POST", "/api/keys", {"name": "a", "models": []}, "bad_field", "models"),
    ("POST", "/api/keys", {"name": "a", "doors": ["web"]}, "bad_field", "doors"),
    ("POST", "/api/keys", {"name": "a", "expires_at": 5}, "bad_field", "expires_at"),
    ("POST", "/api/keys", {"name": "a", "expires_at": "2030-01-01"}, "bad_field", "expires_at"),
    ("POST", "/api/keys", {"name": "a", "disconnect": "wait"}, "bad_field", "disconnect"),
    ("PATCH", "/api/settings", [], "bad_field", None),
    ("PATCH", "/api/settings", {"nothing": 1}, "unknown_setting", "nothing"),
    ("PATCH", "/api/settings", {"host": "0.0.0.0"}, "unknown_setting", "host"),
    ("PATCH", "/api/settings", {"default_window": -1}, "bad_setting", "default_window"),
    ("PATCH", "/api/settings", {"theme": "pink"}, "bad_setting", "theme"),
    ("PATCH", "/api/settings", {"theme": {"a": 1}}, "bad_setting", "theme"),
    ("PATCH", "/api/settings", {"currency_rate": "x"}, "bad_setting", "currency_rate"),
    ("POST", "/api/providers", {}, "bad_field", "name"),
    ("POST", "/api/providers", {"name": ""}, "bad_name", "name"),
    ("POST", "/api/providers", {"name": "a", "base_url": "file:///etc/passwd"}, "bad_base_url", "base_url"),
    ("POST", "/api/providers", {"name": "a", "base_url": "http://a:b@c/"}, "bad_base_url", "base_url"),
    ("POST", "/api/providers", {"name": "a", "key": "a\nb"}, "bad_key", "key"),
    ("POST", "/api/providers", {"name": "a", "source": "environment"}, "unknown_field", "source"),
    ("POST", "/api/providers/test", {"base_url": "gopher://x"}, "bad_base_url", "base_url"),
    ("POST", "/api/prices", {"model": "m", "unit": "input"}, "bad_field", "usd_per_million"),
    ("POST", "/api/prices", {"model": "m", "unit": "input", "usd_per_million": 2.5}, "bad_field", "usd_per_million"),
    ("POST", "/api/prices", {"model": "m", "unit": "input", "usd_per_million": "-1"}, "bad_input", "usd_per_million"),
    ("POST", "/api/prices", {"model": "m", "unit": "beer", "usd_per_million": "1"}, "bad_input", "unit"),
    ("POST", "/api/prices", {"model": "", "unit": "input", "usd_per_million": "1"}, "bad_input", "model"),
    ("POST", "/api/budgets", {"name": "a", "amount": "5"}, "bad_field", "period"),
    ("POST", "/api/budgets", {"name": "a", "amount": "5", "period": "day"}, "bad_input", "amount"),
    ("POST", "/api/budgets", {"name": " ", "amount": "5 USD", "period": "day"}, "bad_input", "name"),
    ("POST", "/api/budgets", {"name": "a", "amount": "5 USD", "period": "hour"}, "bad_field", "period"),
    (
        "POST",
        "/api/budgets",
        {"name": "a", "amount": "5 USD", "period": "day", "scope": "key"},
        "bad_input",
        "scope_id",
    ),
    (
        "POST",
        "/api/prices",
        {"model": "m", "unit": "input", "usd_per_million": "1", "effective_from": -1},
        "bad_input",
        "effective_from",
    ),
]


def check_refusal(answer: Any, code: str, case: Any) -> None:
    assert answer.status == 400, (case, answer.status, answer.body)
    error = answer.json()["error"]
    assert error["code"] == code, (case, error)
    assert error["message"]
    assert any("가" <= letter <= "힣" for letter in error["message_ko"]), (case, error)
    assert error["request_id"] == answer.headers["x-request-id"]


async def test_raw_bytes_on_every_route_that_reads_json(house: House):
    asked = await house.ask("Something to change")
    await house.finish(asked["run_id"])
    room, question, run = asked["room"]["id"], asked["question"]["id"], asked["run_id"]
    routes = [
        ("POST", "/api/ask"),
        ("PATCH", f"/api/rooms/{room}"),
        ("PATCH", "/api/settings"),
        ("POST", f"/api/messages/{question}/answer"),
        ("POST", "/api/preview"),
        ("POST", "/api/providers"),
        ("POST", "/api/prices"),
    ]
    small = [("POST", f"/api/runs/{run}/stop"), ("POST", "/api/sign-in"), ("POST", "/api/sign-out")]
    before = (await house.get(f"/api/rooms/{room}"), await house.get("/api/settings"))
    for raw, code in RAW:
        for method, path in routes if len(raw) < 16_000 else routes[:5]:
            check_refusal(await house.send(method, path, content=raw), code, (path, raw[:40]))
        if len(raw) < 4000:
            for method, path in small:
                check_refusal(await house.send(method, path, content=raw), code, (path, raw[:40]))
    assert (await house.get(f"/api/rooms/{room}"), await house.get("/api/settings")) == before
    assert (await house.get("/api/rooms"))["total"] == 1
    assert len(RAW) >= 40


async def test_shapes_that_do_not_fit_are_named(house: House):
    for method, path, body, code, param in SHAPES:
        answer = await house.send(method, path, content=json.dumps(body).encode())
        check_refusal(answer, code, (path, body))
        assert answer.json()["error"]["param"] == param, (path, body, answer.json())
    assert (await house.get("/api/rooms"))["total"] == 0
    assert (await house.get("/api/prices"))["rows"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=501", "limit=-1", "limit=x", "limit=1e3", "limit=%D9%A3", "limit=", "limit=99999999999999999999",
     "cursor=%00", "cursor=%FF", "cursor=x", "cursor=" + "a" * 2000, "cursor=%F0%9F%92%A9"],
)  # fmt: skip
async def test_bad_queries_are_400(house: House, query: str):
    answer = await house.send("GET", f"/api/rooms?{query}")
    assert answer.status == 400, (query, answer.body)
    assert answer.json()["error"]["param"] in ("limit", "cursor")


async def test_bad_ids_are_404_whatever_they_hold(house: House):
    ids = ["x", "%00", "%FF%FE", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "a" * 3000, "'; DROP TABLE rooms; --".replace(" ", "%20"),
           "%ED%A0%80", "%F0%9F%92%A9", "-1", "room_%25", "*", "%0d%0aSet-Cookie:%20a=b"]  # fmt: skip
    for path in (
        "/api/rooms/{}",
        "/api/rooms/{}/messages?before=x",
        "/api/runs/{}/events",
        "/api/entries/{}/receipt",
        "/api/attachments/{}",
    ):
        for bad in ids:
            answer = await house.send("GET", path.format(bad))
            assert answer.status == 404, (path, bad, answer.status)
            assert "set-cookie" not in answer.headers


async def test_a_bad_resume_point_is_400(house: House):
    for after in ("x", "-1", "1.5", "%00", "9" * 20, "%D9%A3"):
        answer = await house.send("GET", f"/api/runs/x/events?after={after}")
        assert (answer.status, answer.json()["error"]["param"]) == (400, "after")


async def test_the_content_type_must_say_json(house: House):
    for kind in (
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
    ):
        for path in ("/api/ask", "/api/sign-in", "/api/sign-out", "/api/providers"):
            answer = await house.send("POST", path, {}, headers={"Content-Type": kind})
            assert (answer.status, answer.code) == (403, "wrong_content_type"), (path, kind)
    answer = await house.send("PATCH", "/api/settings", {}, headers={"Content-Type": "application/json; charset=utf-8"})
    assert answer.status == 200


async def test_too_large_bodies_are_413_by_word_and_by_deed(open_house):
    house = await open_house(body_bytes=10_000, upload_bytes=20_000, import_bytes=20_000)
    for size, path in ((10_001, "/api/ask"), (20_001, "/api/ask"), (20_001, "/api/attachments")):
        answer = await house.send("POST", path, content=b" " * size)
        assert (answer.status, answer.code) == (413, "body_too_large"), (size, path)
        assert answer.json()["error"]["limit"] in (10_000, 20_000)
        head = (
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {house.cookie}\r\nOrigin: http://localhost\r\n"
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"%x\r\n" % 1000 + b" " * 1000 + b"\r\n"
        chunked = await house.served.raw(head.encode() + chunk * (size // 1000 + 1) + b"0\r\n\r\n")
        assert chunked is not None
        assert (chunked.status, chunked.code) == (413, "body_too_large"), (size, path)
    for length in ("99999999999999999999999999", "20001", "1e9"):
        answer = await house.served.raw(
            f"POST /api/ask HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: {length}\r\n\r\n".encode()
        )
        assert answer is not None
        assert answer.status in (400, 413), length


async def test_a_stranger_cannot_make_us_read_a_body(open_house):
    """Without a session the answer comes before the body has been read."""
    house = await open_house()
    answer = await house.served.raw(
        b"POST /api/attachments HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Length: 1000000\r\n\r\n"
    )
    assert answer is not None
    assert answer.status == 401


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")))
def test_any_bytes_are_a_value_or_a_refusal(raw: bytes):
    for shape in (AskBody, RoomChangeBody):
        with contextlib.suppress(BadInput):
            parse_json(raw, shape)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8), inner, max_size=4),
        max_leaves=12,
    )
)  # fmt: skip
def test_good_json_comes_through_unchanged(value: Any):
    for ascii_only in (True, False):
        try:
            assert load_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value
        except TalkmeterError as error:
            raise AssertionError(error.message) from error
