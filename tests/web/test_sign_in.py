"""Links, passwords, cookies."""

from http.cookies import SimpleCookie

import pytest

from support.web_house import House
from talkmeter.errors import TooManyTries
from talkmeter.surfaces.web.tries import WrongTries

PASSWORD = "seven brown onions"


def cookie_in(header: str) -> tuple[str, dict[str, str]]:
    morsel = next(iter(SimpleCookie(header).values()))
    return f"{morsel.key}={morsel.value}", {key: value for key, value in morsel.items() if value}


async def signed_in(house: House, cookie: str | None) -> bool:
    answer = await house.send("GET", "/api/session", cookie=cookie)
    assert set(answer.json()) == {"signed_in", "password_set", "several_users", "version"}
    return answer.json()["signed_in"]


async def test_a_link_signs_in_once(house: House):
    token = await house.application.accounts.sessions.new_link_token()
    first = await house.send("GET", f"/sign-in?token={token}", cookie=None)
    assert (first.status, first.headers["location"]) == (303, "/")
    cookie, attributes = cookie_in(first.headers["set-cookie"])
    assert cookie.startswith("talkmeter_session=")
    assert attributes["httponly"] is True
    assert attributes["samesite"] == "strict"
    assert attributes["path"] == "/"
    assert "secure" not in attributes
    assert "domain" not in attributes
    assert await signed_in(house, cookie)
    second = await house.send("GET", f"/sign-in?token={token}", cookie=None)
    assert (second.status, second.headers["location"]) == (303, "/?sign_in=expired")
    assert "set-cookie" not in second.headers


async def test_over_https_the_cookie_is_secure_and_the_plain_name_counts_for_nothing(house: House):
    token = await house.application.accounts.sessions.new_link_token()
    https = {"X-Forwarded-Proto": "https"}
    answer = await house.send("GET", f"/sign-in?token={token}", cookie=None, headers=https)
    cookie, attributes = cookie_in(answer.headers["set-cookie"])
    assert cookie.startswith("__Host-talkmeter_session=")
    assert attributes["secure"] is True
    assert (await house.send("GET", "/api/rooms", cookie=cookie, headers=https)).status == 200
    assert (await house.send("GET", "/api/rooms", headers=https)).status == 401
    assert (await house.send("GET", "/api/rooms", cookie=cookie)).status == 401


async def test_wrong_tokens_do_not_sign_in(house: House):
    for token in ("", "x", "%00", "%FF", "a" * 500, "%F0%9F%92%A9", "../..", "x&token=y"):
        answer = await house.send("GET", f"/sign-in?token={token}", cookie=None)
        assert (answer.status, answer.headers["location"]) == (303, "/?sign_in=expired"), token


async def test_a_preview_of_the_link_does_not_use_it_up(house: House):
    token = await house.application.accounts.sessions.new_link_token()
    head = await house.served.raw(f"HEAD /sign-in?token={token} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert head is not None
    assert head.status == 204
    answer = await house.send("GET", f"/sign-in?token={token}", cookie=None)
    assert answer.headers["location"] == "/"


async def test_the_password_signs_in_and_signing_out_ends_the_session(house: House):
    await house.application.accounts.passwords.set(PASSWORD)
    assert (await house.send("GET", "/api/session", cookie=None)).json()["password_set"] is True
    answer = await house.send("POST", "/api/sign-in", {"password": PASSWORD}, cookie=None)
    assert (answer.status, answer.body) == (204, b"")
    cookie, _ = cookie_in(answer.headers["set-cookie"])
    assert await signed_in(house, cookie)
    out = await house.send("POST", "/api/sign-out", {}, cookie=cookie)
    assert out.status == 204
    _, gone = cookie_in(out.headers["set-cookie"])
    assert gone["max-age"] == "0"
    assert not await signed_in(house, cookie)
    assert await signed_in(house, house.cookie), "other sessions go on"


async def test_wrong_passwords_are_refused_then_slowed_down(house: House):
    await house.application.accounts.passwords.set(PASSWORD)
    statuses = []
    for number in range(7):
        answer = await house.send("POST", "/api/sign-in", {"password": f"wrong {number}"}, cookie=None)
        statuses.append(answer.status)
        assert "set-cookie" not in answer.headers
    assert statuses[:5] == [401] * 5
    assert 429 in statuses
    slowed = await house.send("POST", "/api/sign-in", {"password": PASSWORD}, cookie=None)
    assert (slowed.status, slowed.code) == (429, "too_many_tries")
    assert int(slowed.headers["retry-after"]) >= 1


async def test_without_a_password_no_password_signs_in(house: House):
    for password in ("", "x", "a" * 5000):
        answer = await house.send("POST", "/api/sign-in", {"password": password}, cookie=None)
        assert (answer.status, answer.code) == (401, "wrong_password")


def test_tries_from_everywhere_together_are_limited():
    clock = 0.0
    tries = WrongTries(most=3, seconds=10, monotonic=lambda: clock)
    for _ in range(3):
        tries.check()
        tries.note_wrong()
    with pytest.raises(TooManyTries) as caught:
        tries.check()
    assert caught.value.details == {"retry_after": 11}
    clock = 10.5
    tries.check()
    tries.note_wrong()
    tries.check()
