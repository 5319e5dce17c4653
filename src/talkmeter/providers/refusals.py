"""Answers that are errors: read as a whole, so that a key which the upstream quotes cannot hide across two pieces."""

from collections.abc import Sequence

from talkmeter.completions import Answer, Sink, header_lines
from talkmeter.errors import UpstreamError
from talkmeter.providers.decoding import DECODABLE, encoding_of, unpack

ERROR_BODY_BYTES = 262_144  # of an error's body; the rest is not read
HIDDEN = b"***"


class Refusal:
    """Implements completions.Answer. failure: how the body ended early, raised once it has been handed out."""

    def __init__(
        self,
        status: int,
        reason: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes,
        failure: UpstreamError | None,
    ) -> None:
        self.status = status
        self.reason = reason
        self.headers = headers
        self._body = body
        self._failure = failure

    @property
    def ended(self) -> bool:
        return not self._body and self._failure is None

    def header(self, name: bytes) -> bytes | None:
        return next((value for one, value in self.headers if one.lower() == name), None)

    def header_lines(self, without: frozenset[bytes]) -> bytes:
        return header_lines(self.headers, without)

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        if not body and self._failure is not None:
            raise self._failure
        return body

    async def stream_to(self, sink: Sink) -> bytes:
        body, self._body = self._body, b""
        if self._failure is None:
            return body
        if body and not sink.take(body):
            await sink.room()
        raise self._failure

    def close(self) -> None:
        self._body = b""


async def read_refusal(answer: Answer, key: bytes | None) -> Refusal:
    """The whole of an error, without the key. Closes the answer."""
    body, failure = bytearray(), None
    most = ERROR_BODY_BYTES + len(key or b"")
    try:
        while len(body) < most and (piece := await answer.read()):
            body += piece
    except UpstreamError as error:
        failure = error
    finally:
        answer.close()
    headers, clean = list(answer.headers), bytes(body)
    if key is not None:
        headers, clean = _without(key, headers, clean, most)
    clean = clean[:ERROR_BODY_BYTES]
    if clean != body:
        headers = [(name, value) for name, value in headers if name.lower() != b"content-length"]
        headers.append((b"Content-Length", b"%d" % len(clean)))
    return Refusal(answer.status, answer.reason, headers, clean, failure)


def _without(
    key: bytes, headers: list[tuple[bytes, bytes]], body: bytes, most: int
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """A packed body stays as it is unless the key is in it; one that cannot be looked into is not handed on."""
    headers = [(name, value.replace(key, HIDDEN)) for name, value in headers]
    encoding = encoding_of(headers)
    if encoding and body:
        plain = unpack(body, encoding, most) if encoding in DECODABLE else b""
        if encoding in DECODABLE and key not in plain:
            return headers, body
        headers = [(name, value) for name, value in headers if name.lower() != b"content-encoding"]
        body = plain
    return headers, body.replace(key, HIDDEN)
