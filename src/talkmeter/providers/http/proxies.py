"""An HTTP proxy between us and the upstream."""

import asyncio
import base64
import re
import socket
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from talkmeter.providers.http.failures import ProxyRefused

LONGEST_REPLY = 16_384

_OPENED = re.compile(rb"HTTP/1\.[01] 2\d\d(?: [^\r\n]*)?\r\n")


class Proxy(Struct, frozen=True):
    """authorization: a header line, complete, or empty."""

    host: str
    port: int
    authorization: bytes = b""

    def __repr__(self) -> str:
        return f"Proxy({self.host}:{self.port})"


def read_proxy(url: str) -> Proxy:
    """http://[user:password@]host[:port]. Raises ValueError, which never carries the password. Pure."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("a proxy is http://host:port")
    authorization = b""
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = b"Proxy-Authorization: Basic %b\r\n" % base64.b64encode(pair)
    return Proxy(parts.hostname, parts.port or 80, authorization)


async def open_tunnel(made: socket.socket, proxy: Proxy, authority: bytes) -> None:
    """Asks for a way through to authority (host:port). Raises ProxyRefused or OSError."""
    loop = asyncio.get_running_loop()
    ask = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (authority, authority, proxy.authorization)
    await loop.sock_sendall(made, ask)
    reply = bytearray()
    while not reply.endswith(b"\r\n\r\n"):
        # Nothing may follow before we speak, so that whatever comes belongs to the reply.
        data = await loop.sock_recv(made, 4096)
        reply += data
        if not data or len(reply) > LONGEST_REPLY:
            raise ProxyRefused
    if _OPENED.match(reply) is None or reply.find(b"\r\n\r\n") != len(reply) - 4:
        raise ProxyRefused
