"""What the ask door needs of the rest of Talkmeter. `app` fills it in."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from talkmeter.accounts.entrance import Entrance
from talkmeter.conversation.talks import Talks

DOOR = "ask"


@dataclass(frozen=True, kw_only=True)
class Services:
    """models: the names that providers offer now. body_bytes: the largest body. docs: Swagger UI's files, as built."""

    talks: Talks
    entrance: Entrance
    models: Callable[[], Awaitable[Sequence[str]]]
    body_bytes: int
    docs: Path
