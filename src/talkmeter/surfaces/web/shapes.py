"""The bodies that the page sends. Unknown fields are refused by name."""

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from talkmeter.accounts.routes import RouteTarget
from talkmeter.conversation.values import RoomChange
from talkmeter.messages import RoomSettings
from talkmeter.metering.budget_store import Scope
from talkmeter.metering.periods import Period


class Nothing(Struct, forbid_unknown_fields=True):
    """`{}`"""


class SignInBody(Struct, kw_only=True, forbid_unknown_fields=True):
    password: str
    name: str | None = None


class PasswordBody(Struct, kw_only=True, forbid_unknown_fields=True):
    password: str | None
    current: str | None = None


class AddUserBody(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    role: Literal["owner", "member"] = "member"
    rpm: int | None = None
    tpm: int | None = None


class ChangeUserBody(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str | UnsetType = UNSET
    role: Literal["owner", "member"] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET
    rpm: int | None | UnsetType = UNSET
    tpm: int | None | UnsetType = UNSET


class AddKeyBody(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    user_id: str | None = None
    models: tuple[str, ...] | None = None
    doors: tuple[str, ...] | None = None
    expires_at: int | None = None
    disconnect: Literal["drain", "cut"] = "drain"
    rpm: int | None = None
    tpm: int | None = None


class ChangeKeyBody(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str | UnsetType = UNSET
    models: tuple[str, ...] | None | UnsetType = UNSET
    doors: tuple[str, ...] | None | UnsetType = UNSET
    expires_at: int | None | UnsetType = UNSET
    disconnect: Literal["drain", "cut"] | UnsetType = UNSET
    rpm: int | None | UnsetType = UNSET
    tpm: int | None | UnsetType = UNSET


class RotateKeyBody(Struct, forbid_unknown_fields=True):
    overlap_seconds: int = 3600


class RoomSettingsBody(RoomSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class RoomChangeBody(RoomChange, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class AskBody(Struct, kw_only=True, forbid_unknown_fields=True):
    client_id: str
    text: str
    room_id: str | None = None
    parent_id: str | None | UnsetType = UNSET
    attachment_ids: tuple[str, ...] = ()
    room: RoomSettingsBody | None = None


class PreviewBody(Struct, kw_only=True, forbid_unknown_fields=True):
    text: str
    room_id: str | None = None
    parent_id: str | None | UnsetType = UNSET
    attachment_ids: tuple[str, ...] = ()
    room: RoomSettingsBody | None = None


class AnswerBody(Struct, kw_only=True, forbid_unknown_fields=True):
    client_id: str
    model: str | None = None
    provider_id: str | None = None


class StopBody(Struct, forbid_unknown_fields=True):
    mode: Literal["drain", "cut"]


class TimeoutsBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds; null is as the settings say, what is left out stays."""

    connect: float | None | UnsetType = UNSET
    headers: float | None | UnsetType = UNSET
    first_token: float | None | UnsetType = UNSET
    silence: float | None | UnsetType = UNSET


class AddProviderBody(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    base_url: str | None = None
    key: str | None = None
    admin_key: str | None = None
    timeouts: TimeoutsBody = TimeoutsBody()


class ChangeProviderBody(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str | UnsetType = UNSET
    base_url: str | UnsetType = UNSET
    key: str | None | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    admin_key: str | None | UnsetType = UNSET
    timeouts: TimeoutsBody = TimeoutsBody()


class TestAddressBody(Struct, kw_only=True, forbid_unknown_fields=True):
    base_url: str
    key: str | None = None


class PriceBody(Struct, kw_only=True, forbid_unknown_fields=True):
    model: str
    unit: str
    usd_per_million: str
    effective_from: int = 0
    tier: str = "standard"
    provider: str = "*"


class RouteTargetBody(RouteTarget, frozen=True, forbid_unknown_fields=True):
    pass


class AddRouteBody(Struct, kw_only=True, forbid_unknown_fields=True):
    pattern: str
    targets: tuple[RouteTargetBody, ...]
    retries: int = 0


class ChangeRouteBody(Struct, kw_only=True, forbid_unknown_fields=True):
    pattern: str | UnsetType = UNSET
    targets: tuple[RouteTargetBody, ...] | UnsetType = UNSET
    retries: int | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class AddBudgetBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """amount: as people write it, `5 USD` or `2000000 tokens`; it says the unit."""

    name: str
    amount: str
    period: Period
    scope: Scope = "instance"
    scope_id: str | None = None
    hard: bool = True
    enabled: bool = True


class ChangeBudgetBody(Struct, kw_only=True, forbid_unknown_fields=True):
    name: str | UnsetType = UNSET
    amount: str | UnsetType = UNSET
    hard: bool | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
