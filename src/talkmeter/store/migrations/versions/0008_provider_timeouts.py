"""Time-outs of a provider's own, in seconds; null: as the settings say."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    with op.batch_alter_table("providers") as batch:
        for name in ("connect", "headers", "first_token", "silence"):
            batch.add_column(sa.Column(f"{name}_seconds", sa.Double()))
