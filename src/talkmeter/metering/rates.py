"""Rate limits: how many requests and tokens a minute. Buckets that refill evenly (GCRA), in integers. Pure.

A bucket's whole state is one instant, `tat` (nanoseconds since 1970): when it will be full again. A full bucket gives
a minute's worth at once; each unit taken moves the instant by a minute divided by the limit.
"""

from collections.abc import Iterable

from msgspec import Struct

from talkmeter.errors import Conflict, RateLimited
from talkmeter.metering.budget_store import RateItem, RateKind, RateStanding

MINUTE = 60_000_000_000  # ns
_MICRO = 1_000  # ns
_KINDS: tuple[RateKind, ...] = ("requests", "tokens")
_HEADERS = {
    kind: [f"x-ratelimit-{what}-{kind}".encode() for what in ("limit", "remaining", "reset")] for kind in _KINDS
}


class Take(Struct, frozen=True):
    """tat: the bucket's state afterwards, None if it does not give that much now.

    standing: after the taking, or as it is if nothing was taken. retry_after: µs; None: it never gives that much.
    """

    tat: int | None
    standing: RateStanding
    retry_after: int | None = None


def interval(cost: int, limit_per_minute: int) -> int:
    """How far `cost` units move the instant, ns: taken ones rounded up, returned ones down, so no limit is exceeded."""
    return -(-cost * MINUTE // limit_per_minute)


def take(tat: int | None, item: RateItem, at: int) -> Take:
    """tat: the state so far, None: a new bucket. at: µs."""
    now = at * _MICRO
    full_at = now if tat is None or tat < now else tat
    after = full_at + interval(item.cost, item.limit_per_minute)
    if after - now <= MINUTE:
        return Take(after, _standing(item, after - now))
    never = after - full_at > MINUTE
    return Take(None, _standing(item, full_at - now), None if never else -(-(after - now - MINUTE) // _MICRO))


def adjusted(tat: int, cost: int, limit_per_minute: int, at: int) -> int:
    """The state after `cost` more units than were taken. What is given back never makes a bucket more than full."""
    if cost < 0:
        return tat + interval(cost, limit_per_minute)
    return max(tat, at * _MICRO) + interval(cost, limit_per_minute)


def _standing(item: RateItem, waiting: int) -> RateStanding:
    """waiting: ns until the bucket is full."""
    remaining = (MINUTE - waiting) * item.limit_per_minute // MINUTE if waiting < MINUTE else 0
    return RateStanding(item.id, item.kind, item.limit_per_minute, remaining, -(-waiting // _MICRO))


def rate_headers(rates: Iterable[RateStanding]) -> list[tuple[bytes, bytes]]:
    """OpenAI's `x-ratelimit-…` headers; of several buckets of a kind the one that has least left."""
    tightest: dict[RateKind, RateStanding] = {}
    for one in rates:
        known = tightest.get(one.kind)
        if known is None or (one.remaining, -one.reset) < (known.remaining, -known.reset):
            tightest[one.kind] = one
    headers: list[tuple[bytes, bytes]] = []
    for kind, one in tightest.items():
        limit, remaining, reset = _HEADERS[kind]
        headers.append((limit, b"%d" % one.limit))
        headers.append((remaining, b"%d" % one.remaining))
        headers.append((reset, duration(one.reset).encode()))
    return headers


def duration(microseconds: int) -> str:
    """As OpenAI writes it: `0s`, `12ms`, `1s`, `8.64s`, `6m0s`, `1m26.4s`; rounded up to milliseconds."""
    milliseconds = -(-microseconds // 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    seconds, part = divmod(rest, 1000)
    text = f"{seconds}.{part:03}".rstrip("0").removesuffix(".") + "s"
    return f"{minutes}m{text}" if minutes else text


def rate_refusal(conflict: Conflict) -> RateLimited:
    """What the caller is told when the store refused a TakeRates. details: kind, limit, remaining, reset, retry_after.

    reset is the header's text; retry_after is in whole seconds, rounded up, None if the call is larger than the limit.
    """
    facts = conflict.details
    kind, limit, asked, wait = facts["kind"], facts["limit"], facts["asked"], facts["retry_after"]
    kind_ko = "요청" if kind == "requests" else "토큰"
    seconds = None if wait is None else -(-wait // 1_000_000)
    if wait is None:
        hint = "Ask for less at once (a shorter input or a smaller output limit), or have the limit raised."
        hint_ko = "입력이나 출력 한도를 줄이거나 한도를 올려 달라고 하십시오."
    else:
        hint, hint_ko = f"Try again in {duration(wait)}.", f"{duration(wait)} 뒤에 다시 시도하십시오."
    return RateLimited(
        f"The limit of {limit:,} {kind} per minute is reached: this call needs {asked:,}, "
        f"{facts['remaining']:,} are left.",
        f"분당 {kind_ko} 한도 {limit:,}에 이르렀습니다. 이 호출에는 {asked:,}이(가) 필요하고 "
        f"{facts['remaining']:,}이(가) 남았습니다.",
        hint=hint,
        hint_ko=hint_ko,
        details={
            "kind": kind,
            "limit": limit,
            "remaining": facts["remaining"],
            "reset": duration(facts["reset"]),
            "retry_after": seconds,
        },
    )
