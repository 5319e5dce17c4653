"""Who may come in and which upstreams are ours: values, changes, and what accounts needs of a store."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

ProviderSource = Literal["stored", "environment", "simulator"]
Role = Literal["owner", "member"]
Disconnect = Literal["drain", "cut"]


class SealedKey(Struct, frozen=True):
    """A provider key under AES-GCM. hint: its last four characters."""

    nonce: bytes
    ciphertext: bytes
    hint: str


class OwnTimeouts(Struct, frozen=True, kw_only=True):
    """A provider's own time-outs, in seconds; None: as the settings say for all providers."""

    connect: float | None = None
    headers: float | None = None
    first_token: float | None = None
    silence: float | None = None


class ProviderAccount(Struct, frozen=True, kw_only=True):
    """Our account with a provider. base_url ends without a slash, e.g. `…/v1`.

    admin_key: reads the provider's own books and does nothing else; see metering.reconciling.
    """

    id: str
    name: str
    base_url: str
    key: SealedKey | None
    enabled: bool
    created_at: int
    source: ProviderSource = "stored"
    admin_key: SealedKey | None = None
    timeouts: OwnTimeouts = OwnTimeouts()


class SaveProvider(Struct, frozen=True):
    """Insert or replace by id. Raises Conflict if another provider has the name."""

    provider: ProviderAccount


class DeleteProvider(Struct, frozen=True):
    id: str


class SaveSettings(Struct, frozen=True):
    """JSON-able values by setting name; None removes the stored value."""

    values: Mapping[str, Any]


class User(Struct, frozen=True, kw_only=True):
    """A person. Never deleted: rooms and the ledger refer to the id. rpm, tpm: requests and tokens a minute."""

    id: str
    name: str
    role: Role
    created_at: int
    disabled_at: int | None = None
    has_password: bool = False
    rpm: int | None = None
    tpm: int | None = None


class AddUser(Struct, frozen=True):
    """Without a password. Raises Conflict if another user has the name."""

    user: User


class ChangeUser(Struct, frozen=True):
    """Sets these of name, role, disabled_at, rpm, tpm. Who is disabled loses sessions and sign-in links with it.

    Raises Conflict if the name is taken, or if no enabled owner would remain.
    """

    id: str
    values: Mapping[str, Any]


class SetPassword(Struct, frozen=True):
    """hashed: None removes the password. Raises Conflict for an unknown user."""

    user_id: str
    hashed: str | None


class Credentials(Struct, frozen=True):
    """What an enabled user may sign in with."""

    user_id: str
    hashed: str | None


class ApiKey(Struct, frozen=True, kw_only=True):
    """A key for the doors that programs use, as everybody may see it: the token itself is kept nowhere.

    hint: its first eight and last four characters. models: names, or patterns that end in `*`; None: all. doors:
    None: all. disconnect: what becomes of an answer whose reader has left. replaces: the key it was rotated from.
    """

    id: str
    name: str
    user_id: str
    hint: str
    models: tuple[str, ...] | None = None
    doors: tuple[str, ...] | None = None
    created_at: int
    expires_at: int | None = None
    revoked_at: int | None = None
    disconnect: Disconnect = "drain"
    rpm: int | None = None
    tpm: int | None = None
    last_used_at: int | None = None
    replaces: str | None = None


class StoredKey(Struct, frozen=True):
    """digest: SHA-256 of the token."""

    digest: bytes
    key: ApiKey


class AddKey(Struct, frozen=True):
    """Raises Conflict if there is no such user, or if another key replaces the same one."""

    stored: StoredKey


class ChangeKey(Struct, frozen=True):
    """Sets these of name, models, doors, expires_at, disconnect, rpm, tpm. Raises Conflict for a revoked key."""

    id: str
    values: Mapping[str, Any]


class RevokeKey(Struct, frozen=True):
    """For ever; the first time counts."""

    id: str
    at: int


class NoteKeyUses(Struct, frozen=True):
    """When keys were last used, by id. No revision comes of it: nobody has to act on it."""

    uses: Mapping[str, int]


class AddSignInToken(Struct, frozen=True):
    """token_hash: SHA-256 of the one-time token."""

    token_hash: bytes
    created_at: int
    expires_at: int
    user_id: str


class UseSignInToken(Struct, frozen=True):
    """Marks it used. Raises Conflict unless it exists, is unused and not expired at `used_at`, and its user is not
    disabled: one use, ever.
    """

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
    """kept: the hash of the one session that goes on."""

    principal: str
    kept: bytes = b""


class Session(Struct, frozen=True):
    """principal: the user's id."""

    principal: str
    role: Role
    created_at: int
    expires_at: int


class AccountStore(Protocol):
    async def commit(self, *changes: Struct) -> tuple[Any, ...]: ...

    async def providers(self) -> Sequence[ProviderAccount]:
        """In order of creation."""
        ...

    async def settings(self) -> Mapping[str, Any]: ...

    async def session(self, session_hash: bytes, at: int) -> Session | None:
        """None if unknown, ended or expired, or if its user is disabled."""
        ...

    async def sign_in_user(self, token_hash: bytes) -> str | None:
        """Whom a sign-in token lets in, whether or not it may still be used."""
        ...

    async def users(self) -> Sequence[User]:
        """In order of creation; the disabled ones too."""
        ...

    async def credentials(self, user_id: str) -> Credentials | None:
        """None if unknown or disabled."""
        ...

    async def credentials_by_name(self, name_key: str) -> Credentials | None:
        """name_key: see names.py."""
        ...

    async def roles_with_password(self) -> Sequence[Role]:
        """The roles of enabled users who have a password."""
        ...

    async def api_keys(self) -> Sequence[StoredKey]:
        """In order of creation; the revoked and expired ones too."""
        ...

    async def revisions(self) -> Mapping[str, int]:
        """How often each kind of thing has changed, whichever process changed it."""
        ...
