"""Who may come in, and for what. Reads headers and raises what is wrong; no I/O."""

import ipaddress
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from talkmeter.accounts.keys import allows_door
from talkmeter.accounts.principals import LOCAL, Principal
from talkmeter.errors import BadInput, Forbidden, NotSignedIn
from talkmeter.surfaces.openai.services import Services

DOOR = "openai"
KEY_PREFIX = "tm_"
LOOPBACK_NAMES = frozenset({"127.0.0.1", "[::1]", "localhost"})
_KEYLESS = Principal(user_id=LOCAL, role="owner")
_PROXIED = frozenset({b"forwarded", b"x-forwarded-for", b"via"})

Headers = Mapping[bytes, bytes]  # names in lower case


def principal_of(client: Any, headers: Headers, services: Services) -> Principal:
    """client: its address and port. Raises NotSignedIn, Forbidden or BadInput (421), each saying what to do."""
    token, options = _token(headers), services.requests.options
    if token is not None and (token.startswith(KEY_PREFIX) or not (options.local and is_this_machine(client, headers))):
        principal = services.principal(token)
        if principal.key is not None and not allows_door(principal.key, DOOR):
            raise Forbidden(
                "This key is not for /v1.",
                "이 키로는 /v1을 쓸 수 없습니다.",
                code="door_not_allowed",
                hint="Use a key whose doors include openai.",
                hint_ko="openai를 쓸 수 있는 키를 사용하십시오.",
            )
        return principal
    if not options.local or not is_this_machine(client, headers):
        raise NotSignedIn(
            "No API key was given.",
            "API 키가 없습니다.",
            code="invalid_api_key",
            hint="Send Authorization: Bearer tm_…; `talkmeter keys create NAME` makes a key.",
            hint_ko="Authorization: Bearer tm_… 를 보내십시오. 키는 `talkmeter keys create 이름`으로 만듭니다.",
        )
    _refuse_pages(headers, options.hosts)
    return _KEYLESS


def is_this_machine(client: Any, headers: Headers) -> bool:
    """Whether the connection comes from this machine, and is not passed on for somebody else by a proxy."""
    if client is None or not _PROXIED.isdisjoint(headers):
        return False
    host = client[0]
    if host in ("127.0.0.1", "::1"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback


def _token(headers: Headers) -> str | None:
    value = headers.get(b"authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(b" ")
    if scheme.lower() != b"bearer" or not token.strip():
        return None
    return token.strip().decode("latin-1")


def _refuse_pages(headers: Headers, hosts: Collection[str]) -> None:
    """Without a key nothing is answered that a foreign page makes a browser send, not even under a name of its own."""
    host = headers.get(b"host", b"").decode("latin-1").lower()
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    if name.removesuffix(".") not in LOOPBACK_NAMES and name.removesuffix(".") not in hosts:
        raise BadInput(
            "This server does not answer to that host name without a key.",
            "키가 없으면 이 서버는 그 호스트 이름으로 응답하지 않습니다.",
            code="unknown_host",
            status=421,
            hint="Use http://localhost, or send an API key.",
            hint_ko="http://localhost 를 쓰거나 API 키를 보내십시오.",
        )
    site = headers.get(b"sec-fetch-site")
    origin = headers.get(b"origin")
    ours = origin is None or urlsplit(origin.decode("latin-1")).netloc.lower() == host
    if site not in (None, b"same-origin", b"none") or not ours:
        raise Forbidden(
            "Web pages of other origins need an API key.",
            "다른 출처의 웹 페이지는 API 키가 필요합니다.",
            code="foreign_origin",
            hint="Send Authorization: Bearer tm_….",
            hint_ko="Authorization: Bearer tm_… 를 보내십시오.",
        )
