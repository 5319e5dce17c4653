"""Reading what a request carries, within limits. Bad input is a 4xx that names the field."""

import re
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.errors import BadInput
from talkmeter.strict_json import load_json, parse_json
from talkmeter.surfaces.web.limits import too_large

T = TypeVar("T")

# Also those that turn the direction of what follows: `gnp.exe` must not be shown as `exe.png`.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


async def read_body(request: Request, limit: int) -> bytes:
    """Raises TooLarge as soon as the stated or the real length passes the limit."""
    if int(request.headers.get("content-length", "0")) > limit:
        raise too_large(limit)
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > limit:
            raise too_large(limit)
    return bytes(body)


async def read_json(request: Request, shape: type[T], limit: int) -> T:
    return parse_json(await read_body(request, limit), shape)


async def read_object(request: Request, limit: int) -> dict[str, Any]:
    """A JSON object whose names are not known beforehand."""
    value = load_json(await read_body(request, limit))
    if not isinstance(value, dict):
        raise BadInput("The body must be a JSON object.", "요청 본문은 JSON 객체여야 합니다.", code="bad_field")
    return value


def whole_number(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A figure of the query. Raises BadInput."""
    text = request.query_params.get(name)
    if text is None:
        return default
    number = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else -1
    if not least <= number <= most:
        raise BadInput(
            f"{name} must be a whole number from {least} to {most}.",
            f"{name} 값은 {least}에서 {most}까지의 정수여야 합니다.",
            param=name,
        )
    return number


def text_parameter(request: Request, name: str) -> str | None:
    """A text of the query, None if absent. Raises BadInput for what is no text."""
    text = request.query_params.get(name)
    if text is not None and (_CONTROLS.search(text) or "\ufffd" in text or len(text) > 1000):
        raise BadInput(f"{name} cannot be used.", f"{name} 값을 쓸 수 없습니다.", param=name)
    return text


def file_name(request: Request) -> str:
    """`X-File-Name`, percent-encoded UTF-8: a name to show, never a path. Raises BadInput."""
    try:
        name = unquote_to_bytes(request.headers.get("x-file-name", "")).decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput(
            "X-File-Name must be percent-encoded UTF-8.",
            "X-File-Name은 퍼센트 인코딩한 UTF-8이어야 합니다.",
            code="bad_file_name",
            param="X-File-Name",
        ) from None
    return _CONTROLS.sub("", name).strip() or "image"


def json_answer(value: Any, status: int = 200) -> Response:
    import msgspec

    return Response(msgspec.json.encode(value), status, {"Cache-Control": "no-store"}, "application/json")


def no_content() -> Response:
    return Response(status_code=204, headers={"Cache-Control": "no-store"})
