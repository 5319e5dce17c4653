"""Tells other processes that there is something to read again."""

from sqlalchemy import insert, literal_column, update

from talkmeter.store.parameters import THIS
from talkmeter.store.schema import revisions
from talkmeter.store.transaction import Statement, Transaction

ACCOUNTS = "accounts"  # users, keys, providers, settings, prices

_NEXT = Statement(
    update(revisions).where(revisions.c.name == THIS).values(number=revisions.c.number + literal_column("1")),
    columns=[],
)
_FIRST = Statement(insert(revisions))


def revise(at: Transaction, name: str = ACCOUNTS) -> None:
    """First of all that a change does: in PostgreSQL, the row is also the lock that keeps such changes in a row."""
    if at.run(_NEXT, {"this": name}) == 0:
        at.run(_FIRST, {"name": name, "number": 1})
