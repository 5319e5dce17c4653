"""`/docs`, Swagger UI from our own files, and `/openapi.json`."""

import asyncio
import re
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from talkmeter import __version__
from talkmeter.accounts.entrance import Headers
from talkmeter.errors import NotFound, TalkmeterError

# Nothing of another origin, no inline script; Swagger UI draws with styles of its own and small pictures as data.
CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    b"font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,100}")


class File(Struct, frozen=True):
    """A file as it is sent."""

    body: bytes
    headers: list[tuple[bytes, bytes]]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002
        headers = [
            *self.headers,
            (b"content-length", b"%d" % len(self.body)),
            (b"content-security-policy", CONTENT_SECURITY_POLICY),
            (b"cache-control", b"no-cache"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else self.body})


class DocsPage:
    """folder: where the page's build has put Swagger UI."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._document = b""

    async def answer(self, path: str, headers: Headers) -> File:
        """Raises NotFound, and an error that says so if the page has not been built."""
        if path == "/openapi.json":
            return File(self._openapi(), [(b"content-type", b"application/json; charset=utf-8")])
        name = path.removeprefix("/docs").removeprefix("/") or "index.html"
        suffix = Path(name).suffix
        if suffix not in _TYPES or not _NAME.fullmatch(name):
            raise _nothing()
        zipped = b"gzip" in headers.get(b"accept-encoding", b"")
        found = await asyncio.to_thread(_read, self._folder / name, zipped)
        if found is None:
            raise _not_built() if name == "index.html" else _nothing()
        body, is_zip = found
        coded = [(b"content-encoding", b"gzip")] if is_zip else []
        return File(body, [(b"content-type", _TYPES[suffix]), (b"vary", b"Accept-Encoding"), *coded])

    def _openapi(self) -> bytes:
        if not self._document:
            from talkmeter.surfaces.ask.openapi import document

            self._document = msgspec.json.encode(document(__version__))
        return self._document


def _read(path: Path, zipped: bool) -> tuple[bytes, bool] | None:
    """The file, or its `.gz` twin where that is wanted and there; None if there is none."""
    for candidate, is_zip in ((path.with_name(path.name + ".gz"), True), (path, False)):
        if is_zip and not zipped:
            continue
        try:
            return candidate.read_bytes(), is_zip
        except OSError:
            continue
    return None


def _nothing() -> NotFound:
    return NotFound("There is no such file.", "그런 파일이 없습니다.", code="no_such_file")


def _not_built() -> TalkmeterError:
    return TalkmeterError(
        "The page has not been built in this checkout.",
        "이 소스 폴더에 페이지가 아직 빌드되지 않았습니다.",
        code="page_not_built",
        status=503,
        hint="Run `python3 tools/build_page.py`. The description itself is at /openapi.json.",
        hint_ko="`python3 tools/build_page.py`를 실행하십시오. API 설명은 /openapi.json에 있습니다.",
    )
