"""Readers: a few threads, each with a read-only connection of its own; every read is one transaction, one snapshot."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from talkmeter.errors import StoreError
from talkmeter.store import faults

T = TypeVar("T")


class Readers:
    def __init__(self, engine: Engine, count: int, about: str) -> None:
        self._engine = engine
        self._about = about
        self._closed = False
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="store-reader")

    async def read(self, query: Callable[[Connection], T]) -> T:
        """What `query` finds. A read that begins after a commit has returned sees it."""
        if self._closed:
            raise faults.closed(self._about)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read, query)

    def _read(self, query: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection, connection.begin():
                return query(connection)
        except DBAPIError as error:
            raise faults.as_ours(error.orig or error, self._about) from error
        except UnicodeEncodeError as error:
            raise faults.as_ours(error, self._about) from error

    def close(self) -> None:
        """Waits for the reads that are under way. Blocks."""
        self._closed = True
        self._threads.shutdown()
        self._engine.dispose()


class NoWriter:
    """In a writer's place, for a store that only reads."""

    commits = transactions = 0

    def __init__(self, about: str) -> None:
        self._about = about

    def submit(self, changes: Sequence[Any]) -> asyncio.Future[tuple[Any, ...]]:
        """The future raises StoreError if there is anything to write."""
        done: asyncio.Future[tuple[Any, ...]] = asyncio.get_running_loop().create_future()
        if changes:
            done.set_exception(self._refusal())
        else:
            done.set_result(())
        return done

    def submit_quietly(self, _: Sequence[Any], failed: Callable[[BaseException], object]) -> None:
        failed(self._refusal())

    def _refusal(self) -> StoreError:
        return StoreError(f"{self._about} is only looked at.", f"{self._about}은(는) 읽기만 합니다.", code="read_only")

    def waiting(self) -> int:
        return 0

    def close(self) -> None:
        """There is nothing to let go of."""
