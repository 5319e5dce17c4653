"""The few changes that a forwarded body may need, made in its bytes: every other byte stays as it came. Pure."""

import re

import msgspec
from msgspec import Raw

_values = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.encode
_USAGE_ASKED = b'{"stream_options":{"include_usage":true},'
_OPEN = re.compile(rb"\s*\{\s*")


def with_model(body: bytes, model: str) -> bytes:
    """The JSON object with another model; the other members keep their bytes."""
    values = _values(body)
    values["model"] = Raw(_encode(model))
    return _encode(values)


def with_usage_asked(body: bytes, options: object) -> bytes:
    """The JSON object with `stream_options.include_usage` set. options: its stream_options, decoded; None: absent."""
    if options is None and b'"stream_options"' not in body:
        match = _OPEN.match(body)
        if match is not None and body[match.end() : match.end() + 1] != b"}":
            return _USAGE_ASKED + body[match.end() :]
    values = _values(body)
    asked = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    values["stream_options"] = Raw(_encode(asked))
    return _encode(values)


def form_with_model(body: bytes, start: int, end: int, model: str) -> bytes:
    """The multipart body with the bytes of its model field, from `start` to `end`, replaced."""
    return body[:start] + model.encode() + body[end:]
