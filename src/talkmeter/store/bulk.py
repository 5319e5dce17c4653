"""Changes that come by the thousand: many of one kind are applied by one statement, their values in a row.

What holds for one holds for all: each opening is a new row, each settlement finds its entry open. Where that fails for
any of them, none is applied, and the writer applies them one by one, which says for each what is wrong.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Insert, Update
from sqlalchemy.engine.interfaces import Dialect

_POSITIONAL = {"sqlite": "qmark", "postgresql": "format"}


class Bulk:
    """One kind of change. names: what `values` gives, in its order. Other columns are constants of the statement."""

    def __init__(
        self, core: Insert | Update, names: Sequence[str], values: Callable[[Any], tuple[Any, ...]], *, last: bool
    ) -> None:
        self._core = core.inline() if isinstance(core, Insert) else core
        self._names = tuple(names)
        self._values = values
        self.last = last
        self._made: dict[str, tuple[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]]] = {}

    def apply(self, connection: Any, dialect: Dialect, changes: Sequence[Any]) -> bool:
        """Applies them; false if any of them found no row."""
        text, in_order = self._for(dialect)
        cursor = connection.cursor()
        try:
            cursor.executemany(text, [in_order(self._values(change)) for change in changes])
            return bool(cursor.rowcount == len(changes))
        finally:
            cursor.close()

    def _for(self, dialect: Dialect) -> tuple[str, Callable[[tuple[Any, ...]], tuple[Any, ...]]]:
        made = self._made.get(dialect.name)
        if made is None:
            positional = type(dialect)(paramstyle=_POSITIONAL[dialect.name], dbapi=dialect.loaded_dbapi)  # type: ignore[call-arg]
            keys = [name for name in self._names if name != "this"]
            compiled = self._core.compile(dialect=positional, column_keys=keys)
            order = compiled.positiontup or []
            made = str(compiled), itemgetter(*[self._names.index(name) for name in order])
            self._made[dialect.name] = made
        return made


Bulks = Mapping[type, Bulk]
