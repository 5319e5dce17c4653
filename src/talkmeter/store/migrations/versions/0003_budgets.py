"""Budgets, what they have counted, rate limits, and what an entry had reserved."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("ledger_entries", sa.Column("reservations", sa.Text()))
    op.create_table(
        "budgets",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("scope_id", sa.Text()),
        sa.Column("period", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("hard", sa.Boolean(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_budgets"),
        sa.UniqueConstraint("id", name="uq_budgets_id"),
        sa.UniqueConstraint("name", name="uq_budgets_name"),
    )
    op.create_table(
        "budget_periods",
        sa.Column("budget_id", sa.Text(), nullable=False),
        sa.Column("period_start", sa.BigInteger(), nullable=False),
        sa.Column("spent", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("budget_id", "period_start", name="pk_budget_periods"),
    )
    op.create_table(
        "rate_states",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tat", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rate_states"),
    )
