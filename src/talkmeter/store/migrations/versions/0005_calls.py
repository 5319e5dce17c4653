"""The list of calls: all that is filtered, sorted and summed of settled entries stands in one index."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_FIGURES = (
    *("opened_at", "position", "principal", "key_id", "surface", "endpoint", "provider_id", "model_requested"),
    *("outcome", "provenance", "has_usage", "prompt_tokens", "completion_tokens", "cost_picodollars", "settled_at"),
)


def upgrade() -> None:
    settled = sa.text("state = 'settled'")
    op.create_index("ix_ledger_figures", "ledger_entries", _FIGURES, sqlite_where=settled, postgresql_where=settled)
    op.drop_index("ix_ledger_entries_opened_at", "ledger_entries")
