"""Reconciliation: the key that reads a provider's own books."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.batch_alter_table("providers") as batch:
        batch.add_column(sa.Column("admin_key_nonce", sa.LargeBinary()))
        batch.add_column(sa.Column("admin_key_ciphertext", sa.LargeBinary()))
        batch.add_column(sa.Column("admin_key_hint", sa.Text()))
