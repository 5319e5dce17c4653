"""Queries of accounts and of the price book."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from talkmeter.accounts.routes import ModelRoute
from talkmeter.accounts.store import Credentials, ProviderAccount, Role, Session, StoredKey, User
from talkmeter.metering.prices import PriceRow
from talkmeter.store import rows
from talkmeter.store.parameters import THIS
from talkmeter.store.schema import (
    api_keys,
    model_routes,
    price_rows,
    providers,
    revisions,
    sessions,
    settings,
    sign_in_tokens,
    users,
)

_PROVIDERS = select(providers).order_by(providers.c.created_at, providers.c.position)
_SETTINGS = select(settings.c.name, settings.c.value)
_ENABLED = users.c.disabled_at.is_(None)
_SESSION = (
    select(sessions.c.principal, users.c.role, sessions.c.created_at, sessions.c.expires_at)
    .join(users, users.c.id == sessions.c.principal)
    .where(sessions.c.session_hash == THIS, sessions.c.expires_at > bindparam("at"), _ENABLED)
)
_ROUTES = select(model_routes).order_by(model_routes.c.position)
_SIGN_IN_USER = select(sign_in_tokens.c.user_id).where(sign_in_tokens.c.token_hash == THIS)
_USERS = select(
    *(column for column in users.c if column.name not in ("position", "name_key", "password")),
    users.c.password.is_not(None).label("has_password"),
).order_by(users.c.position)
_CREDENTIALS = select(users.c.id, users.c.password).where(users.c.id == THIS, _ENABLED)
_CREDENTIALS_BY_NAME = select(users.c.id, users.c.password).where(users.c.name_key == THIS, _ENABLED)
_ROLES_WITH_PASSWORD = select(users.c.role).where(users.c.password.is_not(None), _ENABLED).distinct()
_KEYS = select(api_keys).order_by(api_keys.c.position)
_REVISIONS = select(revisions.c.name, revisions.c.number)
_PRICE_ROWS = select(price_rows).order_by(price_rows.c.position)


def all_providers(connection: Connection) -> Sequence[ProviderAccount]:
    return [rows.provider(row) for row in connection.execute(_PROVIDERS)]


def all_settings(connection: Connection) -> Mapping[str, Any]:
    return {row.name: rows.from_json(row.value) for row in connection.execute(_SETTINGS)}


def session(connection: Connection, session_hash: bytes, at: int) -> Session | None:
    row = connection.execute(_SESSION, {"this": session_hash, "at": at}).one_or_none()
    return None if row is None else Session(row.principal, row.role, row.created_at, row.expires_at)


def sign_in_user(connection: Connection, token_hash: bytes) -> str | None:
    return connection.execute(_SIGN_IN_USER, {"this": token_hash}).scalar_one_or_none()


def all_users(connection: Connection) -> Sequence[User]:
    return [rows.user(row) for row in connection.execute(_USERS)]


def credentials(connection: Connection, user_id: str) -> Credentials | None:
    row = connection.execute(_CREDENTIALS, {"this": user_id}).one_or_none()
    return None if row is None else Credentials(row.id, row.password)


def credentials_by_name(connection: Connection, key: str) -> Credentials | None:
    row = connection.execute(_CREDENTIALS_BY_NAME, {"this": key}).one_or_none()
    return None if row is None else Credentials(row.id, row.password)


def roles_with_password(connection: Connection) -> Sequence[Role]:
    return [row.role for row in connection.execute(_ROLES_WITH_PASSWORD)]


def all_keys(connection: Connection) -> Sequence[StoredKey]:
    return [rows.stored_key(row) for row in connection.execute(_KEYS)]


def all_revisions(connection: Connection) -> Mapping[str, int]:
    return {row.name: row.number for row in connection.execute(_REVISIONS)}


def all_routes(connection: Connection) -> Sequence[ModelRoute]:
    return [rows.route(row) for row in connection.execute(_ROUTES)]


def all_price_rows(connection: Connection) -> Sequence[PriceRow]:
    return [rows.price_row(row) for row in connection.execute(_PRICE_ROWS)]
