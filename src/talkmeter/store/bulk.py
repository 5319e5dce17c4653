"""Changes that come by the thousand: many of one kind are applied by one statement, their values in a row.

What holds for one holds for all: each opening is a new row, each settlement finds its entry open. Where that fails for
any of them, none is applied, and the writer applies them one by one, which says for each what is wrong.

Most columns of a row are empty, and to hand NULL over costs Python's driver for SQLite many times what a text does. So
the columns that a change leaves empty are left out of its statement: a new row has NULL there anyway, and what a
settlement fills is NULL in every row that is open.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sqlalchemy import Insert, Update
from sqlalchemy.engine.interfaces import Dialect

_POSITIONAL = {"sqlite": "qmark", "postgresql": "format"}
_MOST_SHAPES = 64  # of a kind; what comes beyond these is written with all its columns

Values = tuple[Any, ...]


class Shape(NamedTuple):
    """The statement for changes that fill the same columns, and what it takes of their values, in its order."""

    text: str
    taken: Callable[[Values], Values]


_BEFORE_THE_FIRST = Shape("", tuple)


class Bulk:
    """One kind of change. names: of the columns that `values` gives, in its order; None: no column's.

    `this` is the id that a statement looks for. Other columns are constants of the statement.
    """

    def __init__(
        self, core: Insert | Update, names: Sequence[str | None], values: Callable[[Any], Values], *, last: bool
    ) -> None:
        self._core = core.inline() if isinstance(core, Insert) else core
        self._names = tuple(names)
        self._values = values
        self.last = last
        self._shapes: dict[tuple[str, tuple[bool, ...]], Shape] = {}

    def apply(self, connection: Any, dialect: Dialect, changes: Sequence[Any]) -> bool:
        """Applies them in their order; false if any of them found no row."""
        touched = 0
        cursor = connection.cursor()
        try:
            for text, rows in self._runs(dialect, changes):
                cursor.executemany(text, rows)
                touched += cursor.rowcount
        finally:
            cursor.close()
        return touched == len(changes)

    def _runs(self, dialect: Dialect, changes: Sequence[Any]) -> Iterator[tuple[str, list[Values]]]:
        """Cut where the shape changes."""
        empty: list[bool] = []
        rows: list[Values] = []
        text, taken = _BEFORE_THE_FIRST
        for change in changes:
            values = self._values(change)
            if (found := [value is None for value in values]) != empty:
                if rows:
                    yield text, rows
                empty, rows = found, []
                text, taken = self._shape(dialect, tuple(found))
            rows.append(taken(values))
        yield text, rows

    def _shape(self, dialect: Dialect, empty: tuple[bool, ...]) -> Shape:
        known = self._shapes.get((dialect.name, empty))
        if known is None:
            if len(self._shapes) >= _MOST_SHAPES and any(empty):
                return self._shape(dialect, (False,) * len(empty))
            known = self._shapes[dialect.name, empty] = self._make(dialect, empty)
        return known

    def _make(self, dialect: Dialect, empty: Sequence[bool]) -> Shape:
        positional = type(dialect)(paramstyle=_POSITIONAL[dialect.name], dbapi=dialect.loaded_dbapi)  # type: ignore[call-arg]
        keys = [name for name, left_out in zip(self._names, empty, strict=True) if name and not left_out]
        compiled = self._core.compile(dialect=positional, column_keys=[name for name in keys if name != "this"])
        return Shape(str(compiled), itemgetter(*[self._names.index(name) for name in compiled.positiontup or []]))


Bulks = Mapping[type, Bulk]
