"""The price book: built-in prices and a person's own, which list applies to a provider, and back-filling.

Whose list: a provider at a known address has its own; any other address (a proxy, a local server) takes own rows for
its host, then OpenAI's list by exact model name, else its models are unpriced. The row's id on every ledger entry
says which it was.
"""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from talkmeter.clock import now
from talkmeter.metering.billing import NOTHING, TOKENS, cost_of, is_priced
from talkmeter.metering.cost import Cost, price_quantities, text_cost
from talkmeter.metering.ledger import LedgerEntry, PriceEntry
from talkmeter.metering.models_info import UNKNOWN, ModelLimits, model_limits
from talkmeter.metering.pricebook_store import AddPriceRow, DeletePriceRow, PriceBookStore
from talkmeter.metering.prices import PriceRow, PriceTable, normal_tier, price_provider
from talkmeter.metering.reservations import correction
from talkmeter.metering.tool_fees import uses_charged, with_fees
from talkmeter.metering.usage import Usage
from talkmeter.metering.worst_case import Bounds, Tariff, WorstCase, dearest, tariff, tariff_key, worst_within

OPENAI, SIMULATOR = "openai", "simulator"
TARIFF_HOLDS = 60_000_000  # µs: prices change by the day, some by the minute of the day
MOST_TARIFFS = 1024


class Priced(Struct, frozen=True):
    """Under which list and name a call is looked up."""

    price_list: str
    model: str


