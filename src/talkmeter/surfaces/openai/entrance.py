"""Who may come in, and for what. Reads headers and raises what is wrong; no I/O."""

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from talkmeter.accounts.keys import allows_door, allows_model
from talkmeter.accounts.principals import LOCAL, Principal
from talkmeter.errors import BadInput, Forbidden, NotFound, NotSignedIn
from talkmeter.metering.billing import NOTHING
from talkmeter.metering.one_reading import allowed_models
from talkmeter.surfaces.openai.endpoints import Endpoint
from talkmeter.surfaces.openai.services import GatewayOptions, Services

DOOR = "openai"
KEY_PREFIX = "tm_"
LOOPBACK_NAMES = frozenset({"127.0.0.1", "[::1]", "localhost"})
_KEYLESS = Principal(user_id=LOCAL, role="owner")
_ESCAPED = re.compile(rb"\\u00[46]")  # a letter of a name may be written so
_PROXIED = frozenset({b"forwarded", b"x-forwarded-for", b"via"})

Headers = Mapping[bytes, bytes]  # names in lower case


def principal_of(client: Any, headers: Headers, services: Services) -> Principal:
    """client: its address and port. Raises NotSignedIn, Forbidden or BadInput (421), each saying what to do."""
    token, options = _token(headers), services.options
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


def check_endpoint(endpoint: Endpoint | None, options: GatewayOptions, path: str) -> Endpoint:
    """Raises NotFound for what does not exist or is switched off."""
    if endpoint is None:
        raise NotFound(
            f"There is no /v1/{path:.100} with this method.",
            f"/v1/{path:.100}은(는) 이 메서드로 쓸 수 없습니다.",
            code="unknown_url",
            hint="docs/gateway.md lists what passes through.",
            hint_ko="docs/gateway.md에 목록이 있습니다.",
        )
    if endpoint.group not in options.groups:
        raise NotFound(
            f"The endpoints “{endpoint.group}” are switched off.",
            f"“{endpoint.group}” 엔드포인트가 꺼져 있습니다.",
            code="endpoint_switched_off",
            hint="The setting gateway_endpoints says which are on.",
            hint_ko="설정 gateway_endpoints에서 켤 수 있습니다.",
        )
    return endpoint


def refuse_shared(endpoint: Endpoint, principal: Principal, options: GatewayOptions) -> None:
    """What is stored with the provider is everybody's who has its key: members see it only where that is wanted."""
    if endpoint.shared and principal.role != "owner" and not options.members_share:
        raise Forbidden(
            "What is stored with the provider is shared by all keys; members may not use it.",
            "제공자에 저장된 것은 모든 키가 함께 쓰므로 구성원은 사용할 수 없습니다.",
            code="shared_endpoint",
            hint="The owner can allow it: the setting gateway_members_share.",
            hint_ko="소유자가 설정 gateway_members_share로 허용할 수 있습니다.",
        )


def check_model(principal: Principal, model: str, body: bytes = b"") -> None:
    """body: the JSON that names it. Raises Forbidden unless the key may be used for this model, and for each that the
    body names besides; BadInput if different readers would find different models in it.
    """
    key = principal.key
    if key is None or key.models is None:
        return
    named = [model]
    lower = body.lower()
    told = lower.count(b'"model"')  # a value inside a text has its quotes escaped
    if told > 1 or told != body.count(b'"model"') or _ESCAPED.search(body) is not None:
        named += allowed_models(body)
    for one in named:
        if not isinstance(one, str) or not allows_model(key, one):
            raise _not_allowed(f"{one!s:.100}", key.models)


def refuse_unread(endpoint: Endpoint, principal: Principal) -> None:
    """A key for some models only must not have others work by a request in which nobody looks for the model."""
    key = principal.key
    if key is not None and key.models is not None and endpoint.billing != NOTHING:
        raise Forbidden(
            "This key is for certain models only, and which model works here is not to be seen.",
            "이 키는 일부 모델만 쓸 수 있는데, 여기서는 어느 모델이 일하는지 알 수 없습니다.",
            code="model_not_allowed",
            param="model",
            hint="Use a key without a list of models.",
            hint_ko="모델 목록이 없는 키를 쓰십시오.",
        )


def _not_allowed(model: str, models: Sequence[str]) -> Forbidden:
    return Forbidden(
        f"This key may not use the model “{model}”.",
        f"이 키로는 “{model}” 모델을 쓸 수 없습니다.",
        code="model_not_allowed",
        param="model",
        hint=f"It may use: {', '.join(models) or 'none'}.",
        hint_ko=f"쓸 수 있는 모델: {', '.join(models) or '없음'}.",
    )
