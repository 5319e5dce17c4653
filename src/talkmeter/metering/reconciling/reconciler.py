"""Holds the ledger against a provider's books, and settles what they decide."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct, structs

from talkmeter.clock import SECOND
from talkmeter.errors import Conflict
from talkmeter.metering.ledger import CorrectEntry, LedgerEntry, LedgerStore, SettleEntry
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.reconciling.books import BookLine, CostItem, ProviderBooks, Scope
from talkmeter.metering.reconciling.comparing import Line, compare
from talkmeter.metering.reconciling.components import (
    DAY,
    Component,
    booking_rule,
    components,
    group_of_entry,
    group_of_line,
)
from talkmeter.metering.reconciling.deciding import Decided, Decision, decide
from talkmeter.metering.reconciling.figures import ABSENT, KINDS, NOTHING, Figures, usage_of
from talkmeter.metering.reconciling.money import MoneyLine, compare_money
from talkmeter.metering.reconciling.ours import LONGEST, LONGEST_BATCH, Ours, ours_of
from talkmeter.metering.reservations import correction
from talkmeter.metering.usage import Usage

MARGIN = 2 * LONGEST
PAGE = 2000  # entries that are read at once


class ReconcilingStore(LedgerStore, Protocol):
    async def entries_of_provider(
        self, provider_id: str, start: int, end: int, after: tuple[int, str], limit: int
    ) -> Sequence[LedgerEntry]:
        """Those opened from start up to before end (µs), by time and id, beyond `after`."""
        ...


class Settled(Struct, frozen=True, kw_only=True):
    """What an entry was, and what the books say it is. usage: ABSENT where they do not have it."""

    entry_id: str
    opened_at: int
    model: str
    before: str
    usage: Usage
    picodollars: int | None
    committed: bool


class Report(Struct, frozen=True, kw_only=True):
    """start, end: seconds since 1970. doubts: why undecided entries stay so, how many for each reason."""

    start: int
    end: int
    usage: Sequence[Line]
    money: Sequence[MoneyLine]
    settled: Sequence[Settled] = ()
    doubts: dict[str, int] = {}

    @property
    def explained(self) -> bool:
        return all(line.explained for line in self.usage) and all(line.explained for line in self.money)


class _Ledger(Struct, frozen=True):
    """undecided: whole, by their ids."""

    ours: Sequence[Ours]
    undecided: dict[str, LedgerEntry]


class _Books(Struct, frozen=True, kw_only=True):
    """Everything that the provider tells, read once. spans: of which the minutes were read, by kind."""

    by_day: Sequence[BookLine]
    by_minute: Sequence[BookLine]
    costs: Sequence[CostItem]
    spans: dict[str, list[tuple[int, int]]]


class Reconciler:
    """provider_id: whose calls. complete_until: µs up to which the books are taken to be complete; at: now, in µs."""

    def __init__(
        self,
        store: ReconcilingStore,
        prices: PriceBook,
        books: ProviderBooks,
        *,
        provider_id: str,
        scope: Scope,
        complete_until: int,
        at: int,
    ) -> None:
        self._store = store
        self._prices = prices
        self._books = books
        self._provider_id = provider_id
        self._scope = scope
        self._complete_until = complete_until // SECOND
        self._at = at

    async def reconcile(self, start: int, end: int, *, settle: bool) -> Report:
        """start, end: days' first seconds since 1970. Without `settle` nothing changes; the report says what would."""
        days = range(start, end, DAY)
        by_day = [line for kind in KINDS for line in await self._books.usage(kind, start, end, "1d")]
        ledger = await self._ledger(start, end, by_day)
        books = await self._read(days, by_day, ledger.ours)
        found = self._found(books, ledger.ours)
        settled: list[Settled] = []
        for _, decided in found:
            for decision in decided.decisions:
                if not start <= decision.entry.day < end:
                    continue
                one = await self._settle(ledger.undecided[decision.entry.id], decision, commit=settle)
                settled += [] if one is None else [one]
        if settle and settled:
            ledger = await self._ledger(start, end, by_day)
            found = self._found(books, ledger.ours)
        usage = compare(days, by_day, ledger.ours, found, self._scope, self._complete_until)
        doubts: dict[str, int] = {}
        for component, decided in found:
            if decided.doubt is not None:
                doubts[decided.doubt] = doubts.get(decided.doubt, 0) + len(component.undecided)
        return Report(
            start=start,
            end=end,
            usage=usage,
            money=compare_money(days, books.costs, ledger.ours, usage, self._scope),
            settled=settled,
            doubts=doubts,
        )

    async def _ledger(self, start: int, end: int, by_day: Sequence[BookLine]) -> _Ledger:
        """With the entries of the hours before and after: their calls may be in these days' books."""
        since, until = (start - LONGEST_BATCH) * SECOND, (end + LONGEST) * SECOND
        embeds = {line.model for line in by_day if line.kind == "embeddings"}
        embeds -= {line.model for line in by_day if line.kind == "completions"}
        ours: list[Ours] = []
        undecided: dict[str, LedgerEntry] = {}
        after = (since - 1, "")
        while page := await self._store.entries_of_provider(self._provider_id, since, until, after, PAGE):
            for entry in page:
                one = ours_of(entry, self._at)
                if one is None:
                    continue
                if one.batch and one.name in embeds:  # of what kind a batch is, its model says
                    one = structs.replace(one, kind="embeddings", tier="")
                if one.standing == "undecided":
                    undecided[one.id] = entry
                ours.append(one)
            after = page[-1].opening.opened_at, page[-1].opening.id
        return _Ledger(ours, undecided)

    async def _read(self, days: Sequence[int], by_day: Sequence[BookLine], ours: Sequence[Ours]) -> _Books:
        by_minute: list[BookLine] = []
        spans: dict[str, list[tuple[int, int]]] = {}
        for kind in KINDS:
            spans[kind] = _spans(_days_to_look_into(kind, days, by_day, ours, self._scope))
            for since, until in spans[kind]:
                by_minute += await self._books.usage(kind, since, until, "1m")
        costs = await self._books.costs(days[0], days[-1] + DAY)
        return _Books(by_day=by_day, by_minute=by_minute, costs=costs, spans=spans)

    def _found(self, books: _Books, ours: Sequence[Ours]) -> list[tuple[Component, Decided]]:
        """What the minutes that have been read are made of."""
        inside = [line for line in books.by_minute if line in self._scope]
        near = [one for one in ours if any(_touches(one, span) for span in books.spans[one.kind])]
        rule = booking_rule(inside, [one for one in near if _within(one, books.spans[one.kind])])
        found = []
        for component in components(inside, near, rule):
            whole = all(
                _within(one, books.spans[one.kind]) for one in (*component.known, *component.undecided, *component.open)
            )
            # What may be in minutes that were not read cannot be decided.
            found.append((component, decide(component, self._complete_until) if whole else _cut(component)))
        return found

    async def _settle(self, entry: LedgerEntry, decision: Decision, *, commit: bool) -> Settled | None:
        """None if somebody else has told its figures meanwhile."""
        opening, before = entry.opening, entry.settlement
        assert before is not None
        figures = decision.figures
        usage = ABSENT if figures is None else usage_of(figures, decision.entry.kind)
        model = decision.model or before.model_served
        tier = before.service_tier or _tier_said(decision.tier)
        cost = self._prices.cost(
            usage, opening.provider_id, (model, opening.model_requested), tier, opening.opened_at, opening.billing
        )
        if cost.picodollars is None and decision.entry.kind not in ("completions", "embeddings"):
            return None  # the books tell pieces; it is paid by something else
        change = CorrectEntry(
            id=opening.id,
            provenance="reconciled",
            usage=usage,
            cost=cost,
            raw_usage=before.raw_usage,
            model_served=model,
            service_tier=tier,
            problem=said(before, decision),
        )
        committed = False
        if commit:
            try:
                await self._store.commit(change, *correction(opening, before, usage, cost))
            except Conflict:
                return None
            committed = True
        return Settled(
            entry_id=opening.id,
            opened_at=opening.opened_at,
            model=model or opening.model_requested,
            before=was(before),
            usage=usage,
            picodollars=cost.picodollars,
            committed=committed,
        )


