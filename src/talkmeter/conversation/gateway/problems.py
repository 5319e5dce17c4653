"""Our own errors as OpenAI's error object: `{"error": {"message", "type", "param", "code"}}`. Pure."""

import re

import msgspec

from talkmeter.errors import RateLimited, TalkmeterError

_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "invalid_request_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    421: "invalid_request_error",
    422: "invalid_request_error",
}
TIMED_OUT = "upstream_silent"
CALL_HEADER = b"x-talkmeter-call-id"
_EVENT_ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
_SEQUENCE = re.compile(rb'"sequence_number"\s*:\s*(\d{1,15})')


def error_object(error: TalkmeterError) -> tuple[int, dict[str, object]]:
    """Status, and the object in `error`: what was wrong and what to do."""
    status = 504 if error.code == TIMED_OUT else error.status
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    if status == 429:
        kind = "insufficient_quota" if error.code == "insufficient_quota" else "rate_limit_error"
    message = error.message if not error.hint else f"{error.message} {error.hint}"
    return status, {"message": message, "type": kind, "param": error.param, "code": error.code, **_details(error)}


def problem(error: TalkmeterError) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """Status, headers and body of an answer over HTTP."""
    status, told = error_object(error)
    body = msgspec.json.encode({"error": told})
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    if error.code == "insufficient_quota":
        headers.append((b"x-should-retry", b"false"))  # OpenAI's clients try again else; no budget begins anew so soon
    retry_after = error.details.get("retry_after")
    if isinstance(retry_after, int | float):
        headers.append((b"retry-after", b"%d" % max(1, round(retry_after))))
        headers.append((b"retry-after-ms", b"%d" % max(1, round(retry_after * 1000))))
    if isinstance(error, RateLimited):
        kind = error.details["kind"]
        headers += [
            (f"x-ratelimit-{name}-{kind}".encode(), str(error.details[name]).encode())
            for name in ("limit", "remaining", "reset")
        ]
    call_id = error.details.get("call_id")
    if isinstance(call_id, str):
        headers.append((CALL_HEADER, call_id.encode()))
    allow = error.details.get("allow")
    if isinstance(allow, str):
        headers.append((b"allow", allow.encode()))
    return status, headers, body


def stream_problem(error: TalkmeterError, endpoint: str, before: bytes) -> bytes:
    """The event that tells why a stream breaks off. before: the last that the client was sent, empty if nothing.

    Empty in the middle of an event, for what came after it would be read as part of that. The Responses API documents
    the fields of its error event as standing in it, and sends them inside `error`; so both is said.
    """
    if before and not before.endswith(_EVENT_ENDS):
        return b""
    _, told = error_object(error)
    if endpoint != "responses":
        return b"data: %b\n\n" % msgspec.json.encode({"error": told})
    numbers = _SEQUENCE.findall(before)
    event = {
        "type": "error",
        "code": told["code"],
        "message": told["message"],
        "param": told["param"],
        "sequence_number": int(numbers[-1]) + 1 if numbers else 0,
        "error": told,
    }
    return b"event: error\ndata: %b\n\n" % msgspec.json.encode(event)


def _details(error: TalkmeterError) -> dict[str, object]:
    """Further facts, under names that do not clash with OpenAI's."""
    facts = {name: value for name, value in error.details.items() if name not in ("allow", "status")}
    return {"talkmeter": facts} if facts else {}


def server_stops() -> TalkmeterError:
    """What the client of an answer is told that we break off at our own end."""
    return TalkmeterError(
        "Talkmeter is stopping; this answer was broken off.",
        "Talkmeter가 종료되어 답변이 중단되었습니다.",
        code="shutting_down",
        status=503,
        hint="Ask again in a moment.",
        hint_ko="잠시 뒤에 다시 요청하십시오.",
    )
