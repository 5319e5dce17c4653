"""Who is at the other end of a socket, asked again with every message: a right that is taken away is gone at once."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from talkmeter.accounts.entrance import LOOPBACK_NAMES, caller_of
from talkmeter.accounts.principals import Principal
from talkmeter.accounts.tags import tags_of
from talkmeter.clock import SECOND, now
from talkmeter.errors import Forbidden, NotSignedIn
from talkmeter.surfaces.websocket.services import Services

DOOR = "websocket"
RESPONSES_DOORS = ("openai", DOOR)  # what is spoken there is the gateway's, only the wire is another


class Visitor:
    """scope: of the handshake. doors: for any of these its key must be."""

    def __init__(self, scope: Any, services: Services, doors: Sequence[str]) -> None:
        self._scope = scope
        self._doors = doors
        self._services = services
        self._caller = caller_of(scope.get("client"), dict(scope["headers"]))
        self._by_cookie = False

    async def come_in(self) -> Principal:
        """Raises Forbidden for a page of another origin, and all that `principal` raises."""
        headers = dict(self._scope["headers"])
        check_origin(headers, self._services.hosts)
        self._by_cookie = self._caller.token is None and await self._services.browser(self._scope) is not None
        return await self.principal()

    async def principal(self) -> Principal:
        """As of now. Raises InvalidKey, NotSignedIn, Forbidden or BadInput (421)."""
        if self._by_cookie:
            found = await self._services.browser(self._scope)
            if found is None:
                raise NotSignedIn(
                    "This browser is not signed in any more.", "이 브라우저는 더 이상 로그인되어 있지 않습니다."
                )
            return found
        door, *others = self._doors
        return self._services.entrance.principal(door, self._caller, *others)

    def tags(self) -> tuple[str, ...]:
        """What budgets go by besides. Raises BadInput."""
        return tags_of(dict(self._scope["headers"]).get(b"x-talkmeter-tags"))

    @property
    def path(self) -> str:
        """Of the handshake."""
        path: str = self._scope["path"]
        return path

    def end_of(self, principal: Principal) -> "asyncio.Future[None] | None":
        """Done once its key is revoked, or its user disabled. Never cancel it."""
        if self._by_cookie:
            return self._services.user_end(principal.user_id)
        return self._services.entrance.end_of(principal)


def check_origin(headers: Mapping[bytes, bytes], hosts: frozenset[str]) -> None:
    """Raises Forbidden if a browser says that a page of another origin asks, or one under a name that is not ours.

    Browsers let any page open a WebSocket to anywhere, cookies and all; only this keeps them out.
    """
    origin, site = headers.get(b"origin"), headers.get(b"sec-fetch-site")
    host = headers.get(b"host", b"").decode("latin-1").lower()
    if site not in (None, b"same-origin", b"none"):
        raise _foreign()
    if origin is None:
        return
    name = (host if host.endswith("]") else host.rpartition(":")[0] or host).removesuffix(".")
    if _netloc(origin.decode("latin-1")) != host or (name not in LOOPBACK_NAMES and name not in hosts):
        raise _foreign()


def _netloc(origin: str) -> str:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    return parts.netloc.lower() if parts.scheme in ("http", "https") else ""


def seconds_left(principal: Principal) -> float | None:
    """Until the principal's key expires; None if it does not."""
    expires_at = None if principal.key is None else principal.key.expires_at
    return None if expires_at is None else max(0.0, (expires_at - now()) / SECOND)


def _foreign() -> Forbidden:
    return Forbidden(
        "Web pages of other origins may not connect here.",
        "다른 출처의 웹 페이지는 여기에 연결할 수 없습니다.",
        code="foreign_origin",
        hint="Connect from a page of this very address, or from a program that sends no Origin.",
        hint_ko="이 주소의 페이지에서, 또는 Origin을 보내지 않는 프로그램에서 연결하십시오.",
    )
