"""The tables. Money is BIGINT picodollars, time BIGINT µs since 1970 UTC; both fit in 63 bits by the ledger's rules.

`position` counts rows in the order in which they were committed: what is "newest" never depends on the clock.
The ledger has no foreign key to rooms: entries outlive them.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    event,
    insert,
    text,
)
from sqlalchemy.sql.elements import TextClause

from talkmeter.clock import now

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _position() -> Column[int]:
    # SQLite counts for itself only in a column whose type is exactly INTEGER.
    number = BigInteger().with_variant(Integer, "sqlite")
    return Column("position", number, Identity(always=False), primary_key=True)


def _some_rows(name: str, condition: str, *columns: str, unique: bool = False) -> Index:
    """An index over the rows that meet a condition, so that the others do not pay for it."""
    return Index(name, *columns, sqlite_where=text(condition), unique=unique)


@event.listens_for(metadata, "before_create")
def _tell_postgres(target: MetaData, connection: Connection, **_: object) -> None:
    """The conditions again as PostgreSQL's: to name it above would import its whole dialect at every start."""
    if connection.dialect.name == "postgresql":
        for index in (index for table in target.tables.values() for index in table.indexes):
            where: TextClause | None = index.dialect_options["sqlite"]["where"]
            if where is not None:
                index.dialect_kwargs["postgresql_where"] = where


settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
)

