"""Conversations by any door: rooms by the name that a client made, and whose question a run answers, asked for how."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    with op.batch_alter_table("rooms") as batch:
        batch.add_column(sa.Column("conversation_id", sa.Text()))
    with op.batch_alter_table("runs") as batch:
        for name in ("key_id", "tags", "options", "first_prompt"):
            batch.add_column(sa.Column(name, sa.Text()))
    named = sa.text("conversation_id IS NOT NULL")
    op.create_index(
        "ix_rooms_named",
        "rooms",
        ["principal", "conversation_id"],
        unique=True,
        sqlite_where=named,
        postgresql_where=named,
    )
