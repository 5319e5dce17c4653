"""What all providers share: the connections to upstreams, opened with the first call."""

import ssl

from talkmeter.providers.http.timeouts import Timeouts
from talkmeter.providers.http.upstreams import MOST_CONNECTIONS, Upstream, Upstreams

__all__ = ["Client", "Timeouts"]


class Client:
    """proxy: a URL for all calls; the environment's proxy variables are not read. most: connections to one host.

    tls: whom to trust, instead of the system's authorities.
    """

    def __init__(
        self,
        timeouts: Timeouts,
        proxy: str | None = None,
        *,
        most: int = MOST_CONNECTIONS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.timeouts = timeouts
        self._upstreams = Upstreams(proxy, most, tls)

    def __repr__(self) -> str:
        return f"Client({self.timeouts})"

    def at(self, base_url: str, key: str | None) -> Upstream:
        """Raises UpstreamNotReached if it is not a URL."""
        return self._upstreams.at(base_url, key)

    async def close(self) -> None:
        """Ends every connection, calls under way included."""
        await self._upstreams.close()
