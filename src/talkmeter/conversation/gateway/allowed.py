"""For what a principal may use the gateway, whatever the door. Pure; who comes in at all, `accounts.entrance` says."""

import re
from dataclasses import dataclass

from talkmeter.accounts.keys import allows_model, model_not_allowed
from talkmeter.accounts.principals import Principal
from talkmeter.conversation.gateway.endpoints import Endpoint
from talkmeter.errors import Forbidden, NotFound
from talkmeter.metering.billing import NOTHING
from talkmeter.metering.one_reading import allowed_models

_ESCAPED = re.compile(rb"\\u00[46]")  # a letter of a name may be written so


@dataclass(frozen=True, kw_only=True)
class GatewayOptions:
    """groups: the endpoints that are switched on. members_share: whether members may reach what all keys share with the
    provider (files, batches, …). body_bytes: the largest body that is read for its model.
    """

    groups: frozenset[str] = frozenset()
    members_share: bool = False
    body_bytes: int = 64 << 20


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
            raise model_not_allowed(f"{one!s:.100}", key.models)


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
