"""Sums over the whole ledger, for dashboards."""

from msgspec import Struct


class LedgerSums(Struct, frozen=True, kw_only=True):
    """All entries that share these labels. outcome, provenance: None while open. Figures not known add nothing."""

    surface: str
    model: str
    outcome: str | None
    provenance: str | None
    calls: int
    prompt_tokens: int
    completion_tokens: int
    picodollars: int
    unpriced_calls: int
