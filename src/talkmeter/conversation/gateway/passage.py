"""One answer on its way through: bytes as they came, to a client that may leave at any moment."""

import asyncio
from typing import Protocol

from talkmeter.completions import Answer, Sink
from talkmeter.conversation.gateway.values import Disconnect
from talkmeter.conversation.gateway.withholding import UsageWithheld
from talkmeter.metering.admission import Admitted
from talkmeter.metering.passing import PassingCall


class Drains(Protocol):
    """Who decides whether one more answer may be read on without a client."""

    def may_drain(self, passage: "Passage") -> bool: ...


class _Through:
    """From the provider to a client: overheard, and without the one event that the client has not asked for."""

    __slots__ = ("_overhear", "_take", "_withheld", "given", "given_before", "room")

    def __init__(self, call: PassingCall, withheld: UsageWithheld | None, reader: Sink) -> None:
        self._overhear = call.overhear
        self._withheld = withheld
        self._take = reader.take
        self.room = reader.room
        self.given_before = self.given = b""  # the last two pieces

    def take(self, data: bytes) -> bool:
        self._overhear(data)
        if self._withheld is not None:
            return self.give(data)
        self.given_before, self.given = self.given, data
        return self._take(data)

    def give(self, data: bytes) -> bool:
        if self._withheld is not None:
            data = self._withheld.feed(data)
        if not data:
            return True
        self.given_before, self.given = self.given, data
        return self._take(data)


class Passage:
    """Read to the end, or until the client has gone and the policy says that it is enough.

    first: what has been read of it already, so that another provider could have been asked instead.
    """

    def __init__(
        self,
        gateway: Drains,
        call: PassingCall,
        answer: Answer,
        disconnect: Disconnect,
        *,
        usage_unasked: bool = False,
        first: bytes = b"",
    ) -> None:
        self._gateway = gateway
        self._disconnect = disconnect
        self.answer = answer
        self.call = call
        self._first = first
        self._through: _Through | None = None
        self._withheld = UsageWithheld() if usage_unasked and self.is_plain_stream else None
        self.admitted: Admitted | None = None
        self.left = False
        self.over: asyncio.Event | None = None  # set at its end, for who waits for that
        self.limit: asyncio.TimerHandle | None = None

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def is_json(self) -> bool:
        """An answer in one piece, which can be held until its cost is known."""
        return (self.answer.header(b"content-type") or b"").startswith(b"application/json")

    @property
    def is_plain_stream(self) -> bool:
        """Events in clear, of which one may be taken out, or to which one may be added."""
        tap = self.call.tap
        return tap is not None and tap.streamed and tap.plain

    @property
    def withholds(self) -> bool:
        """Whether the client is to get less than the provider sends."""
        return self._withheld is not None

    @property
    def broke_silently(self) -> bool:
        """Whether these are events in clear that have broken off without a word of their own on how they ended."""
        tap = self.call.tap
        return tap is not None and self.is_plain_stream and not tap.done and tap.error is None

    @property
    def answer_id(self) -> str | None:
        """The provider's id of what it is answering, as soon as it has told it."""
        tap = self.call.tap
        if tap is None:
            return None
        tap.read()
        return tap.upstream_id

    @property
    def entry_id(self) -> str:
        return self.call.opening.id

    @property
    def ended(self) -> bool:
        """Nothing more will come; the settlement is on its way."""
        return self.call.ended and not self._first

    async def read(self) -> bytes:
        """The next bytes for the client; empty at the end. Raises UpstreamError if the answer breaks off."""
        call, withheld = self.call, self._withheld
        while self._first or not call.ended:
            data, self._first = self._first or await call.read(), b""
            if withheld is not None:
                data = withheld.feed(data) + (withheld.finish() if call.ended else b"")
            if data:
                return data
        return b""

    async def stream_to(self, reader: Sink) -> bytes:
        """All that is left goes to the reader as it comes; the last bytes are returned. Raises as `read`."""
        withheld = self._withheld
        through = self._through = _Through(self.call, withheld, reader)
        data, self._first = self._first, b""
        if not self.call.ended:
            if data and not through.give(data):
                await reader.room()
            data = await self.call.stream_to(through)
        return data if withheld is None else withheld.feed(data) + withheld.finish()

    @property
    def given_last(self) -> bytes:
        """The end of what `stream_to` has given to the reader so far."""
        through = self._through
        return b"" if through is None else through.given_before + through.given

    def client_left(self, *, cut: bool = False) -> None:
        """The client is gone: the rest is read for the bill, or the call is cancelled. cut: it asked for that."""
        if self.left or self.call.ended:
            return
        self.left = True
        if cut or self._disconnect == "cut" or not self._gateway.may_drain(self):
            self.cut()
        else:
            self.call.drained = True

    def cut(self) -> None:
        self.call.cut()
