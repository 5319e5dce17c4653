"""Applies the changes of providers, settings, sessions and sign-in links; those of users and keys: apply_people.py."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import bindparam, delete, exists, insert, update

from talkmeter.accounts.store import (
    AddSession,
    AddSignInToken,
    DeleteProvider,
    EndAllSessions,
    EndSession,
    SaveProvider,
    SaveSettings,
    UseSignInToken,
)
from talkmeter.store import rows
from talkmeter.store.parameters import THIS
from talkmeter.store.revising import revise
from talkmeter.store.schema import providers, sessions, settings, sign_in_tokens, users
from talkmeter.store.transaction import Refusal, Statement, Transaction

_REPLACE_PROVIDER = Statement(
    update(providers).where(providers.c.id == THIS),
    columns=[name for name in providers.c.keys() if name not in ("position", "id")],  # noqa: SIM118
)
_ADD_PROVIDER = Statement(insert(providers))
_DELETE_PROVIDER = Statement(delete(providers).where(providers.c.id == THIS))
_CHANGE_SETTING = Statement(update(settings).where(settings.c.name == THIS), columns=["value"])
_ADD_SETTING = Statement(insert(settings))
_FORGET_SETTING = Statement(delete(settings).where(settings.c.name == THIS))
_ADD_TOKEN = Statement(insert(sign_in_tokens), columns=["token_hash", "created_at", "expires_at", "user_id"])
_FORGET_TOKENS = Statement(delete(sign_in_tokens).where(sign_in_tokens.c.expires_at < THIS))
_USE_TOKEN = Statement(
    update(sign_in_tokens).where(
        sign_in_tokens.c.token_hash == THIS,
        sign_in_tokens.c.used_at.is_(None),
        sign_in_tokens.c.expires_at > bindparam("at"),
        exists().where(users.c.id == sign_in_tokens.c.user_id, users.c.disabled_at.is_(None)),
    ),
    columns=["used_at"],
)
_ADD_SESSION = Statement(insert(sessions))
_FORGET_SESSIONS = Statement(delete(sessions).where(sessions.c.expires_at < THIS))
_END_SESSION = Statement(delete(sessions).where(sessions.c.session_hash == THIS))
_END_ALL = Statement(delete(sessions).where(sessions.c.principal == THIS, sessions.c.session_hash != bindparam("kept")))

_TOKEN_EXISTS = Refusal("token_exists", "This sign-in token exists already.", "이 로그인 토큰은 이미 있습니다.")
_TOKEN_NOT_USABLE = Refusal(
    "token_not_usable",
    "This sign-in link has been used or has expired.",
    "이 로그인 링크는 이미 사용되었거나 만료되었습니다.",
)
_SESSION_EXISTS = Refusal("session_exists", "This session exists already.", "이 세션은 이미 있습니다.")


def save_provider(at: Transaction, change: SaveProvider) -> None:
    revise(at)
    values = rows.provider_values(change.provider)
    taken = Refusal(
        "provider_name_taken",
        f"There is already a provider named “{change.provider.name}”.",
        f"이름이 “{change.provider.name}”인 제공자가 이미 있습니다.",
    )
    at.replace_or_add(_REPLACE_PROVIDER, _ADD_PROVIDER, values, taken)


def delete_provider(at: Transaction, change: DeleteProvider) -> None:
    revise(at)
    at.run(_DELETE_PROVIDER, {"this": change.id})


def save_settings(at: Transaction, change: SaveSettings) -> None:
    revise(at)
    for name, value in change.values.items():
        if value is None:
            at.run(_FORGET_SETTING, {"this": name})
            continue
        text = rows.to_json(value)
        if at.run(_CHANGE_SETTING, {"this": name, "value": text}) == 0:
            at.run(_ADD_SETTING, {"name": name, "value": text})


def add_sign_in_token(at: Transaction, change: AddSignInToken) -> None:
    at.run(_FORGET_TOKENS, {"this": change.created_at})
    values = {name: getattr(change, name) for name in change.__struct_fields__}
    at.run(_ADD_TOKEN, values, _TOKEN_EXISTS)


def use_sign_in_token(at: Transaction, change: UseSignInToken) -> None:
    at.must(
        _USE_TOKEN,
        {"this": change.token_hash, "used_at": change.used_at, "at": change.used_at},
        _TOKEN_NOT_USABLE,
    )


def add_session(at: Transaction, change: AddSession) -> None:
    at.run(_FORGET_SESSIONS, {"this": change.created_at})
    values = {name: getattr(change, name) for name in change.__struct_fields__}
    at.run(_ADD_SESSION, values, _SESSION_EXISTS)


def end_session(at: Transaction, change: EndSession) -> None:
    at.run(_END_SESSION, {"this": change.session_hash})


def end_all_sessions(at: Transaction, change: EndAllSessions) -> None:
    at.run(_END_ALL, {"this": change.principal, "kept": change.kept})


APPLY: Mapping[type, Callable[[Transaction, Any], Any]] = {
    SaveProvider: save_provider,
    DeleteProvider: delete_provider,
    SaveSettings: save_settings,
    AddSignInToken: add_sign_in_token,
    UseSignInToken: use_sign_in_token,
    AddSession: add_session,
    EndSession: end_session,
    EndAllSessions: end_all_sessions,
}
