"""Which of the provider's headers a client gets, and which of ours stand in their place."""

import pytest

from talkmeter.completions import header_lines
from talkmeter.conversation.gateway.headers import client_lines


class Answer:
    def __init__(self, *headers):
        self.headers = headers

    def header(self, name):
        return next((value for one, value in self.headers if one.lower() == name), None)

    def header_lines(self, without):
        return header_lines(self.headers, without)


OURS = b"x-content-type-options: nosniff\r\ncontent-security-policy: default-src 'none'; sandbox\r\n"
CALL = (b"x-talkmeter-call-id", b"call_1")


def test_names_and_values_stay_as_they_came_but_for_those_that_are_not_given_back():
    answer = Answer(
        (b"Date", b"now"), (b"X-Odd", b"caf\xe9 "), (b"Connection", b"close"), (b"Set-Cookie", b"a"), (b"x-odd", b""),
        (b"X-Request-ID", b"req_1"), (b"Strict-Transport-Security", b"1"), (b"Content-Security-Policy", b"mine"),
    )  # fmt: skip
    assert client_lines(answer, [CALL], b"id") == (
        b"X-Odd: caf\xe9 \r\nx-odd: \r\nX-Request-ID: req_1\r\n" + OURS + b"x-talkmeter-call-id: call_1\r\n"
    )


def test_ours_stand_in_the_place_of_those_with_the_same_name():
    answer = Answer((b"X-RateLimit-Limit-Requests", b"9"), (b"x-ratelimit-limit-tokens", b"8"), (b"x-request-id", b"r"))
    both = [CALL, (b"x-ratelimit-limit-requests", b"1")]
    kept = b"x-ratelimit-limit-tokens: 8\r\nx-request-id: r\r\n"
    ours = OURS + b"x-talkmeter-call-id: call_1\r\n"
    assert client_lines(answer, both, b"id") == kept + ours + b"x-ratelimit-limit-requests: 1\r\n"
    assert client_lines(answer, [CALL], b"id") == b"X-RateLimit-Limit-Requests: 9\r\n" + kept + ours


def test_a_provider_without_a_request_id():
    assert client_lines(Answer(), [CALL], b"id") == b"x-request-id: id\r\n" + OURS + b"x-talkmeter-call-id: call_1\r\n"


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b"])
def test_a_header_that_could_be_taken_for_two(value):
    with pytest.raises(ValueError, match="line break"):
        client_lines(Answer(), [CALL, (b"x-talkmeter-budget-warning", value)], b"id")
    with pytest.raises(ValueError, match="line break"):
        client_lines(Answer((b"a", value)), [CALL], b"id")
