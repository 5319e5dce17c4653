"""The ledger in a few figures, for `/metrics`."""

from collections.abc import Sequence

from sqlalchemy import Connection, and_, case, func, literal_column, select, text

from talkmeter.metering.sums import LedgerSums
from talkmeter.store.schema import ledger_entries

_entry = ledger_entries.c
_UNPRICED = and_(
    _entry.state == literal_column("'settled'"), _entry.cost_picodollars.is_(None), _entry.has_usage.is_(True)
)
_LABELS = (_entry.surface, _entry.model_requested, _entry.outcome, _entry.provenance)
_SUMS = select(
    *_LABELS,
    func.count(),
    func.sum(_entry.prompt_tokens),
    func.sum(_entry.completion_tokens),
    func.sum(_entry.cost_picodollars),
    func.sum(case((_UNPRICED, 1), else_=0)),
).group_by(*_LABELS)


def sums(connection: Connection) -> Sequence[LedgerSums]:
    """One row for each surface, model, outcome and provenance there is."""
    return [
        LedgerSums(
            surface=surface,
            model=model,
            outcome=outcome,
            provenance=provenance,
            calls=int(calls),
            prompt_tokens=int(prompt or 0),
            completion_tokens=int(completion or 0),
            picodollars=int(money or 0),
            unpriced_calls=int(unpriced or 0),
        )
        for surface, model, outcome, provenance, calls, prompt, completion, money, unpriced in connection.execute(_SUMS)
    ]


def check(connection: Connection) -> None:
    """Raises what the driver raises if nothing can be read."""
    connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
