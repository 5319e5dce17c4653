"""The few changes to a forwarded body: every other member stays as it came."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.conversation.gateway.splicing import form_with_model, with_model, with_usage_asked

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
bodies = st.dictionaries(st.sampled_from(["messages", "n", "x", "stream", "자료", "temperature"]), values, max_size=5)
written = st.sampled_from(
    [{"separators": (",", ":")}, {"separators": (", ", ": ")}, {"indent": 2}, {"ensure_ascii": False}]
)


@given(bodies, written, st.text(min_size=1, max_size=20))
def test_another_model(body, style, model):
    raw = json.dumps({"model": "old", **body}, **style).encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return  # lone surrogates: refused long before
    try:
        model.encode()
    except UnicodeEncodeError:
        return
    changed = with_model(raw, model)
    assert json.loads(changed) == {**json.loads(raw), "model": model}
    for name, value in msgspec.json.decode(raw, type=dict[str, msgspec.Raw]).items():
        if name != "model":
            assert bytes(value) in changed


@given(
    bodies,
    written,
    st.sampled_from(["", " ", "\r\n\t"]),
    st.none()
    | st.just("null")
    | st.dictionaries(st.sampled_from(["include_obfuscation", "include_usage", "x"]), values, max_size=3),
)
def test_usage_asked(body, style, before, options):
    whole = dict(body)
    if options is not None:
        whole["stream_options"] = None if options == "null" else options
    raw = before.encode() + json.dumps(whole, **style).encode("utf-8", "surrogatepass")
    try:
        msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return
    decoded = json.loads(raw)
    changed = with_usage_asked(raw, decoded.get("stream_options"))
    expected = {**decoded, "stream_options": {**(decoded.get("stream_options") or {}), "include_usage": True}}
    assert json.loads(changed) == expected
    assert changed.count(b'"stream_options"') == 1 or "stream_options" in json.dumps(body)


def test_usage_asked_changes_no_other_byte():
    raw = b' {  "model" :"m", "messages":[{"content":"\\ud55c \xea\xb8\x80"}],\r\n"temperature":0.70 }'
    assert with_usage_asked(raw, None) == b'{"stream_options":{"include_usage":true},' + raw[4:]
    assert json.loads(with_usage_asked(b"{}", None)) == {"stream_options": {"include_usage": True}}


def test_usage_asked_where_the_words_stand_in_a_text():
    raw = json.dumps({"messages": ['"stream_options"']}).encode()
    assert json.loads(with_usage_asked(raw, None))["stream_options"] == {"include_usage": True}
    raw = b'{"x":"\\"stream_options\\"","stream_options":7}'
    assert json.loads(with_usage_asked(raw, 7))["stream_options"] == {"include_usage": True}


@given(
    st.binary(max_size=50), st.binary(max_size=20), st.binary(max_size=50), st.text(max_size=20).filter(str.isprintable)
)
def test_a_form_s_model(before, old, after, model):
    assert (
        form_with_model(before + old + after, len(before), len(before) + len(old), model)
        == before + model.encode() + after
    )
