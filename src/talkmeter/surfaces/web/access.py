"""Who may use a route. Every route states its access; one that does not cannot be built."""

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from talkmeter.accounts.principals import Principal
from talkmeter.errors import Forbidden, NotFound, NotSignedIn, StoreError, TalkmeterError
from talkmeter.surfaces.web.limits import SAFE_METHODS
from talkmeter.surfaces.web.problems import internal_error, problem_response

log = logging.getLogger(__name__)

PrincipalOf = Callable[[Request], Awaitable[Principal | None]]
Handle = Callable[[Request, Any], Awaitable[Any]]


class Access(Enum):
    OPEN = "anybody"
    SIGNED_IN = "a principal with a session"
    OWNER = "an owner with a session"
    LOCAL_OR_OWNER = "this machine, or an owner with a session"


class Body(Enum):
    """What an unsafe method may carry. A JSON type cannot be sent across origins without asking first."""

    JSON = "application/json"
    FILE = "raw bytes"


@dataclass(frozen=True, slots=True)
class WebRoute:
    """One method on one path. `handle(request, principal)` gives a response; the principal is None only where
    access allows that. name: what logs and metrics call it.
    """

    method: str
    path: str
    name: str
    access: Access
    handle: Handle
    body: Body = Body.JSON


class UnguardedRoute(Exception):
    """A route was built without stating who may use it."""


def build_router(routes: Iterable[WebRoute], principal_of: PrincipalOf, page: Handle | None = None) -> Router:
    """A router of exactly these routes. Raises UnguardedRoute for anything that does not state its access.

    page: what a browser gets that has followed a mistyped address; programs are told that there is nothing.
    """
    by_path: dict[str, dict[str, WebRoute]] = {}
    for route in routes:
        if not isinstance(route, WebRoute) or not isinstance(route.access, Access):
            raise UnguardedRoute(f"{route!r} does not state its access")
        methods = by_path.setdefault(route.path, {})
        if route.method in methods:
            raise UnguardedRoute(f"{route.method} {route.path} is there twice: which access counts?")
        methods[route.method] = route
    doors = [Route(path, Door(methods, principal_of)) for path, methods in by_path.items()]
    return Router(doors, redirect_slashes=False, default=_Nowhere(page))


class Door:
    """One path: picks the method, lets in whom its access allows, and answers errors in the page's words."""

    def __init__(self, methods: dict[str, WebRoute], principal_of: PrincipalOf) -> None:
        self.methods = methods
        self._principal_of = principal_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response = await self._answer(request)
        except TalkmeterError as error:
            response = problem_response(error, scope["request_id"])
        except ClientDisconnect:
            return
        except Exception:
            log.exception("route_failed", extra={"request_id": scope["request_id"], "route": scope.get("route_name")})
            response = problem_response(internal_error(), scope["request_id"])
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        route = self.methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise self._wrong_method(request.method)
        request.scope["route_name"] = route.name
        principal = await self._let_in(route, request)
        request.scope["principal"] = None if principal is None else principal.user_id
        _check_body_type(route, request)
        answer: ASGIApp = await route.handle(request, principal)
        return answer

    async def _let_in(self, route: WebRoute, request: Request) -> Principal | None:
        free = route.access is Access.OPEN or (route.access is Access.LOCAL_OR_OWNER and is_loopback(request))
        try:
            principal = await self._principal_of(request)
        except StoreError:
            if not free:
                raise
            principal = None  # who asks how we are must hear it, above all when the store is not well
        if principal is None and not free:
            raise NotSignedIn(
                "You are not signed in.",
                "로그인되어 있지 않습니다.",
                hint="Open the link that Talkmeter printed at its start, or sign in with the password.",
                hint_ko="Talkmeter가 시작할 때 출력한 링크를 열거나 비밀번호로 로그인하십시오.",
            )
        if principal is not None and principal.role != "owner" and not free and route.access is not Access.SIGNED_IN:
            raise owner_only()
        return principal

    def _wrong_method(self, method: str) -> TalkmeterError:
        allow = ", ".join(sorted(self.methods) + (["HEAD"] if "GET" in self.methods else []))
        return TalkmeterError(
            f"{method[:16]} cannot be used here; use {allow}.",
            f"{method[:16]} 메서드는 여기서 쓸 수 없습니다. 사용 가능: {allow}.",
            code="wrong_method",
            status=405,
            details={"allow": allow},
        )


def owner_only(param: str | None = None) -> Forbidden:
    return Forbidden(
        "Only an owner may do this.",
        "소유자만 할 수 있습니다.",
        code="owner_only",
        hint="Ask an owner of this Talkmeter.",
        hint_ko="이 Talkmeter의 소유자에게 부탁하십시오.",
        param=param,
    )


def is_loopback(request: Request) -> bool:
    """Whether the connection comes from this machine, and is not passed on for somebody else by a proxy."""
    if request.client is None or any(name in request.headers for name in ("forwarded", "x-forwarded-for", "via")):
        return False
    try:
        address = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _check_body_type(route: WebRoute, request: Request) -> None:
    if request.method in SAFE_METHODS or route.body is not Body.JSON:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Forbidden(
            "This route takes application/json only.",
            "이 경로는 application/json만 받습니다.",
            code="wrong_content_type",
            hint="Send Content-Type: application/json.",
            hint_ko="Content-Type: application/json을 보내십시오.",
            param="Content-Type",
        )


def wants_page(request: Request) -> bool:
    """A browser that was led here by an address: it shows pages, and would show JSON as text."""
    shows = "text/html" in request.headers.get("accept", "")
    return shows and request.method in ("GET", "HEAD") and not request.url.path.startswith(("/api/", "/v1/"))


class _Nowhere:
    """Every path that no route has."""

    def __init__(self, page: Handle | None) -> None:
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        if self._page is not None and wants_page(request):
            response: ASGIApp = await self._page(request, None)
        else:
            error = NotFound("There is nothing at this address.", "이 주소에는 아무것도 없습니다.", code="no_such_route")
            response = problem_response(error, scope["request_id"])
        await response(scope, receive, send)
