"""The store: one value that answers every protocol the core has declared, on SQLite or PostgreSQL."""

import asyncio
import socket
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from msgspec import Struct

from talkmeter.accounts.routes import ModelRoute
from talkmeter.accounts.store import Credentials, ProviderAccount, Role, Session, StoredKey, User
from talkmeter.conversation.changes import AddAttachment, AddMessage, AddRoom, AddRun
from talkmeter.conversation.store import Around, RoomPage
from talkmeter.errors import StoreError
from talkmeter.messages import Attachment, Message, Room, Run, RunEvent
from talkmeter.metering.budget_store import Budget, Counted
from talkmeter.metering.calls import CallFilter, CallPage, CallSums, Grouping, Order
from talkmeter.metering.ledger import LedgerEntry, OpenEntry, Totals
from talkmeter.metering.prices import PriceRow
from talkmeter.metering.sums import LedgerSums
from talkmeter.store import (
    apply_accounts,
    apply_budgets,
    apply_conversation,
    apply_ledger,
    apply_people,
    apply_routes,
    faults,
    read_accounts,
    read_around,
    read_budgets,
    read_calls,
    read_ledger,
    read_messages,
    read_rooms,
    read_sums,
)
from talkmeter.store.ballast import USUAL, Ballast, NoBallast
from talkmeter.store.databases import Database, database, watch_file
from talkmeter.store.exclusive import Held, exclusive
from talkmeter.store.migrate import MayChange, anything, prepare
from talkmeter.store.readers import NoWriter, Readers
from talkmeter.store.remote import RemoteWriter
from talkmeter.store.sqlite_copy import copy_database
from talkmeter.store.sqlite_facts import StoreWarning, warnings_about
from talkmeter.store.submissions import Submissions
from talkmeter.store.writer import Writer

APPLY = {
    **apply_accounts.APPLY,
    **apply_people.APPLY,
    **apply_budgets.APPLY,
    **apply_conversation.APPLY,
    **apply_ledger.APPLY,
    **apply_routes.APPLY,
}
BEGINS_WORK = frozenset({OpenEntry, AddRoom, AddMessage, AddRun, AddAttachment})


class Written(Struct, frozen=True):
    """commits: acknowledged; transactions: each one fsync; waiting: submitted and not yet begun."""

    commits: int
    transactions: int
    waiting: int


