"""What a call came to: pure decisions from how it ended, what the tap read and what was counted beforehand.

| how the upstream's answer ended | usage said | usage not said |
|---|---|---|
| complete | reported (drained after a stop) | counted: preflight + tokens of the text |
| broke off, or was cut by us, after its headers | reported | counted: preflight + tokens of what arrived |
| an error status | reported | 0 and 0, counted: providers do not bill refusals |
| never reached | – | 0 and 0, counted: nothing was sent |
| sent, but no headers ever came | – | unknown: it may or may not be billed |
| any of these, and the prompt cannot be counted | reported | unknown |
| complete, broke off or cut, and part of it was not read (how it is packed, its length) | reported | unknown |

`counted` becomes `estimated` where the count itself is an estimate (images of patch models, unknown encodings).
An explicit zero is a report; a missing figure is never a zero.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from msgspec import Struct

from talkmeter.metering.ledger import Outcome, Provenance, Quality
from talkmeter.metering.usage import Usage

EndKind = Literal["complete", "refused", "not_reached", "no_headers", "broke", "cut"]

NOTHING = Usage(prompt_tokens=0, completion_tokens=0)


class Reading(Protocol):
    """What has been read out of an answer."""

    usage: Usage | None
    raw_usage: str | None
    problem: str | None
    model: str | None
    service_tier: str | None
    finish_reason: str | None
    upstream_id: str | None
    error: dict[str, Any] | None

    @property
    def uses(self) -> Mapping[str, int]:
        """Of tools with a fee, by their unit."""
        ...


class Ending(Struct, frozen=True, kw_only=True):
    """How the upstream's answer ended. error: for people and programs, as in a message's `error`."""

    kind: EndKind
    error: dict[str, Any] | None = None
    http_status: int | None = None
    first_byte_at: int | None = None


class Figures(Struct, frozen=True):
    usage: Usage | None
    provenance: Provenance


def decide_figures(
    ending: Ending,
    tap: Reading | None,
    *,
    prompt_tokens: int | None,
    completion_tokens: int,
    quality: Quality,
    drained: bool,
) -> Figures:
    """prompt_tokens: our own count, None if there is none; completion_tokens: of the text that arrived, ours too."""
    if tap is not None and tap.usage is not None:
        return Figures(tap.usage, "drained" if drained else "reported")
    if ending.kind in ("refused", "not_reached"):
        return Figures(NOTHING, "counted")
    if ending.kind == "no_headers" or prompt_tokens is None:
        return Figures(None, "unknown")
    counted: Provenance = "counted" if quality == "exact" else "estimated"
    return Figures(Usage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens), counted)


def decide_outcome(ending: Ending, tap: Reading | None, *, stopped: bool) -> Outcome:
    """`stopped` is the person's word and stands whatever the upstream did afterwards."""
    if stopped and ending.kind in ("complete", "cut", "broke", "no_headers"):
        return "stopped"
    if ending.kind == "complete":
        return "failed" if tap is not None and tap.error is not None else "finished"
    by_kind: dict[EndKind, Outcome] = {
        "refused": "refused",
        "not_reached": "not_sent",
        "no_headers": "failed",
        "broke": "failed",
        "cut": "interrupted",
    }
    return by_kind[ending.kind]
