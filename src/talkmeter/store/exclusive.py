"""Work that one process at a time may do on a database. The lock ends with its process, however that ends."""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from talkmeter.errors import StoreBusy

_TRY_AGAIN = 0.05  # seconds
_LOOK_AGAIN = 0.5


class Held:
    """A lock while it is held. A database server that is restarted lets go of all of them."""

    def __init__(self, lock: Any, acquire: Callable[[], Any | None]) -> None:
        self._lock = lock
        self._acquire = acquire

    async def lost(self) -> None:
        """Takes the lock again whenever it was let go of. Returns only if another process has been quicker."""
        while await asyncio.to_thread(self._renew):  # noqa: ASYNC110 - the driver has no event for it
            await asyncio.sleep(_LOOK_AGAIN)

    def _renew(self) -> bool:
        try:
            self._lock.execute("SELECT 1")
        except Exception:  # noqa: BLE001 (whatever the driver says: this connection holds nothing any more)
            self.close()
            try:
                lock = self._acquire()
            except Exception:  # noqa: BLE001 (the database is away, for every other process as well)
                return True
            if lock is None:
                return False
            self._lock = lock
        return True

    def close(self) -> None:
        """Lets go."""
        self._lock.close()


@asynccontextmanager
async def exclusive(acquire: Callable[[], Any | None], about: str, *, wait: bool) -> AsyncIterator[Held]:
    """acquire: gives something whose `close()` lets go of the lock, or None while another has it."""
    while (lock := acquire()) is None:
        if not wait:
            raise StoreBusy(
                f"Another Talkmeter process is using {about}.",
                f"다른 Talkmeter 프로세스가 {about}을(를) 사용하고 있습니다.",
                code="store_in_use",
                hint="Stop the other process first, or give this one a data directory of its own.",
                hint_ko="다른 프로세스를 먼저 종료하거나, 별도의 데이터 폴더를 지정하십시오.",
            )
        await asyncio.sleep(_TRY_AGAIN)
    held = Held(lock, acquire)
    try:
        yield held
    finally:
        held.close()


def lock_beside(database: Path, name: str) -> Callable[[], sqlite3.Connection | None]:
    """A lock on a small file beside the database: an empty SQLite database, whose locks work on every system."""

    def acquire() -> sqlite3.Connection | None:
        path = database.with_name(f"{database.name}.{name}.lock")
        connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return None
            raise
        return connection

    return acquire


def lock_in_postgres(connect: Callable[[], Any], name: str) -> Callable[[], Any | None]:
    """An advisory lock, held by a connection of its own."""
    number = int.from_bytes(hashlib.sha256(f"talkmeter {name}".encode()).digest()[:8], signed=True)

    def acquire() -> Any | None:
        connection = connect()
        (got,) = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
        if got:
            return connection
        connection.close()
        return None

    return acquire