class Store:
    """Made by `open_store`. Safe for any number of tasks; of one event loop or several."""

    def __init__(self, database: Database, writer: Writer | RemoteWriter | NoWriter, readers: Readers) -> None:
        self._database = database
        self._writer = writer
        self._readers = readers

    @property
    def name(self) -> str:
        """The database, for people; without a password."""
        return self._database.name

    @property
    def warnings(self) -> Sequence[StoreWarning]:
        """What is worth a line in the log at a start."""
        return () if self._database.path is None else warnings_about(self._database.path)

    @property
    def written(self) -> Written:
        """How much has been committed, in how few transactions."""
        return Written(self._writer.commits, self._writer.transactions, self._writer.waiting())

    async def check(self) -> None:
        """Raises StoreError if new work could not be read or written now: broken, full, held by another, gone."""
        await self._readers.read(read_sums.check)
        await self._writer.submit(())

    def exclusive(self, name: str, *, wait: bool = True) -> AbstractAsyncContextManager[Held]:
        """Only one process at a time is inside `async with store.exclusive(name)`, whatever way the others end.

        Raises StoreBusy at once if another is and `wait` is false.
        """
        return exclusive(self._database.lock(name), self.name, wait=wait)

    async def backup(self, path: Path) -> Mapping[str, int]:
        """A verified copy of the database alone at `path`, which must not exist; rows by table. SQLite only.

        Commits go on meanwhile. Raises StoreError, or FileExistsError. The whole workspace: backup.make_backup.
        """
        source = self._database.path
        if source is None:
            raise StoreError(
                "A PostgreSQL database is backed up with PostgreSQL's own tools.",
                "PostgreSQL 데이터베이스는 PostgreSQL의 도구로 백업합니다.",
                code="not_sqlite",
                hint="Use pg_dump.",
                hint_ko="pg_dump를 사용하십시오.",
            )
        try:
            return await asyncio.to_thread(copy_database, source, path)
        except sqlite3.Error as error:
            raise faults.as_ours(error, self.name, whole=True) from error

    async def write_for(self, connected: socket.socket) -> Submissions:
        """Takes over what another process submits: connected: to its `open_remote_store`."""
        assert isinstance(self._writer, Writer)
        return await Submissions.accept(connected, self._writer, APPLY, self._database.called)

    def watch(self, told: Callable[[Sequence[tuple[Struct, ...]]], None]) -> None:
        """From now on `told` gets all changes that this process makes durable, group by group, on the writer's thread.

        It must be quick and raise nothing: everything that is to be written waits for it.
        """
        assert isinstance(self._writer, Writer)
        self._writer.watch = told

    async def close(self) -> None:
        """Writes what has been submitted, then lets go of the database. Idempotent."""
        await asyncio.to_thread(self._readers.close)
        await asyncio.to_thread(self._writer.close)

    async def commit(self, *changes: Struct) -> tuple[Any, ...]:
        """Applies the changes in the order given: all or none, durable on return; gives what applying them has given.

        Raises Conflict when a change's condition does not hold, StoreFull, StoreBusy or StoreError when the database
        cannot take them. If the caller is cancelled the changes are still applied as a whole or not at all.
        """
        return await self._writer.submit(changes) if changes else ()

    def submit(self, *changes: Struct) -> asyncio.Future[tuple[Any, ...]]:
        """As commit, without waiting: the future carries what commit would raise. At least one change."""
        return self._writer.submit(changes)

    def submit_quietly(self, changes: tuple[Struct, ...], failed: Callable[[BaseException], object]) -> None:
        """As submit, for somebody who only wants to hear if it fails."""
        self._writer.submit_quietly(changes, failed)

    # Accounts and the price book

    async def providers(self) -> Sequence[ProviderAccount]:
        return await self._readers.read(read_accounts.all_providers)

    async def settings(self) -> Mapping[str, Any]:
        return await self._readers.read(read_accounts.all_settings)

    async def session(self, session_hash: bytes, at: int) -> Session | None:
        return await self._readers.read(lambda connection: read_accounts.session(connection, session_hash, at))

    async def sign_in_user(self, token_hash: bytes) -> str | None:
        return await self._readers.read(lambda connection: read_accounts.sign_in_user(connection, token_hash))

    async def users(self) -> Sequence[User]:
        return await self._readers.read(read_accounts.all_users)

    async def credentials(self, user_id: str) -> Credentials | None:
        return await self._readers.read(lambda connection: read_accounts.credentials(connection, user_id))

    async def credentials_by_name(self, name_key: str) -> Credentials | None:
        return await self._readers.read(lambda connection: read_accounts.credentials_by_name(connection, name_key))

    async def roles_with_password(self) -> Sequence[Role]:
        return await self._readers.read(read_accounts.roles_with_password)

    async def api_keys(self) -> Sequence[StoredKey]:
        return await self._readers.read(read_accounts.all_keys)

    async def revisions(self) -> Mapping[str, int]:
        return await self._readers.read(read_accounts.all_revisions)

    async def price_rows(self) -> Sequence[PriceRow]:
        return await self._readers.read(read_accounts.all_price_rows)

    async def model_routes(self) -> Sequence[ModelRoute]:
        return await self._readers.read(read_accounts.all_routes)

    # Budgets

    async def budgets(self) -> Sequence[Budget]:
        return await self._readers.read(read_budgets.all_budgets)

    async def counted(self, periods: Mapping[str, int]) -> Mapping[str, Counted]:
        return await self._readers.read(lambda connection: read_budgets.counted(connection, periods))

    # The ledger

    async def entry(self, entry_id: str) -> LedgerEntry | None:
        return await self._readers.read(lambda connection: read_ledger.entry(connection, entry_id))

    async def open_entries(self) -> Sequence[LedgerEntry]:
        return await self._readers.read(read_ledger.open_entries)

    async def entry_of_answer(self, upstream_id: str) -> LedgerEntry | None:
        return await self._readers.read(lambda connection: read_ledger.entry_of_answer(connection, upstream_id))

    async def partial_texts(self, entry_id: str) -> Sequence[str]:
        return await self._readers.read(lambda connection: read_ledger.partial_texts_of(connection, entry_id))

    async def kept_prompt(self, entry_id: str) -> str | None:
        return await self._readers.read(lambda connection: read_ledger.kept_prompt(connection, entry_id))

    async def unpriced_entries(self, model: str | None = None) -> Sequence[LedgerEntry]:
        return await self._readers.read(lambda connection: read_ledger.unpriced_entries(connection, model))

    async def entries_of_provider(
        self, provider_id: str, start: int, end: int, after: tuple[int, str], limit: int
    ) -> Sequence[LedgerEntry]:
        return await self._readers.read(
            lambda connection: read_ledger.entries_of_provider(connection, provider_id, start, end, after, limit)
        )

    async def totals(self, room_id: str) -> Totals:
        return await self._readers.read(lambda connection: read_ledger.totals(connection, room_id))

    async def ledger_sums(self) -> Sequence[LedgerSums]:
        return await self._readers.read(read_sums.sums)

    async def calls(self, wanted: CallFilter, order: Order, cursor: str | None, limit: int) -> CallPage:
        """Raises BadInput for a cursor that no page of this order has given."""
        return await self._readers.read(lambda connection: read_calls.calls(connection, wanted, order, cursor, limit))

    async def call_totals(self, wanted: CallFilter) -> Totals:
        return await self._readers.read(lambda connection: read_calls.totals(connection, wanted))

    async def call_sums(self, wanted: CallFilter, by: Grouping) -> Sequence[CallSums]:
        return await self._readers.read(lambda connection: read_calls.sums(connection, wanted, by))

    # Rooms and messages

    async def room(self, room_id: str, principal: str) -> Room | None:
        return await self._readers.read(lambda connection: read_rooms.room(connection, room_id, principal))

    async def named_room(self, conversation_id: str, principal: str) -> Room | None:
        return await self._readers.read(lambda at: read_rooms.named_room(at, conversation_id, principal))

    async def room_ids(self, name: str) -> Sequence[str]:
        return await self._readers.read(lambda connection: read_rooms.room_ids(connection, name))

    async def rooms(self, principal: str, cursor: str | None, limit: int) -> RoomPage:
        """Raises BadInput for a cursor that no page has given."""
        return await self._readers.read(lambda connection: read_rooms.page(connection, principal, cursor, limit))

    async def message(self, message_id: str, principal: str) -> Message | None:
        return await self._readers.read(lambda connection: read_messages.message(connection, message_id, principal))

    async def message_ids(self, room_id: str) -> Sequence[str]:
        return await self._readers.read(lambda connection: read_messages.message_ids(connection, room_id))

    async def branch(self, leaf_id: str, limit: int | None) -> Sequence[Message]:
        return await self._readers.read(lambda connection: read_messages.branch(connection, leaf_id, limit))

    async def around(self, message_ids: Sequence[str]) -> Around:
        return await self._readers.read(lambda connection: read_around.around(connection, message_ids))

    async def newest_descendant(self, message_id: str) -> str:
        return await self._readers.read(lambda connection: read_messages.newest_descendant(connection, message_id))

    async def attachments(self, attachment_ids: Sequence[str], principal: str) -> Sequence[Attachment]:
        return await self._readers.read(
            lambda connection: read_messages.attachments_by_id(connection, attachment_ids, principal)
        )

    async def files_of_room(self, room_id: str) -> Sequence[str]:
        return await self._readers.read(lambda connection: read_rooms.files_of_room(connection, room_id))

    # Runs

    async def run(self, run_id: str, principal: str) -> Run | None:
        return await self._readers.read(lambda connection: read_rooms.run(connection, run_id, principal))

    async def run_by_client_id(self, principal: str, client_id: str) -> Run | None:
        return await self._readers.read(
            lambda connection: read_rooms.run_by_client_id(connection, principal, client_id)
        )

    async def run_events(self, run_id: str, after: int) -> Sequence[RunEvent]:
        return await self._readers.read(lambda connection: read_rooms.run_events_after(connection, run_id, after))

    async def unfinished_runs(self) -> Sequence[Run]:
        return await self._readers.read(read_rooms.unfinished_runs)


