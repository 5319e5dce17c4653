"""Queries of accounts and of the price book."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select

from talkmeter.accounts.routes import ModelRoute
from talkmeter.accounts.store import ProviderAccount, Session
from talkmeter.metering.prices import PriceRow
from talkmeter.store import rows
from talkmeter.store.parameters import THIS
from talkmeter.store.schema import model_routes, price_rows, providers, sessions, settings

_PROVIDERS = select(providers).order_by(providers.c.created_at, providers.c.position)
_SETTINGS = select(settings.c.name, settings.c.value)
_SESSION = select(sessions.c.principal, sessions.c.created_at, sessions.c.expires_at).where(
    sessions.c.session_hash == THIS, sessions.c.expires_at > bindparam("at")
)
_ROUTES = select(model_routes).order_by(model_routes.c.position)
_PRICE_ROWS = select(price_rows).order_by(price_rows.c.position)


def all_providers(connection: Connection) -> Sequence[ProviderAccount]:
    return [rows.provider(row) for row in connection.execute(_PROVIDERS)]


def all_settings(connection: Connection) -> Mapping[str, Any]:
    return {row.name: rows.from_json(row.value) for row in connection.execute(_SETTINGS)}


def session(connection: Connection, session_hash: bytes, at: int) -> Session | None:
    row = connection.execute(_SESSION, {"this": session_hash, "at": at}).one_or_none()
    return None if row is None else Session(row.principal, row.created_at, row.expires_at)


def all_routes(connection: Connection) -> Sequence[ModelRoute]:
    return [rows.route(row) for row in connection.execute(_ROUTES)]


def all_price_rows(connection: Connection) -> Sequence[PriceRow]:
    return [rows.price_row(row) for row in connection.execute(_PRICE_ROWS)]
