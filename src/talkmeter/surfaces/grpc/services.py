"""What the gRPC door needs of the rest of Talkmeter. `app` fills it in."""

from dataclasses import dataclass

from talkmeter.accounts.entrance import Entrance
from talkmeter.conversation.talks import Talks


@dataclass(frozen=True, kw_only=True)
class Limits:
    """answer_seconds: the longest that one call may take, whatever deadline it has. write_seconds: how long a client
    may leave an answer unread. calls: how many are answered at once. message_bytes: the largest request.
    """

    answer_seconds: float = 3600.0
    write_seconds: float = 30.0
    calls: int = 2000
    message_bytes: int = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Services:
    talks: Talks
    entrance: Entrance
    limits: Limits
