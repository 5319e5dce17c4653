"""Applies the changes of users and their API keys."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import bindparam, delete, insert, or_, select, update

from talkmeter.accounts.names import name_key
from talkmeter.accounts.store import (
    AddKey,
    AddUser,
    ChangeKey,
    ChangeUser,
    EndAllSessions,
    NoteKeyUses,
    RevokeKey,
    SetPassword,
)
from talkmeter.store import rows
from talkmeter.store.apply_accounts import end_all_sessions
from talkmeter.store.parameters import THIS
from talkmeter.store.revising import revise
from talkmeter.store.schema import api_keys, sign_in_tokens, users
from talkmeter.store.transaction import Refusal, Statement, Transaction

_ADD_USER = Statement(insert(users))
_CHANGE_USER = {
    name: Statement(update(users).where(users.c.id == THIS), columns=[name])
    for name in ("name", "name_key", "role", "disabled_at", "rpm", "tpm", "password")
}
_FORGET_TOKENS_OF = Statement(delete(sign_in_tokens).where(sign_in_tokens.c.user_id == THIS))
_AN_OWNER = Statement(select(users.c.id).where(users.c.role == THIS, users.c.disabled_at.is_(None)))
_USER = Statement(select(users.c.id).where(users.c.id == THIS))
_ADD_KEY = Statement(insert(api_keys))
_KEY = Statement(select(api_keys.c.id).where(api_keys.c.id == THIS, api_keys.c.revoked_at.is_(None)))
_CHANGE_KEY = {
    name: Statement(update(api_keys).where(api_keys.c.id == THIS), columns=[name])
    for name in ("name", "models", "doors", "expires_at", "disconnect", "rpm", "tpm")
}
_REVOKE_KEY = Statement(
    update(api_keys).where(api_keys.c.id == THIS, api_keys.c.revoked_at.is_(None)), columns=["revoked_at"]
)
_NOTE_USE = Statement(
    update(api_keys).where(
        api_keys.c.id == THIS, or_(api_keys.c.last_used_at.is_(None), api_keys.c.last_used_at < bindparam("at"))
    ),
    columns=["last_used_at"],
)

_NO_USER = Refusal("user_not_found", "There is no such user.", "그런 사용자가 없습니다.")
_LAST_OWNER = Refusal(
    "last_owner",
    "This is the last owner: make somebody else an owner first.",
    "마지막 소유자입니다. 먼저 다른 사람을 소유자로 지정하십시오.",
)
_KEY_CLASH = Refusal(
    "key_rotated", "This API key has been rotated before.", "이 API 키는 이미 교체되었습니다."
)  # fmt: skip
_KEY_GONE = Refusal(
    "key_revoked",
    "This API key has been revoked; it cannot be changed any more.",
    "이 API 키는 폐기되어 더 이상 바꿀 수 없습니다.",
)


def add_user(at: Transaction, change: AddUser) -> None:
    revise(at)
    at.run(_ADD_USER, rows.user_values(change.user), _name_taken(change.user.name))


def change_user(at: Transaction, change: ChangeUser) -> None:
    revise(at)
    if not at.rows(_USER, {"this": change.id}):
        raise _NO_USER.conflict()
    values = dict(change.values)
    if "name" in values:
        values["name_key"] = name_key(values["name"])
    taken = _name_taken(str(values.get("name")))
    for name, value in values.items():
        at.run(_CHANGE_USER[name], {"this": change.id, name: value}, taken)
    if values.get("disabled_at") is not None:
        end_all_sessions(at, EndAllSessions(change.id))
        at.run(_FORGET_TOKENS_OF, {"this": change.id})
    if not at.rows(_AN_OWNER, {"this": "owner"}):
        raise _LAST_OWNER.conflict()


def set_password(at: Transaction, change: SetPassword) -> None:
    revise(at)
    at.must(_CHANGE_USER["password"], {"this": change.user_id, "password": change.hashed}, _NO_USER)


def add_key(at: Transaction, change: AddKey) -> None:
    revise(at)
    key = change.stored.key
    if not at.rows(_USER, {"this": key.user_id}):
        raise _NO_USER.conflict()
    at.run(_ADD_KEY, rows.key_values(change.stored), _KEY_CLASH)


def change_key(at: Transaction, change: ChangeKey) -> None:
    revise(at)
    if not at.rows(_KEY, {"this": change.id}):
        raise _KEY_GONE.conflict()
    for name, value in change.values.items():
        at.run(_CHANGE_KEY[name], {"this": change.id, name: rows.key_value(name, value)})


def revoke_key(at: Transaction, change: RevokeKey) -> None:
    revise(at)
    at.run(_REVOKE_KEY, {"this": change.id, "revoked_at": change.at})


def note_key_uses(at: Transaction, change: NoteKeyUses) -> None:
    for key_id, used_at in sorted(change.uses.items()):
        at.run(_NOTE_USE, {"this": key_id, "last_used_at": used_at, "at": used_at})


def _name_taken(name: str) -> Refusal:
    return Refusal(
        "user_name_taken",
        f"There is already a user named “{name}”.",
        f"이름이 “{name}”인 사용자가 이미 있습니다.",
    )


APPLY: Mapping[type, Callable[[Transaction, Any], None]] = {
    AddUser: add_user,
    ChangeUser: change_user,
    SetPassword: set_password,
    AddKey: add_key,
    ChangeKey: change_key,
    RevokeKey: revoke_key,
    NoteKeyUses: note_key_uses,
}
