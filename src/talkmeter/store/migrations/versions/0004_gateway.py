"""The gateway: whose call it was, what it is billed by, texts under way, and routes of models."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TEXTS = ("key_id", "end_user", "tags", "metadata", "upstream_id")
_NUMBERS = ("request_bytes", "characters", "seconds", "images")
_NOT_ALWAYS_COUNTED: dict[str, sa.types.TypeEngine[Any]] = {
    "preflight_tokens": sa.BigInteger(),
    "preflight_quality": sa.Text(),
    "preflight_encoding": sa.Text(),
    "preflight_lines": sa.Text(),
    "messages_sent": sa.Integer(),
}


def upgrade() -> None:
    with op.batch_alter_table("ledger_entries") as batch:
        for name in _TEXTS:
            batch.add_column(sa.Column(name, sa.Text()))
        for name in _NUMBERS:
            batch.add_column(sa.Column(name, sa.BigInteger()))
        batch.add_column(sa.Column("billing", sa.Text(), nullable=False, server_default="tokens"))
        for name, kind in _NOT_ALWAYS_COUNTED.items():
            batch.alter_column(name, existing_type=kind, nullable=True)
    unknown = sa.text("provenance = 'unknown'")
    op.create_index("ix_ledger_unknown", "ledger_entries", ["position"], sqlite_where=unknown, postgresql_where=unknown)
    named = sa.text("endpoint IN ('responses', 'batches') AND upstream_id IS NOT NULL")
    op.create_index("ix_ledger_upstream", "ledger_entries", ["upstream_id"], sqlite_where=named, postgresql_where=named)
    op.create_table(
        "partial_texts",
        sa.Column("entry_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "seq", name="pk_partial_texts"),
    )
    op.create_table(
        "model_routes",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("pattern", sa.Text(), nullable=False),
        sa.Column("targets", sa.Text(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_model_routes"),
        sa.UniqueConstraint("id", name="uq_model_routes_id"),
        sa.UniqueConstraint("pattern", name="uq_model_routes_pattern"),
    )
