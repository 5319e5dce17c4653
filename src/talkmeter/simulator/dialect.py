"""What the answers of all endpoints have in common: the events of a stream, and the body of a whole answer."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import msgspec

from talkmeter.simulator.charging import Charge

Channel = tuple[str, int]  # whose text it is: ("choice", 0), ("name", 1) and ("arguments", 1) of a tool call …
ANSWER: Channel = ("choice", 0)
_FILLING = "padding of one event, so that it becomes as large as it was told to be"


class Event(NamedTuple):
    """Bytes of one event and what it means once it is fully written.

    text: what it says of the answer, on which channel. tokens: how many it took to generate, for the pace.
    images: that are complete with it. then: "" or, after it, "hang" or "settle" (wait until the client has
    had a chance to react). last: the answer is complete with it.
    """

    data: bytes
    text: str = ""
    channel: Channel = ANSWER
    usage: dict[str, Any] | None = None
    tokens: float = 0.0
    images: int = 0
    then: str = ""
    last: bool = False


class Dialect:
    """One answer in the form of its endpoint. Subclasses say what their events and bodies look like."""

    media_type: str = "application/json"
    draws: ClassVar[bool] = False  # output tokens of which no part is named are those of pictures
    line_end: bytes = b"\n"
    pad: int = 0  # bytes that the next event is filled up to

    def opening(self) -> Iterator[Event]:
        """What comes before the first text."""
        return iter(())

    def contents(self) -> Iterator[Event]:
        """The events that carry the answer."""
        return iter(())

    def more(self, text: str) -> bytes:
        """One more content event, for an endless answer."""
        return self.event({"text": text})

    def closing(self, usages: list[dict[str, Any]], *, done: bool) -> Iterator[Event]:
        """The rest; usages: what it claims, in order. done: with the event that ends it."""
        raise NotImplementedError

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        """The body of an answer that is not streamed."""
        raise NotImplementedError

    def parts(self, body: bytes) -> list[bytes]:
        """The whole body as it is written, one HTTP chunk each."""
        return [body]

    def whole_text(self) -> str:
        return ""

    def tells(self, *, stream: bool) -> bool:
        """Whether an answer of that form has a usage object at all."""
        return True

    def images(self) -> int:
        return 0

    def usage(self, charge: Charge) -> dict[str, Any] | None:
        """The usage object for a charge; None where the endpoint has none."""
        return None

    def failure(self, error: dict[str, Any]) -> bytes:
        """An error in a stream that has begun."""
        return self.event({"error": error})

    def broken(self) -> bytes:
        """An event that is not JSON."""
        return self.data(b'{"id":"broken","choices":[{"index":0,')

    def filler(self, size: int) -> bytes:
        """An event that says nothing, of about that size."""
        return self.event({"choices": [], "padding": "x" * size})

    def event(self, payload: dict[str, Any]) -> bytes:
        return self.data(msgspec.json.encode(self.padded(payload)))

    def padded(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The payload, filled up with real JSON if it was asked for."""
        if self.pad:
            count = self.pad // (len(_FILLING) + 24) + 1
            payload = {**payload, "padding": [{"number": n, "text": _FILLING} for n in range(count)]}
            self.pad = 0
        return payload

    def data(self, payload: bytes) -> bytes:
        return b"data: " + payload + self.line_end + self.line_end


class NamedEvents(Dialect):
    """Streams whose events have names and numbers, as those of the Responses API."""

    number = -1

    def event(self, payload: dict[str, Any]) -> bytes:
        payload = self.padded(self.numbered(payload))
        name: str = payload["type"]
        return b"event: " + name.encode() + self.line_end + self.data(msgspec.json.encode(payload))

    def numbered(self, payload: dict[str, Any]) -> dict[str, Any]:
        self.number += 1
        return {**payload, "sequence_number": self.number}

    def failure(self, error: dict[str, Any]) -> bytes:
        return self.event({"type": "error", **{name: error.get(name) for name in ("code", "message", "param")}})

    def broken(self) -> bytes:
        return (
            b"event: response.output_text.delta" + self.line_end + self.data(b'{"type":"response.output_text.delta",')
        )

    def filler(self, size: int) -> bytes:
        return self.event({"type": "response.padding", "padding": "x" * size})
