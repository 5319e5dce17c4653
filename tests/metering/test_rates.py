"""Rate limits: buckets in integers, and the headers that tell of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.errors import Conflict
from talkmeter.metering.budget_store import RateItem, RateStanding
from talkmeter.metering.rates import MINUTE, adjusted, duration, interval, rate_headers, rate_refusal, take

SECOND = 1_000_000


def an_item(limit=60, cost=1, kind="requests"):
    return RateItem(f"key_1:{kind}", kind, limit, cost)


def test_a_bucket_gives_a_minutes_worth_then_one_at_a_time():
    tat = None
    for number in range(60):
        taken = take(tat, an_item(), at=SECOND)
        assert taken.standing == RateStanding("key_1:requests", "requests", 60, 59 - number, (number + 1) * SECOND)
        tat = taken.tat
    refused = take(tat, an_item(), at=SECOND)
    assert (refused.tat, refused.retry_after, refused.standing.remaining) == (None, SECOND, 0)
    assert take(tat, an_item(), at=SECOND + refused.retry_after).tat is not None
    assert take(tat, an_item(), at=SECOND + refused.retry_after - 1).tat is None


def test_more_than_a_minutes_worth_is_never_given():
    refused = take(None, an_item(limit=1000, cost=1001, kind="tokens"), at=0)
    assert (refused.tat, refused.retry_after) == (None, None)
    assert refused.standing.remaining == 1000


def test_what_a_call_really_took_is_set_right():
    tat = take(None, an_item(1000, 1000, "tokens"), at=0).tat
    assert tat == MINUTE
    assert adjusted(tat, -400, 1000, at=0) == MINUTE * 6 // 10
    assert adjusted(tat, 500, 1000, at=0) == MINUTE * 3 // 2
    assert adjusted(0, 500, 1000, at=60 * SECOND) == MINUTE * 3 // 2  # what is owed is owed from now on
    assert adjusted(5, 0, 1000, at=0) == 5


@given(limit=st.integers(1, 10**9), costs=st.lists(st.integers(0, 10**6), max_size=30), step=st.integers(0, 10**7))
def test_no_minute_gives_more_than_twice_the_limit(limit, costs, step):
    """A full bucket and what flows in meanwhile: that is the bound of this kind of limit."""
    tat, now, given_at = None, 0, []
    for cost in costs:
        taken = take(tat, an_item(limit, cost, "tokens"), now)
        if taken.tat is not None:
            tat = taken.tat
            given_at.append((now, cost))
            assert 0 <= taken.standing.remaining <= limit
        now += step
    for begin, _ in given_at:
        assert sum(cost for at, cost in given_at if begin <= at <= begin + 60 * SECOND) <= 2 * limit


@given(limit=st.integers(1, 10**9), cost=st.integers(0, 10**9))
def test_giving_back_never_gives_more_than_was_taken(limit, cost):
    assert 0 <= interval(cost, limit) + interval(-cost, limit) <= 1


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0s"),
        (1, "1ms"),
        (12_000, "12ms"),
        (999_001, "1s"),
        (1_000_000, "1s"),
        (8_640_000, "8.64s"),
        (60_000_000, "1m0s"),
        (86_400_000, "1m26.4s"),
        (360_000_000, "6m0s"),
    ],
)
def test_durations_read_like_openais(microseconds, text):
    assert duration(microseconds) == text


def test_headers_tell_of_the_bucket_that_has_least_left():
    rates = [
        RateStanding("key_1:requests", "requests", 60, 59, SECOND),
        RateStanding("user_1:requests", "requests", 100, 7, 2 * SECOND),
        RateStanding("key_1:tokens", "tokens", 1000, 7, 12_000),
        RateStanding("user_1:tokens", "tokens", 5000, 7, 12_001),
        RateStanding("all:tokens", "tokens", 9000, 8, 1),
    ]
    assert rate_headers(rates) == [
        (b"x-ratelimit-limit-requests", b"100"),
        (b"x-ratelimit-remaining-requests", b"7"),
        (b"x-ratelimit-reset-requests", b"2s"),
        (b"x-ratelimit-limit-tokens", b"5000"),
        (b"x-ratelimit-remaining-tokens", b"7"),
        (b"x-ratelimit-reset-tokens", b"13ms"),
    ]
    assert rate_headers([]) == []


@pytest.mark.parametrize(
    ("wait", "seconds", "hint"), [(1_500_000, 2, "Try again in 1.5s."), (None, None, "Ask for less")]
)
def test_a_refusal_says_when_to_try_again(wait, seconds, hint):
    facts = {"id": "key_1:tokens", "kind": "tokens", "limit": 1000, "asked": 700, "remaining": 12}
    error = rate_refusal(
        Conflict("", "", code="rate_limited", details={**facts, "reset": 59_000_000, "retry_after": wait})
    )
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert error.hint.startswith(hint)
    assert "700" in error.message
    assert "토큰" in error.message_ko
    assert error.details == {"kind": "tokens", "limit": 1000, "remaining": 12, "reset": "59s", "retry_after": seconds}
