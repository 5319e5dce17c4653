"""The first schema."""
# ruff: noqa: INP001 (Alembic names its files by revision and loads them by path)

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_POSITION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _ledger_entries()
    _ledger_entries_indexes()
    _price_rows()
    _providers()
    _rooms()
    _sessions()
    _settings()
    _sign_in_tokens()
    _messages()
    _runs()
    _attachments()
    _run_events()


def _ledger_entries() -> None:
    op.create_table(
        "ledger_entries",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("provider_id", sa.Text(), nullable=False),
        sa.Column("provider_name", sa.Text(), nullable=False),
        sa.Column("model_requested", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("preflight_tokens", sa.BigInteger(), nullable=False),
        sa.Column("preflight_quality", sa.Text(), nullable=False),
        sa.Column("preflight_encoding", sa.Text(), nullable=False),
        sa.Column("preflight_lines", sa.Text(), nullable=False),
        sa.Column("messages_sent", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("window", sa.Integer()),
        sa.Column("max_output_tokens", sa.BigInteger()),
        sa.Column("worst_case_picodollars", sa.BigInteger()),
        sa.Column("room_id", sa.Text()),
        sa.Column("run_id", sa.Text()),
        sa.Column("question_id", sa.Text()),
        sa.Column("answer_id", sa.Text()),
        sa.Column("outcome", sa.Text()),
        sa.Column("provenance", sa.Text()),
        sa.Column("has_usage", sa.Boolean()),
        sa.Column("prompt_tokens", sa.BigInteger()),
        sa.Column("cached_tokens", sa.BigInteger()),
        sa.Column("cache_write_tokens", sa.BigInteger()),
        sa.Column("prompt_audio_tokens", sa.BigInteger()),
        sa.Column("prompt_image_tokens", sa.BigInteger()),
        sa.Column("completion_tokens", sa.BigInteger()),
        sa.Column("reasoning_tokens", sa.BigInteger()),
        sa.Column("completion_audio_tokens", sa.BigInteger()),
        sa.Column("completion_image_tokens", sa.BigInteger()),
        sa.Column("cached_audio_tokens", sa.BigInteger()),
        sa.Column("cached_image_tokens", sa.BigInteger()),
        sa.Column("cache_write_1h_tokens", sa.BigInteger()),
        sa.Column("raw_usage", sa.Text()),
        sa.Column("cost_picodollars", sa.BigInteger()),
        sa.Column("cost_lines", sa.Text()),
        sa.Column("unpriced", sa.Text()),
        sa.Column("settled_at", sa.BigInteger()),
        sa.Column("first_byte_at", sa.BigInteger()),
        sa.Column("model_served", sa.Text()),
        sa.Column("service_tier", sa.Text()),
        sa.Column("finish_reason", sa.Text()),
        sa.Column("http_status", sa.Integer()),
        sa.Column("error", sa.Text()),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("position", name="pk_ledger_entries"),
        sa.UniqueConstraint("id", name="uq_ledger_entries_id"),
    )


def _ledger_entries_indexes() -> None:
    op.create_index(
        "ix_ledger_answer",
        "ledger_entries",
        ["answer_id"],
        sqlite_where=sa.text("answer_id IS NOT NULL"),
        postgresql_where=sa.text("answer_id IS NOT NULL"),
    )
    op.create_index("ix_ledger_entries_opened_at", "ledger_entries", ["opened_at"])
    op.create_index(
        "ix_ledger_open",
        "ledger_entries",
        ["position"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index(
        "ix_ledger_question",
        "ledger_entries",
        ["question_id"],
        sqlite_where=sa.text("question_id IS NOT NULL"),
        postgresql_where=sa.text("question_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_room",
        "ledger_entries",
        ["room_id"],
        sqlite_where=sa.text("room_id IS NOT NULL"),
        postgresql_where=sa.text("room_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_run",
        "ledger_entries",
        ["run_id"],
        sqlite_where=sa.text("run_id IS NOT NULL"),
        postgresql_where=sa.text("run_id IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_unpriced",
        "ledger_entries",
        ["position"],
        sqlite_where=sa.text("state = 'settled' AND cost_picodollars IS NULL"),
        postgresql_where=sa.text("state = 'settled' AND cost_picodollars IS NULL"),
    )


def _price_rows() -> None:
    op.create_table(
        "price_rows",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("band_from", sa.BigInteger(), nullable=False),
        sa.Column("effective_from", sa.BigInteger(), nullable=False),
        sa.Column("picodollars", sa.BigInteger(), nullable=False),
        sa.Column("per", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_price_rows"),
        sa.UniqueConstraint("id", name="uq_price_rows_id"),
    )


def _providers() -> None:
    op.create_table(
        "providers",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("base_url", sa.Text(), nullable=False),
        sa.Column("key_nonce", sa.LargeBinary()),
        sa.Column("key_ciphertext", sa.LargeBinary()),
        sa.Column("key_hint", sa.Text()),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_providers"),
        sa.UniqueConstraint("id", name="uq_providers_id"),
        sa.UniqueConstraint("name", name="uq_providers_name"),
    )


def _rooms() -> None:
    op.create_table(
        "rooms",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("leaf_id", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=False),
        sa.Column("message_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rooms"),
    )
    op.create_index("ix_rooms_order", "rooms", ["principal", "pinned", "last_used_at", "id"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_hash", sa.LargeBinary(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("session_hash", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_index("ix_sessions_principal", "sessions", ["principal"])


def _settings() -> None:
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_settings"),
    )


def _sign_in_tokens() -> None:
    op.create_table(
        "sign_in_tokens",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sign_in_tokens"),
    )
    op.create_index("ix_sign_in_tokens_expires_at", "sign_in_tokens", ["expires_at"])


def _messages() -> None:
    op.create_table(
        "messages",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column("parent_id", sa.Text()),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("model", sa.Text()),
        sa.Column("provider_name", sa.Text()),
        sa.Column("run_id", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["room_id", "parent_id"], ["messages.room_id", "messages.id"], name="fk_messages_room_id_parent_id"
        ),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_messages_room_id"),
        sa.PrimaryKeyConstraint("position", name="pk_messages"),
        sa.UniqueConstraint("id", name="uq_messages_id"),
        sa.UniqueConstraint("room_id", "id", name="uq_messages_room_id_id"),
    )
    op.create_index("ix_messages_children", "messages", ["parent_id", "position"])
    op.create_index(
        "ix_messages_roots",
        "messages",
        ["room_id"],
        sqlite_where=sa.text("parent_id IS NULL"),
        postgresql_where=sa.text("parent_id IS NULL"),
    )


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Text(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("question_id", sa.Text(), nullable=False),
        sa.Column("answer_id", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger()),
        sa.Column("finished_at", sa.BigInteger()),
        sa.Column("stop_mode", sa.Text()),
        sa.Column("model", sa.Text()),
        sa.Column("provider_id", sa.Text()),
        sa.Column("surface", sa.Text(), nullable=False),
        sa.Column("system_prompt", sa.Text()),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_runs_room_id"),
        sa.PrimaryKeyConstraint("position", name="pk_runs"),
        sa.UniqueConstraint("id", name="uq_runs_id"),
        sa.UniqueConstraint("principal", "client_id", name="uq_runs_principal_client_id"),
    )
    op.create_index("ix_runs_room_id", "runs", ["room_id"])
    op.create_index(
        "ix_runs_unfinished",
        "runs",
        ["position"],
        sqlite_where=sa.text("status IN ('queued', 'running')"),
        postgresql_where=sa.text("status IN ('queued', 'running')"),
    )


def _attachments() -> None:
    op.create_table(
        "attachments",
        sa.Column("position", _POSITION, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("room_id", sa.Text()),
        sa.Column("message_id", sa.Text()),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("principal", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("mime", sa.Text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["message_id"], ["messages.id"], name="fk_attachments_message_id"),
        sa.ForeignKeyConstraint(["room_id"], ["rooms.id"], name="fk_attachments_room_id"),
        sa.PrimaryKeyConstraint("position", name="pk_attachments"),
        sa.UniqueConstraint("id", name="uq_attachments_id"),
    )
    op.create_index("ix_attachments_file", "attachments", ["file"])
    op.create_index("ix_attachments_message_id", "attachments", ["message_id"])
    op.create_index("ix_attachments_room_id", "attachments", ["room_id"])


def _run_events() -> None:
    op.create_table(
        "run_events",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_run_events_run_id"),
        sa.PrimaryKeyConstraint("run_id", "seq", name="pk_run_events"),
    )
