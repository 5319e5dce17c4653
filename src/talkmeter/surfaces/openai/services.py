"""What the gateway's door needs of the rest of Talkmeter. `app` fills it in."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from talkmeter.accounts.entrance import Entrance
from talkmeter.accounts.principals import Principal
from talkmeter.conversation.gateway.passing_on import Gateway
from talkmeter.metering.admission import Whose
from talkmeter.metering.ledger import LedgerEntry


class Client(Protocol):
    """The client's connection, where the HTTP server gives it (`scope["extensions"]["talkmeter.client"]`)."""

    gone: bool
    on_gone: Callable[[], object] | None

    def abort(self) -> None:
        """Breaks the connection off, so that nobody takes what came for the whole."""
        ...

    async def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None: ...

    def flush(self) -> None: ...

    async def write(self, data: bytes) -> None: ...

    async def finish(self, data: bytes = b"") -> None: ...


@dataclass(frozen=True, kw_only=True)
class GatewayOptions:
    """groups: the endpoints that are switched on. members_share: whether members may reach what all keys share with
    the provider (files, batches, …). body_bytes: the largest body that is read for its model.
    """

    groups: frozenset[str] = frozenset()
    members_share: bool = False
    body_bytes: int = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Services:
    """entrance: who comes in. models: `/v1/models`' list.

    whose: what budgets and limits go by, for a principal and the tags of a request. entry_of_answer: the entry whose
    answer the provider gave that id. price_of: picodollars as dollars, for a header.
    """

    gateway: Gateway
    options: GatewayOptions
    entrance: Entrance
    whose: Callable[[Principal, tuple[str, ...]], Whose]
    models: Callable[[], Awaitable[Sequence[dict[str, Any]]]]
    entry_of_answer: Callable[[str], Awaitable[LedgerEntry | None]]
    price_of: Callable[[int], str]
