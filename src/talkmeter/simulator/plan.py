"""The events of one streamed answer, in order, with the fault worked in. Pure."""

from collections.abc import Iterator
from itertools import cycle
from typing import Any, NamedTuple

import msgspec

from talkmeter.simulator.charging import Charge
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.pieces import split
from talkmeter.simulator.shapes import Shapes, usage_object

_ENDLESS = "and on and on, without an end, "


class Answer(NamedTuple):
    """truth: what an honest provider would report for it."""

    text: str
    finish_reason: str
    truth: Charge


class Event(NamedTuple):
    """Bytes of one event and what it means once it is fully written.

    tokens: how many it took to generate, for the pace. then: "" or, after it, "hang" or "settle" (wait
    until the client has had a chance to react). last: the answer is complete with it.
    """

    data: bytes
    text: str = ""
    usage: dict[str, Any] | None = None
    tokens: float = 0.0
    then: str = ""
    last: bool = False


def usages(truth: Charge, fault: Fault) -> list[dict[str, Any]]:
    """The usage objects that the answer claims, in order."""
    true = usage_object(truth)
    if fault.is_any("no-usage"):
        return []
    if fault.is_any("zero-usage"):
        return [usage_object(Charge())]
    if fault.is_any("negative-usage"):
        return [usage_object(Charge(prompt=-truth.prompt, completion=-truth.completion - 1))]
    if fault.is_any("usage-twice"):
        return [usage_object(Charge(prompt=truth.prompt, completion=1)), true]
    return [true]


def stream(answer: Answer, shapes: Shapes, fault: Fault) -> Iterator[Event]:
    """Every event of the stream; infinite for `endless`."""
    yield Event(shapes.role(), tokens=answer.truth.reasoning)
    pieces = split(answer.text)
    each = (answer.truth.completion - answer.truth.reasoning) / len(pieces) if pieces else 0.0
    for piece in pieces[: fault.after_events]:
        yield Event(shapes.content(piece), piece, tokens=each)
    misfortune = _misfortune(shapes, fault)
    yield from misfortune
    if misfortune and _ends_there(fault):
        return
    for piece in pieces[fault.after_events :]:
        yield Event(shapes.content(piece), piece, tokens=each)
    if fault.is_any("endless"):
        for piece in cycle(split(_ENDLESS)):
            yield Event(shapes.content(piece), piece, tokens=1.0)
    ending = [Event(shapes.finish(answer.finish_reason))]
    if shapes.include_usage:
        ending += [Event(shapes.usage(usage), usage=usage) for usage in usages(answer.truth, fault)]
    if not fault.is_any("no-done"):
        ending.append(Event(shapes.done()))
    yield from ending[:-1]
    yield ending[-1]._replace(last=True)


def _ends_there(fault: Fault) -> bool:
    return fault.is_any("error-in-200") or (fault.is_any("malformed") and fault.then == "end")


def _misfortune(shapes: Shapes, fault: Fault) -> list[Event]:
    """What happens after `after_events` content events."""
    if fault.is_any("hang-stream"):
        return [Event(b"", then="hang")]
    if fault.is_any("malformed"):
        return [Event(shapes.data(b'{"id":"' + shapes.completion_id.encode() + b'","choices":[{"index":0,'))]
    if fault.is_any("error-in-200"):
        return [Event(shapes.event(error_in_200()))]
    if fault.is_any("long-line"):
        return [Event(shapes.event({"choices": [], "padding": "x" * fault.line_bytes}), then="settle")]
    return []


def whole(answer: Answer, shapes: Shapes, fault: Fault) -> Iterator[Event]:
    """The body of an answer that is not streamed, as one event, with the fault worked in."""
    tokens = float(answer.truth.completion)
    claims = usages(answer.truth, fault)
    usage = claims[-1] if claims else None
    body = shapes.whole(answer.text, answer.finish_reason, usage)
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
    yield Event(body, answer.text, usage, tokens, last=True)


def error_in_200() -> dict[str, Any]:
    """An error object under status 200."""
    message = "The server had an error while processing your request. (The simulator was told to fail.)"
    return {"error": {"message": message, "type": "server_error", "param": None, "code": None}}
