"""What the gateway's door needs of the rest of Talkmeter. `app` fills it in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from talkmeter.accounts.entrance import Entrance
from talkmeter.conversation.gateway.passing_on import Gateway
from talkmeter.conversation.gateway.requests import Requests


class Client(Protocol):
    """The client's connection, where the HTTP server gives it (`scope["extensions"]["talkmeter.client"]`)."""

    gone: bool
    on_gone: Callable[[], object] | None

    def abort(self) -> None:
        """Breaks the connection off, so that nobody takes what came for the whole."""
        ...

    async def break_off(self, data: bytes) -> None:
        """As abort, with last words that arrive where more can be said at all."""
        ...

    def start(self, status: int, lines: bytes, length: int | None) -> None:
        """The head, which goes out with what comes next. lines: of its headers, each with its end.

        length: what they say of the body's, in bytes; None: nothing.
        """
        ...

    async def flush(self) -> None:
        """Sends the head although there is no body yet."""
        ...

    def take(self, data: bytes) -> bool:
        """A piece of the body. False: no more for now, until `room` has returned."""
        ...

    async def room(self) -> None: ...

    async def finish(self, data: bytes = b"") -> None: ...


@dataclass(frozen=True, kw_only=True)
class Services:
    """entrance: who comes in. models: `/v1/models`' list. price_of: picodollars as dollars, for a header."""

    gateway: Gateway
    requests: Requests
    entrance: Entrance
    models: Callable[[], Awaitable[Sequence[dict[str, Any]]]]
    price_of: Callable[[int], str]
