"""What is asked, and its count where it matters."""

import msgspec
import pytest

from talkmeter.metering.asked import Asked, count_asked
from talkmeter.metering.billing import CHARACTERS, NOTHING
from talkmeter.metering.tokens import count_prompt

MESSAGES = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}


def asked(endpoint, body, **more):
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Asked(endpoint=endpoint, model="gpt-4o", body=raw, **more)


@pytest.mark.parametrize(("endpoint", "body"), [
    ("chat/completions", MESSAGES),
    ("responses", {"input": "hello"}),
    ("completions", {"prompt": "hello"}),
    ("embeddings", {"input": ["hello"]}),
])  # fmt: skip
def test_what_can_be_counted(endpoint, body):
    found = count_asked(asked(endpoint, body))
    assert found is not None
    assert found.total > 0


def test_as_the_prompt_is_counted_anywhere():
    assert count_asked(asked("chat/completions", MESSAGES)).total == count_prompt(MESSAGES, "gpt-4o").total


@pytest.mark.parametrize("endpoint", ["images/generations", "audio/transcriptions", "batches", "files/…"])
def test_what_nobody_can_count(endpoint):
    assert count_asked(asked(endpoint, MESSAGES)) is None


@pytest.mark.parametrize("billing", [CHARACTERS, NOTHING])
def test_what_is_not_billed_by_tokens(billing):
    assert count_asked(asked("chat/completions", MESSAGES, billing=billing)) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"[1]"])
def test_malformed_bodies_are_the_provider_s_to_refuse(body):
    assert count_asked(asked("chat/completions", body)) is None
