"""How long each step of a call may take."""

from msgspec import Struct


class Timeouts(Struct, frozen=True, kw_only=True):
    """Seconds: until connected, until the head of the answer, between two pieces of its body.

    first_byte: from the head to the first piece of the body; None: as silence.
    turn: until one of a host's connections is free when all that may be are busy.
    """

    connect: float = 10.0
    headers: float = 120.0
    silence: float = 120.0
    first_byte: float | None = None
    turn: float = 30.0

    @property
    def until_body(self) -> float:
        return self.silence if self.first_byte is None else self.first_byte
