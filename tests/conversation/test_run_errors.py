"""What a run's error means to who asked."""

import pytest

from talkmeter.conversation.driving import UNEXPECTED, error_of
from talkmeter.conversation.run_errors import names_no_model, retry_after, status_of
from talkmeter.errors import BudgetRefused, RateLimited

NOW = 1_800_000_000_000_000


def upstream(status, code="upstream_broke", **more):
    return {"code": code, "message": "…", "message_ko": "…", "status": status, "retry_after": None} | more


@pytest.mark.parametrize(("error", "status"), [
    (error_of(BudgetRefused("…", "…")), 429), (UNEXPECTED, 500), (upstream(None), 502),
    (upstream(None, "upstream_silent"), 504), (upstream(400), 400), (upstream(404), 404), (upstream(429), 429),
    (upstream(401), 502), (upstream(403), 502), (upstream(407), 502), (upstream(500), 502), (upstream(503), 503),
    (upstream(529), 503), (upstream(200), 502), (upstream(302), 502),
])  # fmt: skip
def test_statuses(error, status):
    assert status_of(error) == status


def test_when_to_come_again():
    assert retry_after(error_of(RateLimited("…", "…", details={"retry_after": 7})), NOW) == 7
    assert retry_after(upstream(429, retry_after=3), NOW) == 3
    assert retry_after(upstream(429), NOW) is None
    assert retry_after(error_of(RateLimited("…", "…", details={"retry_after": 0.2})), NOW) == 1


@pytest.mark.parametrize(("resets_at", "seconds"), [
    (NOW + 90_000_000, 90), (NOW + 90_000_001, 91), (NOW + 1, 1), (NOW - 5_000_000, 1), (None, None),
])  # fmt: skip
def test_when_a_budget_begins_anew(resets_at, seconds):
    assert retry_after(error_of(BudgetRefused("…", "…", details={"resets_at": resets_at})), NOW) == seconds


@pytest.mark.parametrize(("error", "unknown"), [
    (upstream(404, "model_not_found"), True),
    (upstream(400, "invalid_request_error", message="The model `x` does not exist"), True),
    (upstream(404, "http_404", message='The provider answered 404: model "x" not found, try pulling it first'), True),
    (upstream(400, "invalid_request_error", message="The provider answered 400: Model Not Exist"), True),
    (upstream(400, "1500", message="The provider answered 400: Invalid model: x"), True),
    (upstream(400, "400", message="The provider answered 400: x is not a valid model ID"), True),
    (upstream(400, "400", message="This model's maximum context length is 8 tokens"), False),
    (upstream(404, "not_found"), False),
    (upstream(500, "model_not_found"), False),
    (upstream(None), False),
])  # fmt: skip
def test_whether_the_model_is_not_known(error, unknown):
    assert names_no_model(error) is unknown
