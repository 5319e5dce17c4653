"""The model's name as the client said it, where a route has made another of it; in the list of calls' index, too."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_FIGURES = (
    *("opened_at", "position", "principal", "key_id", "surface", "endpoint", "provider_id", "model_requested"),
    *("outcome", "provenance", "has_usage", "prompt_tokens", "completion_tokens", "cost_picodollars", "settled_at"),
    "model_asked",
)


def upgrade() -> None:
    settled = sa.text("state = 'settled'")
    op.add_column("ledger_entries", sa.Column("model_asked", sa.Text()))
    op.drop_index("ix_ledger_figures", "ledger_entries")
    op.create_index("ix_ledger_figures", "ledger_entries", _FIGURES, sqlite_where=settled, postgresql_where=settled)
