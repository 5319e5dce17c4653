"""A body that readers take differently is refused where something depends on the reading."""

import json

import pytest

from talkmeter.errors import BadInput
from talkmeter.metering.one_reading import allowed_models, read_once

GOOD = {
    "model": "m",
    "messages": [
        {"role": "user", "content": "x"},
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}, "odd"]},
    ],
    "tools": [{"type": "function", "function": {"parameters": {"properties": {"Type": {}, "Content": {}, "N": {}}}}}],
    "metadata": {"Model": "x", "N": "2"},
    "input": [{"type": "function_call_output", "output": "x"}, 3],
    "X-Unknown": 1,
}


def test_what_has_one_reading_is_read():
    assert read_once(json.dumps(GOOD).encode()) == GOOD


@pytest.mark.parametrize(("body", "param"), [
    (b'{"n":1,"n":9}', "n"),
    (b'{"n":1,"\\u006e":9}', "n"),
    (b'{"n":1,"N":9}', "N"),
    (b'{"MAX_TOKENS":1}', "MAX_TOKENS"),
    ('{"max_to\u212aens":9}'.encode(), "max_to\u212aens"),
    ('{"\u017ftream":true}'.encode(), "\u017ftream"),
    (b'{"Service_Tier":"priority"}', "Service_Tier"),
    (b'{"messages":[{"role":"user","content":[{"type":"text","type":"image_url"}]}]}', "type"),
    (b'{"messages":[{"role":"user","Content":[{"type":"image_url"}]}]}', "Content"),
    (b'{"messages":[{"content":[{"type":"image_url","image_url":{"URL":"u"}}]}]}', "URL"),
    (b'{"tools":[{"Type":"web_search"}]}', "Type"),
    (b'{"metadata":{"a":1,"a":2}}', "a"),
    (b'{"n":NaN,"n":1}', "n"),
    (b"[]", None), (b"{", None), (b'{"n":"\xff"}', None), (b'{"n":' + b"[" * 200_000, None), (b"", None),
    (b'{"n":' + b"9" * 5000 + b"}", None),
])  # fmt: skip
def test_what_has_two_readings_or_none_is_refused(body, param):
    with pytest.raises(BadInput) as refused:
        read_once(body)
    assert (refused.value.code, refused.value.param) == ("ambiguous_body", param)
    assert refused.value.hint
    assert refused.value.hint_ko


def test_models_of_a_request_and_of_its_tools():
    tools = [{"type": "image_generation", "model": "gpt-image-1"}, {"type": "function"}, "odd"]
    assert allowed_models(json.dumps({"model": "m", "tools": tools}).encode()) == ["m", "gpt-image-1"]
    assert allowed_models(b'{"tools":7}') == []
    with pytest.raises(BadInput):
        allowed_models(b'{"model":"m","Model":"n"}')
