"""What the WebSocket door needs of the rest of Talkmeter. `app` fills it in."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from talkmeter.accounts.entrance import Entrance
from talkmeter.accounts.principals import Principal
from talkmeter.conversation.gateway.passing_on import Gateway
from talkmeter.conversation.gateway.requests import Requests
from talkmeter.conversation.talks import Talks


@dataclass(frozen=True, kw_only=True)
class SocketOptions:
    """port: the one on which every path speaks the dialects; 0: none. end_mark: whether a bare text's answer has one.

    idle_seconds: without a question; session_seconds: of a socket of the Responses mode.
    remembered_bytes: of responses that the provider does not keep, for each socket.
    """

    port: int = 0
    end_mark: bool = True
    idle_seconds: float = 3600
    session_seconds: float = 3600
    remembered_bytes: int = 8 << 20


@dataclass(frozen=True, kw_only=True)
class Services:
    """browser: whose session's cookie a handshake carries, None if nobody's. user_end: done once a user is disabled.

    hosts: our names, lower case, besides those of loopback.
    """

    entrance: Entrance
    browser: Callable[[Any], Awaitable[Principal | None]]
    user_end: Callable[[str], "asyncio.Future[None]"]
    talks: Talks
    gateway: Gateway
    requests: Requests
    options: SocketOptions
    hosts: frozenset[str] = frozenset()
