"""One import from its source to its report, for the command line and the page."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from talkmeter.conversation.importing.importer import Importer
from talkmeter.conversation.importing.report import Report, take_all
from talkmeter.conversation.importing.values import Format, Found
from talkmeter.errors import Conflict, StoreBusy
from talkmeter.importing.formats import FORMATS
from talkmeter.importing.source import Source
from talkmeter.store import Store

T = TypeVar("T")
Step = Literal["check", "import"]
Progress = Callable[[Step, int, int, int], object]  # done of total, and conversations so far

LONGEST_PAUSE = 0.1  # seconds


async def run_import(
    store: Store,
    importer: Importer,
    form: Format,
    path: Path,
    progress: Progress,
    *,
    beside_server: bool,
) -> Report:
    """One import at a time for a database: two would write the same images. Raises BadInput, Conflict, StoreError."""
    source = await asyncio.to_thread(FORMATS[form], path)
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
        raise under_way() from error
    finally:
        await asyncio.to_thread(source.close)


def under_way() -> Conflict:
    return Conflict(
        "Another import is under way.",
        "다른 가져오기가 진행 중입니다.",
        code="import_under_way",
        hint="Wait until it has ended; then run this one again.",
        hint_ko="끝난 뒤에 다시 실행하십시오.",
    )


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
