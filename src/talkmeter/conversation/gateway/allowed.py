"""What a principal may ask of the gateway, whatever the door. Raises what is wrong; no I/O."""

from dataclasses import dataclass

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.gateway.endpoints import Endpoint
from talkmeter.errors import Forbidden, NotFound


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
