"""Errors in the door's dialect: `{"error": {…}, "response", "detail"}`, the last two as old clients know them. Pure."""

from typing import Any

import msgspec

from talkmeter.clock import now
from talkmeter.conversation.run_errors import retry_after, status_of
from talkmeter.conversation.talk_values import Answered
from talkmeter.errors import TalkmeterError
from talkmeter.surfaces.ask.replies import reply_of

Headers = list[tuple[bytes, bytes]]

_PARAMS = {"text": "prompt"}  # what conversation calls it, and how it is called here


def problem(error: TalkmeterError, request_id: str, *, korean: bool = False) -> tuple[int, Headers, dict[str, Any]]:
    """Status, headers and body."""
    facts = {name: value for name, value in error.details.items() if name != "allow"}
    body = {
        "error": {
            **facts,
            "code": error.code,
            "message": error.message,
            "message_ko": error.message_ko,
            "hint": error.hint,
            "hint_ko": error.hint_ko,
            "param": _PARAMS.get(error.param or "", error.param),
            "request_id": request_id,
        },
        "response": error.message_ko if korean else error.message,
        "detail": (error.hint_ko if korean else error.hint) or error.code,
    }
    return error.status, _headers(error.details), body


def failed(answered: Answered, request_id: str, *, korean: bool = False) -> tuple[int, Headers, dict[str, Any]]:
    """As problem, for an answer that has failed or was interrupted; what there is of it stands beside."""
    error = answered.error or WAITS
    seconds = retry_after(error, now())
    details = {**error.get("details", {}), **({"retry_after": seconds} if seconds is not None else {})}
    status = status_of(error)
    told = TalkmeterError(
        error["message"],
        error["message_ko"],
        code=error["code"],
        status=status,
        hint=error.get("hint"),
        hint_ko=error.get("hint_ko"),
        details=details,
    )
    _, headers, body = problem(told, request_id, korean=korean)
    return status, headers, {**msgspec.to_builtins(reply_of(answered)), **body}


WAITS: dict[str, Any] = {
    "code": "continues_after_restart",
    "message": "The server is stopping; the question is kept and is answered after the next start.",
    "message_ko": "서버가 멈추는 중입니다. 질문은 보관되며 다음 시작 뒤에 답변합니다.",
    "status": None,
    "retry_after": 5,
    "http_status": 503,
}


def _headers(details: dict[str, Any]) -> Headers:
    headers: Headers = []
    seconds = details.get("retry_after")
    if isinstance(seconds, int | float):
        headers.append((b"retry-after", b"%d" % max(1, round(seconds))))
    allow = details.get("allow")
    if isinstance(allow, str):
        headers.append((b"allow", allow.encode()))
    if "remaining" in details and "kind" in details:
        headers += [
            (f"x-ratelimit-{name}-{details['kind']}".encode(), str(details[name]).encode())
            for name in ("limit", "remaining", "reset")
        ]
    return headers
