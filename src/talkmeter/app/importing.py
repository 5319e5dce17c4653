"""What the command line does with the conversations of other programs; the server may run beside it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from talkmeter.app.administration import opened
from talkmeter.app.occupancy import running
from talkmeter.app.wiring import Accounts
from talkmeter.config import Resolved
from talkmeter.conversation.images import Images
from talkmeter.conversation.importing.importer import Importer
from talkmeter.conversation.importing.report import Report, take_all
from talkmeter.conversation.importing.values import Found
from talkmeter.errors import Conflict, StoreBusy
from talkmeter.importing.formats import FORMATS
from talkmeter.importing.source import Source
from talkmeter.store import Store
from talkmeter.store.archive import ATTACHMENTS

T = TypeVar("T")
Step = Literal["check", "import"]
Progress = Callable[[Step, int, int, int], object]  # done of total, and conversations so far

LONGEST_PAUSE = 0.1  # seconds


async def import_conversations(
    resolved: Resolved, form: str, path: Path, who: str, *, dry_run: bool, progress: Progress
) -> Report:
    """Into the rooms of a user, by name or id. Checks the whole source first, and then takes one after another.

    Raises NotFound (no such user), BadInput (nothing has been imported), Conflict (another import is under way).
    """
    async with opened(resolved) as store:
        accounts = Accounts(store, resolved)
        await accounts.settings.load()
        await accounts.users.load()
        user = accounts.users.by_name(who)
        get = accounts.settings.get
        images = Images(
            store, resolved.data_dir / ATTACHMENTS, max_bytes=get("upload_bytes"), max_pixels=get("upload_pixels")
        )
        importer = Importer(store, images, user.id, dry_run=dry_run)
        beside_server = running(resolved.data_dir) is not None
        return await run_import(store, importer, FORMATS[form], path, progress, beside_server=beside_server)


async def run_import(
    store: Store,
    importer: Importer,
    open_source: Callable[[Path], Source],
    path: Path,
    progress: Progress,
    *,
    beside_server: bool,
) -> Report:
    """One import at a time for a database: two would write the same images. Raises BadInput, Conflict, StoreError."""
    source = await asyncio.to_thread(open_source, path)
    try:
        async with store.exclusive("import", wait=False):
            async for _ in _stepwise(source.check()):
                progress("check", source.done, source.total, 0)
            found = _conversations(source, polite=beside_server)
            report = await take_all(
                found, importer, lambda so_far: progress("import", source.done, source.total, so_far.count)
            )
            report.left_out.update(await asyncio.to_thread(source.left_out))
            return report
    except StoreBusy as error:
        if error.code != "store_in_use":
            raise
        raise Conflict(
            "Another import is under way.",
            "다른 가져오기가 진행 중입니다.",
            code="import_under_way",
            hint="Wait until it has ended; then run this one again.",
            hint_ko="끝난 뒤에 다시 실행하십시오.",
        ) from error
    finally:
        await asyncio.to_thread(source.close)


async def _conversations(source: Source, *, polite: bool) -> AsyncIterator[Found]:
    """polite: leaves another writer of the database as much time as the last conversation took."""
    async for each in _stepwise(source.conversations()):
        began = time.monotonic()
        yield each
        if polite:
            await asyncio.sleep(min(time.monotonic() - began, LONGEST_PAUSE))


async def _stepwise(steps: Iterator[T]) -> AsyncIterator[T]:
    """Each step in a thread: it may read a long file."""
    while found := await asyncio.to_thread(_next, steps):
        yield found[0]


def _next(steps: Iterator[T]) -> tuple[T] | None:
    for step in steps:
        return (step,)
    return None
