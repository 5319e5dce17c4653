"""The page's files as they were built into the package."""

import asyncio
import mimetypes
import re
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.errors import NotFound
from talkmeter.surfaces.web.access import Access, WebRoute, wants_page

STATIC = Path(__file__).parent / "static"

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}")
_FOREVER = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
    ".woff": "font/woff",
    ".ttf": "font/ttf",
    ".webmanifest": "application/manifest+json",
    ".html": "text/html; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
}

_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Talkmeter</title>
<h1>The page has not been built</h1>
<p>The server runs, but its page is missing from this checkout. Build it once:</p>
<pre>npm --prefix web ci
npm --prefix web run build</pre>
<p>Then reload. An installed Talkmeter always carries its page.</p>
<h1 lang="ko">페이지가 아직 빌드되지 않았습니다</h1>
<p lang="ko">서버는 작동하지만 이 소스 폴더에 페이지 파일이 없습니다. 위 명령을 한 번 실행한 다음 새로 고침하십시오.</p>
</html>
"""


class PageFiles:
    def __init__(self, folder: Path = STATIC) -> None:
        self._folder = folder

    def routes(self) -> tuple[WebRoute, ...]:
        return (
            WebRoute("GET", "/", "page", Access.OPEN, self.index),
            WebRoute("GET", "/room/{rest:path}", "page", Access.OPEN, self.index),
            WebRoute("GET", "/gateway", "page", Access.OPEN, self.index),
            WebRoute("GET", "/settings", "page", Access.OPEN, self.index),
            WebRoute("GET", "/settings/{rest:path}", "page", Access.OPEN, self.index),
            WebRoute("GET", "/assets/{name}", "asset", Access.OPEN, self.asset),
            WebRoute("GET", "/{name}", "page_file", Access.OPEN, self.file),
        )

    async def index(self, request: Request, _: Principal | None) -> Response:
        found = await asyncio.to_thread(_read, self._folder / "index.html", False)
        if found is None:
            return Response(_NOT_BUILT, 503, {"Cache-Control": "no-store"}, "text/html")
        return _answer(request, found, "index.html", _ASK_AGAIN)

    async def asset(self, request: Request, _: Principal | None) -> Response:
        return await self._named(request, self._folder / "assets", _FOREVER)

    async def file(self, request: Request, principal: Principal | None) -> Response:
        try:
            return await self._named(request, self._folder, _ASK_AGAIN)
        except NotFound:
            if not wants_page(request):
                raise
            return await self.index(request, principal)  # a mistyped address of the page: it shows a new chat

    async def _named(self, request: Request, folder: Path, caching: str) -> Response:
        """A file by a plain name only: what could lead elsewhere is not a name."""
        name = request.path_params["name"]
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        found = None
        if _NAME.fullmatch(name):
            found = await asyncio.to_thread(_read, folder / name, zipped)
        if found is None:
            raise NotFound("There is no such file.", "그런 파일이 없습니다.", code="no_such_file")
        return _answer(request, found, name, caching)


class _File:
    def __init__(self, body: bytes, etag: str, *, zipped: bool) -> None:
        self.body = body
        self.etag = etag
        self.zipped = zipped


def _read(path: Path, zipped: bool) -> _File | None:
    """The file, or its `.gz` twin where that is wanted and there; None if there is none."""
    for candidate, is_zip in ((path.with_name(path.name + ".gz"), True), (path, False)):
        if is_zip and not zipped:
            continue
        try:
            stat = candidate.stat()
            body = candidate.read_bytes()
        except OSError:
            continue
        return _File(body, f'"{stat.st_mtime_ns:x}-{len(body):x}{"-gz" if is_zip else ""}"', zipped=is_zip)
    return None


def _answer(request: Request, file: _File, name: str, caching: str) -> Response:
    headers = {"Cache-Control": caching, "ETag": file.etag, "Vary": "Accept-Encoding"}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if file.etag in known:
        return Response(status_code=304, headers=headers)
    if file.zipped:
        headers["Content-Encoding"] = "gzip"
    suffix = Path(name).suffix.lower()
    kind = _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    headers["Content-Type"] = kind
    return Response(file.body, 200, headers)