async def open_store(
    url_or_path: str | Path,
    *,
    busy_timeout: float = 5.0,
    readers: int = 4,
    ballast: int = USUAL,
    may_change: MayChange = anything,
) -> Store:
    """Opens a database, making or bringing up to date its schema.

    url_or_path: a file, `sqlite:///FILE`, or `postgresql+psycopg://USER:PASSWORD@HOST/NAME`.
    busy_timeout: seconds to wait for another process's lock. ballast: bytes kept free for SQLite (ballast.py).
    may_change: see migrate.py.
    Raises SettingError for an unusable URL, StoreTooNew for a database of a newer Talkmeter, StoreError otherwise.
    """
    return await asyncio.to_thread(_open, database(url_or_path, busy_timeout), readers, ballast, may_change)


async def open_remote_store(
    url_or_path: str | Path,
    connected: socket.socket,
    lost: Callable[[], object],
    *,
    busy_timeout: float = 5.0,
    readers: int = 4,
) -> Store:
    """A database that another process has opened, reads it, and submits changes to that process: see Store.write_for.

    lost: called when that process is gone; nothing can be written any more then.
    """
    opened = database(url_or_path, busy_timeout)
    writer = await RemoteWriter.connect(connected, APPLY, opened.called, lost)
    return Store(opened, writer, Readers(opened.reading(readers), readers, opened.called))


def _open(database: Database, readers: int, ballast: int, may_change: MayChange) -> Store:
    try:
        prepare(database, may_change=may_change)
        kept = NoBallast() if database.path is None else Ballast(database.path.with_suffix(".ballast"), ballast)
        writer = Writer(
            database.connect_writer,
            database.dialect,
            APPLY,
            about=database.called,
            begin=database.begin,
            ballast=kept,
            begins_work=BEGINS_WORK,
            counts=apply_budgets.COUNTS,
            bulk=apply_ledger.BULK,
            beside=apply_ledger.BESIDE,
            lock=database.lock_counters,
            present=_always if database.path is None else watch_file(database.path),
        )
    except OSError as error:
        raise faults.cannot_open(database.name, error) from error
    except database.dialect.loaded_dbapi.Error as error:
        raise faults.as_ours(error, database.name, whole=True) from error
    return Store(database, writer, Readers(database.reading(readers), readers, database.called))


def _always() -> bool:
    return True
