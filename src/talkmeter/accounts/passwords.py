"""Passwords: argon2id, off the event loop, the same time whether or not there is such a user or one is set."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from talkmeter.accounts.names import name_key
from talkmeter.accounts.principals import OWNER
from talkmeter.accounts.store import AccountStore, Credentials, SetPassword
from talkmeter.errors import BadInput, TooManyTries

if TYPE_CHECKING:
    from argon2 import PasswordHasher

T = TypeVar("T")

SHORTEST, LONGEST = 8, 1024
FREE_TRIES = 5
LONGEST_WAIT = 900.0  # seconds
REMEMBERED_SOURCES = 10_000
# What a hash of any password looks like: checked when none is set, so that the answer takes as long.
NOBODYS_HASH = "$argon2id$v=19$m=47104,t=2,p=1$AJP6bSoFOTwjGS5XnOfWTQ$LdCj+fOYm32Zc1MV1bg8C6cZDnETw6xa3rhlT2u8FrU"


class Passwords:
    """Sets and checks passwords. monotonic: seconds."""

    def __init__(self, store: AccountStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._tries = Tries(monotonic)
        self._one_at_a_time = asyncio.Semaphore(1)  # each check takes 46 MiB for a moment

    async def is_set(self) -> bool:
        """Whether anybody could sign in with one."""
        return bool(await self._store.roles_with_password())

    async def owner_has_one(self) -> bool:
        return "owner" in await self._store.roles_with_password()

    async def set(self, password: str, user_id: str = OWNER) -> None:
        """Raises BadInput unless it has 8 to 1024 characters, Conflict for an unknown user."""
        check_length(password)
        hashed = await self._off_loop(lambda: _hasher().hash(password))
        await self._store.commit(SetPassword(user_id, hashed))

    async def remove(self, user_id: str = OWNER) -> None:
        await self._store.commit(SetPassword(user_id, None))

    async def verify(self, password: str, source: str, name: str | None = None) -> str | None:
        """The id of the user whose password it is; None if it is not theirs, or they are disabled.

        name: whose; without one, the first owner's. source: the client's address; too many wrong tries from it make
        it wait. Raises TooManyTries with `details["retry_after"]` in seconds.
        """
        if name is None:
            return await self._verify(password, source, await self._store.credentials(OWNER))
        return await self._verify(password, source, await self._store.credentials_by_name(name_key(name)))

    async def verify_of(self, user_id: str, password: str, source: str) -> bool:
        """The same, for somebody who is known. Raises TooManyTries."""
        return await self._verify(password, source, await self._store.credentials(user_id)) is not None

    async def _verify(self, password: str, source: str, found: Credentials | None) -> str | None:
        self._tries.check(source)
        stored = found and found.hashed
        hashed = stored or NOBODYS_HASH
        attempt = password[: LONGEST + 1]
        matches = await self._off_loop(lambda: _matches(hashed, attempt))
        right = matches and stored is not None
        self._tries.note(source, right=right)
        return found.user_id if found is not None and right else None

    async def _off_loop(self, work: Callable[[], T]) -> T:
        async with self._one_at_a_time:
            return await asyncio.to_thread(work)


class Tries:
    """Wrong tries by source: five are free, then each doubles the wait, up to 15 minutes."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # source → (count, may try again at)

    def check(self, source: str) -> None:
        _, again_at = self._wrong.get(source, (0, 0.0))
        wait = again_at - self._monotonic()
        if wait > 0:
            seconds = int(wait) + 1
            raise TooManyTries(
                f"Too many wrong passwords. Try again in {seconds} s.",
                f"비밀번호를 너무 여러 번 틀렸습니다. {seconds}초 뒤에 다시 시도하십시오.",
                hint="`talkmeter link` on the machine itself prints a sign-in link at any time.",
                hint_ko="서버에서 `talkmeter link`를 실행하면 언제든 로그인 링크를 얻을 수 있습니다.",
                details={"retry_after": seconds},
            )

    def note(self, source: str, *, right: bool) -> None:
        count, _ = self._wrong.pop(source, (0, 0.0))
        if right:
            return
        count += 1
        over = count - FREE_TRIES
        wait = min(LONGEST_WAIT, 2.0 ** min(over, 20)) if over >= 0 else 0.0
        self._wrong[source] = (count, self._monotonic() + wait)
        while len(self._wrong) > REMEMBERED_SOURCES:
            self._wrong.popitem(last=False)


def check_length(password: str) -> None:
    if SHORTEST <= len(password) <= LONGEST:
        return
    raise BadInput(
        f"A password has {SHORTEST} to {LONGEST} characters; this one has {len(password)}.",
        f"비밀번호는 {SHORTEST}자에서 {LONGEST}자까지입니다. 입력한 것은 {len(password)}자입니다.",
        hint="A few words in a row are easy to remember and hard to guess.",
        hint_ko="단어 몇 개를 이어 쓰면 기억하기 쉽고 알아맞히기 어렵습니다.",
        code="bad_password",
        param="password",
    )


def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=47_104, parallelism=1)


def _matches(hashed: str, password: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError

    try:
        return _hasher().verify(hashed, password)
    except (VerificationError, InvalidHashError):
        return False
