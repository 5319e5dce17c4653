"""Indexes of the ledger that no query goes by, and every call paid for."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for name in ("run", "question", "unknown"):
        op.drop_index(f"ix_ledger_{name}", "ledger_entries")
