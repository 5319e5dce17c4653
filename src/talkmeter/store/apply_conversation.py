"""Applies the changes of conversation."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET
from sqlalchemy import bindparam, delete, insert, literal_column, select, update

from talkmeter.conversation.changes import (
    AddAttachment,
    AddMessage,
    AddRoom,
    AddRun,
    AppendRunEvents,
    ChangeRoom,
    ChangeRun,
    DeleteRoom,
    FinishMessage,
    ForgetRunEvents,
    LinkAttachments,
    SetMessageStatus,
)
from talkmeter.errors import Conflict
from talkmeter.ids import new_id
from talkmeter.messages import Attachment
from talkmeter.store import rows
from talkmeter.store.parameters import THIS, WHOSE
from talkmeter.store.schema import attachments, messages, rooms, run_events, runs
from talkmeter.store.transaction import Refusal, Statement, Transaction

_ADD_ROOM = Statement(insert(rooms))
_ADD_MESSAGE = Statement(insert(messages))
_COUNT_MESSAGE = Statement(
    update(rooms).where(rooms.c.id == THIS).values(message_count=rooms.c.message_count + literal_column("1"))
)
_FINISH = Statement(update(messages).where(messages.c.id == THIS), columns=["text", "status", "finished_at", "error"])
_SET_STATUS = Statement(update(messages).where(messages.c.id == THIS), columns=["status"])
_ADD_RUN = Statement(insert(runs))
_RUN_EXISTS = Statement(select(runs.c.id).where(runs.c.id == THIS))
_ADD_EVENT = Statement(insert(run_events))
_FORGET_EVENTS = Statement(delete(run_events).where(run_events.c.run_id == THIS))
_ADD_ATTACHMENT = Statement(insert(attachments))
_LINK = Statement(
    update(attachments).where(
        attachments.c.id == THIS,
        attachments.c.principal == WHOSE,
        attachments.c.message_id.is_(None),
    ),
    columns=["room_id", "message_id", "place"],
)
_LINKED = Statement(
    select(*(attachments.c[name] for name in Attachment.__struct_fields__)).where(
        attachments.c.id == THIS,
        attachments.c.principal == WHOSE,
        attachments.c.room_id == bindparam("room"),
    )
)
_DELETE_ROOM = tuple(
    Statement(each)
    for each in (
        delete(run_events).where(run_events.c.run_id.in_(select(runs.c.id).where(runs.c.room_id == THIS))),
        delete(attachments).where(attachments.c.room_id == THIS),
        delete(messages).where(messages.c.room_id == THIS),
        delete(runs).where(runs.c.room_id == THIS),
        delete(rooms).where(rooms.c.id == THIS),
    )
)

_ROOM_GONE = Refusal("room_gone", "This room has been deleted.", "이 대화방은 삭제되었습니다.")
_CLIENT_ID_USED = Refusal(
    "client_id_used",
    "A question with this client_id was asked before.",
    "이 client_id로 보낸 질문이 이미 있습니다.",
)

# One prepared statement for each set of columns that is changed together.
_room_changes: dict[tuple[str, ...], Statement] = {}
_run_changes: dict[tuple[str, ...], Statement] = {}


def add_room(at: Transaction, change: AddRoom) -> None:
    exists = Refusal(
        "room_exists",
        f"There is a room {change.room.conversation_id or change.room.id} already.",
        f"대화방 {change.room.conversation_id or change.room.id}이(가) 이미 있습니다.",
    )
    at.run(_ADD_ROOM, rows.room_values(change.room), exists)


def change_room(at: Transaction, change: ChangeRoom) -> None:
    values = _set_fields(change)
    if "settings" in values:
        values["settings"] = rows.to_json(values["settings"])
    columns = tuple(values) or ("id",)
    if columns not in _room_changes:
        _room_changes[columns] = Statement(update(rooms).where(rooms.c.id == THIS), columns=columns)
    at.must(_room_changes[columns], {"id": change.id, **values, "this": change.id}, _ROOM_GONE)


def delete_room(at: Transaction, change: DeleteRoom) -> None:
    for statement in _DELETE_ROOM:
        at.run(statement, {"this": change.id})


def add_message(at: Transaction, change: AddMessage) -> None:
    message = change.message
    at.must(_COUNT_MESSAGE, {"this": message.room_id}, _ROOM_GONE)
    refused = Refusal(
        "message_refused",
        f"The message {message.id} exists already, or the one before it is not in this room.",
        f"메시지 {message.id}이(가) 이미 있거나, 그 앞의 메시지가 이 대화방에 없습니다.",
    )
    at.run(_ADD_MESSAGE, rows.message_values(message), refused)


def finish_message(at: Transaction, change: FinishMessage) -> None:
    at.run(
        _FINISH,
        {
            "this": change.id,
            "text": change.text,
            "status": change.status,
            "finished_at": change.finished_at,
            "error": None if change.error is None else rows.to_json(change.error),
        },
    )


def set_message_status(at: Transaction, change: SetMessageStatus) -> None:
    at.run(_SET_STATUS, {"this": change.id, "status": change.status})


def add_run(at: Transaction, change: AddRun) -> None:
    at.run(_ADD_RUN, rows.run_values(change.run), _CLIENT_ID_USED)


def change_run(at: Transaction, change: ChangeRun) -> None:
    values = _set_fields(change)
    columns = tuple(values)
    if not columns:
        return
    if columns not in _run_changes:
        _run_changes[columns] = Statement(update(runs).where(runs.c.id == THIS), columns=columns)
    at.run(_run_changes[columns], {**values, "this": change.id})


def append_run_events(at: Transaction, change: AppendRunEvents) -> None:
    if not at.rows(_RUN_EXISTS, {"this": change.run_id}):
        return
    exists = Refusal(
        "event_exists",
        f"The log of run {change.run_id} has one of these events already.",
        f"실행 {change.run_id}의 기록에 이 이벤트 중 하나가 이미 있습니다.",
    )
    for event in change.events:
        at.run(_ADD_EVENT, rows.run_event_values(change.run_id, event), exists)


def forget_run_events(at: Transaction, change: ForgetRunEvents) -> None:
    at.run(_FORGET_EVENTS, {"this": change.run_id})


def add_attachment(at: Transaction, change: AddAttachment) -> None:
    refused = Refusal(
        "attachment_refused",
        f"The attachment {change.attachment.id} exists already, or its room or message is gone.",
        f"첨부 {change.attachment.id}이(가) 이미 있거나, 그 대화방이나 메시지가 없습니다.",
    )
    at.run(_ADD_ATTACHMENT, {**rows.attachment_values(change.attachment), "place": 0}, refused)


def link_attachments(at: Transaction, change: LinkAttachments) -> None:
    for place, attachment_id in enumerate(change.attachment_ids):
        mine = {"this": attachment_id, "whose": change.principal}
        link = {"room_id": change.room_id, "message_id": change.message_id, "place": place}
        absent = Refusal(
            "attachment_not_usable",
            f"There is no attachment {attachment_id} that could go with this message.",
            f"이 메시지에 쓸 수 있는 첨부 {attachment_id}이(가) 없습니다.",
        )
        if at.run(_LINK, {**mine, **link}, absent):
            continue
        found = at.rows(_LINKED, {**mine, "room": change.room_id})
        if not found:
            raise Conflict(absent.message, absent.message_ko, code=absent.code, param="attachment_ids")
        copied = dict(zip(Attachment.__struct_fields__, found[0], strict=True))
        at.run(_ADD_ATTACHMENT, {**copied, **link, "id": new_id("file")}, absent)


def _set_fields(change: ChangeRoom | ChangeRun) -> dict[str, Any]:
    values = {name: getattr(change, name) for name in change.__struct_fields__ if name != "id"}
    return {name: value for name, value in values.items() if value is not UNSET}


APPLY: Mapping[type, Callable[[Transaction, Any], Any]] = {
    AddRoom: add_room,
    ChangeRoom: change_room,
    DeleteRoom: delete_room,
    AddMessage: add_message,
    FinishMessage: finish_message,
    SetMessageStatus: set_message_status,
    AddRun: add_run,
    ChangeRun: change_run,
    AppendRunEvents: append_run_events,
    ForgetRunEvents: forget_run_events,
    AddAttachment: add_attachment,
    LinkAttachments: link_attachments,
}
