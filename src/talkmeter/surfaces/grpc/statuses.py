"""Our errors as gRPC statuses with `google.rpc` details. Pure; docs/grpc.md has the table.

Every status carries ErrorInfo (our code) and LocalizedMessage (Korean), and further details where there are any.
"""

from collections.abc import Mapping
from typing import Any, cast

import grpc
from google.protobuf import duration_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc.status_pb2 import Status

from talkmeter.clock import SECOND
from talkmeter.errors import TalkmeterError

Code = grpc.StatusCode

DOMAIN = "talkmeter"
TEXT_BYTES = 700  # of UTF-8, of a message: clients read 8 KiB of metadata, in which a byte can take three
SAID_BYTES = 200  # of a fact beside it

BY_HTTP: Mapping[int, Code] = {
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    408: Code.DEADLINE_EXCEEDED,
    409: Code.FAILED_PRECONDITION,
    421: Code.PERMISSION_DENIED,
    429: Code.RESOURCE_EXHAUSTED,
    501: Code.UNIMPLEMENTED,
    502: Code.UNAVAILABLE,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
    507: Code.RESOURCE_EXHAUSTED,
}
# Where the HTTP status alone would say too little, or a run has kept nothing but the code of what it was refused for.
BY_CODE: Mapping[str, Code] = {
    "bad_input": Code.INVALID_ARGUMENT,
    "door_not_allowed": Code.PERMISSION_DENIED,
    "insufficient_quota": Code.RESOURCE_EXHAUSTED,
    "internal_error": Code.INTERNAL,
    "invalid_api_key": Code.UNAUTHENTICATED,
    "model_not_allowed": Code.PERMISSION_DENIED,
    "model_not_found": Code.NOT_FOUND,
    "no_model": Code.INVALID_ARGUMENT,
    "no_provider": Code.FAILED_PRECONDITION,
    "rate_limit_exceeded": Code.RESOURCE_EXHAUSTED,
    "room_busy": Code.ABORTED,
    "room_not_found": Code.NOT_FOUND,
    "store_full": Code.RESOURCE_EXHAUSTED,
    "upstream_silent": Code.DEADLINE_EXCEEDED,
}
# Fields as other doors call them, and as the protos do; and where an error's text names one.
FIELDS: Mapping[str, str] = {
    "text": "prompt",
    "Idempotency-Key": "idempotency_key",
    "cursor": "page_token",
    "window.tokens": "window_tokens",
}
WORDS: Mapping[str, str] = {"cursor": "page_token", "커서": "page_token", "window.tokens": "window_tokens"}


def status_of(error: TalkmeterError, at: int) -> Status:
    """Of an error of ours, raised before or beside an answer. at: now, µs since 1970."""
    param = None if error.param is None else FIELDS.get(error.param, error.param)
    message, message_ko = joined(error.message, error.hint), joined(error.message_ko, error.hint_ko)
    if param != error.param:
        message, message_ko = _in_protos_words(message), _in_protos_words(message_ko)
    facts = {name: str(value) for name, value in error.details.items() if value is not None}
    more: list[Message] = []
    if error.status == 429:
        more += _exhausted(error.code, error.message, facts, _seconds_of(error.details, at))
    code = BY_CODE.get(error.code) or _of_http(error.status)
    if code is Code.INVALID_ARGUMENT:
        more.append(_bad_request(param or "", message))
    return _status(
        code,
        error.code,
        message,
        message_ko,
        facts if param is None else {**facts, "param": param},
        more,
    )


def _in_protos_words(text: str) -> str:
    for word, ours in WORDS.items():
        text = text.replace(word, ours)
    return text


def status_of_answer(problem: Mapping[str, Any], at: int) -> Status:
    """Of an answer that failed: a message's `error`. Its `status` is the provider's, None where it sent none."""
    said, code_said, retry_after = problem["status"], problem["code"], problem["retry_after"]
    known = {name: str(value) for name, value in problem.get("details", {}).items() if value is not None}
    code = BY_CODE.get(code_said, Code.UNAVAILABLE) if said is None else _of_provider(said)
    more: list[Message] = []
    if code is Code.RESOURCE_EXHAUSTED:
        seconds = _seconds_of(problem.get("details", {}), at) if retry_after is None else retry_after
        more += _exhausted(code_said, problem["message"], known, seconds)
    elif code is Code.INVALID_ARGUMENT:
        more.append(_bad_request("", problem["message"]))
    elif retry_after is not None:
        more.append(_retry_in(retry_after))
    facts = known if said is None else {**known, "provider_status": str(said)}
    message = joined(problem["message"], problem.get("hint"))
    message_ko = joined(problem["message_ko"], problem.get("hint_ko"))
    return _status(code, code_said, message, message_ko, facts, more)


def _of_http(status: int) -> Code:
    if status in BY_HTTP:
        return BY_HTTP[status]
    return Code.INTERNAL if status >= 500 else Code.INVALID_ARGUMENT


def _of_provider(status: int) -> Code:
    """A key that the provider does not take is ours, not the client's; what else it refuses with 4xx is the request."""
    if status in (401, 403):
        return Code.FAILED_PRECONDITION
    if status < 400 or status >= 500:
        return Code.DEADLINE_EXCEEDED if status == 504 else Code.UNAVAILABLE
    return _of_http(status)


def _exhausted(code: str, message: str, facts: Mapping[str, str], retry_after: float | None) -> list[Message]:
    """Of a budget or a limit: which, and when to come again if that is known."""
    subject = facts.get("budget") or facts.get("kind") or code
    violation = details.QuotaFailure.Violation(subject=_cut(subject, SAID_BYTES), description=_cut(message, SAID_BYTES))
    quota = details.QuotaFailure(violations=[violation])
    return [quota] if retry_after is None else [quota, _retry_in(retry_after)]


def _seconds_of(facts: Mapping[str, Any], at: int) -> float | None:
    """Until it is worth another try: as the error says, or when the budget begins anew."""
    if (after := facts.get("retry_after")) is not None:
        return float(after)
    resets_at = facts.get("resets_at")
    return None if resets_at is None else max(0.0, (resets_at - at) / SECOND)


def _retry_in(seconds: float) -> Message:
    whole = int(seconds)
    delay = duration_pb2.Duration(seconds=whole, nanos=int((seconds - whole) * 1e9))
    return cast("Message", details.RetryInfo(retry_delay=delay))


def _bad_request(field: str, message: str) -> Message:
    violation = details.BadRequest.FieldViolation(field=field, description=_cut(message, SAID_BYTES))
    return cast("Message", details.BadRequest(field_violations=[violation]))


def _status(
    code: Code, reason: str, message: str, message_ko: str, facts: Mapping[str, str], more: list[Message]
) -> Status:
    number: int = code.value[0]
    status = Status(code=number, message=_cut(message, TEXT_BYTES))
    metadata = {name: _cut(value, SAID_BYTES) for name, value in facts.items()}
    for detail in (
        details.ErrorInfo(reason=_cut(reason, SAID_BYTES), domain=DOMAIN, metadata=metadata),
        details.LocalizedMessage(locale="ko", message=_cut(message_ko, TEXT_BYTES)),
        *more,
    ):
        status.details.add().Pack(detail)
    return status


def joined(message: str, hint: str | None) -> str:
    return f"{message} {hint}" if hint else message


def _cut(text: str, limit: int) -> str:
    """At most so many bytes of UTF-8, which protobuf can carry: a lone surrogate becomes a question mark."""
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return data.decode()
    return data[: limit - 3].decode("utf-8", "ignore") + "…"
