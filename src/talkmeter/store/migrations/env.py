"""Alembic's entry point. Run by talkmeter.store.migrate alone, inside the transaction that it has opened."""
# ruff: noqa: INP001 (Alembic loads it by path)

from alembic import context

from talkmeter.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by making a new one
)
with context.begin_transaction():
    context.run_migrations()
