"""The small fields of a multipart body, and where they stand. Files in it are passed over unread. Pure.

Only what metering needs is understood. Readers differ over forms that are not written as the standard says, over fields
that come twice and over letter case: what would be another model, or another number of pictures, for another reader is
refused.
"""

import re
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from talkmeter.conversation.gateway.fields import Fields, Form
from talkmeter.errors import BadInput
from talkmeter.metering.one_reading import DECIDING, refuse_spellings

FIELD_BYTES = 64 << 10  # a longer field is none that is read here
_BOUNDARY = re.compile(rb'boundary="?([^";,\s]{1,200})"?', re.IGNORECASE)
_DISPOSITION = re.compile(rb"^content-disposition:[ \t]*(.*?)[ \t]*$", re.IGNORECASE | re.MULTILINE)
_NAMED = re.compile(
    rb"""form-data;[ \t]*name="([^"\\\r\n]*)"
    (;[ \t]*filename="[^"\r\n]*")?(;[ \t]*filename\*=[^;"\r\n]*)?""",
    re.IGNORECASE | re.VERBOSE,
)
_FILES = frozenset({"image", "mask"})  # each is a picture to be reckoned with


def content_type_of(headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Raises BadInput if there are two, for they may name different boundaries."""
    kinds = [value for name, value in headers if name == b"content-type"]
    if len(kinds) > 1:
        _refuse("Content-Type", "comes twice", "이(가) 두 번 나옵니다")
    return kinds[0] if kinds else b""


def read_form(body: bytes, content_type: bytes) -> Form:
    """Raises BadInput for a body that is no form, or that other readers could read otherwise."""
    boundary = _BOUNDARY.search(content_type)
    kind = content_type.lower()
    if boundary is None or not kind.startswith(b"multipart/form-data") or kind.count(b"boundary=") > 1:
        raise BadInput(
            "The body must be multipart/form-data with a boundary.",
            "본문은 boundary가 있는 multipart/form-data여야 합니다.",
            code="invalid_form",
            param="Content-Type",
        )
    found: dict[str, Any] = {}
    span: tuple[int, int] | None = None
    for name, start, end in _parts(body, b"--" + boundary[1]):
        refuse_spellings([name.removesuffix("[]")], DECIDING)
        if name.removesuffix("[]") in _FILES:
            found.setdefault(name.removesuffix("[]"), []).append("")
        elif end is None or end - start > FIELD_BYTES:
            if name in DECIDING:
                _refuse(name, f"is a file or longer than {FIELD_BYTES:,} bytes", "이(가) 파일이거나 너무 깁니다")
        elif name.removesuffix("[]") in DECIDING and (name in found or name not in DECIDING):
            _refuse(name, "comes twice, or as a list", "이(가) 두 번 나오거나 목록입니다")
        else:
            found[name] = body[start:end].decode("utf-8", "replace")
            span = (start, end) if name == "model" else span
    known = {name: text for name, text in found.items() if name in Fields.__struct_fields__ and name != "input"}
    if known.get("stream") in ("true", "True", "1"):
        known["stream"] = True
    return Form(msgspec.convert(known, Fields), span, found)


def _parts(body: bytes, delimiter: bytes) -> list[tuple[str, int, int | None]]:
    """(name, start, end) of each part; end: None for a file."""
    found: list[tuple[str, int, int | None]] = []
    at = 0 if body.startswith(delimiter) else body.find(b"\r\n" + delimiter)
    at += 2 if at > 0 else 0
    delimiters = 0
    while at >= 0 and body.startswith(delimiter, at):
        delimiters += 1
        head = at + len(delimiter)
        if body.startswith(b"--", head):
            break
        after = body.find(b"\r\n\r\n", head)
        following = body.find(b"\r\n" + delimiter, head)
        if not body.startswith(b"\r\n", head) or not head <= after < following:
            _refuse("", "is not written as multipart/form-data is", "을(를) multipart/form-data로 읽을 수 없습니다")
        name, is_file = _name(body[head + 2 : after])
        found.append((name, after + 4, None if is_file else following))
        at = following + 2
    if body.count(delimiter) != delimiters:
        _refuse("", "has delimiters in places of its own", "의 구분자를 한 가지로 읽을 수 없습니다")
    return found


def _name(headers: bytes) -> tuple[str, bool]:
    """The name in a part's headers, and whether it is a file."""
    lines = _DISPOSITION.findall(headers.replace(b"\r\n", b"\n"))
    named = _NAMED.fullmatch(lines[0]) if len(lines) == 1 else None
    if named is None:
        _refuse("", "has a part without a proper name", "에 이름이 올바르지 않은 부분이 있습니다")
    return named[1].decode("utf-8", "replace"), named[2] is not None or named[3] is not None


def _refuse(name: str, why: str, why_ko: str) -> NoReturn:
    shown = f"{name:.60}"
    raise BadInput(
        f"The form{f'’s field “{shown}”' if name else ''} {why}.",
        f"양식{f'의 필드 “{shown}”' if name else ''}{why_ko}.",
        code="invalid_form",
        param=shown or None,
        hint="Send each field once, as HTTP clients write forms.",
        hint_ko="일반적인 HTTP 클라이언트처럼 각 필드를 한 번씩만 보내십시오.",
    )
