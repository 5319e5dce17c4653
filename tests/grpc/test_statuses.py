"""Errors as statuses: the map, its details, and that any client can carry them."""

import grpc
import pytest
from google.rpc import error_details_pb2

from talkmeter.errors import (
    BadInput,
    BudgetRefused,
    Conflict,
    Forbidden,
    InvalidKey,
    NotFound,
    NotSignedIn,
    RateLimited,
    StoreError,
    StoreFull,
    TalkmeterError,
    TooLarge,
    UpstreamError,
)
from talkmeter.surfaces.grpc.statuses import status_of, status_of_answer

Code = grpc.StatusCode
NOW = 1_000_000_000


def details(status):
    found = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name)()
        packed.Unpack(found[name])
    return found


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidKey("m", "ㅁ"), Code.UNAUTHENTICATED),
        (NotSignedIn("m", "ㅁ"), Code.UNAUTHENTICATED),
        (Forbidden("m", "ㅁ", code="model_not_allowed"), Code.PERMISSION_DENIED),
        (BudgetRefused("m", "ㅁ"), Code.RESOURCE_EXHAUSTED),
        (RateLimited("m", "ㅁ"), Code.RESOURCE_EXHAUSTED),
        (BadInput("m", "ㅁ"), Code.INVALID_ARGUMENT),
        (TooLarge("m", "ㅁ"), Code.INVALID_ARGUMENT),
        (BadInput("m", "ㅁ", code="idempotency_key_reused", status=422), Code.INVALID_ARGUMENT),
        (NotFound("m", "ㅁ", code="model_not_found"), Code.NOT_FOUND),
        (Conflict("m", "ㅁ", code="room_busy"), Code.ABORTED),
        (Conflict("m", "ㅁ", code="context_too_small"), Code.FAILED_PRECONDITION),
        (StoreError("m", "ㅁ"), Code.UNAVAILABLE),
        (StoreFull("m", "ㅁ"), Code.RESOURCE_EXHAUSTED),
        (UpstreamError("m", "ㅁ"), Code.UNAVAILABLE),
        (UpstreamError("m", "ㅁ", code="upstream_silent"), Code.DEADLINE_EXCEEDED),
        (TalkmeterError("m", "ㅁ", code="call_too_long", status=504), Code.DEADLINE_EXCEEDED),
        (TalkmeterError("m", "ㅁ"), Code.INTERNAL),
    ],
    ids=lambda value: value.code if isinstance(value, TalkmeterError) else None,
)
def test_the_map(error, code):
    status = status_of(error, NOW)
    assert (status.code, status.message) == (code.value[0], "m")
    found = details(status)
    assert (found["ErrorInfo"].reason, found["ErrorInfo"].domain) == (error.code, "talkmeter")
    assert (found["LocalizedMessage"].locale, found["LocalizedMessage"].message) == ("ko", "ㅁ")
    assert ("BadRequest" in found) == (code is Code.INVALID_ARGUMENT)
    assert ("QuotaFailure" in found) == (error.status == 429)


def test_a_budget_says_which_and_when_it_begins_anew():
    error = BudgetRefused("No more.", "없음", details={"budget": "team", "resets_at": NOW + 90_500_000, "limit": None})
    found = details(status_of(error, NOW))
    assert [violation.subject for violation in found["QuotaFailure"].violations] == ["team"]
    delay = found["RetryInfo"].retry_delay
    assert (delay.seconds, delay.nanos) == (90, 500_000_000)
    assert dict(found["ErrorInfo"].metadata) == {"budget": "team", "resets_at": str(NOW + 90_500_000)}
    never = details(status_of(BudgetRefused("No more.", "없음", details={"resets_at": None}), NOW))
    assert "RetryInfo" not in never


def test_a_rate_limit_says_when_to_come_again():
    error = RateLimited("Slow.", "느리게", details={"kind": "requests", "retry_after": 7})
    found = details(status_of(error, NOW))
    assert found["RetryInfo"].retry_delay.seconds == 7
    assert found["QuotaFailure"].violations[0].subject == "requests"


def test_a_field_at_fault_is_named_and_the_hint_is_said():
    error = BadInput("Too much.", "많음", param="max_tokens", hint="Less.", hint_ko="적게.")
    status = status_of(error, NOW)
    found = details(status)
    assert status.message == "Too much. Less."
    assert found["LocalizedMessage"].message == "많음 적게."
    assert found["BadRequest"].field_violations[0].field == "max_tokens"
    assert found["ErrorInfo"].metadata["param"] == "max_tokens"


def problem(code="x", status=None, retry_after=None):
    return {"code": code, "message": "m", "message_ko": "ㅁ", "status": status, "retry_after": retry_after}


@pytest.mark.parametrize(
    ("failed", "code"),
    [
        (problem("invalid_api_key", 401), Code.FAILED_PRECONDITION),  # ours at the provider, not the client's
        (problem("denied", 403), Code.FAILED_PRECONDITION),
        (problem("model_not_found", 404), Code.NOT_FOUND),
        (problem("bad", 400), Code.INVALID_ARGUMENT),
        (problem("slow", 408), Code.DEADLINE_EXCEEDED),
        (problem("rate_limit_exceeded", 429, 3), Code.RESOURCE_EXHAUSTED),
        (problem("http_500", 500), Code.UNAVAILABLE),
        (problem("http_503", 503, 5), Code.UNAVAILABLE),
        (problem("http_504", 504), Code.DEADLINE_EXCEEDED),
        (problem("odd", 200), Code.UNAVAILABLE),
        (problem("upstream_broke"), Code.UNAVAILABLE),
        (problem("upstream_silent"), Code.DEADLINE_EXCEEDED),
        (problem("insufficient_quota"), Code.RESOURCE_EXHAUSTED),
        (problem("invalid_api_key"), Code.UNAUTHENTICATED),  # the client's, revoked while its question waited
        (problem("internal_error"), Code.INTERNAL),
    ],
    ids=lambda value: f"{value['code']}-{value['status']}" if isinstance(value, dict) else None,
)
def test_of_an_answer_that_failed(failed, code):
    status = status_of_answer(failed, NOW)
    assert status.code == code.value[0]
    found = details(status)
    assert ("RetryInfo" in found) == (failed["retry_after"] is not None)
    assert found["ErrorInfo"].metadata.get("provider_status") == (str(failed["status"]) if failed["status"] else None)


def test_an_answer_that_a_budget_refused_says_which_and_when_it_begins_anew():
    facts = {"budget": "team", "resets_at": NOW + 90_000_000, "limit": None}
    found = details(status_of_answer({**problem("insufficient_quota"), "details": facts}, NOW))
    assert [violation.subject for violation in found["QuotaFailure"].violations] == ["team"]
    assert found["RetryInfo"].retry_delay.seconds == 90
    assert dict(found["ErrorInfo"].metadata) == {"budget": "team", "resets_at": str(NOW + 90_000_000)}
    never = details(status_of_answer({**problem("insufficient_quota"), "details": {"resets_at": None}}, NOW))
    assert "RetryInfo" not in never


def test_what_is_said_fits_into_the_metadata_of_any_client():
    error = BadInput(
        "가" * 5000, "가" * 5000, hint="나" * 500, param="p" * 900, details={f"fact{n}": "다" * 900 for n in range(3)}
    )
    status = status_of(error, NOW)
    assert len(status.SerializeToString()) < 4500
    assert status.message.endswith("…")
    assert status_of(BadInput("lone \ud800", "ㅁ"), NOW).message == "lone ?"
