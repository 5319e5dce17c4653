"""What is read of a request: its few fields that decide where it goes and what it may cost. Everything else travels
unread. Pure.
"""

from typing import Any

import msgspec
from msgspec import Struct

from talkmeter.conversation.gateway.endpoints import IMAGES, Endpoint
from talkmeter.errors import BadInput
from talkmeter.metering.asked import Asked
from talkmeter.metering.cost import image_unit
from talkmeter.strict_json import why_unreadable

METADATA_BYTES = 16 << 10
LONGEST_END_USER = 256
LONGEST_MODEL = 256


class Fields(Struct):
    """As they came: a value of another type than expected is the provider's to refuse."""

    model: Any = None
    stream: Any = None
    stream_options: Any = None
    stream_format: Any = None
    n: Any = None
    best_of: Any = None
    max_tokens: Any = None
    max_completion_tokens: Any = None
    max_output_tokens: Any = None
    service_tier: Any = None
    user: Any = None
    safety_identifier: Any = None
    metadata: Any = None
    previous_response_id: Any = None
    conversation: Any = None
    size: Any = None
    quality: Any = None
    input: msgspec.Raw = msgspec.Raw()


_decode = msgspec.json.Decoder(Fields).decode


class Form(Struct, frozen=True):
    """The fields of a multipart body; span: where the model's name stands in it. all: every field that is no file; of
    `image` and `mask` as many empty values as there are files.
    """

    fields: Fields
    span: tuple[int, int] | None
    all: dict[str, Any]


def read_json(body: bytes) -> Fields:
    """Raises BadInput for what is no JSON object, or has two models."""
    try:
        fields = _decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        why, why_ko = why_unreadable(body, error)
        raise BadInput(
            f"The body is not a JSON object that can be read: {why}.",
            f"본문을 JSON 객체로 읽을 수 없습니다: {why_ko}.",
            code="invalid_json",
            hint="Send the object that the API's reference describes, as application/json in UTF-8.",
            hint_ko="API 문서에 나온 객체를 UTF-8 application/json으로 보내십시오.",
        ) from None
    if body.count(b'"model"') > 1 or b"\\u006" in body:  # a name may be written with escapes
        _refuse_two_models(body)
    return fields


def _refuse_two_models(body: bytes) -> None:
    """Which of two would be meant depends on the reader, and what is allowed to one must not be used for another."""
    import json

    def pairs(items: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return items

    top = json.loads(body, object_pairs_hook=pairs, parse_int=str)  # an int of 5,000 digits would be refused
    if sum(1 for name, _ in top if name == "model") > 1:
        raise BadInput(
            "The body names two models.", "본문에 모델이 두 번 나옵니다.", code="invalid_json", param="model"
        )


def asked_of(endpoint: Endpoint, fields: Fields, body: bytes, size: int, form: dict[str, Any] | None = None) -> Asked:
    """form: every field of a body that is no JSON. Raises BadInput if the model's name is missing or cannot be one."""
    model = fields.model if fields.model is not None else endpoint.model
    if not isinstance(model, str) or len(model) > LONGEST_MODEL or (endpoint.needs_model and not model.strip()):
        raise BadInput(
            "You must say which model is to answer: `model` is a name such as gpt-4o-mini.",
            "어느 모델이 답할지 지정해야 합니다. `model`은 gpt-4o-mini 같은 이름입니다.",
            code="missing_required_parameter" if fields.model is None else "invalid_type",
            param="model",
            hint="GET /v1/models lists what there is.",
            hint_ko="GET /v1/models에서 목록을 볼 수 있습니다.",
        )
    billing, images, characters = endpoint.billing, None, None
    if billing == IMAGES:
        images = _count(fields.n) or 1
        billing = image_unit(size=_text(fields.size) or "1024x1024", quality=_text(fields.quality))
    elif endpoint.name == "audio/speech":
        characters = _length(fields.input)
    limit = fields.max_completion_tokens or fields.max_tokens or fields.max_output_tokens
    single = fields.n is None and fields.best_of is None
    return Asked(
        endpoint=endpoint.name,
        model=model,
        streamed=fields.stream is True or fields.stream_format == "sse",
        body=body,
        request_bytes=size,
        max_output_tokens=None if limit is None else _count(limit),
        choices=1 if single else max(_count(fields.n) or 1, _count(fields.best_of) or 1),
        service_tier=None if fields.service_tier is None else _text(fields.service_tier),
        billing=billing,
        characters=characters,
        images=images,
        form=form,
    )


def end_user_of(fields: Fields) -> str | None:
    found = _text(fields.safety_identifier) or _text(fields.user)
    return None if found is None else found[:LONGEST_END_USER]


def metadata_of(fields: Fields) -> str | None:
    """The metadata object as JSON, unless it is none or too large to keep."""
    if not isinstance(fields.metadata, dict) or not fields.metadata:
        return None
    text = msgspec.json.encode(fields.metadata)
    return text.decode() if len(text) <= METADATA_BYTES else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _count(value: Any) -> int | None:
    """A positive integer, also as text of a form."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    return value if type(value) is int and 0 < value < 2**53 else None


def _length(raw: bytes) -> int | None:
    """Characters of a JSON string."""
    try:
        return len(msgspec.json.decode(bytes(raw), type=str))
    except msgspec.MsgspecError:
        return None
