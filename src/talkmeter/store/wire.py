"""Changes, and what came of them, as bytes between two processes of one server.

A frame is its length and a msgpack list. Each change, result and error carries the name of its type, and is read by the
type that the reader knows under that name: nothing else is ever made of what comes in.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct

from talkmeter import errors
from talkmeter.errors import StoreError, TalkmeterError
from talkmeter.metering.budget_store import BudgetsReserved, RatesTaken
from talkmeter.store import faults
from talkmeter.store.groups import Outcome

LENGTH = struct.Struct("!I")
LARGEST = (1 << 32) - 1
RESULTS: Mapping[str, type] = {kind.__name__: kind for kind in (BudgetsReserved, RatesTaken)}

_SAID = ("message", "message_ko", "code", "status", "hint", "hint_ko", "param", "details")

Tagged = tuple[str, Raw]

_encoder = msgspec.msgpack.Encoder()
_encode = _encoder.encode
_jobs = msgspec.msgpack.Decoder(list[tuple[Tagged, ...]]).decode
_answers = msgspec.msgpack.Decoder(list[tuple[Tagged, ...] | dict[str, Any] | None]).decode


class Frames:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The frames that are complete now."""
        self._rest += data
        at = 0
        while len(self._rest) - at >= LENGTH.size:
            (size,) = LENGTH.unpack_from(self._rest, at)
            end = at + LENGTH.size + size
            if len(self._rest) < end:
                break
            frame = bytes(self._rest[at + LENGTH.size : end])
            at = end
            yield frame
        del self._rest[:at]


def frames(encoded: Iterable[Any]) -> bytes:
    """One frame of the encoded jobs or answers; two where one would be too long for its length."""
    pieces = list(encoded)
    body: bytes = _encode(pieces)
    if len(body) > LARGEST and len(pieces) > 1:
        half = len(pieces) // 2
        return frames(pieces[:half]) + frames(pieces[half:])
    return LENGTH.pack(len(body)) + body


def tagged(values: Iterable[Struct], about: str) -> Raw:
    """A job or a result. Raises what the store itself says of values that cannot be stored."""
    try:
        return Raw(_encode([(type(value).__name__, value) for value in values]))
    except OverflowError as error:
        raise faults.as_ours(error, about) from None


def jobs(frame: bytes) -> Sequence[tuple[Tagged, ...]]:
    return _jobs(frame)


def answers(frame: bytes) -> Sequence[tuple[Tagged, ...] | dict[str, Any] | None]:
    return _answers(frame)


class Reader:
    """Makes values of the kinds it is given."""

    def __init__(self, kinds: Mapping[str, type]) -> None:
        self._decoders: dict[str, Any] = {name: msgspec.msgpack.Decoder(kind).decode for name, kind in kinds.items()}

    def values(self, job: Iterable[Tagged]) -> tuple[Any, ...]:
        """Raises KeyError for a name it does not know, msgspec.ValidationError for anything but a value of its kind."""
        return tuple(self._decoders[name](raw) for name, raw in job)


def outcome(came: Outcome, about: str) -> Any:
    """What came of a job, to be put into a frame; None: it is durable, and applying it has given nothing."""
    if isinstance(came, tuple):
        return tagged(came, about) if came else None
    if not isinstance(came, TalkmeterError):
        return {"type": "", "message": f"{type(came).__name__}: {came}"}
    said = {name: getattr(came, name) for name in _SAID}
    return {"type": type(came).__name__, **said}


def error(said: Mapping[str, Any], about: str) -> TalkmeterError:
    """The error that the other process was given."""
    fields = dict(said)
    kind = getattr(errors, fields.pop("type") or "-", None)
    if not (isinstance(kind, type) and issubclass(kind, TalkmeterError)):
        return faults.refused(about, fields["message"])
    made: TalkmeterError = kind(fields.pop("message"), fields.pop("message_ko"), **fields)
    return made


def lost(about: str) -> StoreError:
    """For whoever waits while the process that writes ends."""
    return StoreError(
        f"The process that writes to {about} is gone; it is not known whether this was stored.",
        f"{about}에 기록하는 프로세스가 끝났습니다. 저장되었는지 알 수 없습니다.",
        code="store_closed",
        hint="Talkmeter is ending or starting again; try again in a moment.",
        hint_ko="Talkmeter가 끝나거나 다시 시작하는 중입니다. 잠시 뒤에 다시 시도하십시오.",
    )
