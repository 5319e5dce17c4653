"""The session cookie: HttpOnly, SameSite=Strict; over HTTPS also Secure, under the name that only this host can set."""

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from talkmeter.accounts.sessions import SESSION_SECONDS

PLAIN_NAME = "talkmeter_session"
SECURE_NAME = "__Host-talkmeter_session"


def cookie_of(request: HTTPConnection) -> str | None:
    """Only the name that belongs to this scheme: over HTTPS a cookie set over HTTP counts for nothing."""
    return request.cookies.get(_name(request))


def set_cookie(request: Request, response: Response, value: str) -> None:
    response.set_cookie(
        _name(request),
        value,
        max_age=SESSION_SECONDS,
        path="/",
        secure=_is_https(request),
        httponly=True,
        samesite="strict",
    )


def remove_cookie(request: Request, response: Response) -> None:
    response.delete_cookie(_name(request), path="/", secure=_is_https(request), httponly=True, samesite="strict")


def _name(request: HTTPConnection) -> str:
    return SECURE_NAME if _is_https(request) else PLAIN_NAME


def _is_https(request: HTTPConnection) -> bool:
    # Behind something that adds TLS. A client that claims it falsely only chooses its own cookie's name.
    return request.url.scheme in ("https", "wss") or request.headers.get("x-forwarded-proto") == "https"
