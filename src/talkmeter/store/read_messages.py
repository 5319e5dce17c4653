"""Queries of messages and their attachments: branches, siblings, leaves."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, Select, bindparam, literal_column, select, union_all

from talkmeter.messages import Attachment, Message
from talkmeter.store import rows
from talkmeter.store.parameters import IDS, THIS, WHOSE, chunks
from talkmeter.store.schema import attachments, messages, rooms

_message = messages.c
_file = attachments.c
_DEEPEST = 1_000_000  # no branch is that long; ends the walk should parents ever form a ring

_MESSAGE = (
    select(messages).join(rooms, rooms.c.id == _message.room_id).where(_message.id == THIS, rooms.c.principal == WHOSE)
)
_IDS = select(_message.id).where(_message.room_id == THIS)
_OF_MESSAGE = select(attachments).where(_file.message_id == THIS).order_by(_file.place, _file.position)
_OF_ROOM = (
    select(attachments)
    .where(_file.room_id == bindparam("room"), _file.message_id.is_not(None))
    .order_by(_file.place, _file.position)
)
_BY_ID = select(attachments).where(_file.id.in_(IDS), _file.principal == WHOSE)
_ANSWERS = (
    select(_message.parent_id, _message.id)
    .where(_message.parent_id.in_(IDS), _message.role == literal_column("'assistant'"))
    .order_by(_message.position)
)


def _branch() -> Select[Any]:
    """From the leaf up, `limit` steps at most."""
    leaf = select(_message.id, _message.parent_id, literal_column("1").label("depth")).where(_message.id == THIS)
    up = leaf.cte("up", recursive=True)
    above = messages.alias("above")
    up = up.union_all(
        select(above.c.id, above.c.parent_id, up.c.depth + literal_column("1"))
        .join(up, above.c.id == up.c.parent_id)
        .where(up.c.depth < bindparam("limit"))
    )
    return select(messages, up.c.depth).join(up, up.c.id == _message.id)


def _leaf() -> Select[Any]:
    """Down the newest child each time."""
    start = select(_message.id, literal_column("1").label("depth")).where(_message.id == THIS)
    down = start.cte("down", recursive=True)
    child = messages.alias("child")
    newest = (
        select(child.c.id)
        .where(child.c.parent_id == down.c.id)
        .order_by(child.c.position.desc())
        .limit(literal_column("1"))
        .correlate(down)
        .scalar_subquery()
    )
    down = down.union_all(
        select(newest, down.c.depth + literal_column("1")).where(
            down.c.id.is_not(None), down.c.depth < literal_column(str(_DEEPEST))
        )
    )
    return select(down.c.id).where(down.c.id.is_not(None)).order_by(down.c.depth.desc()).limit(literal_column("1"))


def _siblings() -> Select[Any]:
    """Two statements in one: NULL equals nothing, and an index serves either only by itself."""
    it, other = messages.alias("it"), messages.alias("other")
    same_parent = (
        select(it.c.id.label("of"), other.c.id, other.c.position)
        .join(other, other.c.parent_id == it.c.parent_id)
        .where(it.c.id.in_(IDS), other.c.role == it.c.role)
    )
    roots = (
        select(it.c.id.label("of"), other.c.id, other.c.position)
        .join(other, other.c.room_id == it.c.room_id)
        .where(it.c.id.in_(IDS), it.c.parent_id.is_(None), other.c.parent_id.is_(None), other.c.role == it.c.role)
    )
    both = union_all(same_parent, roots).subquery()
    return select(both.c.of, both.c.id).order_by(both.c.position)


_BRANCH = _branch()
_LEAF = _leaf()
_SIBLINGS = _siblings()


def message(connection: Connection, message_id: str, principal: str) -> Message | None:
    row = connection.execute(_MESSAGE, {"this": message_id, "whose": principal}).one_or_none()
    if row is None:
        return None
    found = connection.execute(_OF_MESSAGE, {"this": message_id})
    return rows.message(row, tuple(rows.attachment(each) for each in found))


def message_ids(connection: Connection, room_id: str) -> Sequence[str]:
    return list(connection.execute(_IDS, {"this": room_id}).scalars())


def branch(connection: Connection, leaf_id: str, limit: int | None) -> Sequence[Message]:
    if limit is not None and limit <= 0:
        return []
    found = list(connection.execute(_BRANCH, {"this": leaf_id, "limit": limit or _DEEPEST}))
    if not found:
        return []
    found.sort(key=attrgetter("depth"), reverse=True)  # the database would sort the texts along
    # A room has few images: all of them in one look-up cost less than a list of thousands of message ids.
    files = rows.by_message([rows.attachment(row) for row in connection.execute(_OF_ROOM, {"room": found[0].room_id})])
    return [rows.message(row, files.get(row.id, ())) for row in found]


def siblings(connection: Connection, message_ids: Sequence[str]) -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {each: [] for each in message_ids}
    for ids in chunks(message_ids):
        for of, other in connection.execute(_SIBLINGS, {"ids": ids}):
            found[of].append(other)
    return {of: others for of, others in found.items() if others}


def newest_descendant(connection: Connection, message_id: str) -> str:
    row = connection.execute(_LEAF, {"this": message_id}).one_or_none()
    return message_id if row is None else row.id


def newest_answers(connection: Connection, question_ids: Sequence[str]) -> Mapping[str, str]:
    newest: dict[str, str] = {}
    for ids in chunks(question_ids):
        newest.update({row.parent_id: row.id for row in connection.execute(_ANSWERS, {"ids": ids})})
    return newest


def attachments_by_id(connection: Connection, ids: Sequence[str], principal: str) -> Sequence[Attachment]:
    """In the order asked for; those that are not there or not the principal's are left out."""
    found: dict[str, Attachment] = {}
    for some in chunks(ids):
        for row in connection.execute(_BY_ID, {"ids": some, "whose": principal}):
            found[row.id] = rows.attachment(row)
    return [found[each] for each in ids if each in found]
