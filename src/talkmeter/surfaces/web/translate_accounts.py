"""Users and API keys as the page sees them. Pure."""

from typing import Any

from talkmeter.accounts.store import ApiKey, User


def user_json(user: User) -> dict[str, Any]:
    return {name: getattr(user, name) for name in user.__struct_fields__}


def key_json(key: ApiKey, user_name: str | None, at: int) -> dict[str, Any]:
    """at: now, which decides whether the key has expired."""
    fields = {name: getattr(key, name) for name in key.__struct_fields__}
    return {**fields, "user_name": user_name, "state": _state(key, at)}


def _state(key: ApiKey, at: int) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= at else "active"
