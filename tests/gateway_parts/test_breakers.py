"""A provider that keeps failing is left alone for a while."""

from talkmeter.conversation.gateway.breakers import FAILURES, OPEN_SECONDS, Breakers


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_try_when_its_time_is_over():
    clock = [100.0]
    breakers = Breakers(lambda: clock[0])
    breakers.succeeded("p")
    assert not breakers.is_open("p")
    for _ in range(FAILURES - 1):
        breakers.failed("p")
    assert not breakers.is_open("p")
    breakers.succeeded("p")
    for _ in range(FAILURES):
        breakers.failed("p")
    assert breakers.is_open("p")
    assert not breakers.is_open("q")
    assert breakers.open_until("p") == 100.0 + OPEN_SECONDS
    clock[0] += OPEN_SECONDS
    assert not breakers.is_open("p")
    breakers.failed("p")
    assert breakers.is_open("p")
    clock[0] += OPEN_SECONDS
    breakers.succeeded("p")
    assert breakers.open_until("p") == 0.0
