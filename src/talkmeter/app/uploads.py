"""Imports from the page: a file at a time, in a task of the server's own."""

import asyncio
import contextlib
import logging
import re
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from talkmeter.conversation.images import Images
from talkmeter.conversation.importing.uploads import Upload
from talkmeter.conversation.importing.values import Format
from talkmeter.errors import StoreFull, TalkmeterError
from talkmeter.ids import new_id
from talkmeter.store import Store

if TYPE_CHECKING:
    from talkmeter.app.import_running import Step

log = logging.getLogger(__name__)

FOLDER = "imports"
_UNSAFE = re.compile(r"[^\w.-]+")


class ImportUploads:
    """folder: where uploads lie while they are imported; nothing in it outlives its import."""

    def __init__(self, store: Store, images: Images, folder: Path) -> None:
        self._store = store
        self._images = images
        self._folder = folder
        self._last: dict[str, Upload] = {}
        self._under_way: tuple[str, Upload, Path] | None = None  # whose, what, and its file
        self._task: asyncio.Task[None] | None = None

    def last(self, user_id: str) -> Upload | None:
        return self._last.get(user_id)

    async def begin(self, user_id: str, form: Format, name: str) -> tuple[Upload, Path]:
        from talkmeter.app.import_running import under_way

        if self._under_way is not None:
            raise under_way()
        upload = Upload(id=new_id("import"), format=form, name=name)
        path = self._folder / upload.id / _safe(name)
        self._under_way = user_id, upload, path
        self._last[user_id] = upload
        try:
            await asyncio.to_thread(_make_room, self._folder, path.parent)
        except OSError as error:
            await self.abandon(upload)
            raise no_room(error) from error
        return upload, path

    async def abandon(self, upload: Upload) -> None:
        if self._under_way is not None and self._under_way[1] is upload:
            user_id = self._under_way[0]
            self._under_way = None
            self._last.pop(user_id, None)
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)

    def start(self, upload: Upload) -> None:
        assert self._under_way is not None
        assert self._under_way[1] is upload
        user_id, _, path = self._under_way
        upload.state = "checking"
        self._task = asyncio.create_task(self._run(user_id, upload, path))

    async def close(self) -> None:
        """What is under way ends; run again, it goes on where it was."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, user_id: str, upload: Upload, path: Path) -> None:
        from talkmeter.app.import_running import run_import
        from talkmeter.conversation.importing.importer import Importer

        def progress(step: "Step", done: int, total: int, count: int) -> None:
            upload.state = "checking" if step == "check" else "importing"
            upload.done, upload.total, upload.count = done, total, count

        try:
            importer = Importer(self._store, self._images, user_id)
            report = await run_import(self._store, importer, upload.format, path, progress, beside_server=True)
            upload.report = report.as_object()
        except TalkmeterError as error:
            upload.error = error
        except Exception:
            log.exception("import %s failed", upload.id)
            upload.error = _unexpected()
        finally:  # the folder first: the next upload, which may come as soon as this one has ended, makes it anew
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._under_way = None
        upload.state = "failed" if upload.error is not None else "finished"


def no_room(error: OSError) -> StoreFull:
    return StoreFull(
        f"The file cannot be written: {error.strerror}.",
        f"파일을 저장할 수 없습니다: {error.strerror}.",
    )


def _unexpected() -> TalkmeterError:
    return TalkmeterError(
        "Something went wrong; the server's log has it.",
        "문제가 생겼습니다. 서버 로그에 기록되었습니다.",
        hint="What went in before stays; the same file again goes on.",
        hint_ko="이미 들어온 대화는 그대로 있습니다. 같은 파일을 다시 올리면 이어서 가져옵니다.",
    )


def _make_room(folder: Path, inner: Path) -> None:
    """What a killed server has left in the folder goes."""
    shutil.rmtree(folder, ignore_errors=True)
    inner.mkdir(parents=True, mode=0o700)


def _safe(name: str) -> str:
    """A name for the file: its end says what it is, and for some formats the rest says which conversation."""
    return _UNSAFE.sub("_", PurePosixPath(name).name)[-100:].lstrip(".") or "upload"
