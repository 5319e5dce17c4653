"""Queries of rooms, runs and the files of a room."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, literal_column, or_, select, tuple_, union

from talkmeter.accounts.principals import LOCAL
from talkmeter.conversation.store import RoomPage
from talkmeter.errors import BadInput
from talkmeter.messages import Room, Run, RunEvent
from talkmeter.store import rows
from talkmeter.store.parameters import THIS, WHOSE
from talkmeter.store.schema import attachments, rooms, run_events, runs, users

_room = rooms.c
_run = runs.c

_ROOM = select(rooms).where(_room.id == THIS, _room.principal == WHOSE)
_NAMED_ROOM = select(rooms).where(_room.conversation_id == THIS, _room.principal == WHOSE)
_ANYBODY = select(users.c.id).union_all(select(literal_column(f"'{LOCAL}'")))
_NAMED_ROOMS = union(
    select(_room.id).where(_room.id == THIS),
    select(_room.id).where(_room.conversation_id == THIS, _room.principal.in_(_ANYBODY)),
)
_TOTAL = select(func.count()).select_from(rooms).where(_room.principal == WHOSE)
_FIRST_ROOMS = (
    select(rooms)
    .where(_room.principal == WHOSE)
    .order_by(_room.pinned.desc(), _room.last_used_at.desc(), _room.id.desc())
    .limit(bindparam("limit"))
)
_NEXT_ROOMS = _FIRST_ROOMS.where(
    tuple_(_room.pinned, _room.last_used_at, _room.id)
    < tuple_(
        bindparam("pinned", type_=_room.pinned.type),
        bindparam("last_used_at", type_=_room.last_used_at.type),
        bindparam("id", type_=_room.id.type),
    )
)
_RUN = select(runs).where(_run.id == THIS, _run.principal == WHOSE)
_RUN_BY_CLIENT_ID = select(runs).where(_run.client_id == THIS, _run.principal == WHOSE)
_UNFINISHED = (
    select(runs)
    .where(_run.status.in_([literal_column("'queued'"), literal_column("'running'")]))
    .order_by(_run.position)
)
_EVENTS = (
    select(run_events)
    .where(run_events.c.run_id == THIS, run_events.c.seq > bindparam("after"))
    .order_by(run_events.c.seq)
)


def _files_of_room() -> Select[Any]:
    elsewhere = attachments.alias("elsewhere")
    used = select(elsewhere.c.file).where(
        elsewhere.c.file == attachments.c.file,
        or_(elsewhere.c.room_id.is_(None), elsewhere.c.room_id != THIS),
    )
    return select(attachments.c.file).distinct().where(attachments.c.room_id == THIS, ~used.exists())


_FILES = _files_of_room()


def room(connection: Connection, room_id: str, principal: str) -> Room | None:
    row = connection.execute(_ROOM, {"this": room_id, "whose": principal}).one_or_none()
    return None if row is None else rows.room(row)


def named_room(connection: Connection, conversation_id: str, principal: str) -> Room | None:
    row = connection.execute(_NAMED_ROOM, {"this": conversation_id, "whose": principal}).one_or_none()
    return None if row is None else rows.room(row)


def room_ids(connection: Connection, name: str) -> Sequence[str]:
    return sorted(connection.execute(_NAMED_ROOMS, {"this": name}).scalars())


def page(connection: Connection, principal: str, cursor: str | None, limit: int) -> RoomPage:
    """One row more than asked for tells whether there is a next page."""
    asked = {"whose": principal, "limit": limit + 1}
    if cursor is None:
        found = connection.execute(_FIRST_ROOMS, asked).all()
    else:
        found = connection.execute(_NEXT_ROOMS, {**asked, **_from_cursor(cursor)}).all()
    total = connection.execute(_TOTAL, {"whose": principal}).scalar_one()
    shown = [rows.room(row) for row in found[:limit]]
    return RoomPage(shown, _cursor(shown[-1]) if shown and len(found) > limit else None, total)


def _cursor(room: Room) -> str:
    return f"{int(room.pinned)}.{room.last_used_at}.{room.id}"


def _from_cursor(cursor: str) -> dict[str, object]:
    pinned, _, rest = cursor.partition(".")
    last_used_at, _, room_id = rest.partition(".")
    if pinned not in ("0", "1") or not last_used_at.removeprefix("-").isdecimal() or len(last_used_at) > 18:
        raise BadInput(
            "This cursor is not one of ours.",
            "사용할 수 없는 커서입니다.",
            code="bad_cursor",
            param="cursor",
            hint="Start again without a cursor.",
            hint_ko="커서 없이 처음부터 다시 요청하십시오.",
        )
    return {"pinned": pinned == "1", "last_used_at": int(last_used_at), "id": room_id}


def run(connection: Connection, run_id: str, principal: str) -> Run | None:
    row = connection.execute(_RUN, {"this": run_id, "whose": principal}).one_or_none()
    return None if row is None else rows.run(row)


def run_by_client_id(connection: Connection, principal: str, client_id: str) -> Run | None:
    row = connection.execute(_RUN_BY_CLIENT_ID, {"this": client_id, "whose": principal}).one_or_none()
    return None if row is None else rows.run(row)


def unfinished_runs(connection: Connection) -> Sequence[Run]:
    return [rows.run(row) for row in connection.execute(_UNFINISHED)]


def run_events_after(connection: Connection, run_id: str, after: int) -> Sequence[RunEvent]:
    return [rows.run_event(row) for row in connection.execute(_EVENTS, {"this": run_id, "after": after})]


def files_of_room(connection: Connection, room_id: str) -> Sequence[str]:
    return list(connection.execute(_FILES, {"this": room_id}).scalars())
