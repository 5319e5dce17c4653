"""Who may come in by a door for programs. Shared by all of them; no I/O.

A key opens the doors that it names. Without a key only programs on this machine are answered (principal `local`), and
nothing that a web page of another origin makes a browser send.

    principal = entrance.principal("ask", caller_of(scope["client"], headers))
    gone = entrance.end_of(principal)     # done once its key is revoked: what is open for it must close then
"""

import asyncio
import ipaddress
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from talkmeter.accounts.keys import Keys, allows_door
from talkmeter.accounts.principals import LOCAL_PRINCIPAL, Principal
from talkmeter.accounts.tokens import PREFIX
from talkmeter.errors import BadInput, Forbidden, NotSignedIn

LOOPBACK_NAMES = frozenset({"127.0.0.1", "[::1]", "localhost"})
AUTHORIZATION = b"authorization"
_OTHER_HEADERS = (b"api-key", b"x-api-key")
_PROXIED = frozenset({b"forwarded", b"x-forwarded-for", b"via"})

Headers = Mapping[bytes, bytes]  # names in lower case


class Caller(Struct, frozen=True, kw_only=True):
    """Who knocks. address: the connection's other end, None where it has none. proxied: it speaks for somebody else.

    host: the name by which we were called; None where the protocol has none that a browser would set. origin, site:
    `Origin` and `Sec-Fetch-Site`, as browsers send them.
    """

    address: str | None
    token: str | None = None
    proxied: bool = False
    host: str | None = None
    origin: str | None = None
    site: str | None = None


class Entrance:
    """local: whether programs on this machine need no key. hosts: our names, lower case, besides those of loopback."""

    def __init__(self, keys: Keys, hosts: Collection[str] = (), local: Callable[[], bool] = lambda: True) -> None:
        self._keys = keys
        self._hosts = hosts
        self._local = local

    def principal(self, door: str, caller: Caller, *others: str) -> Principal:
        """others: doors that a key may be for instead.

        Raises InvalidKey, NotSignedIn, Forbidden or BadInput (421), each saying what to do.
        """
        token = caller.token
        ours = token is not None and token.startswith(PREFIX)
        without = not ours and self._local() and is_this_machine(caller)
        if token is not None and not without:
            principal = self._keys.principal(token)
            key = principal.key
            if key is not None and not allows_door(key, door, *others):
                raise _not_for((door, *others))
            return principal
        if not without:
            raise NotSignedIn(
                "No API key was given.",
                "API 키가 없습니다.",
                code="invalid_api_key",
                hint="Send Authorization: Bearer tm_…; `talkmeter keys create NAME` makes a key.",
                hint_ko="Authorization: Bearer tm_… 를 보내십시오. 키는 `talkmeter keys create 이름`으로 만듭니다.",
            )
        _refuse_pages(caller, self._hosts)
        return LOCAL_PRINCIPAL

    async def look_again(self) -> None:
        """For a key that is not known: another process may have made it a moment ago."""
        await self._keys.look_again()

    def end_of(self, principal: Principal) -> "asyncio.Future[None] | None":
        """Done once the principal's key is revoked or its user disabled; None: there is no key that could be.

        It is everybody's who asks: add a callback or wait for it, but never cancel it.
        """
        return None if principal.key is None else self._keys.end_of(principal.key)


def caller_of(client: Any, headers: Headers) -> Caller:
    """Of an HTTP request or a WebSocket's upgrade. client: its address and port, or None."""
    host, origin, site = (_text(headers.get(name)) for name in (b"host", b"origin", b"sec-fetch-site"))
    return Caller(
        address=None if client is None else client[0],
        token=token_of(headers),
        proxied=not _PROXIED.isdisjoint(headers),
        host=host or "",
        origin=origin,
        site=site,
    )


def token_of(headers: Headers) -> str | None:
    """`Authorization: Bearer …`. A key of ours also where it stands without that word, or as `api-key` or `x-api-key`,
    as some clients send it: whoever shows a key is answered as its owner, never as if there were none.
    """
    scheme, _, rest = (_text(headers.get(AUTHORIZATION)) or "").partition(" ")
    token = rest.strip()
    shown = [token, scheme, *[(_text(headers.get(name)) or "").strip() for name in _OTHER_HEADERS]]
    ours = next((each for each in shown if each.startswith(PREFIX)), None)
    return ours or (token if scheme.lower() == "bearer" and token else None)


def is_this_machine(caller: Caller) -> bool:
    """Whether the connection comes from this machine, and is not passed on for somebody else by a proxy."""
    if caller.address is None or caller.proxied:
        return False
    if caller.address in ("127.0.0.1", "::1"):
        return True
    try:
        address = ipaddress.ip_address(caller.address)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _refuse_pages(caller: Caller, hosts: Collection[str]) -> None:
    """Without a key nothing is answered that a foreign page makes a browser send, not even under a name of its own."""
    host = None if caller.host is None else caller.host.lower()
    if host is not None and _name(host) not in LOOPBACK_NAMES and _name(host) not in hosts:
        tried = _name(host)[:200] or "(none)"
        raise BadInput(
            f"Without a key this server does not answer to the host name {tried}.",
            f"키가 없으면 이 서버는 호스트 이름 {tried}(으)로 응답하지 않습니다.",
            code="unknown_host",
            status=421,
            hint="Use http://localhost, send an API key, or add the name to the setting allowed_hosts.",
            hint_ko="http://localhost 를 쓰거나 API 키를 보내거나 설정 allowed_hosts에 이름을 추가하십시오.",
        )
    ours = caller.origin is None or _origin_host(caller.origin) == host
    if caller.site not in (None, "same-origin", "none") or not ours:
        raise Forbidden(
            "Web pages of other origins need an API key.",
            "다른 출처의 웹 페이지는 API 키가 필요합니다.",
            code="foreign_origin",
            hint="Send Authorization: Bearer tm_….",
            hint_ko="Authorization: Bearer tm_… 를 보내십시오.",
        )


def _origin_host(origin: str) -> str | None:
    """None where it is no address at all."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _name(host: str) -> str:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    return name.removesuffix(".")


def _not_for(doors: Sequence[str]) -> Forbidden:
    door = doors[0]
    return Forbidden(
        f"This key is not for {_DOORS.get(door, door)}.",
        f"이 키로는 {_DOORS.get(door, door)}을(를) 쓸 수 없습니다.",
        code="door_not_allowed",
        hint=f"Use a key whose doors include {' or '.join(doors)}.",
        hint_ko=f"{' 또는 '.join(doors)}을(를) 쓸 수 있는 키를 사용하십시오.",
    )


_DOORS = {"openai": "/v1", "ask": "/ask", "websocket": "WebSocket", "grpc": "gRPC"}


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1")
