"""Errors in the page's dialect: `{"error": {"code", "message", "message_ko", "hint", …, "request_id"}}`."""

from typing import Any

import msgspec
from starlette.responses import Response

from talkmeter.errors import TalkmeterError
from talkmeter.ids import new_id

JSON_TYPE = "application/json; charset=utf-8"


def problem_json(error: TalkmeterError, request_id: str) -> dict[str, Any]:
    """The body for an error. Details stand beside the message, but never in its place."""
    return {"error": {**error_object(error), "request_id": request_id}}


def error_object(error: TalkmeterError) -> dict[str, Any]:
    return {
        **error.details,
        "code": error.code,
        "message": error.message,
        "message_ko": error.message_ko,
        "hint": error.hint,
        "hint_ko": error.hint_ko,
        "param": error.param,
    }


def problem_response(error: TalkmeterError, request_id: str) -> Response:
    """An answer with the error's own status. `retry_after` among the details (seconds) becomes `Retry-After` too."""
    headers = {"Cache-Control": "no-store"}
    retry_after = error.details.get("retry_after")
    if isinstance(retry_after, int):
        headers["Retry-After"] = str(retry_after)
    allow = error.details.get("allow")
    if isinstance(allow, str):
        headers["Allow"] = allow
    body = msgspec.json.encode(problem_json(error, request_id))
    return Response(body, error.status, headers, JSON_TYPE)


def problem_bytes(code: str, message: str, message_ko: str) -> bytes:
    """A body for what is refused before there is a request, nor a door: OpenAI's clients can read it, too."""
    told = problem_json(TalkmeterError(message, message_ko, code=code), new_id("req"))
    told["error"]["type"] = "invalid_request_error"
    return msgspec.json.encode(told)


def internal_error() -> TalkmeterError:
    """What a person is told about a fault of ours: nothing about its inside, and where to find it."""
    return TalkmeterError(
        "Something went wrong inside Talkmeter.",
        "Talkmeter 내부에서 문제가 생겼습니다.",
        hint="The log has a line with this request id. What was stored before is safe.",
        hint_ko="로그에 이 요청 번호가 적힌 줄이 있습니다. 그 전에 저장된 내용은 안전합니다.",
    )
