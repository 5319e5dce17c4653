"""A body changes only where it must, and there only as it must."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.conversation.gateway.splicing import form_with_model, with_model, with_usage_asked

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.text(max_size=6).filter(lambda name: name not in ("stream_options", "model")), values)


@given(bodies, st.sampled_from([None, 2]))
def test_usage_is_asked_for_and_the_rest_keeps_its_bytes(body, indent):
    data = json.dumps({"model": "m", **body}, indent=indent).encode()
    made = with_usage_asked(data, None)
    assert json.loads(made) == {"model": "m", **body, "stream_options": {"include_usage": True}}
    start = data.index(b'"model"')
    assert made.endswith(data[start:])


@pytest.mark.parametrize("options", [{}, {"include_usage": False, "include_obfuscation": False}, [], "x", None])
def test_options_that_are_there_keep_what_they_say(options):
    data = json.dumps({"a": [1.0, "비용"], "stream_options": options, "z": {"b": 1}}, ensure_ascii=False).encode()
    made = with_usage_asked(data, options)
    kept = options if isinstance(options, dict) else {}
    assert json.loads(made) == {"a": [1.0, "비용"], "stream_options": {**kept, "include_usage": True}, "z": {"b": 1}}
    assert '[1.0, "비용"]'.encode() in made


def test_an_empty_object_becomes_one_with_options():
    assert json.loads(with_usage_asked(b" { } ", None)) == {"stream_options": {"include_usage": True}}


@given(bodies, st.text(min_size=1, max_size=20))
def test_another_model_and_nothing_else(body, model):
    data = json.dumps({**body, "model": "alias"}).encode()
    assert json.loads(with_model(data, model)) == {**body, "model": model}


def test_a_form_changes_in_one_place():
    body = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nalias\r\n--x--'
    start = body.index(b"alias")
    assert form_with_model(body, start, start + 5, "gpt-4o") == body.replace(b"alias", b"gpt-4o")
