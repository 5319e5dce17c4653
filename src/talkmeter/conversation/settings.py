"""A room's settings, filled up from the defaults."""

from typing import Any, Protocol

from msgspec import UNSET, structs

from talkmeter.conversation.values import RoomChange
from talkmeter.errors import BadInput
from talkmeter.messages import RoomSettings, TokenWindow

FIELDS = RoomSettings.__struct_fields__


class Defaults(Protocol):
    """Where the defaults come from: the settings `default_model`, `default_window` and so on."""

    def get(self, name: str) -> Any: ...


def resolve(settings: RoomSettings, defaults: Defaults) -> RoomSettings:
    """Every None becomes the default. Raises BadInput when no model is named anywhere."""
    values = {
        name: value if (value := getattr(settings, name)) is not None else defaults.get(f"default_{name}")
        for name in FIELDS
    }
    if not values["model"]:
        raise BadInput(
            "No model is chosen.",
            "모델이 선택되지 않았습니다.",
            code="no_model",
            param="model",
            hint="Choose a model in the room or a default model in the settings.",
            hint_ko="대화방에서 모델을 고르거나 설정에서 기본 모델을 정하십시오.",
        )
    return RoomSettings(**values)


def overlay(settings: RoomSettings, over: RoomSettings | None) -> RoomSettings:
    """`over` where it says something."""
    if over is None:
        return settings
    said = {name: value for name in FIELDS if (value := getattr(over, name)) is not None}
    return structs.replace(settings, **said)


def for_run(settings: RoomSettings, options: RoomSettings | None) -> RoomSettings:
    """What one run goes by: its options over the room's settings. A model of its own finds its own provider."""
    if options is not None and options.model is not None:
        settings = structs.replace(settings, provider_id=None)
    return overlay(settings, options)


def change(settings: RoomSettings, wanted: RoomChange) -> RoomSettings:
    """The fields that are set on `wanted`; None there means back to the default."""
    said = {name: value for name in FIELDS if (value := getattr(wanted, name)) is not UNSET}
    changed = structs.replace(settings, **said)
    check(changed)
    return changed


def check(settings: RoomSettings) -> None:
    """Raises BadInput for what no provider could mean. Ranges that differ by model are left to the provider."""
    if isinstance(settings.window, TokenWindow):
        _whole("window.tokens", settings.window.tokens, 1, 100_000_000)
    else:
        _whole("window", settings.window, 0, 1_000_000)
    _whole("max_tokens", settings.max_tokens, 1, 10_000_000)
    _number("temperature", settings.temperature)
    _number("top_p", settings.top_p)
    _text("model", settings.model, 200)
    _text("system_prompt", settings.system_prompt, 400_000)
    _text("first_prompt", settings.first_prompt, 400_000)


def _whole(name: str, value: int | None, low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise BadInput(
            f"{name} must be between {low} and {high}, not {value}.",
            f"{name}은(는) {low}에서 {high} 사이여야 합니다. 받은 값: {value}",
            param=name,
        )


def _number(name: str, value: float | None) -> None:
    if value is not None and not -100 <= value <= 100:  # NaN fails this too
        raise BadInput(f"{name} must be a number near 0…2.", f"{name}은(는) 0~2 부근의 수여야 합니다.", param=name)


def _text(name: str, value: str | None, limit: int) -> None:
    if value is not None and len(value) > limit:
        raise BadInput(
            f"{name} has {len(value)} characters; {limit} are allowed.",
            f"{name}이(가) {len(value)}자입니다. {limit}자까지 허용됩니다.",
            param=name,
        )
