"""Who is signed in: one-time links and browser sessions. Only hashes are stored; the secrets are random enough
(192 and 256 bits) that a plain SHA-256 keeps them.
"""

import hashlib
import secrets
from collections.abc import Callable

from talkmeter.accounts.principals import OWNER
from talkmeter.accounts.store import (
    AccountStore,
    AddSession,
    AddSignInToken,
    EndAllSessions,
    EndSession,
    Session,
    UseSignInToken,
)
from talkmeter.clock import SECOND, now
from talkmeter.errors import Conflict, NotSignedIn

__all__ = ["OWNER", "Sessions"]

LINK_BYTES = 24
SESSION_BYTES = 32
LINK_SECONDS = 15 * 60
FIRST_LINK_SECONDS = 24 * 3600  # the one that `serve` prints: it may stand in a terminal for a while
INVITATION_SECONDS = 3 * 24 * 3600  # it goes to somebody else, who may not be there today
SESSION_SECONDS = 30 * 24 * 3600
LONGEST_TOKEN = 128  # nothing longer is hashed


class Sessions:
    """clock: µs since 1970."""

    def __init__(self, store: AccountStore, clock: Callable[[], int] = now) -> None:
        self._store = store
        self._clock = clock

    async def new_link_token(self, seconds: int = LINK_SECONDS, user_id: str = OWNER) -> str:
        """A token for one sign-in of this user within `seconds`."""
        return (await self.invite(user_id, seconds))[0]

    async def invite(self, user_id: str, seconds: int = INVITATION_SECONDS) -> tuple[str, int]:
        """The same, and when it ends (µs)."""
        token = secrets.token_urlsafe(LINK_BYTES)
        at = self._clock()
        ends = at + seconds * SECOND
        await self._store.commit(AddSignInToken(_hash(token), at, ends, user_id))
        return token, ends

    async def use_link_token(self, token: str) -> str:
        """The cookie of a new session. Raises NotSignedIn if the token is wrong, used or expired, or its user is
        disabled.
        """
        at = self._clock()
        user_id = await self._store.sign_in_user(_hash(token)) if _plausible(token) else None
        if user_id is None:
            raise _link_expired()
        cookie, session = self._new_session(user_id, at)
        try:
            await self._store.commit(UseSignInToken(_hash(token), at), session)
        except Conflict:
            raise _link_expired() from None
        return cookie

    async def start(self, principal: str = OWNER) -> str:
        """The cookie of a new session, for somebody who has just proved who they are."""
        cookie, session = self._new_session(principal, self._clock())
        await self._store.commit(session)
        return cookie

    async def find(self, cookie: str | None) -> Session | None:
        """The session of a cookie; None if unknown, ended or expired, or if its user is disabled."""
        if cookie is None or not _plausible(cookie):
            return None
        return await self._store.session(_hash(cookie), self._clock())

    async def end(self, cookie: str) -> None:
        """Signs this browser out; nothing happens if it was not signed in."""
        if _plausible(cookie):
            await self._store.commit(EndSession(_hash(cookie)))

    async def end_all(self, principal: str = OWNER, but: str | None = None) -> None:
        """but: the cookie of the one session that goes on."""
        kept = _hash(but) if but is not None and _plausible(but) else b""
        await self._store.commit(EndAllSessions(principal, kept))

    def _new_session(self, principal: str, at: int) -> tuple[str, AddSession]:
        cookie = secrets.token_urlsafe(SESSION_BYTES)
        session = AddSession(
            session_hash=_hash(cookie),
            principal=principal,
            created_at=at,
            expires_at=at + SESSION_SECONDS * SECOND,
        )
        return cookie, session


def _plausible(token: str) -> bool:
    return 0 < len(token) <= LONGEST_TOKEN and token.isascii()


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _link_expired() -> NotSignedIn:
    return NotSignedIn(
        "This sign-in link was used before or has expired.",
        "이미 사용했거나 만료된 로그인 링크입니다.",
        hint="Run `talkmeter link` on the machine where Talkmeter runs to get a new one.",
        hint_ko="Talkmeter가 실행 중인 컴퓨터에서 `talkmeter link`를 실행해 새 링크를 받으십시오.",
        code="sign_in_expired",
    )
