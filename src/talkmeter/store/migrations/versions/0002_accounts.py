"""Users, API keys, and revisions. The password that the owner had becomes the first user's."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

import json

import sqlalchemy as sa
from alembic import op

from talkmeter.clock import now

revision = "0002"
down_revision = "0001"

_POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _users()
    _api_keys()
    _revisions()
    _sign_in_tokens()
    _first_owner()


def _users() -> None:
    op.create_table(
        "users",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.Column("rpm", sa.BigInteger()),
        sa.Column("tpm", sa.BigInteger()),
        sa.PrimaryKeyConstraint("position", name="pk_users"),
        sa.UniqueConstraint("id", name="uq_users_id"),
        sa.UniqueConstraint("name_key", name="uq_users_name_key"),
    )


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("models", sa.Text()),
        sa.Column("doors", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("disconnect", sa.Text(), nullable=False),
        sa.Column("rpm", sa.BigInteger()),
        sa.Column("tpm", sa.BigInteger()),
        sa.Column("last_used_at", sa.BigInteger()),
        sa.Column("replaces", sa.Text()),
        sa.PrimaryKeyConstraint("position", name="pk_api_keys"),
        sa.UniqueConstraint("id", name="uq_api_keys_id"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
        sa.UniqueConstraint("replaces", name="uq_api_keys_replaces"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_api_keys_user_id"),
    )
    op.create_index("ix_api_keys_user_id", "api_keys", ["user_id"])


def _revisions() -> None:
    op.create_table(
        "revisions",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_revisions"),
    )
    op.execute("INSERT INTO revisions (name, number) VALUES ('accounts', 0)")


def _sign_in_tokens() -> None:
    op.add_column("sign_in_tokens", sa.Column("user_id", sa.Text()))
    op.execute("UPDATE sign_in_tokens SET user_id = 'owner'")
    with op.batch_alter_table("sign_in_tokens") as batch:
        batch.alter_column("user_id", existing_type=sa.Text(), nullable=False)


def _first_owner() -> None:
    connection = op.get_bind()
    text = connection.execute(sa.text("SELECT value FROM settings WHERE name = 'owner_password'")).scalar()
    connection.execute(
        sa.text(
            "INSERT INTO users (id, name, name_key, role, password, created_at) "
            "VALUES ('owner', 'owner', 'owner', 'owner', :password, :at)"
        ),
        {"password": None if text is None else json.loads(text), "at": now()},
    )
    connection.execute(sa.text("DELETE FROM settings WHERE name = 'owner_password'"))
