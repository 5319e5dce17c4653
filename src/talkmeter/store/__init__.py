"""What is kept: one implementation on SQLAlchemy Core for SQLite and PostgreSQL. See docs/decisions."""

from talkmeter.store.store import Store, open_store

__all__ = ["Store", "open_store"]
