"""Where requests go: one base URL with its key, over the pool of its host."""

import asyncio
import ssl
from collections.abc import AsyncIterable
from functools import partial
from urllib.parse import quote, urlsplit

from talkmeter.completions import Answer, UpstreamCall
from talkmeter.providers.http import requests
from talkmeter.providers.http.connection import Connection, Keeper
from talkmeter.providers.http.dialling import dial
from talkmeter.providers.http.failures import not_reached
from talkmeter.providers.http.pool import Pool
from talkmeter.providers.http.proxies import Proxy, open_tunnel, read_proxy
from talkmeter.providers.http.timeouts import Timeouts
from talkmeter.providers.refusals import read_refusal

DEFAULT_PORTS = {"http": 80, "https": 443}
REFUSED_FROM = 400  # statuses whose answers are errors
MOST_CONNECTIONS = 2000  # to one host at a time


class Upstream:
    """One base URL. own: the header lines that every request to it carries. key: what errors must not tell."""

    def __init__(self, pool: Pool, base: bytes, own: bytes, key: bytes | None) -> None:
        self._pool = pool
        self._heads = requests.Heads(base, own)
        self._key = key

    def __repr__(self) -> str:
        return f"Upstream({self._pool})"

    async def exchange(self, call: UpstreamCall, timeouts: Timeouts) -> Answer:
        """See completions.Provider. All in one: each coroutine between would be resumed with every step."""
        body = call.body
        if not isinstance(body, bytes):
            return await self._upload(call, body, timeouts)
        head = self._heads.of(call, len(body))
        connection = self._pool.idle() or await self._pool.take(timeouts)
        answer = connection.send(call.method, head, body, timeouts)
        try:
            await answer.begun()
            if not answer.has_head:
                assert answer.failure is not None
                raise answer.failure
        except BaseException:
            answer.close()
            raise
        return answer if answer.status < REFUSED_FROM else await read_refusal(answer, self._key)

    async def _upload(self, call: UpstreamCall, body: AsyncIterable[bytes], timeouts: Timeouts) -> Answer:
        head = self._heads.of(call, call.body_length)
        connection = await self._pool.take(timeouts)
        answer = await connection.upload(call.method, head, body, call.body_length, timeouts)
        return answer if answer.status < REFUSED_FROM else await read_refusal(answer, self._key)


class Upstreams:
    """All pools. proxy: a URL that every call goes through. tls: instead of the system's trust."""

    def __init__(self, proxy: str | None, most: int = MOST_CONNECTIONS, tls: ssl.SSLContext | None = None) -> None:
        self._proxy = proxy
        self._most = most
        self._tls = tls
        self._pools: dict[tuple[str, str, int], Pool] = {}

    def at(self, base_url: str, key: str | None) -> Upstream:
        """Raises UpstreamNotReached if it is not a URL."""
        try:
            parts = urlsplit(base_url)
            scheme, host, port = parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme]
            proxy = None if self._proxy is None else read_proxy(self._proxy)
        except (ValueError, KeyError):
            host = None
        if not host:
            raise not_reached(base_url, "it, or the proxy, is not a URL", "URL이나 프록시 주소가 잘못되었습니다")
        name = f"[{host}]" if ":" in host else host
        authority = (name if port == DEFAULT_PORTS[scheme] else f"{name}:{port}").encode()
        own = b"Host: %b\r\n" % authority
        base = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~").encode()
        if proxy is not None and scheme == "http":
            own += proxy.authorization
            base = b"http://%b%b" % (authority, base)
        if key is not None:
            own += b"Authorization: Bearer %b\r\n" % _clean(key)
        return Upstream(self._pool(scheme, host, port, proxy), base, own, None if key is None else key.encode())

    async def close(self) -> None:
        """Ends every connection, calls under way included."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()

    def _pool(self, scheme: str, host: str, port: int, proxy: Proxy | None) -> Pool:
        where = (scheme, host, port)
        if where not in self._pools:
            connect = partial(self._connect, scheme == "https", host, port, proxy)
            self._pools[where] = Pool(connect, f"{scheme}://{host}:{port}", self._most)
        return self._pools[where]

    async def _connect(self, secure: bool, host: str, port: int, proxy: Proxy | None, keeper: Keeper) -> Connection:
        context = await self._context() if secure else None
        made = await dial(proxy.host, proxy.port) if proxy is not None else await dial(host, port)
        try:
            if proxy is not None and secure:
                name = f"[{host}]" if ":" in host else host
                await open_tunnel(made, proxy, f"{name}:{port}".encode())
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(keeper, made.fileno()),
                sock=made,
                ssl=context,
                server_hostname=host if secure else None,
            )
        except BaseException:
            made.close()
            raise
        return connection

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            context = await asyncio.to_thread(ssl.create_default_context)
            context.set_alpn_protocols(["http/1.1"])
            self._tls = self._tls or context
        return self._tls


def _clean(key: str) -> bytes:
    """A key that can stand in a header; others were refused when they were stored."""
    requests.header_lines(((b"X", key.encode()),))
    return key.encode()
