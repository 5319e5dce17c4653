"""What the ask door needs of the rest of Talkmeter. `app` fills it in."""

from dataclasses import dataclass
from pathlib import Path

from talkmeter.accounts.entrance import Entrance
from talkmeter.conversation.talks import Talks

DOOR = "ask"


@dataclass(frozen=True, kw_only=True)
class Services:
    """body_bytes: the largest body. docs: Swagger UI's files, as built."""

    talks: Talks
    entrance: Entrance
    body_bytes: int
    docs: Path
