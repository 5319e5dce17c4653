"""The database of TokenMeter: `server/database.db`, with its rooms and chats. Opened read only."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from talkmeter.conversation.importing.values import (
    Format,
    Found,
    ImportedConversation,
    ImportedMessage,
    LeftOut,
    UnreadableConversation,
)
from talkmeter.errors import BadInput
from talkmeter.importing.source import unusable
from talkmeter.importing.times import from_text

FORMAT: Format = "tokenmeter"
_NEEDED = {
    "room": {"id", "name"},
    "chat": {"id", "time", "message", "sequence", "is_answer", "room_id"},
}


class TokenMeter:
    """path: the database, or the folder that it is in. Raises BadInput if it is none of TokenMeter's."""

    def __init__(self, path: Path) -> None:
        found = (path, path / "database.db", path / "server" / "database.db")
        file = next((each for each in found if each.is_file()), None)
        if file is None:
            raise unusable(f"There is no database {path}.", f"{path} 데이터베이스가 없습니다.")
        self._name = file.name
        self._at = file.stat().st_mtime_ns // 1000
        self._done = 0
        try:
            self._database = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False)
            self._database.row_factory = sqlite3.Row
            self._columns = {table: self._columns_of(table) for table in (*_NEEDED, "config")}
            self.total = self._number("SELECT count(*) FROM room") if self._is_whole() else 0
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        if not self._is_whole():
            self._database.close()
            raise unusable(
                f"{self._name} is no database of TokenMeter: it lacks its tables room and chat.",
                f"{self._name}은(는) TokenMeter의 데이터베이스가 아닙니다: room, chat 테이블이 없습니다.",
            )

    @property
    def done(self) -> int:
        return self._done

    def check(self) -> Iterator[None]:
        try:
            (found,) = self._database.execute("PRAGMA integrity_check(1)").fetchone()
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        if found != "ok":
            raise self._damaged(found)
        self._done = self.total
        yield

    def conversations(self) -> Iterator[Found]:
        self._done = 0
        system = self._system_prompt()
        for room in self._database.execute("SELECT id, name FROM room ORDER BY id").fetchall():
            self._done += 1
            try:
                yield self._conversation(room, system)
            except sqlite3.Error as error:
                yield UnreadableConversation(str(room["name"]), self._damaged(error))

    def left_out(self) -> dict[LeftOut, int]:
        """Its token counts are of calls that no ledger of ours has seen; a key is to be entered in Settings."""
        left_out: dict[LeftOut, int] = {
            "orphan": self._number(
                "SELECT count(*) FROM chat WHERE room_id IS NULL"
                " OR room_id NOT IN (SELECT id FROM room WHERE id IS NOT NULL)"
            )
        }
        if "token_meter_total" in self._columns["chat"]:
            left_out["figures"] = self._number("SELECT count(*) FROM chat WHERE token_meter_total IS NOT NULL")
        if "openai_api_key" in self._columns["config"]:
            left_out["api_key"] = self._number("SELECT count(*) FROM config WHERE openai_api_key <> ''")
        return left_out

    def close(self) -> None:
        self._database.close()

    def _conversation(self, room: Mapping[str, Any], system: str | None) -> ImportedConversation:
        model = "used_model" if "used_model" in self._columns["chat"] else "NULL"
        query = (
            f"SELECT id, time, message, is_answer, {model} AS model FROM chat WHERE room_id = ?"  # noqa: S608 (a constant)
            " ORDER BY sequence, id"
        )
        messages: list[ImportedMessage] = []
        first = ""
        at, unread = self._at, 0
        with closing(self._database.execute(query, (room["id"],))) as rows:
            for row in rows:
                first = first or str(row["time"])
                at = from_text(row["time"]) or (messages[-1].created_at if messages else self._at)
                text = _text(row["message"])
                if text is None:
                    unread += 1
                elif text:
                    parent_id = messages[-1].id if messages else None
                    messages.append(_message(row, text, parent_id, at))
        return ImportedConversation(
            format=FORMAT,
            id=f"{room['id']} {first}",  # every TokenMeter has a room 1
            title=_text(room["name"]) or "",
            created_at=messages[0].created_at if messages else at,
            last_used_at=max((each.created_at for each in messages), default=at),
            messages=tuple(messages),
            leaf_id=messages[-1].id if messages else None,
            system_prompt=system,
            left_out={"part": unread} if unread else {},
        )

    def _system_prompt(self) -> str | None:
        """It had one for all rooms."""
        if "system_message" not in self._columns["config"]:
            return None
        row = self._database.execute("SELECT system_message FROM config ORDER BY id DESC").fetchone()
        return None if row is None else (_text(row[0]) or "").strip() or None

    def _is_whole(self) -> bool:
        return all(needed <= self._columns[table] for table, needed in _NEEDED.items())

    def _columns_of(self, table: str) -> set[str]:
        """None for what is no table: a view could be made to take for ever."""
        is_table = self._number("SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?", table)
        rows = self._database.execute("SELECT name FROM pragma_table_info(?)", (table,)) if is_table else ()
        return {row[0] for row in rows}

    def _number(self, query: str, *values: Any) -> int:
        (found,) = self._database.execute(query, values).fetchone()
        return int(found)

    def _damaged(self, why: object) -> BadInput:
        return unusable(
            f"{self._name} is damaged, or no database: {why}.",
            f"{self._name}이(가) 손상되었거나 데이터베이스가 아닙니다: {why}.",
        )


def _text(value: object) -> str | None:
    """A column's value; None for bytes that are none. SQLite keeps in any column whatever it is given."""
    if not isinstance(value, bytes):
        return "" if value is None else str(value)
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def _message(row: Mapping[str, Any], text: str, parent_id: str | None, at: int) -> ImportedMessage:
    model = row["model"] if row["is_answer"] else None
    return ImportedMessage(
        id=str(row["id"]),
        parent_id=parent_id,
        role="assistant" if row["is_answer"] else "user",
        text=text,
        created_at=at,
        model=str(model) if model else None,
    )