def was(before: SettleEntry) -> str:
    """`counted 41/9`, so that what a reconciled entry was before is never lost."""
    usage = before.usage
    if usage is None:
        return before.provenance
    for name in ("characters", "seconds", "images"):
        if (pieces := getattr(usage, name)) is not None:
            return f"{before.provenance} {pieces} {name}"
    return f"{before.provenance} {usage.prompt_tokens}/{usage.completion_tokens}"


def said(before: SettleEntry, decision: Decision) -> str:
    where = "is not in" if decision.figures is None else "is taken from"
    text = f"{where} the provider's books of that time; was {was(before)}"
    return f"{before.problem}; {text}" if before.problem else text


def _tier_said(tier: str | None) -> str | None:
    """As a `service_tier`; books without tiers say nothing."""
    return {"": None, "standard": "default"}.get(tier or "", tier)


def _day(at: int) -> int:
    return at // DAY * DAY


def _touches(one: Ours, span: tuple[int, int]) -> bool:
    return one.first < span[1] and one.last >= span[0]


def _within(one: Ours, spans: Sequence[tuple[int, int]]) -> bool:
    return any(since <= one.first and one.last < until for since, until in spans)


def _cut(component: Component) -> Decided:
    return Decided((), "recent" if component.undecided else None)


def _days_to_look_into(
    kind: str, days: Sequence[int], by_day: Sequence[BookLine], ours: Sequence[Ours], scope: Scope
) -> list[int]:
    """Those on which figures differ, or an entry is undecided."""
    sums: dict[tuple[int, str, str], Figures] = {}
    looked: set[int] = set()
    for line in by_day:
        if line.kind == kind and line in scope:
            group = group_of_line(line)
            key = group.day, group.model, group.tier
            sums[key] = sums.get(key, NOTHING) + line.figures
    for one in ours:
        if one.kind == kind:
            group = group_of_entry(one)
            key = group.day, group.model, group.tier
            sums[key] = sums.get(key, NOTHING) - one.figures
            if one.standing != "known":
                looked |= {group.day, _day(one.last)}
    looked |= {key[0] for key, rest in sums.items() if rest}
    return sorted(looked & set(days))


def _spans(days: Sequence[int]) -> list[tuple[int, int]]:
    """The days with some hours around them; what touches is one."""
    spans: list[tuple[int, int]] = []
    for day in days:
        since, until = day - MARGIN, day + DAY + MARGIN
        if spans and spans[-1][1] >= since:
            spans[-1] = spans[-1][0], until
        else:
            spans.append((since, until))
    return spans
