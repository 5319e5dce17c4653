"""The price table: a person's own rows before the built-in ones."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from talkmeter.metering.prices import builtin
from talkmeter.metering.prices.builtin import Model
from talkmeter.metering.prices.names import candidates
from talkmeter.metering.prices.rows import PriceRow, normal_tier

ANY = "*"
FAR = 2**63
TEXT = ("input", "cached_input", "output")
MOST = 4096  # looks of a kind that are remembered


class TextRows(NamedTuple):
    """What the text of a call costs; None: unpriced. So it is for calls made from `since` to before `until` (µs UTC)
    whose prompts have from `least` to before `most` tokens.
    """

    input: PriceRow | None
    cached_input: PriceRow | None
    output: PriceRow | None
    since: int
    until: int
    least: int
    most: int


class PriceTable:
    """Looks prices up. Immutable: make a new one when own rows change.

    Own rows come first: those of the very provider before those for any (`*`); the name as it was asked for before
    the undated or canonical one, and both before a pattern (`llama-*`, the longest first). Among the rows of one name
    the highest band that the prompt reaches counts, and of that band the latest row in force at the time of the call.
    Only where no own row applies does the built-in list count.
    """

    def __init__(self, own_rows: Iterable[PriceRow] = ()) -> None:
        self.own_rows = tuple(own_rows)
        self._own: dict[tuple[str, str, str, str], list[PriceRow]] = {}
        for row in sorted(self.own_rows, key=_rank, reverse=True):
            self._own.setdefault((row.provider, row.model, row.unit, row.tier), []).append(row)
        patterns = {row.model[:-1] for row in self.own_rows if row.model.endswith("*")}
        self._prefixes = sorted(patterns, key=lambda prefix: (-len(prefix), prefix))
        self._models: dict[tuple[str, str], tuple[tuple[str, ...], tuple[str, Model] | None]] = {}
        self._builtin: dict[tuple[str, str, str, int], list[PriceRow]] = {}
        self._own_days = frozenset(row.effective_from for row in self.own_rows)
        self._own_bands = frozenset(row.band_from for row in self.own_rows)
        self._spans: dict[tuple[str, str, str, str], _Span] = {}
        self._texts: dict[tuple[str, str, str | None], TextRows] = {}

    def find(self, provider: str, model: str, unit: str, tier: str, prompt_tokens: int, at: int) -> PriceRow | None:
        """The row that prices a unit of a call made at `at` (µs UTC) with a prompt of that size; None: unpriced.

        provider: as `price_provider` names it. tier: as the response states it. A tier that the model has no prices
        for is unpriced; it is never taken for standard.
        """
        key = (provider, model, unit, tier)
        span = self._spans.get(key)
        if span is not None and span.since <= at < span.until and span.least <= prompt_tokens < span.most:
            return span.row
        return self._look(provider, model, unit, tier, prompt_tokens, at).row

    def text(self, provider: str, model: str, tier: str | None, prompt_tokens: int, at: int) -> TextRows:
        """What `find` gives for the units of text, all in one look. Arguments as there."""
        key = (provider, model, tier)
        rows = self._texts.get(key)
        if rows is not None and rows.since <= at < rows.until and rows.least <= prompt_tokens < rows.most:
            return rows
        about = normal_tier(tier), prompt_tokens, at
        prompt, cached, output = (self._look(provider, model, unit, *about) for unit in TEXT)
        spans = (prompt, cached, output)
        if len(self._texts) > MOST:
            self._texts.clear()
        rows = self._texts[key] = TextRows(
            prompt.row,
            cached.row,
            output.row,
            since=max(span.since for span in spans),
            until=min(span.until for span in spans),
            least=max(span.least for span in spans),
            most=min(span.most for span in spans),
        )
        return rows

    def _look(self, provider: str, model: str, unit: str, tier: str, prompt_tokens: int, at: int) -> "_Span":
        row = self._find(provider.lower(), model, unit, normal_tier(tier), prompt_tokens, at)
        if len(self._spans) > MOST:
            self._spans.clear()
        span = self._spans[provider, model, unit, tier] = self._span(provider.lower(), model, row, prompt_tokens, at)
        return span

    def _find(self, provider: str, model: str, unit: str, tier: str, prompt_tokens: int, at: int) -> PriceRow | None:
        names, listed = self._resolve(provider, model)
        if self._own:
            row = self._find_own(provider, names, unit, tier, prompt_tokens, at)
            if row is not None:
                return row
        if listed is None:
            return None
        owner, entry = listed
        sheet = entry.sheet(tier, at)
        if sheet is None:
            return None
        key = (owner, entry.model, unit, id(sheet))  # sheets live as long as the process
        rows = self._builtin.get(key)
        if rows is None:
            rows = self._builtin[key] = builtin.rows(owner, entry, sheet, unit)
        return next((row for row in rows if row.band_from <= prompt_tokens), None)

    def _span(self, provider: str, model: str, row: PriceRow | None, prompt_tokens: int, at: int) -> "_Span":
        """Where a row that was found goes on to be the one; only there where prices go by the hour of the day.

        Between two days on which any price of the model changes, and between two bands, the answer is the same.
        """
        _, listed = self._resolve(provider, model)
        days, bands = set(self._own_days), set(self._own_bands)
        if listed is not None:
            for sheet in listed[1].sheets:
                if sheet.hours:
                    return _Span(row, at, at + 1, prompt_tokens, prompt_tokens + 1)
                days.add(sheet.effective_from)
                bands.update(int(band) for price in sheet.prices.values() if isinstance(price, dict) for band in price)
        return _Span(row, *_around(days, at), *_around(bands, prompt_tokens))

    def has_prices(self, provider: str, model: str, *, tier: str, at: int) -> bool:
        """Whether a plain text call (input and output) of the model can be priced."""
        return all(self.find(provider, model, unit, tier, 0, at) is not None for unit in ("input", "output"))

    def rows(self, provider: str | None = None, model: str | None = None) -> Iterator[PriceRow]:
        """Every row, own ones first; of one provider, and those that a model's price may come from."""
        wanted = None if provider is None else provider.lower()
        for row in self.own_rows:
            of_provider = wanted in (None, row.provider) or row.provider == ANY
            if of_provider and (model is None or self._applies(row, wanted or row.provider, model)):
                yield row
        for name in sorted(builtin.providers()) if wanted is None else (wanted,):
            if model is None:
                yield from builtin.all_rows(name)
                continue
            listed = builtin.find_model(name, model)
            if listed is not None:
                owner, entry = listed
                yield from (
                    row
                    for sheet in entry.sheets
                    for unit in sheet.prices
                    for row in builtin.rows(owner, entry, sheet, unit)
                )

    def models(self, provider: str) -> tuple[str, ...]:
        """The names the provider's built-in list and the own rows for it price, sorted; patterns included."""
        listed = builtin.book(provider.lower())
        names = {entry.model for entry in listed.models} if listed else set()
        names |= {row.model for row in self.own_rows if row.provider in (provider.lower(), ANY)}
        return tuple(sorted(names))

    def _applies(self, row: PriceRow, provider: str, model: str) -> bool:
        names, _ = self._resolve(provider, model)
        if row.model.endswith("*"):
            return any(name.startswith(row.model[:-1]) for name in names)
        return row.model in names

    def _resolve(self, provider: str, model: str) -> tuple[tuple[str, ...], tuple[str, Model] | None]:
        key = (provider, model)
        known = self._models.get(key)
        if known is None:
            listed = builtin.find_model(provider, model)
            names = candidates(provider, model)
            if listed is not None:  # a snapshot with prices of its own does not take an own row of the undated name
                named = listed[1]
                names = (*(n for n in names if n in (named.model, *named.aliases) or n == names[0]), named.model)
            known = tuple(dict.fromkeys(names)), listed
            if len(self._models) > MOST:  # names come from clients; do not let them fill the memory
                self._models.clear()
            self._models[key] = known
        return known

    def _find_own(
        self, provider: str, names: tuple[str, ...], unit: str, tier: str, prompt_tokens: int, at: int
    ) -> PriceRow | None:
        patterns = [f"{prefix}*" for prefix in self._prefixes if names[0].startswith(prefix)]
        for owner in (provider, ANY):
            for name in (*names, *patterns):
                for row in self._own.get((owner, name, unit, tier), ()):
                    if row.band_from <= prompt_tokens and row.effective_from <= at:
                        return row
        return None


class _Span(NamedTuple):
    """A row, or that there is none: for calls from `since` to before `until`, prompts from `least` to before `most`."""

    row: PriceRow | None
    since: int
    until: int
    least: int
    most: int


def _around(borders: Iterable[int], value: int) -> tuple[int, int]:
    """The borders next to a value: the last up to it, and the first above it."""
    below = [border for border in borders if border <= value]
    above = [border for border in borders if border > value]
    return max(below, default=-FAR), min(above, default=FAR)


def _rank(row: PriceRow) -> tuple[int, int, str]:
    return row.band_from, row.effective_from, row.id
