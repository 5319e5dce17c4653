"""What is kept: one implementation on SQLAlchemy Core for SQLite and PostgreSQL. See docs/decisions."""

from talkmeter.store.store import Store, open_remote_store, open_store

__all__ = ["Store", "open_remote_store", "open_store"]
