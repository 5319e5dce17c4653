"""What is wrong with an API key, and what to do: which of many reasons it is saves an hour of guessing."""

from collections.abc import Sequence

from talkmeter.accounts import tokens
from talkmeter.accounts.key_fields import when
from talkmeter.accounts.store import ApiKey
from talkmeter.errors import Conflict, InvalidKey, NotFound

UNKNOWN = "unknown"  # a reason: the key may be another process's of a moment ago
_ANOTHER = "Make another on the page under Gateway → Keys, or with `talkmeter keys create`."
_ANOTHER_KO = "페이지의 게이트웨이 → 키에서, 또는 `talkmeter keys create`로 새 키를 만드십시오."


def malformed(token: str) -> InvalidKey:
    why, why_ko = _what_is_odd(token)
    return InvalidKey(
        f"This is not an API key of Talkmeter: {why}.",
        f"Talkmeter의 API 키가 아닙니다: {why_ko}.",
        hint=f"A key begins with {tokens.PREFIX} and has {tokens.LENGTH} characters; copy it again. {_ANOTHER}",
        hint_ko=f"키는 {tokens.PREFIX}로 시작하고 {tokens.LENGTH}자입니다. 다시 복사하십시오. {_ANOTHER_KO}",
        details={"reason": "malformed"},
    )


def unknown(hint: str, *, typo: bool) -> InvalidKey:
    if typo:
        return InvalidKey(
            f"The API key {hint} has a typing error: its last six characters do not fit the rest.",
            f"API 키 {hint}에 오타가 있습니다. 마지막 여섯 글자가 나머지와 맞지 않습니다.",
            hint=f"Copy it again from where you keep it. {_ANOTHER}",
            hint_ko=f"보관한 곳에서 다시 복사하십시오. {_ANOTHER_KO}",
            details={"reason": "typo"},
        )
    return InvalidKey(
        f"There is no API key {hint} here; it may belong to another Talkmeter.",
        f"여기에는 API 키 {hint}이(가) 없습니다. 다른 Talkmeter의 키일 수 있습니다.",
        hint=f"Check the base URL. {_ANOTHER}",
        hint_ko=f"기본 URL을 확인하십시오. {_ANOTHER_KO}",
        details={"reason": UNKNOWN},
    )


def revoked(key: ApiKey, at: int) -> InvalidKey:
    return InvalidKey(
        f"The API key {key.hint} was revoked on {when(at)}.",
        f"API 키 {key.hint}은(는) {when(at)}에 폐기되었습니다.",
        hint=_ANOTHER,
        hint_ko=_ANOTHER_KO,
        details={"reason": "revoked"},
    )


def expired(key: ApiKey, at: int) -> InvalidKey:
    return InvalidKey(
        f"The API key {key.hint} expired on {when(at)}.",
        f"API 키 {key.hint}은(는) {when(at)}에 만료되었습니다.",
        hint=f"If it was rotated, use the key that replaced it. {_ANOTHER}",
        hint_ko=f"교체된 키라면 새 키를 쓰십시오. {_ANOTHER_KO}",
        details={"reason": "expired"},
    )


def user_disabled(key: ApiKey) -> InvalidKey:
    return InvalidKey(
        f"The API key {key.hint} belongs to a user who has been disabled.",
        f"API 키 {key.hint}의 사용자가 사용 중지되었습니다.",
        hint="An owner can enable the user again: `talkmeter users enable`.",
        hint_ko="소유자가 `talkmeter users enable`로 다시 사용하게 할 수 있습니다.",
        details={"reason": "user_disabled"},
    )


def key_not_found() -> NotFound:
    return NotFound(
        "There is no such API key.",
        "그런 API 키가 없습니다.",
        hint="`talkmeter keys list` shows them all.",
        hint_ko="`talkmeter keys list`로 모두 볼 수 있습니다.",
        code="key_not_found",
    )


def no_key_named(which: str, revoked: Sequence[ApiKey]) -> NotFound:
    """revoked: those that have the name and are of no use any more."""
    if not revoked:
        return NotFound(
            f"There is no API key {which[:80]!r}.",
            f"{which[:80]!r}(이)라는 API 키가 없습니다.",
            hint="`talkmeter keys list` shows them all; give an id or a name.",
            hint_ko="`talkmeter keys list`로 확인하고 id나 이름을 적으십시오.",
            code="key_not_found",
        )
    ids = ", ".join(key.id for key in revoked)
    return NotFound(
        f"The API key {which[:80]!r} has been revoked: {ids}.",
        f"API 키 {which[:80]!r}은(는) 폐기되었습니다: {ids}.",
        hint=f"Its id still shows what it was: `talkmeter keys show {revoked[-1].id}`. {_ANOTHER}",
        hint_ko=f"무엇이었는지는 id로 볼 수 있습니다: `talkmeter keys show {revoked[-1].id}`. {_ANOTHER_KO}",
        code="key_revoked",
    )


def key_name_not_unique(which: str, keys: Sequence[ApiKey]) -> Conflict:
    ids = ", ".join(key.id for key in keys)
    return Conflict(
        f"{len(keys)} keys are named {which!r}: {ids}.",
        f"이름이 {which!r}인 키가 {len(keys)}개 있습니다: {ids}.",
        hint="Give one of these ids.",
        hint_ko="그중 하나의 id를 적으십시오.",
        code="key_name_not_unique",
    )


def key_revoked(key: ApiKey) -> Conflict:
    return Conflict(
        f"The API key {key.name} has been revoked; it cannot be changed or rotated any more.",
        f"API 키 {key.name}은(는) 폐기되어 더 이상 바꾸거나 교체할 수 없습니다.",
        hint=_ANOTHER,
        hint_ko=_ANOTHER_KO,
        code="key_revoked",
    )


def key_rotated(key: ApiKey) -> Conflict:
    return Conflict(
        f"The API key {key.name} has been rotated before.",
        f"API 키 {key.name}은(는) 이미 교체되었습니다.",
        hint="Rotate the key that replaced it.",
        hint_ko="이 키를 대신한 키를 교체하십시오.",
        code="key_rotated",
    )


def _what_is_odd(token: str) -> tuple[str, str]:
    """Never a part of the token: it may be somebody else's key, pasted into the wrong field."""
    if not token:
        return "it is empty", "비어 있습니다"
    if not token.startswith(tokens.PREFIX):
        return f"it does not begin with {tokens.PREFIX}", f"{tokens.PREFIX}로 시작하지 않습니다"
    if len(token) != tokens.LENGTH:
        return f"it has {len(token)} characters", f"{len(token)}자입니다"
    return "it holds characters that no key has", "키에 쓰지 않는 글자가 있습니다"
