"""One-time links and sessions: random, stored as hashes, used once, ended."""

import asyncio
import hashlib

import pytest

from support.folders import content
from talkmeter.accounts.sessions import FIRST_LINK_SECONDS, LINK_SECONDS, OWNER, SESSION_SECONDS, Sessions
from talkmeter.errors import NotSignedIn


@pytest.fixture
def sessions(store, clock):
    return Sessions(store, clock)


async def test_a_link_signs_in_once(sessions):
    token = await sessions.new_link_token()
    cookie = await sessions.use_link_token(token)
    assert (await sessions.find(cookie)).principal == OWNER
    with pytest.raises(NotSignedIn) as caught:
        await sessions.use_link_token(token)
    assert "talkmeter link" in caught.value.hint


async def test_of_many_who_use_one_link_at_once_one_gets_in(sessions):
    token = await sessions.new_link_token()
    tries = await asyncio.gather(*(sessions.use_link_token(token) for _ in range(20)), return_exceptions=True)
    assert [type(one) for one in tries].count(str) == 1
    assert [type(one) for one in tries].count(NotSignedIn) == 19


@pytest.mark.parametrize("seconds", [LINK_SECONDS, FIRST_LINK_SECONDS])
async def test_a_link_expires(sessions, clock, seconds):
    early, late = await sessions.new_link_token(seconds), await sessions.new_link_token(seconds)
    clock.pass_seconds(seconds - 1)
    await sessions.use_link_token(early)
    clock.pass_seconds(2)
    with pytest.raises(NotSignedIn):
        await sessions.use_link_token(late)


@pytest.mark.parametrize("token", ["", "x", "x" * 129, "토큰", "a\0b"])
async def test_a_wrong_token_is_refused(sessions, token):
    with pytest.raises(NotSignedIn):
        await sessions.use_link_token(token)
    assert await sessions.find(token) is None


async def test_a_session_lasts_thirty_days(sessions, clock):
    cookie = await sessions.start()
    clock.pass_seconds(SESSION_SECONDS - 1)
    assert await sessions.find(cookie) is not None
    clock.pass_seconds(2)
    assert await sessions.find(cookie) is None


async def test_signing_out_ends_one_session_or_all(sessions):
    first, second, third = [await sessions.start() for _ in range(3)]
    await sessions.end(first)
    assert await sessions.find(first) is None
    assert await sessions.find(second) is not None
    await sessions.end_all()
    assert await sessions.find(second) is None
    assert await sessions.find(third) is None


async def test_no_cookie_is_nobody(sessions):
    assert await sessions.find(None) is None
    await sessions.end("never was")


async def test_only_hashes_are_on_the_disk(sessions, store, tmp_path):
    token = await sessions.new_link_token()
    cookie = await sessions.use_link_token(await sessions.new_link_token())
    await store.close()
    written = b"".join(content(tmp_path).values())
    for secret in (token, cookie):
        assert secret.encode() not in written
        assert hashlib.sha256(secret.encode()).digest() in written
