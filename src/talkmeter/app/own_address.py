"""Whether a provider's address is this very server: a call to it would come in again, and be sent again, without end.

Another Talkmeter is a provider like any other. One that is behind something else's address is not recognised.
"""

import socket
from collections.abc import Collection, Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from talkmeter.app.host_names import as_called

LOOPBACK = ("127.0.0.1", "::1")


class OwnAddress:
    """hosts: our names besides those of loopback, as a `Host` header has them."""

    def __init__(self, hosts: Collection[str]) -> None:
        self._hosts = frozenset(hosts)
        self._listening: frozenset[tuple[str, int]] = frozenset()

    def listens(self, sockets: Iterable[socket.socket]) -> None:
        """From now on we are known by these sockets' addresses."""
        self._listening |= {one.getsockname()[:2] for one in sockets}

    def is_ours(self, base_url: str) -> bool:
        """Of a base URL as base_urls.normalise gives it."""
        parts = urlsplit(base_url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = parts.hostname or ""
        found = LOOPBACK if host == "localhost" else (host,)
        for address, listened in self._listening:
            if listened != port:
                continue
            everywhere = ip_address(address).is_unspecified and (
                _is_loopback(found[0]) or as_called(host) in self._hosts
            )
            if everywhere or address in found or (as_called(host) in self._hosts and not _is_loopback(address)):
                return True
        return False


def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False
