"""The small fields of a multipart body, and where they stand. Files in it are passed over unread. Pure.

Only what metering needs is understood; a body that is not well-formed is the provider's to refuse, as long as no model
can be found in it.
"""

import re

import msgspec

from talkmeter.conversation.gateway.fields import Fields, Form
from talkmeter.errors import BadInput

FIELD_BYTES = 64 << 10  # a longer field is none that is read here
_BOUNDARY = re.compile(rb'boundary="?([^";,\s]{1,200})"?', re.IGNORECASE)
_NAME = re.compile(rb'[;\s]name="([^"]*)"', re.IGNORECASE)
_FILE = re.compile(rb"[;\s]filename\*?=", re.IGNORECASE)


def read_form(body: bytes, content_type: bytes) -> Form:
    """Raises BadInput for a body that is no form, or that names two models."""
    boundary = _BOUNDARY.search(content_type)
    if boundary is None or not content_type.lower().startswith(b"multipart/form-data"):
        raise BadInput(
            "The body must be multipart/form-data with a boundary.",
            "본문은 boundary가 있는 multipart/form-data여야 합니다.",
            code="invalid_form",
            param="Content-Type",
        )
    found: dict[str, str] = {}
    span: tuple[int, int] | None = None
    for name, start, end in _parts(body, b"--" + boundary[1]):
        if name == "model" and span is not None:
            raise BadInput(
                "The form names two models.", "양식에 모델이 두 번 나옵니다.", code="invalid_form", param="model"
            )
        if name == "model":
            span = start, end
        found[name] = body[start:end].decode("utf-8", "replace")
    known = {name: text for name, text in found.items() if name in Fields.__struct_fields__ and name != "input"}
    if known.get("stream") in ("true", "True", "1"):
        known["stream"] = True  # type: ignore[assignment]
    return Form(msgspec.convert(known, Fields), span, found)


def _parts(body: bytes, delimiter: bytes) -> list[tuple[str, int, int]]:
    """(name, start, end) of each part that is no file."""
    found: list[tuple[str, int, int]] = []
    at = body.find(delimiter)
    while at != -1:
        head = at + len(delimiter)
        if body[head : head + 2] == b"--":
            break
        after = body.find(b"\r\n\r\n", head)
        following = body.find(b"\r\n" + delimiter, head)
        if after == -1 or following == -1:
            break
        headers, start = body[head:after], after + 4
        name = _NAME.search(headers)
        small = start <= following <= start + FIELD_BYTES
        if small and name is not None and _FILE.search(headers) is None:
            found.append((name[1].decode("utf-8", "replace"), start, following))
        at = following + 2
    return found
