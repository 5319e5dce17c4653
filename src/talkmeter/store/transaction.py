"""What a change may do: run prepared statements on the writer's connection.

Statements are SQLAlchemy Core, compiled once per dialect and then handed to the driver as text: the writer is the
narrowest place of the whole product, and Core's own execution costs about ten times what SQLite needs for the row.
No column has a type that would need SQLAlchemy to convert it on the way in.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Delete, Insert, Select, Update
from sqlalchemy.engine.interfaces import Dialect

from talkmeter.errors import Conflict


class Statement:
    """A Core statement with named parameters. `columns`: those that an INSERT is given, if not all but `position`."""

    def __init__(self, core: Insert | Update | Delete | Select[Any], columns: Sequence[str] | None = None) -> None:
        if isinstance(core, Insert):
            core = core.inline()  # nobody asks for the position that the database gives
            if columns is None and core.select is None:
                columns = [name for name in core.table.c.keys() if name != "position"]  # noqa: SIM118 (not a dict)
        self._core = core
        self._columns = None if columns is None else list(columns)
        self._texts: dict[str, str] = {}

    def text(self, dialect: Dialect) -> str:
        known = self._texts.get(dialect.name)
        if known is None:
            known = str(self._core.compile(dialect=dialect, column_keys=self._columns))
            self._texts[dialect.name] = known
        return known


class Refusal(NamedTuple):
    """Why a change cannot be applied, in words of the business."""

    code: str
    message: str
    message_ko: str

    def conflict(self) -> Conflict:
        return Conflict(self.message, self.message_ko, code=self.code)


class Transaction:
    """The writer's open transaction, as the functions that apply changes see it.

    connection: of sqlite3 or psycopg, in autocommit mode; BEGIN and COMMIT are the writer's business.
    """

    def __init__(self, connection: Any, dialect: Dialect) -> None:
        self.connection = connection
        self._clash: type[Exception] = dialect.loaded_dbapi.IntegrityError
        self._dialect = dialect
        self._refuses_nul = dialect.name == "postgresql"

    def run(self, statement: Statement, values: Mapping[str, Any], clash: Refusal | None = None) -> int:
        """Executes; the number of rows it touched. `clash`: what to raise if a key is taken or refers to nothing."""
        try:
            cursor = self._execute(statement, values)
        except self._clash:
            if clash is None:
                raise
            raise clash.conflict() from None
        touched: int = cursor.rowcount
        cursor.close()
        return touched

    def rows(self, statement: Statement, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        cursor = self._execute(statement, values)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        cursor.close()
        return found

    def must(self, statement: Statement, values: Mapping[str, Any], otherwise: Refusal) -> None:
        """Executes; raises Conflict unless a row was touched."""
        if self.run(statement, values) == 0:
            raise otherwise.conflict()

    def replace_or_add(
        self, replace: Statement, add: Statement, values: Mapping[str, Any], clash: Refusal | None = None
    ) -> None:
        """The row with the id of the values (`this`, to the statement that replaces), or else a new one."""
        others = {name: value for name, value in values.items() if name != "id"}
        if self.run(replace, {**others, "this": values["id"]}, clash) == 0:
            self.run(add, values, clash)

    def _execute(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        text = statement.text(self._dialect)
        if self._refuses_nul:
            return self.connection.execute(text, _storable(values, "\0"))
        try:
            return self.connection.execute(text, values)
        except UnicodeEncodeError:
            return self.connection.execute(text, _storable(values, None))


def _storable(values: Mapping[str, Any], refused: str | None) -> Mapping[str, Any]:
    """The values with U+FFFD for what the database cannot hold: lone surrogates, and NUL in PostgreSQL.

    A provider's answer may hold either; it must not keep its entry from being settled.
    """
    clean = dict(values)
    for name, value in values.items():
        if type(value) is str:
            clean[name] = _storable_text(value if refused is None else value.replace(refused, "\ufffd"))
    return clean


def _storable_text(text: str) -> str:
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
