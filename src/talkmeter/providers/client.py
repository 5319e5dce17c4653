"""One HTTP client for all providers: a shared pool of connections, opened with the first call.

aiohttp is imported with that first call; a start does not need it.
"""

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING

from msgspec import Struct

from talkmeter import __version__

if TYPE_CHECKING:
    import aiohttp

KEEP_ALIVE_SECONDS = 30.0
HEADER_LINE_BYTES = 32_768
READ_AHEAD_BYTES = 65_536  # reading pauses at twice this until the consumer has taken it


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds: until connected, until the head of the answer, between two pieces of its body."""

    connect: float = 10.0
    headers: float = 120.0
    silence: float = 120.0


class Client:
    """Holds the session. proxy: a URL for all calls; the environment's proxy variables are not read."""

    def __init__(self, timeouts: Timeouts, proxy: str | None = None) -> None:
        self.timeouts = timeouts
        self._proxy = proxy
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"Client({self.timeouts})"

    def session(self) -> "aiohttp.ClientSession":
        if self._session is None:
            self._session = self._open()
        return self._session

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp

        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_start_header_clock)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"talkmeter/{__version__}", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, connect=self.timeouts.connect),
            auto_decompress=True,
            trust_env=False,
            proxy=self._proxy,
            raise_for_status=False,
            read_bufsize=READ_AHEAD_BYTES,
            max_line_size=HEADER_LINE_BYTES,
            max_field_size=HEADER_LINE_BYTES,
            trace_configs=[trace],
        )

    async def close(self) -> None:
        """Ends every connection, calls under way included."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class HeaderClock:
    """The time-out for the head of an answer; it starts when the request's headers are on the wire."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.limit = asyncio.timeout(None)

    def start(self) -> None:
        self.limit.reschedule(asyncio.get_running_loop().time() + self.seconds)


async def _start_header_clock(_session: object, context: SimpleNamespace, _params: object) -> None:
    clock = context.trace_request_ctx
    if isinstance(clock, HeaderClock):
        clock.start()
