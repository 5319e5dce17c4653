"""API keys: made, changed, rotated, revoked, and found for every single request from memory."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Any

from msgspec import UNSET, UnsetType, structs

from talkmeter.accounts import tokens
from talkmeter.accounts.key_errors import (
    expired,
    key_name_not_unique,
    key_not_found,
    key_revoked,
    key_rotated,
    malformed,
    no_key_named,
    revoked,
    unknown,
    user_disabled,
)
from talkmeter.accounts.key_fields import checked
from talkmeter.accounts.names import clean_name
from talkmeter.accounts.principals import Principal
from talkmeter.accounts.store import (
    AccountStore,
    AddKey,
    ApiKey,
    ChangeKey,
    Disconnect,
    NoteKeyUses,
    RevokeKey,
    StoredKey,
)
from talkmeter.accounts.users import Users, end
from talkmeter.clock import SECOND, now
from talkmeter.errors import BadInput, Forbidden
from talkmeter.ids import new_id

__all__ = ["ApiKey", "Keys", "allows_door", "allows_model", "check_model", "model_not_allowed"]

LONGEST_LOOKED_AT = 256  # characters; nothing longer is hashed
MINUTE = 60 * SECOND
LOOK_SECONDS = 0.1
LONGEST_OVERLAP = 90 * 24 * 3600  # seconds


class Keys:
    """Reading is from memory, after `load`; every change is committed first. users: loaded before.

    clock: µs since 1970.
    """

    def __init__(self, store: AccountStore, users: Users, clock: Callable[[], int] = now) -> None:
        self._store = store
        self._users = users
        self._clock = clock
        self._by_digest: dict[bytes, ApiKey] = {}
        self._by_id: dict[str, ApiKey] = {}
        self._used: dict[str, int] = {}  # id → when last
        self._written: dict[str, int] = {}  # id → which of these is stored
        self._ends: dict[str, asyncio.Future[None]] = {}
        self._loading = asyncio.Lock()
        self._next_look: asyncio.Task[None] | None = None
        self._looked_at = 0.0  # seconds, of the event loop
        # Who has asked with which token, for as long as keys and users are what they were.
        self._known: dict[str, tuple[ApiKey, Principal]] = {}
        self._known_among = users.enabled

    async def load(self) -> None:
        """Reads all keys. One at a time: what a change has committed before is always in it."""
        async with self._loading:
            stored = await self._store.api_keys()
            self._by_digest = {each.digest: each.key for each in stored}
            self._by_id = {each.key.id: each.key for each in stored}
            self._known = {}
            for key_id in [each for each in self._ends if self._by_id[each].revoked_at is not None]:
                end(self._ends.pop(key_id))

    async def look_again(self) -> None:
        """Reads all keys once more, as another process may have made one; at most ten times a second."""
        if self._next_look is None:
            self._next_look = asyncio.get_running_loop().create_task(self._look_soon())
        await asyncio.shield(self._next_look)

    async def _look_soon(self) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._looked_at + LOOK_SECONDS - loop.time()))
        self._next_look = None  # who asks from here on may ask for what this reading does not find
        self._looked_at = loop.time()
        await self.load()

    def find(self, token: str) -> ApiKey:
        """The key of a token that may be used now; notes the use. Raises InvalidKey, which says why not."""
        key = None
        if len(token) <= LONGEST_LOOKED_AT:
            key = self._by_digest.get(sha256(token.encode("utf-8", "surrogatepass")).digest())
        if key is None:
            raise _why_unknown(token)
        self._used[key.id] = self._check(key)
        return key

    def usable(self, key_id: str) -> ApiKey:
        """The key, if it may be used now. Raises InvalidKey, which says why not, and NotFound."""
        key = self.get(key_id)
        self._check(key)
        return key

    def _check(self, key: ApiKey) -> int:
        """Raises InvalidKey unless the key may be used now; gives the time."""
        at = self._clock()
        if key.revoked_at is not None:
            raise revoked(key, key.revoked_at)
        if key.expires_at is not None and key.expires_at <= at:
            raise expired(key, key.expires_at)
        if key.user_id not in self._users.enabled:
            raise user_disabled(key)
        return at

    def principal(self, token: str) -> Principal:
        """Who asks with this token. Raises InvalidKey."""
        enabled = self._users.enabled  # another object after each reading of the users
        if enabled is not self._known_among:
            self._known, self._known_among = {}, enabled
        known = self._known.get(token)
        if known is not None:
            key, principal = known
            at = self._clock()
            if key.expires_at is None or at < key.expires_at:
                self._used[key.id] = at
                return principal
        key = self.find(token)
        principal = Principal(user_id=key.user_id, role=self._users.get(key.user_id).role, key=key)
        self._known[token] = key, principal
        return principal

    def get(self, key_id: str) -> ApiKey:
        """Raises NotFound."""
        key = self._by_id.get(key_id)
        if key is None:
            raise key_not_found()
        return self._with_last_use(key)

    def end_of(self, key: ApiKey) -> asyncio.Future[None]:
        """Done once the key is revoked or its user disabled: what is open for it must close then."""
        future = self._ends.get(key.id)
        if future is None or future.done():
            made = future = asyncio.get_running_loop().create_future()
            if self.get(key.id).revoked_at is not None:
                end(future)
            else:
                self._ends[key.id] = future
                self._users.end_of(key.user_id).add_done_callback(lambda _: end(made))
        return future

    async def fetch(self, key_id: str) -> ApiKey:
        """As `get`, but looks again for a key that another process has just made."""
        if key_id not in self._by_id:
            await self.load()
        return self.get(key_id)

    def list(self, user_id: str | None = None) -> tuple[ApiKey, ...]:
        """In order of creation: all, or one user's; the revoked and expired ones too."""
        return tuple(
            self._with_last_use(key) for key in self._by_id.values() if user_id is None or key.user_id == user_id
        )

    def named(self, which: str, *, also_revoked: bool = False) -> tuple[ApiKey, ...]:
        """The one with this id or hint, else all of this name: those that are not revoked, or where there are none and
        it is asked for, those that are. Raises NotFound.
        """
        all_of_them = self.list()
        found = tuple(key for key in all_of_them if which in (key.id, key.hint))
        found = found or tuple(key for key in all_of_them if key.name == which and key.revoked_at is None)
        if not found:
            revoked = tuple(key for key in all_of_them if key.name == which)
            if not revoked or not also_revoked:
                raise no_key_named(which, revoked)
            found = revoked
        return found

    def by_name(self, which: str, *, also_revoked: bool = False) -> ApiKey:
        """By id, hint or name, as a person types it. Raises NotFound, Conflict (several have the name)."""
        found = self.named(which, also_revoked=also_revoked)
        if len(found) > 1:
            raise key_name_not_unique(which, found)
        return found[0]

    def first_id(self, key: ApiKey) -> str:
        """The id of the key that this one was rotated from, however often: what budgets and limits go by."""
        while key.replaces is not None and key.replaces in self._by_id:
            key = self._by_id[key.replaces]
        return key.id

    async def issue(
        self,
        *,
        user_id: str,
        name: str,
        models: Iterable[str] | None = None,
        doors: Iterable[str] | None = None,
        expires_at: int | None = None,
        disconnect: Disconnect = "drain",
        rpm: int | None = None,
        tpm: int | None = None,
    ) -> tuple[ApiKey, str]:
        """A new key and its token, which is shown this once. Raises BadInput, NotFound, Conflict (disabled user)."""
        self._users.get_enabled(user_id)
        at = self._clock()
        given = {"models": models, "doors": doors, "expires_at": expires_at, "rpm": rpm, "tpm": tpm}
        fields = checked({**given, "disconnect": disconnect}, at)
        return await self._add(ApiKey(
            id=new_id("key"), name=clean_name(name), user_id=user_id, hint="", created_at=at, **fields
        ))  # fmt: skip

    async def update(
        self,
        key_id: str,
        *,
        name: str | UnsetType = UNSET,
        models: Iterable[str] | UnsetType | None = UNSET,
        doors: Iterable[str] | UnsetType | None = UNSET,
        expires_at: int | UnsetType | None = UNSET,
        disconnect: Disconnect | UnsetType = UNSET,
        rpm: int | UnsetType | None = UNSET,
        tpm: int | UnsetType | None = UNSET,
    ) -> ApiKey:
        """UNSET stays; None is without. Raises NotFound, BadInput, Conflict (`key_revoked`)."""
        key = self.get(key_id)
        if key.revoked_at is not None:
            raise key_revoked(key)
        given = {"models": models, "doors": doors, "expires_at": expires_at, "disconnect": disconnect}
        wanted = {name: value for name, value in {**given, "rpm": rpm, "tpm": tpm}.items() if value is not UNSET}
        values = checked(wanted, self._clock())
        if name is not UNSET:
            values["name"] = clean_name(name)
        await self._store.commit(ChangeKey(key_id, values))
        await self.load()
        return self.get(key_id)

    async def revoke(self, key_id: str) -> ApiKey:
        """At once and for ever. Raises NotFound."""
        self.get(key_id)
        await self._store.commit(RevokeKey(key_id, self._clock()))
        await self.load()
        return self.get(key_id)

    async def rotate(self, key_id: str, overlap_seconds: int = 0) -> tuple[ApiKey, str]:
        """A key in place of this one, with all that it may do; the old one ends after the overlap.

        A key with an expiry is followed by one that lasts as long as it was to last.
        Raises NotFound, BadInput, Conflict (`key_revoked`, `key_rotated`).
        """
        old = self.get(key_id)
        if old.revoked_at is not None:
            raise key_revoked(old)
        if any(key.replaces == key_id for key in self._by_id.values()):
            raise key_rotated(old)
        if not 0 <= overlap_seconds <= LONGEST_OVERLAP:
            raise BadInput(
                f"The overlap must be 0 to {LONGEST_OVERLAP} seconds.",
                f"겹치는 시간은 0초에서 {LONGEST_OVERLAP}초까지입니다.",
                code="bad_overlap",
                param="overlap_seconds",
            )
        at = self._clock()
        lasts = None if old.expires_at is None else at + old.expires_at - old.created_at
        ends = at + overlap_seconds * SECOND
        if old.expires_at is not None:
            ends = min(ends, old.expires_at)
        new = structs.replace(
            old, id=new_id("key"), created_at=at, expires_at=lasts, last_used_at=None, replaces=old.id
        )
        return await self._add(new, ChangeKey(old.id, {"expires_at": ends}))

    async def write_uses(self, *, all_of_them: bool = False) -> None:
        """Stores when keys were last used: each at most once a minute, however often this is called."""
        due = {
            key_id: at
            for key_id, at in self._used.items()
            if at != self._written.get(key_id)
            and (all_of_them or at - self._written.get(key_id, 0) >= MINUTE)
        }  # fmt: skip
        if due:
            await self._store.commit(NoteKeyUses(due))
            self._written.update(due)

    async def _add(self, key: ApiKey, *more: Any) -> tuple[ApiKey, str]:
        token = tokens.new_token()
        key = structs.replace(key, hint=tokens.hint_of(token))
        try:
            await self._store.commit(AddKey(StoredKey(sha256(token.encode()).digest(), key)), *more)
        finally:
            await self.load()  # also after a refusal: another process has done something first
        return key, token

    def _with_last_use(self, key: ApiKey) -> ApiKey:
        used = self._used.get(key.id)
        if used is None or (key.last_used_at is not None and key.last_used_at >= used):
            return key
        return structs.replace(key, last_used_at=used)


