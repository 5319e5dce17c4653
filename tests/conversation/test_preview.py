"""The price ladder: each rung is the request that would go out."""

from hypothesis import given
from hypothesis import strategies as st

from talkmeter.conversation.preview import (
    Course,
    cached_forecast,
    fitting_window,
    ladder,
    prompt_tokens,
    windows_for,
)
from talkmeter.messages import TokenWindow


def free(_prompt, _cached):
    return None, None


def test_the_rooms_own_window_is_a_rung():
    assert windows_for(5) == (1, 2, 4, 5, 8, 16, 0)
    assert windows_for(0) == (1, 2, 4, 8, 16, 0)


def test_a_window_by_tokens_is_the_last_rung():
    own = TokenWindow(tokens=560)
    assert windows_for(own) == (1, 2, 4, 8, 16, 0, own)
    course = Course([100, 200, 50, 200, 300], 3, True, [True, False, True, False, True])
    rungs = ladder(course, own, 550, free)
    assert (rungs[-1].window, rungs[-1].messages_sent, rungs[-1].prompt_tokens, rungs[-1].fits) == (own, 3, 553, False)
    assert ladder(Course([100, 200, 300], 3), own, None, free)[-1].prompt_tokens == 503


def test_the_cache_forecast_of_a_window_by_tokens():
    course = Course([2000, 50, 10], 3)
    assert cached_forecast(course, TokenWindow(tokens=2063), TokenWindow(tokens=2003)) == 1920
    assert cached_forecast(course, TokenWindow(tokens=2062), 0) == 0
    assert cached_forecast(course, 0, TokenWindow(tokens=2002)) == 0
    assert cached_forecast(Course([10], 2000), TokenWindow(tokens=2010), TokenWindow(tokens=2000)) == 1920


def test_rungs():
    rungs = ladder(Course([100, 200, 300], 3), 2, 550, lambda prompt, cached: (prompt - cached, prompt * 2))
    by_window = {rung.window: rung for rung in rungs}
    assert by_window[1].prompt_tokens == 303
    assert by_window[2].prompt_tokens == 503
    assert by_window[0].prompt_tokens == by_window[4].prompt_tokens == 603
    assert (by_window[2].messages_sent, by_window[2].dropped) == (2, 1)
    assert (by_window[2].fits, by_window[4].fits) == (True, False)
    assert (by_window[2].cost_low, by_window[2].cost_high) == (503, 1006)


def test_the_cache_forecast_needs_an_unbroken_prefix():
    course = Course([2000, 50, 10], 3)
    assert cached_forecast(course, 0, 0) == 1920  # 2003 tokens in steps of 128; the last question was new to the cache
    assert cached_forecast(course, 3, 0) == 1920
    assert cached_forecast(course, 2, 0) == 0
    assert cached_forecast(Course([500, 50, 10], 3), 0, 0) == 0


def test_the_cache_forecast_knows_what_the_last_request_left_out():
    course = Course([2000, 50, 10, 50, 10], 3)
    assert cached_forecast(course, 0, 3) == 2048  # q1 a1 q2 went out, and goes out again
    assert cached_forecast(course, 0, 2) == 0  # a1 q2 went out: what begins with q1 is new
    assert cached_forecast(Course([10], 2000), 0, 1) == 1920  # the system prompt goes out with every window


def test_what_fits():
    course = Course([100, 200, 300], 3)
    assert fitting_window(course, None) == 0
    assert fitting_window(course, 603) == 0
    assert fitting_window(course, 602) == 2
    assert fitting_window(course, 303) == 1
    assert fitting_window(course, 302) is None


@given(st.lists(st.integers(1, 500), min_size=1, max_size=30), st.integers(0, 50), st.integers(0, 8000))
def test_the_window_that_fits_is_the_largest(tokens, frame, limit):
    course = Course(tokens, frame)
    fits = fitting_window(course, limit)
    if fits is None:
        assert prompt_tokens(course, 1) > limit
    elif fits == 0:
        assert prompt_tokens(course, 0) <= limit
    else:
        assert prompt_tokens(course, fits) <= limit < prompt_tokens(course, fits + 1)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=30))
def test_a_larger_window_never_costs_less(tokens):
    rungs = ladder(Course(tokens, 3), 5, None, free)
    assert [rung.prompt_tokens for rung in rungs] == sorted(rung.prompt_tokens for rung in rungs)
    assert all(rung.fits for rung in rungs)
