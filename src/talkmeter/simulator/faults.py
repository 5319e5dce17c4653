"""The faults that can be asked for: by model name, by script, by body field or by header."""

import re
from typing import Annotated, Any

import msgspec

from talkmeter.simulator.refusals import Refusal

_AT_LEAST_0 = msgspec.Meta(ge=0)

# What each does is said in docs/simulator.md; the order is the order of the model list.
_NAMED = (
    "refuse",
    "hang-headers",
    "hang-stream",
    "malformed",
    "long-line",
    "split-utf8",
    "no-usage",
    "zero-usage",
    "usage-twice",
    "no-done",
    "one-byte",
    "endless",
    "error-in-200",
    "negative-usage",
    "crlf",
)
_WITH_STATUS = ("401", "429", "500", "503")
_WITH_BYTES = ("cut", "reset")
_PATTERN = re.compile(r"(?P<cut>cut|reset)-(?P<bytes>\d{1,9})|(?P<status>[45]\d\d)")


class Fault(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How one answer is to differ from an honest, complete one. Everything may be left out.

    fault: a name from docs/simulator.md. after_bytes: body bytes before cut or reset. after_events:
    content events before hang-stream, malformed, error-in-200. then: what follows a malformed event.
    gate: every event waits for `POST /_step`. answer: the exact text to answer with.
    usage: the exact usage object to report. served_tier, served_model: what the response says served it.
    gzip: compress the body if the client takes it. event_bytes: one content event is padded to about that
    size. headers: more of them in the response. delay: seconds before the headers.
    times, model, endpoint: of a scripted fault, how many requests it is for, and of which model and path.
    """

    fault: str | None = None
    after_bytes: Annotated[int, _AT_LEAST_0] | None = None
    after_events: Annotated[int, _AT_LEAST_0] = 3
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] | None = None
    retry_after: Annotated[float, _AT_LEAST_0] | None = None
    line_bytes: Annotated[int, _AT_LEAST_0] = 10_000_000
    then: Annotated[str, msgspec.Meta(pattern="^(end|continue)$")] = "end"
    gate: bool = False
    tokens_per_second: Annotated[float, _AT_LEAST_0] | None = None
    answer: str | None = None
    reasoning_tokens: Annotated[int, _AT_LEAST_0] | None = None
    usage: dict[str, Any] | None = None
    served_tier: str | None = None
    served_model: str | None = None
    gzip: bool = False
    event_bytes: Annotated[int, msgspec.Meta(ge=0, le=64_000_000)] = 0
    headers: dict[str, str] | None = None
    delay: Annotated[float, _AT_LEAST_0] = 0.0
    times: Annotated[int, msgspec.Meta(ge=1)] = 1
    model: str | None = None
    endpoint: str | None = None

    def is_any(self, *names: str) -> bool:
        return self.fault in names


HONEST = Fault()


def fault_names() -> list[str]:
    """The names that follow `sim-fault-`."""
    examples = [f"{name}-200" for name in _WITH_BYTES]
    return [_NAMED[0], *_WITH_STATUS, *_NAMED[1:3], *examples, *_NAMED[3:]]


def parse_name(name: str) -> Fault | None:
    """`cut-120`, `429`, `no-done` …; None if there is no such fault."""
    if name in _NAMED:
        return Fault(fault=name)
    match = _PATTERN.fullmatch(name)
    if match is None:
        return None
    if match["status"]:
        return Fault(fault="status", status=int(match["status"]))
    return Fault(fault=match["cut"], after_bytes=int(match["bytes"]))


def parse_fault(value: Any, where: str) -> Fault:
    """A fault from JSON values. Raises Refusal 400 that names the mistake and what is possible."""
    try:
        fault = msgspec.convert(value, Fault, strict=True)
    except msgspec.ValidationError as error:
        raise Refusal(400, f"Invalid fault in {where}: {error}", param=where) from error
    if fault.fault is None or fault.fault in _NAMED:
        return fault
    if fault.fault == "status" and fault.status is not None:
        return fault
    if fault.fault in _WITH_BYTES and fault.after_bytes is not None:
        return fault
    named = parse_name(fault.fault)
    if named is None:
        possible = ", ".join([*fault_names(), "status (with status)", "cut and reset (with after_bytes)"])
        raise Refusal(400, f"Unknown fault '{fault.fault}' in {where}. Possible: {possible}.", param=where)
    return msgspec.structs.replace(fault, fault=named.fault, status=named.status, after_bytes=named.after_bytes)
