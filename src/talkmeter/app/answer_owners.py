"""What the processes of one server ask each other: whose answer is this, whose entry is not stored yet?"""

import asyncio
from collections.abc import Callable

import msgspec

from talkmeter.app.control import Message
from talkmeter.metering.ledger import LedgerEntry

WORKER_SECONDS, MAIN_SECONDS = 1.0, 2.0  # a process that is busy for longer is not waited for; the main one asks others

Say = Callable[[Message], object]

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LedgerEntry).decode


class Asker:
    """Questions to one other process. say: takes a message to it."""

    def __init__(self, say: Say, seconds: float) -> None:
        self._say = say
        self._seconds = seconds
        self._waiting: dict[str, asyncio.Future[LedgerEntry | None]] = {}

    async def ask(self, answer_id: str) -> LedgerEntry | None:
        """None if it does not know, or takes too long to say so."""
        told = self._waiting.get(answer_id)
        if told is None:
            told = self._waiting[answer_id] = asyncio.get_running_loop().create_future()
            self._say(Message(kind="whose", data=answer_id.encode()))
        try:
            async with asyncio.timeout(self._seconds):
                return await asyncio.shield(told)
        except TimeoutError:
            self._waiting.pop(answer_id, None)
            return None

    def heard(self, message: Message) -> None:
        """A message of kind `answered`."""
        told = self._waiting.pop(message.data.decode(), None)
        if told is not None and not told.done():
            told.set_result(_decode(message.entry) if message.entry else None)


def answered(answer_id: bytes, entry: LedgerEntry | None) -> Message:
    return Message(kind="answered", data=answer_id, entry=b"" if entry is None else _encode(entry))
