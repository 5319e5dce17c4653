"""What may be a base URL, and what it becomes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.accounts.base_urls import normalise
from talkmeter.errors import BadInput


@pytest.mark.parametrize(
    ("given_url", "kept"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        (" https://api.openai.com/v1/// ", "https://api.openai.com/v1"),
        ("HTTP://LocalHost:11434/v1", "http://localhost:11434/v1"),
        ("https://host:443/v1", "https://host/v1"),
        ("http://host:80", "http://host"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example/v1"),
        ("https://host/A/b%20c", "https://host/A/b%20c"),
    ],
)
def test_normalised(given_url, kept):
    assert normalise(given_url) == kept
    assert normalise(kept) == kept


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.openai.com/v1",
        "ftp://host/v1",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///v1",
        "https://user@host/v1",
        "https://user:sk-canary@host/v1",
        "https://host/v1?key=sk-canary",
        "https://host/v1#x",
        "https://host:99999/v1",
        "https://host:x/v1",
        "https://ho st/v1",
        "https://host\\@evil/v1",
        "https://host/v1\r\nX: y",
        "https://host/\x00",
        "https://./v1",
        "https://a..b/v1",
        "https://host" + "/x" * 2000,
    ],
)
def test_refused(url):
    with pytest.raises(BadInput) as caught:
        normalise(url)
    assert caught.value.param == "base_url"
    assert "sk-canary" not in caught.value.message + caught.value.message_ko


@given(st.text(max_size=60))
def test_any_text_is_normalised_for_good_or_refused(text):
    try:
        kept = normalise("http://" + text)
    except BadInput:
        return
    assert normalise(kept) == kept
    assert "@" not in kept.split("/")[2]
