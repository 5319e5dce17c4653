"""Who may come in and which upstreams are ours: values, changes, and what accounts needs of a store."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

ProviderSource = Literal["stored", "environment", "simulator"]


class SealedKey(Struct, frozen=True):
    """A provider key under AES-GCM. hint: its last four characters."""

    nonce: bytes
    ciphertext: bytes
    hint: str


class ProviderAccount(Struct, frozen=True, kw_only=True):
    """Our account with a provider. base_url ends without a slash, e.g. `…/v1`."""

    id: str
    name: str
    base_url: str
    key: SealedKey | None
    enabled: bool
    created_at: int
    source: ProviderSource = "stored"


class SaveProvider(Struct, frozen=True):
    """Insert or replace by id. Raises Conflict if another provider has the name."""

    provider: ProviderAccount


class DeleteProvider(Struct, frozen=True):
    id: str


class SaveSettings(Struct, frozen=True):
    """JSON-able values by setting name; None removes the stored value."""

    values: Mapping[str, Any]


class AddSignInToken(Struct, frozen=True):
    """token_hash: SHA-256 of the one-time token."""

    token_hash: bytes
    created_at: int
    expires_at: int


class UseSignInToken(Struct, frozen=True):
    """Marks it used. Raises Conflict unless it exists, is unused and not expired at `used_at`: one use, ever."""

    token_hash: bytes
    used_at: int


class AddSession(Struct, frozen=True, kw_only=True):
    session_hash: bytes
    principal: str
    created_at: int
    expires_at: int


class EndSession(Struct, frozen=True):
    session_hash: bytes


class EndAllSessions(Struct, frozen=True):
    principal: str


class Session(Struct, frozen=True):
    principal: str
    created_at: int
    expires_at: int


class AccountStore(Protocol):
    async def commit(self, *changes: Struct) -> None: ...

    async def providers(self) -> Sequence[ProviderAccount]:
        """In order of creation."""
        ...

    async def settings(self) -> Mapping[str, Any]: ...

    async def session(self, session_hash: bytes, at: int) -> Session | None:
        """None if unknown, ended or expired."""
        ...
