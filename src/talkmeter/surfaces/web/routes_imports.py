"""Conversations from elsewhere: a file is uploaded as raw bytes, and the page asks how far its import is."""

import asyncio
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.importing.uploads import Upload
from talkmeter.conversation.importing.values import FORMATS, Format
from talkmeter.errors import BadInput, StoreFull
from talkmeter.surfaces.web.access import Access, Body, WebRoute
from talkmeter.surfaces.web.limits import too_large
from talkmeter.surfaces.web.problems import error_object
from talkmeter.surfaces.web.reading import file_name, json_answer
from talkmeter.surfaces.web.services import Services

WRITE_AT_ONCE = 1 << 20  # bytes


class ImportRoutes:
    def __init__(self, services: Services) -> None:
        self._uploads = services.uploads
        self._settings = services.settings

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.SIGNED_IN
        return (
            WebRoute("GET", "/api/imports", "last_import", who, self.last),
            WebRoute("POST", "/api/imports", "import", who, self.add, Body.FILE),
        )

    async def last(self, _: Request, principal: Principal) -> Response:
        upload = self._uploads.last(principal.user_id)
        limit = self._settings.get("import_bytes")
        return json_answer({"import": None if upload is None else upload_json(upload), "limit": limit})

    async def add(self, request: Request, principal: Principal) -> Response:
        form, name = _format(request), file_name(request)
        limit = self._settings.get("import_bytes")
        if int(request.headers.get("content-length", "0")) > limit:
            raise too_large(limit)
        upload, path = await self._uploads.begin(principal.user_id, form, name)
        try:
            await _receive(request, path, limit)
        except BaseException:
            await self._uploads.abandon(upload)
            raise
        self._uploads.start(upload)
        return json_answer(upload_json(upload), 202)


def upload_json(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "format": upload.format,
        "name": upload.name,
        "state": upload.state,
        "done": upload.done,
        "total": upload.total,
        "count": upload.count,
        "report": upload.report,
        "error": None if upload.error is None else error_object(upload.error),
    }


def _format(request: Request) -> Format:
    given = request.query_params.get("format")
    found = next((each for each in FORMATS if each == given), None)
    if found is None:
        known = ", ".join(FORMATS)
        raise BadInput(f"format must be one of {known}.", f"format은 {known} 중 하나여야 합니다.", param="format")
    return found


async def _receive(request: Request, path: Path, limit: int) -> None:
    """To the file, a piece at a time. Raises TooLarge, StoreFull."""
    waiting, size = bytearray(), 0
    try:
        with path.open("xb") as file:
            async for piece in request.stream():
                waiting += piece
                size += len(piece)
                if size > limit:
                    raise too_large(limit)
                if len(waiting) >= WRITE_AT_ONCE:
                    await asyncio.to_thread(file.write, bytes(waiting))
                    waiting.clear()
            await asyncio.to_thread(file.write, bytes(waiting))
    except OSError as error:
        raise StoreFull(
            f"The file cannot be written: {error.strerror}.",
            f"파일을 저장할 수 없습니다: {error.strerror}.",
        ) from error
