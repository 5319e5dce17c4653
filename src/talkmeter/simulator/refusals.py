"""Refusals in OpenAI's error shape: `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any


class Refusal(Exception):
    """A request that is answered with an error status.

    headers: sent besides the usual ones (Retry-After).
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.param = param
        self.code = code
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def bad_key() -> Refusal:
    # No part of the key is repeated: what a test greps for must not come from here.
    return Refusal(401, "Incorrect API key provided. Keys that begin with sk-bad are refused.", code="invalid_api_key")


def unknown_model(model: str) -> Refusal:
    return Refusal(
        404,
        f"The model `{model[:200]}` does not exist or you do not have access to it.",
        code="model_not_found",
    )


def by_status(status: int, model: str, retry_after: float | None) -> Refusal:
    """The refusal that a fault asks for by its status code."""
    if status == 401:
        return bad_key()
    if status == 429:
        seconds = 1.0 if retry_after is None else retry_after
        return Refusal(
            429,
            f"Rate limit reached for {model} on requests per minute (RPM). Please try again in {seconds:g}s.",
            kind="requests",
            code="rate_limit_exceeded",
            headers={"Retry-After": f"{seconds:g}", "x-ratelimit-remaining-requests": "0"},
        )
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}
    if status >= 500:
        message = "The server had an error while processing your request. (The simulator was told to fail.)"
        return Refusal(status, message, kind="server_error", headers=headers)
    return Refusal(status, "The simulator was told to refuse this request.", headers=headers)