providers = Table(
    "providers",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("base_url", Text, nullable=False),
    *(Column(f"key_{part}", LargeBinary) for part in ("nonce", "ciphertext")),
    Column("key_hint", Text),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    *(Column(f"admin_key_{part}", LargeBinary) for part in ("nonce", "ciphertext")),
    Column("admin_key_hint", Text),
    *(Column(f"{name}_seconds", Double) for name in ("connect", "headers", "first_token", "silence")),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_hash", LargeBinary, primary_key=True),
    Column("principal", Text, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
)

sign_in_tokens = Table(
    "sign_in_tokens",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("used_at", BigInteger),
    Column("user_id", Text, nullable=False),
)

users = Table(
    "users",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("name_key", Text, nullable=False, unique=True),  # what makes two names one: accounts/names.py
    Column("role", Text, nullable=False),
    Column("password", Text),  # argon2id
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("rpm", BigInteger),
    Column("tpm", BigInteger),
)

api_keys = Table(
    "api_keys",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of the token, which is kept nowhere
    Column("name", Text, nullable=False),
    Column("user_id", Text, ForeignKey("users.id"), nullable=False, index=True),
    Column("hint", Text, nullable=False),
    Column("models", Text),  # JSON
    Column("doors", Text),  # JSON
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("disconnect", Text, nullable=False),
    Column("rpm", BigInteger),
    Column("tpm", BigInteger),
    Column("last_used_at", BigInteger),
    Column("replaces", Text, unique=True),
)

# How often each kind of thing has changed: other processes look here to see that they must read it again.
revisions = Table(
    "revisions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
)

rooms = Table(
    "rooms",
    metadata,
    Column("id", Text, primary_key=True),
    Column("principal", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("pinned", Boolean, nullable=False),
    Column("settings", Text, nullable=False),  # RoomSettings as JSON
    Column("leaf_id", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("last_used_at", BigInteger, nullable=False),
    Column("message_count", Integer, nullable=False),
    Column("conversation_id", Text),  # since 0007: the name that a client has made for it
    Index("ix_rooms_order", "principal", "pinned", "last_used_at", "id"),
    _some_rows("ix_rooms_named", "conversation_id IS NOT NULL", "principal", "conversation_id", unique=True),
)

messages = Table(
    "messages",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("room_id", Text, ForeignKey("rooms.id"), nullable=False),
    Column("parent_id", Text),
    Column("role", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("model", Text),
    Column("provider_name", Text),
    Column("run_id", Text),
    Column("error", Text),  # JSON
    Column("text", Text, nullable=False),
    UniqueConstraint("room_id", "id"),
    # A parent of another room would let one branch run through two rooms.
    ForeignKeyConstraint(["room_id", "parent_id"], ["messages.room_id", "messages.id"]),
    Index("ix_messages_children", "parent_id", "position"),
    _some_rows("ix_messages_roots", "parent_id IS NULL", "room_id"),
)

attachments = Table(
    "attachments",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("room_id", Text, ForeignKey("rooms.id"), index=True),
    Column("message_id", Text, ForeignKey("messages.id"), index=True),
    Column("place", Integer, nullable=False),  # order within the message
    Column("principal", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("mime", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("file", Text, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("room_id", Text, ForeignKey("rooms.id"), nullable=False, index=True),
    Column("principal", Text, nullable=False),
    Column("question_id", Text, nullable=False),
    Column("answer_id", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("stop_mode", Text),
    Column("model", Text),
    Column("provider_id", Text),
    Column("surface", Text, nullable=False),
    Column("system_prompt", Text),
    *(Column(name, Text) for name in ("key_id", "tags", "options", "first_prompt")),  # since 0007; two are JSON
    UniqueConstraint("principal", "client_id"),
    _some_rows("ix_runs_unfinished", "status IN ('queued', 'running')", "position"),
)

run_events = Table(
    "run_events",
    metadata,
    Column("run_id", Text, ForeignKey("runs.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("data", Text, nullable=False),  # JSON
)

_FIGURES = (
    *("opened_at", "position", "principal", "key_id", "surface", "endpoint", "provider_id", "model_requested"),
    *("outcome", "provenance", "has_usage", "prompt_tokens", "completion_tokens", "cost_picodollars", "settled_at"),
    "model_asked",
)
ledger_entries = Table(
    "ledger_entries",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False),  # open | settled
    # as opened
    Column("surface", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("provider_id", Text, nullable=False),
    Column("provider_name", Text, nullable=False),
    Column("model_requested", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("preflight_tokens", BigInteger),
    Column("preflight_quality", Text),
    Column("preflight_encoding", Text),
    Column("preflight_lines", Text),  # JSON
    Column("messages_sent", Integer),
    Column("attempt", Integer, nullable=False),
    Column("window", Integer),
    Column("max_output_tokens", BigInteger),
    Column("worst_case_picodollars", BigInteger),
    Column("room_id", Text),
    Column("run_id", Text),
    Column("question_id", Text),
    Column("answer_id", Text),
    # as settled
    Column("outcome", Text),
    Column("provenance", Text),
    Column("has_usage", Boolean),
    Column("prompt_tokens", BigInteger),
    Column("cached_tokens", BigInteger),
    Column("cache_write_tokens", BigInteger),
    *(Column(name, BigInteger) for name in ("prompt_audio_tokens", "prompt_image_tokens")),
    Column("completion_tokens", BigInteger),
    Column("reasoning_tokens", BigInteger),
    *(Column(name, BigInteger) for name in ("completion_audio_tokens", "completion_image_tokens")),
    *(Column(name, BigInteger) for name in ("cached_audio_tokens", "cached_image_tokens")),
    Column("cache_write_1h_tokens", BigInteger),
    Column("raw_usage", Text),  # JSON, verbatim
    Column("cost_picodollars", BigInteger),
    Column("cost_lines", Text),  # JSON
    Column("unpriced", Text),  # JSON
    Column("settled_at", BigInteger),
    Column("first_byte_at", BigInteger),
    Column("model_served", Text),
    Column("service_tier", Text),
    Column("finish_reason", Text),
    Column("http_status", Integer),
    Column("error", Text),  # JSON
    Column("problem", Text),
    Column("reservations", Text),  # JSON; as opened
    # since 0004, as opened and as settled
    Column("key_id", Text),
    Column("end_user", Text),
    Column("tags", Text),  # JSON
    Column("metadata", Text),  # JSON
    Column("upstream_id", Text),
    Column("request_bytes", BigInteger),
    Column("characters", BigInteger),
    Column("seconds", BigInteger),
    Column("images", BigInteger),
    Column("billing", Text, nullable=False, server_default="tokens"),
    Column("model_asked", Text),  # since 0010: what the client said, where a route has made another name of it
    _some_rows("ix_ledger_open", "state = 'open'", "position"),
    _some_rows("ix_ledger_unpriced", "state = 'settled' AND cost_picodollars IS NULL", "position"),
    _some_rows("ix_ledger_room", "room_id IS NOT NULL", "room_id"),
    _some_rows("ix_ledger_answer", "answer_id IS NOT NULL", "answer_id"),
    # All that the list of calls is filtered, sorted and summed by (read_calls.py). Texts in it are bounded where they
    # come in: PostgreSQL refuses a row whose part of an index is too large.
    _some_rows("ix_ledger_figures", "state = 'settled'", *_FIGURES),
    # Only these are ever asked for again by the provider's name for them.
    _some_rows("ix_ledger_upstream", "endpoint IN ('responses', 'batches') AND upstream_id IS NOT NULL", "upstream_id"),
)

# What calls without a room have brought so far; a settled call has none. In seq, the part comes before the order in it.
PARTIALS_OF_A_PART = 1 << 20
partial_texts = Table(
    "partial_texts",
    metadata,
    Column("entry_id", Text, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("text", Text, nullable=False),
)

# Which provider answers to a model's name; see accounts.routes.
model_routes = Table(
    "model_routes",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("pattern", Text, nullable=False, unique=True),
    Column("targets", Text, nullable=False),  # JSON
    Column("retries", Integer, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

price_rows = Table(
    "price_rows",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("band_from", BigInteger, nullable=False),
    Column("effective_from", BigInteger, nullable=False),
    Column("picodollars", BigInteger, nullable=False),
    Column("per", BigInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

budgets = Table(
    "budgets",
    metadata,
    _position(),
    Column("id", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False, unique=True),
    Column("scope", Text, nullable=False),
    Column("scope_id", Text),
    Column("period", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("hard", Boolean, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

budget_periods = Table(
    "budget_periods",
    metadata,
    Column("budget_id", Text, primary_key=True),
    Column("period_start", BigInteger, primary_key=True),
    Column("spent", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
)

rate_states = Table(
    "rate_states",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tat", BigInteger, nullable=False),  # ns since 1970; see metering/rates.py
)


def add_first_rows(connection: Connection) -> None:
    """What a new database holds from the beginning: its first owner, who has no password yet."""
    owner = {"id": "owner", "name": "owner", "name_key": "owner", "role": "owner", "created_at": now()}
    connection.execute(insert(users).values(owner))
    connection.execute(insert(revisions).values(name="accounts", number=0))