class PriceBook:
    """base_url_of: the address of a provider by its id, or None once it is gone."""

    def __init__(self, store: PriceBookStore, base_url_of: Callable[[str], str | None]) -> None:
        self._store = store
        self._base_url_of = base_url_of
        self.table = PriceTable()
        self._tariffs: dict[Any, tuple[Priced, Tariff]] = {}
        self._priced: dict[Any, Priced] = {}

    async def load(self) -> None:
        self.table = PriceTable(await self._store.price_rows())
        self._tariffs.clear()
        self._priced.clear()

    def priced(self, provider_id: str, models: tuple[str | None, ...], at: int, billing: str = TOKENS) -> Priced:
        """The first of the names (served before requested) that has a price, on the list that has it."""
        address = self._base_url_of(provider_id)
        key = address, models, billing, at // TARIFF_HOLDS
        known = self._priced.get(key)
        if known is None:
            if len(self._priced) >= MOST_TARIFFS:  # names come from clients
                self._priced.clear()
            known = self._priced[key] = self._look_up(address, models, billing, at)
        return known

    def _look_up(self, address: str | None, models: tuple[str | None, ...], billing: str, at: int) -> Priced:
        lists = [*([price_provider(address)] if address else []), OPENAI, SIMULATOR]
        names = [name for name in models if name]
        for name in names:
            for price_list in lists:
                if is_priced(self.table, price_list, name, billing, at):
                    return Priced(price_list, name)
        return Priced(lists[0], names[-1] if names else "")  # lists, files and batches name no model

    def cost(
        self,
        usage: Usage | None,
        provider_id: str,
        models: tuple[str | None, ...],
        tier: str | None,
        at: int,
        billing: str = TOKENS,
        uses: Mapping[str, int] | None = None,
    ) -> Cost:
        """What a call has cost; models: served, requested. tier: the `service_tier` of the response.

        uses: of tools that cost a fee each, by their unit.
        """
        priced = self.priced(provider_id, models, at, billing)
        if usage is not None and usage.prompt_tokens is not None and not uses and billing != NOTHING:  # nearly always
            plain = text_cost(usage, self.table.text(priced.price_list, priced.model, tier, usage.prompt_tokens, at))
            if plain is not None:
                return plain
        about: Any = {"provider": priced.price_list, "model": priced.model, "tier": normal_tier(tier), "at": at}
        cost = cost_of(usage, billing, self.table, **about)
        if not uses or billing == NOTHING:  # who asks for an answer again does not pay for it again
            return cost
        size = usage.prompt_tokens or 0 if usage is not None else 0
        return with_fees(cost, price_quantities(uses, self.table, prompt_tokens=size, **about), uses)

    def limits(self, provider_id: str, model: str, at: int) -> ModelLimits:
        """What the list that prices a model says of its context window and its longest answer, else OpenAI's."""
        priced = self.priced(provider_id, (model,), at)
        limits = model_limits(priced.model, priced.price_list)
        return model_limits(model) if limits == UNKNOWN else limits

    def worst_case(self, bounds: Bounds, provider_id: str, model: str, at: int, billing: str = TOKENS) -> WorstCase:
        """The most that a call within the bounds can come to, by whatever has a price."""
        if bounds.instead is None:
            return self._worst(bounds, provider_id, model, at, billing)
        table, priced = self.table, self.priced(provider_id, (model,), at, billing)
        ways = [bounds, bounds.instead]
        fitting = [
            way for way in ways if table.find(priced.price_list, priced.model, way.first_unit, "standard", 0, at)
        ]
        return dearest([self._worst(way, provider_id, model, at, billing) for way in fitting or ways[:1]])

    def _worst(self, bounds: Bounds, provider_id: str, model: str, at: int, billing: str) -> WorstCase:
        table = self.table
        key = provider_id, self._base_url_of(provider_id), model, billing, at // TARIFF_HOLDS, tariff_key(bounds)
        known = self._tariffs.get(key)
        if known is None:
            priced = self.priced(provider_id, (model,), at, billing)
            prices = tariff(table, bounds, provider=priced.price_list, model=priced.model, at=at)
            if len(self._tariffs) >= MOST_TARIFFS:  # names come from clients
                self._tariffs.clear()
            known = self._tariffs[key] = priced, prices
        priced, prices = known

        def find(unit: str, tier: str, prompt: int) -> PriceRow | None:
            return table.find(priced.price_list, priced.model, unit, tier, prompt, at)

        return worst_within(bounds, prices, priced.model, find)

    def rows(self, model: str) -> list[PriceRow]:
        """Rows that a model's price may come from, own ones first, then OpenAI's and the simulator's."""
        found = _listed(self.table, model)
        own = [row for row in self.table.own_rows if row.model == model.lower()]
        return list({row.id: row for row in [*own, *found]}.values())

    def own_rows(self) -> list[PriceRow]:
        return list(self.table.own_rows)

    async def add(self, row: PriceRow) -> PriceRow:
        """Adds an own row and back-fills what it prices. Raises Conflict if the very row exists."""
        await self._store.commit(AddPriceRow(row, now()))
        await self.load()
        await self.back_fill()
        return row

    async def delete(self, price_id: str) -> None:
        """Removes an own row; what it has priced stays priced. Raises Conflict if there is none."""
        await self._store.commit(DeletePriceRow(price_id))
        await self.load()

    async def back_fill(self) -> int:
        """Prices entries that were unpriced and can be priced now; how many. A price once set never changes."""
        priced = [changes for entry in await self._store.unpriced_entries() if (changes := self._late_price(entry))]
        for start in range(0, len(priced), 500):
            await self._store.commit(*(change for changes in priced[start : start + 500] for change in changes))
        return len(priced)

    def _late_price(self, entry: LedgerEntry) -> tuple[Struct, ...]:
        """The price, with what it changes in the budgets that held the worst case so far."""
        settlement = entry.settlement
        assert settlement is not None  # an open entry has nothing to price
        uses = uses_charged(settlement.cost)
        if uses is None:
            return ()
        cost = self.cost(
            settlement.usage,
            entry.opening.provider_id,
            (settlement.model_served, entry.opening.model_requested),
            settlement.service_tier,
            entry.opening.opened_at,
            entry.opening.billing,
            uses,
        )
        if cost.picodollars is None:
            return ()
        corrected = correction(entry.opening, settlement, settlement.usage, cost)
        return PriceEntry(id=entry.opening.id, cost=cost), *corrected


def output_limit(model: str, prompt_tokens: int, asked: int | None) -> int | None:
    """The most tokens an answer can have: what was asked for, else the model's limit, within what the prompt leaves."""
    limits = model_limits(model)
    bounds = [asked or limits.max_output_tokens]
    if limits.context_window is not None:
        bounds.append(max(limits.context_window - prompt_tokens, 0))
    known = [bound for bound in bounds if bound is not None]
    return min(known) if known else None


def built_in_rows(model: str) -> list[PriceRow]:
    """As PriceBook.rows, where there are no own ones."""
    return _listed(PriceTable(), model)


def _listed(table: PriceTable, model: str) -> list[PriceRow]:
    return [row for price_list in (OPENAI, SIMULATOR) for row in table.rows(price_list, model)]
