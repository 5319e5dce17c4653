"""Ends the reading of a body when its connection ends, in the two cases in which aiohttp does not.

After a malformed chunk it closes the connection and leaves the reader waiting; and it takes a reset for the proper end
of a body that states no length.
"""

import asyncio

import aiohttp


class ConnectionWatch:
    """Watches from the head of an answer until `stop`."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._content = answer.content
        self._has_length = "Content-Length" in answer.headers or "Transfer-Encoding" in answer.headers
        connection = answer.connection
        protocol = None if connection is None else connection.protocol
        self._closed: asyncio.Future[None] | None = None if protocol is None else protocol.closed
        if self._closed is not None:
            self._closed.add_done_callback(self._on_closed)

    def stop(self) -> None:
        closed, self._closed = self._closed, None
        if closed is not None:
            closed.remove_done_callback(self._on_closed)
            # The connection may serve others and break then; its future must not complain that nobody looked.
            closed.remove_done_callback(_look)
            closed.add_done_callback(_look)

    def _on_closed(self, closed: asyncio.Future[None]) -> None:
        broke = not closed.cancelled() and closed.exception() is not None
        ended = self._content.is_eof()
        if self._content.exception() is None and (not ended or (broke and not self._has_length)):
            self._content.set_exception(aiohttp.ClientPayloadError("the connection ended"))


def _look(closed: asyncio.Future[None]) -> None:
    if not closed.cancelled():
        closed.exception()