def allows_model(key: ApiKey, model: str) -> bool:
    """Whether the key may be used for a model. An exact name, or the beginning of one before a `*`."""
    if key.models is None:
        return True
    return any(model == each or (each[-1] == "*" and model.startswith(each[:-1])) for each in key.models)


def allows_door(key: ApiKey, *doors: str) -> bool:
    """Whether the key opens one of these doors."""
    return key.doors is None or not set(key.doors).isdisjoint(doors)


def check_model(key: ApiKey, model: str) -> None:
    """Raises Forbidden unless the key may be used for this model."""
    if key.models is not None and not allows_model(key, model):
        raise model_not_allowed(model, key.models)


def model_not_allowed(model: str, models: Sequence[str]) -> Forbidden:
    """models: what the key is for."""
    return Forbidden(
        f"This key may not use the model “{model:.100}”.",
        f"이 키로는 “{model:.100}” 모델을 쓸 수 없습니다.",
        code="model_not_allowed",
        param="model",
        hint=f"It may use: {', '.join(models) or 'none'}.",
        hint_ko=f"쓸 수 있는 모델: {', '.join(models) or '없음'}.",
    )


def _why_unknown(token: str) -> Exception:
    if not tokens.has_form(token):
        return malformed(token)
    return unknown(tokens.hint_of(token), typo=not tokens.checks(token))
