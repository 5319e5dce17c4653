"""A provider that keeps failing is left alone for a while."""

from hypothesis import given
from hypothesis import strategies as st

from talkmeter.conversation.gateway.breakers import FAILURES, OPEN_SECONDS, Breakers


def test_it_opens_after_failures_in_a_row():
    clock = [0.0]
    breakers = Breakers(lambda: clock[0])
    for _ in range(FAILURES - 1):
        breakers.failed("a")
    assert not breakers.is_open("a")
    breakers.succeeded("a")
    for _ in range(FAILURES - 1):
        breakers.failed("a")
    assert not breakers.is_open("a")
    breakers.failed("a")
    assert breakers.is_open("a")
    assert not breakers.is_open("b")
    assert breakers.open_until("a") == OPEN_SECONDS
    assert breakers.open_until("b") == 0
    clock[0] = OPEN_SECONDS
    assert not breakers.is_open("a"), "one may try"
    breakers.failed("a")
    assert breakers.is_open("a"), "and decides"
    clock[0] += OPEN_SECONDS
    breakers.succeeded("a")
    breakers.failed("a")
    assert not breakers.is_open("a")


@given(st.lists(st.sampled_from(["failed", "succeeded", "wait"]), max_size=60))
def test_any_history(history):
    clock = [0.0]
    breakers = Breakers(lambda: clock[0])
    in_a_row, until = 0, 0.0
    for what in history:
        if what == "wait":
            clock[0] += OPEN_SECONDS / 3
        elif what == "succeeded":
            breakers.succeeded("a")
            in_a_row, until = 0, 0.0
        else:
            breakers.failed("a")
            in_a_row += 1
            if in_a_row >= FAILURES:
                until = clock[0] + OPEN_SECONDS
        assert breakers.is_open("a") == (until > clock[0])
