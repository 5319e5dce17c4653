"""Lets a call that passes through in: reserves its worst case in every budget, takes from every rate limit, and opens
its entry, all in one transaction. Where none of these applies there is only the entry to commit.

The prompt is bounded by the bytes of the request. Only where that bound would not fit into a budget is it counted.
"""

import asyncio
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import Struct, structs

from talkmeter.errors import BudgetRefused, Conflict
from talkmeter.metering.asked import Asked, as_preflight, count_asked
from talkmeter.metering.billing import ELSEWHERE, NOTHING
from talkmeter.metering.bounds import bounds_of
from talkmeter.metering.budget_store import Budget, RateItem, RatesTaken, Reserve, TakeRates
from talkmeter.metering.budgets import BudgetBook
from talkmeter.metering.ledger import LedgerStore, OpenEntry
from talkmeter.metering.one_reading import read_once
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.rates import rate_headers
from talkmeter.metering.reservations import reservations_text
from talkmeter.metering.tokens import PromptCount
from talkmeter.metering.worst_case import WorstCase

BYTES_PER_TOKEN = 4  # a rate limit goes by an estimate; the settlement puts it right
_BY_ID = attrgetter("id")
_LATER = frozenset({"batches"})  # what they come to is told when they are done; what they ask stands in a file
_ALIKE = {"responses/compact": "responses", "images/variations": "images/edits"}  # bounded as these are


class RateLimit(Struct, frozen=True):
    """What one key or user may take a minute. id: of its buckets."""

    id: str
    requests: int | None
    tokens: int | None


class Whose(Struct, frozen=True, kw_only=True):
    """What budgets and limits go by. key_id: of the key that a rotated one was made from."""

    user_id: str
    key_id: str | None = None
    tags: tuple[str, ...] = ()
    rates: tuple[RateLimit, ...] = ()


class Admitted(Struct, frozen=True):
    """The entry as it was committed. headers: how the rate limits stand. warnings: soft budgets that are used up."""

    opening: OpenEntry
    headers: Sequence[tuple[bytes, bytes]] = ()
    warnings: Sequence[str] = ()
    count: PromptCount | None = None


class Admission:
    """budgets: None if there are none to keep."""

    def __init__(self, store: LedgerStore, prices: PriceBook, budgets: BudgetBook | None) -> None:
        self._store = store
        self._prices = prices
        self._budgets = budgets

    async def admit(self, opening: OpenEntry, asked: Asked, whose: Whose) -> Admitted:
        """Raises BudgetRefused, RateLimited, BadInput, StoreError: then nothing was stored, and nothing may be sent."""
        budgets: tuple[Budget, ...] = ()
        if self._budgets is not None and asked.billing != NOTHING:
            budgets = self._budgets.applicable(
                user_id=whose.user_id, key_id=whose.key_id, tags=whose.tags, provider_id=opening.provider_id
            )
        if not budgets and not whose.rates:
            await self._store.submit(opening)
            return Admitted(opening)
        rates = take_rates(whose.rates, _tokens(asked), opening.opened_at)
        if not budgets:
            return await self._commit(opening, None, None, rates, None)
        try:
            return await self._within(budgets, opening, asked, rates, None)
        except BudgetRefused:
            count = await asyncio.to_thread(count_asked, asked)
            if count is None:
                raise
        return await self._within(budgets, opening, asked, rates, count)

    async def _within(
        self,
        budgets: Sequence[Budget],
        opening: OpenEntry,
        asked: Asked,
        rates: TakeRates | None,
        count: PromptCount | None,
    ) -> Admitted:
        assert self._budgets is not None
        worst = self._worst(budgets, opening, asked, count)
        reserve = self._budgets.reservation(budgets, worst, opening.opened_at, entry_id=opening.id)
        return await self._commit(opening, (budgets, worst), reserve, rates, count)

    def _worst(
        self, budgets: Sequence[Budget], opening: OpenEntry, asked: Asked, count: PromptCount | None
    ) -> WorstCase:
        """For a hard budget it must hold however the provider reads the request. Raises BadInput, BudgetRefused."""
        if asked.billing == ELSEWHERE or asked.endpoint in _LATER:
            assert self._budgets is not None
            return self._budgets.worst_unseen(budgets)
        at, provider_id = opening.opened_at, opening.provider_id
        limits = self._prices.limits(provider_id, asked.model, at)
        path = _ALIKE.get(asked.endpoint, asked.endpoint)
        body = _body(asked, once=any(budget.hard for budget in budgets))
        bounds = bounds_of(path, body, request_bytes=asked.request_bytes, count=count, limits=limits)
        return self._prices.worst_case(bounds, provider_id, asked.model, at, asked.billing)

    async def _commit(
        self,
        opening: OpenEntry,
        about: tuple[Sequence[Budget], WorstCase] | None,
        reserve: Reserve | None,
        rates: TakeRates | None,
        count: PromptCount | None,
    ) -> Admitted:
        opening = structs.replace(
            opening,
            reservations=reservations_text(reserve, rates),
            worst_case_picodollars=about[1].picodollars if about else None,
            **(as_preflight(count) if count is not None else {}),
        )
        changes: list[Struct] = [opening]
        if rates is not None:
            changes.insert(0, rates)
        if reserve is not None:
            changes.insert(0, reserve)
        try:
            given = await self._store.submit(*changes)
        except Conflict as conflict:
            refusal = self._budgets.refusal(conflict) if self._budgets is not None else None
            raise refusal or conflict from None
        headers: Sequence[tuple[bytes, bytes]] = ()
        for one in given:
            if type(one) is RatesTaken:
                headers = rate_headers(one.rates)
        if about is None or self._budgets is None:
            return Admitted(opening, headers, (), count)
        warned = self._budgets.warnings(*about, given)
        return Admitted(opening, headers, [f"{one.name}; {one.percent}%" for one in warned], count)


def take_rates(limits: Sequence[RateLimit], tokens: int | None, at: int) -> TakeRates | None:
    """What a call takes from the buckets: one request, and the tokens it looks like. None: not billed by tokens."""
    items: list[RateItem] = []
    for limit in limits:
        if limit.requests is not None:
            items.append(RateItem(f"{limit.id}:requests", "requests", limit.requests, 1))
        if limit.tokens is not None and tokens is not None:
            items.append(RateItem(f"{limit.id}:tokens", "tokens", limit.tokens, max(1, tokens)))
    if len(limits) > 1:  # the items of one are in order as they are made
        items.sort(key=_BY_ID)
    return TakeRates(tuple(items), at) if items else None


def tags_text(tags: Sequence[str]) -> str | None:
    """Tags as an entry keeps them."""
    return msgspec.json.encode(tags).decode() if tags else None


def _tokens(asked: Asked) -> int | None:
    if asked.billing == NOTHING:
        return None
    return asked.request_bytes // BYTES_PER_TOKEN + (asked.max_output_tokens or 0) * asked.choices


def _body(asked: Asked, *, once: bool) -> Mapping[str, Any]:
    """once: it must have one reading only. Raises BadInput then."""
    if asked.form is not None:
        return asked.form
    if once:
        return read_once(asked.body)
    try:
        body = msgspec.json.decode(asked.body)
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
