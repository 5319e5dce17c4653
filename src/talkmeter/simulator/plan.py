"""The events of one answer, in order, with the fault worked in. Pure."""

from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

import msgspec

from talkmeter.simulator.charging import Charge
from talkmeter.simulator.dialect import Dialect, Event
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.pieces import split

_ENDLESS = "and on and on, without an end, "


def usages(dialect: Dialect, truth: Charge, fault: Fault, *, stream: bool) -> list[dict[str, Any]]:
    """The usage objects that the answer claims, in order."""
    if fault.is_any("no-usage") or not (dialect.tells(stream=stream) or fault.usage):
        return []
    true = dialect.usage(truth) if fault.usage is None else fault.usage
    if true is None:
        return []
    if fault.is_any("zero-usage"):
        claims = [dialect.usage(Charge())]
    elif fault.is_any("negative-usage"):
        below = Charge(prompt_tokens=-truth.prompt_tokens - 1, completion_tokens=-truth.completion_tokens - 1)
        claims = [dialect.usage(below._replace(seconds=-truth.seconds - 1))]
    elif fault.is_any("usage-twice"):
        claims = [dialect.usage(truth._replace(completion_tokens=1, cached_tokens=0, reasoning_tokens=0)), true]
    else:
        claims = [true]
    return [claim for claim in claims if claim is not None]


def stream(dialect: Dialect, truth: Charge, fault: Fault) -> Iterator[Event]:
    """Every event of the stream; infinite for `endless`."""
    opening = list(dialect.opening())
    if opening and truth.reasoning_tokens:
        opening[0] = opening[0]._replace(tokens=truth.reasoning_tokens)
    yield from opening
    dialect.pad = fault.event_bytes  # of the first content event
    contents = dialect.contents()
    yield from islice(contents, fault.after_events)
    dialect.pad = 0
    misfortune = _misfortune(dialect, fault)
    yield from misfortune
    if misfortune and _ends_there(fault):
        return
    yield from contents
    if fault.is_any("endless"):
        for piece in cycle(split(_ENDLESS)):
            yield Event(dialect.more(piece), piece, tokens=1.0)
    ending = list(dialect.closing(usages(dialect, truth, fault, stream=True), done=not fault.is_any("no-done")))
    yield from ending[:-1]
    yield ending[-1]._replace(last=True)


def _ends_there(fault: Fault) -> bool:
    return fault.is_any("error-in-200") or (fault.is_any("malformed") and fault.then == "end")


def _misfortune(dialect: Dialect, fault: Fault) -> list[Event]:
    """What happens after `after_events` content events."""
    if fault.is_any("hang-stream"):
        return [Event(b"", then="hang")]
    if fault.is_any("malformed"):
        return [Event(dialect.broken())]
    if fault.is_any("error-in-200"):
        return [Event(dialect.failure(error_in_200()["error"]))]
    if fault.is_any("long-line"):
        return [Event(dialect.filler(fault.line_bytes), then="settle")]
    return []


def whole(dialect: Dialect, truth: Charge, fault: Fault) -> Iterator[Event]:
    """The body of an answer that is not streamed, as one event, with the fault worked in."""
    tokens = float(truth.completion_tokens)
    claims = usages(dialect, truth, fault, stream=False)
    usage = claims[-1] if claims else None
    dialect.pad = fault.event_bytes
    body = dialect.whole(usage)
    if fault.is_any("hang-stream"):
        yield Event(body[: len(body) // 2], tokens=tokens, then="hang")
    if fault.is_any("endless"):
        yield from (Event(b" " * 16, tokens=1.0) for _ in cycle([None]))
    if fault.is_any("malformed"):
        yield Event(body[: len(body) // 2], tokens=tokens)
        return
    if fault.is_any("error-in-200"):
        yield Event(msgspec.json.encode(error_in_200()), tokens=tokens)
        return
    if fault.is_any("long-line"):
        yield Event(b" " * fault.line_bytes, then="settle")
    *begun, end = dialect.parts(body)
    for part in begun:
        yield Event(part, tokens=tokens / (len(begun) + 1))
    last = Event(end, dialect.whole_text(), usage=usage, tokens=tokens / (len(begun) + 1), last=True)
    yield last._replace(images=dialect.images())


def error_in_200() -> dict[str, Any]:
    """An error object under status 200."""
    message = "The server had an error while processing your request. (The simulator was told to fail.)"
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}


def together(*parts: Iterator[Event]) -> Iterator[Event]:
    """Events of several answers at once: one of each in turn."""
    waiting = list(parts)
    while waiting:
        turn, waiting = waiting, []
        for part in turn:
            event = next(part, None)
            if event is not None:
                yield event
                waiting.append(part)
