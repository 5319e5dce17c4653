"""Everything that can go wrong in a way somebody should read about.

TalkmeterError
├── BadInput 400 ── what came in cannot be used
│   ├── TooLarge 413 · UnsupportedMedia 415 · TooManyPixels 422
├── NotSignedIn 401 · InvalidKey 401 · Forbidden 403 · NotFound 404 · Conflict 409 · TooManyTries 429
├── BudgetRefused 429 · RateLimited 429 ── what is asked for is more than may be spent, or too fast
├── SettingError ── start-up: a setting has a value that cannot be used
├── StoreError 503 ── the database cannot take or give what was asked
│   ├── StoreFull 507 · StoreBusy 503 · StoreTooNew ── start-up
└── UpstreamError 502 ── a provider could not be reached, refused or broke off

Each says what was wrong and what to do, in English and in Korean; a surface renders it in its own dialect.
"""

from typing import Any


class TalkmeterError(Exception):
    """An error for a person or a program to read.

    code: stable, snake_case. message / message_ko: what was wrong. hint / hint_ko: what to do.
    param: the field at fault. details: further facts, JSON-able, for the surface to pass on.
    """

    status = 500
    code = "internal_error"

    def __init__(
        self,
        message: str,
        message_ko: str,
        *,
        code: str | None = None,
        status: int | None = None,
        hint: str | None = None,
        hint_ko: str | None = None,
        param: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.message_ko = message_ko
        self.hint = hint
        self.hint_ko = hint_ko
        self.param = param
        self.details = details or {}
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class BadInput(TalkmeterError):
    status, code = 400, "bad_input"


class TooLarge(BadInput):
    status, code = 413, "too_large"


class UnsupportedMedia(BadInput):
    status, code = 415, "unsupported_media"


class TooManyPixels(BadInput):
    status, code = 422, "too_many_pixels"


class NotSignedIn(TalkmeterError):
    status, code = 401, "not_signed_in"


class InvalidKey(TalkmeterError):
    """An API key that opens nothing. `details["reason"]`: malformed, typo, unknown, revoked, expired, user_disabled."""

    status, code = 401, "invalid_api_key"


class Forbidden(TalkmeterError):
    status, code = 403, "forbidden"


class NotFound(TalkmeterError):
    status, code = 404, "not_found"


class Conflict(TalkmeterError):
    status, code = 409, "conflict"


class TooManyTries(TalkmeterError):
    status, code = 429, "too_many_tries"


class BudgetRefused(TalkmeterError):
    """A hard budget could be exceeded.

    details: budget (its name), budget_id, scope, period, unit, reason, limit, spent, reserved, asked, resets_at.
    """

    status, code = 429, "insufficient_quota"


class RateLimited(TalkmeterError):
    """More requests or tokens a minute than allowed. details: kind, limit, remaining, reset, retry_after (seconds)."""

    status, code = 429, "rate_limit_exceeded"


class SettingError(TalkmeterError):
    """Raised before the server starts; the command line prints it and exits with status 2."""

    status, code = 500, "setting_error"


class StoreError(TalkmeterError):
    status, code = 503, "store_error"


class StoreFull(StoreError):
    """The disk is full: nothing new is sent upstream until there is room again."""

    status, code = 507, "store_full"


class StoreBusy(StoreError):
    """Another process holds the database longer than the busy time-out."""

    status, code = 503, "store_busy"


class StoreTooNew(StoreError):
    """The database was written by a newer Talkmeter; starting would risk what is in it."""

    code = "store_too_new"


class UpstreamError(TalkmeterError):
    """What a provider did wrong. `status` is our answer's; `details["status"]` the provider's."""

    status, code = 502, "upstream_error"
