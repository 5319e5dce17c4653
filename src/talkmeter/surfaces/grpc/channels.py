"""What is remembered of a connection: the conversation that it is in, and an answer that broke off on it. No I/O.

The first clients of `chat.Chat` send no ids unless they are told to, and after any error silently ask the same again.
So a request without an id goes on with the conversation of its connection, and the second asking is given the answer of
the first, if that had begun: it is not billed again.
"""

from collections import OrderedDict
from collections.abc import Hashable

from msgspec import Struct

from talkmeter.clock import SECOND

CHANNEL_SECONDS = 3600  # without a question, after which a connection has no conversation any more
RETRY_SECONDS = 120
MOST = 10_000  # connections, and broken answers, that are remembered; the oldest are forgotten


class Question(Struct, frozen=True):
    """What is the same when somebody asks again. where: the conversation's id as it was sent, else the connection."""

    user_id: str
    where: str
    prompt: str


class Channels:
    """Times in µs."""

    def __init__(self) -> None:
        self._conversations = _Memory(CHANNEL_SECONDS)
        self._broken = _Memory(RETRY_SECONDS)

    def conversation(self, user_id: str, peer: str, at: int) -> str | None:
        """Where a request without an id belongs; None: it begins a conversation."""
        return self._conversations.get((user_id, peer), at)

    def in_conversation(self, user_id: str, peer: str, conversation_id: str, at: int) -> None:
        self._conversations.put((user_id, peer), conversation_id, at)

    def broke_off(self, question: Question, run_id: str, at: int) -> None:
        """An answer had begun, and the client did not get its end."""
        self._broken.put(question, run_id, at)

    def take_broken(self, question: Question, at: int) -> str | None:
        """The run of such an answer, once."""
        return self._broken.pop(question, at)


class _Memory:
    """Text by key, for so many seconds."""

    def __init__(self, seconds: int) -> None:
        self._lasts = seconds * SECOND
        self._kept: OrderedDict[Hashable, tuple[str, int]] = OrderedDict()  # with the time; the oldest first

    def put(self, key: Hashable, text: str, at: int) -> None:
        self._kept[key] = (text, at)
        self._kept.move_to_end(key)
        while self._kept and (len(self._kept) > MOST or self._is_over(next(iter(self._kept.values())), at)):
            self._kept.popitem(last=False)

    def get(self, key: Hashable, at: int) -> str | None:
        kept = self._kept.get(key)
        return None if kept is None or self._is_over(kept, at) else kept[0]

    def pop(self, key: Hashable, at: int) -> str | None:
        found = self.get(key, at)
        self._kept.pop(key, None)
        return found

    def _is_over(self, kept: tuple[str, int], at: int) -> bool:
        return at - kept[1] > self._lasts
