"""Buckets of rate limits, for as many changes as are applied together: each is read once, counted in memory, and
written once. Whoever counts here is the only one at that moment (apply_budgets.py).
"""

from typing import NoReturn

from sqlalchemy import insert, select, update

from talkmeter.errors import Conflict
from talkmeter.metering.budget_store import AdjustRate, RateItem, RatesTaken, TakeRates
from talkmeter.metering.rates import Take, adjusted, take
from talkmeter.store.parameters import THIS
from talkmeter.store.schema import rate_states
from talkmeter.store.transaction import Statement, Transaction

_TAT = Statement(select(rate_states.c.tat).where(rate_states.c.id == THIS))
_SET_TAT = Statement(update(rate_states).where(rate_states.c.id == THIS), columns=["tat"])
_FIRST_TAT = Statement(insert(rate_states))


class RateCounting:
    """Nothing is stored before `write`; without it nothing has happened."""

    def __init__(self, at: Transaction) -> None:
        self._at = at
        self._stored: dict[str, int | None] = {}
        self._tats: dict[str, int] = {}

    def take(self, change: TakeRates) -> RatesTaken:
        """Raises Conflict (`rate_limited`) if one of the buckets does not give that much; none has given then."""
        at, tats, standings = change.at, dict[str, int](), []
        for item in change.items:
            name = item.id
            taken = take(tats[name] if name in tats else self._tat(name), item, at)
            if taken.tat is None:
                _limited(item, taken)
            tats[name] = taken.tat
            standings.append(taken.standing)
        self._tats.update(tats)
        return RatesTaken(tuple(standings))

    def adjust(self, change: AdjustRate) -> None:
        tat = self._tat(change.id)
        if tat is not None:
            self._tats[change.id] = adjusted(tat, change.cost, change.limit_per_minute, change.at)

    def write(self) -> None:
        for rate_id, tat in self._tats.items():
            if self._stored[rate_id] is None:
                self._at.run(_FIRST_TAT, {"id": rate_id, "tat": tat})
            elif self._stored[rate_id] != tat:
                self._at.run(_SET_TAT, {"this": rate_id, "tat": tat})

    def _tat(self, rate_id: str) -> int | None:
        """As it stands now; None: nobody has taken from the bucket yet."""
        if rate_id in self._tats:
            return self._tats[rate_id]
        if rate_id not in self._stored:
            found = self._at.rows(_TAT, {"this": rate_id})
            self._stored[rate_id] = found[0][0] if found else None
        return self._stored[rate_id]


def _limited(item: RateItem, taken: Take) -> NoReturn:
    standing = taken.standing
    raise Conflict(
        f"The rate limit {item.id} of {item.limit_per_minute} a minute is reached.",
        f"속도 제한 {item.id}(분당 {item.limit_per_minute})에 이르렀습니다.",
        code="rate_limited",
        details={
            "id": item.id,
            "kind": item.kind,
            "limit": item.limit_per_minute,
            "asked": item.cost,
            "remaining": standing.remaining,
            "reset": standing.reset,
            "retry_after": taken.retry_after,
        },
    )
