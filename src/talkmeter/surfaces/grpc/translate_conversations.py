"""`talkmeter.v1.Conversations` from and to what a conversation knows. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from msgspec import UNSET

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.conversation_ids import public_id
from talkmeter.conversation.store import RoomPage
from talkmeter.conversation.talk_values import Answered, Said, Started, Talk, Told
from talkmeter.conversation.values import Multitask
from talkmeter.errors import BadInput
from talkmeter.messages import Room, RunEvent, StopMode
from talkmeter.surfaces.grpc.entering import DOOR
from talkmeter.surfaces.grpc.messages import conversations_pb2 as pb
from talkmeter.surfaces.grpc.pieces import newest_that_fit, pieces
from talkmeter.surfaces.grpc.statuses import joined
from talkmeter.surfaces.grpc.translate import cost_of, figures_of, options_of, present, usage_of

T = TypeVar("T")

PAGE_SIZE = 60  # of a page whose size was not said
MULTITASKS: Mapping[int, Multitask] = {
    pb.MULTITASK_UNSPECIFIED: "enqueue",
    pb.MULTITASK_ENQUEUE: "enqueue",
    pb.MULTITASK_REJECT: "reject",
    pb.MULTITASK_INTERRUPT: "interrupt",
}
STOP_MODES: Mapping[int, StopMode] = {
    pb.STOP_MODE_UNSPECIFIED: "drain",
    pb.STOP_MODE_DRAIN: "drain",
    pb.STOP_MODE_CUT: "cut",
}


def stop_mode_of(request: pb.StopRequest) -> StopMode:
    """Raises BadInput."""
    return _meant(STOP_MODES, request.mode, "mode")


def talk_of(request: pb.AskRequest, principal: Principal, tags: tuple[str, ...] = ()) -> Talk:
    """Raises BadInput."""
    return Talk(
        surface=DOOR,
        principal=principal,
        conversation_id=request.conversation_id,
        prompt=request.prompt,
        parent_id=request.parent_id if request.HasField("parent_id") else UNSET,
        options=options_of(request.options),
        idempotency_key=request.idempotency_key if request.HasField("idempotency_key") else None,
        multitask=_meant(MULTITASKS, request.multitask, "multitask"),
        tags=tags,
    )


def _meant(known: Mapping[int, T], number: int, field: str) -> T:
    """What a number of an enum stands for. One that the proto does not have is not guessed at: raises BadInput."""
    if number not in known:
        raise BadInput(
            f"{field} cannot be {number}: the proto has no such value.",
            f"{field}의 값 {number}은(는) proto에 없습니다.",
            code="unknown_value",
            param=field,
        )
    return known[number]


def begun(started: Started) -> pb.RunEvent:
    return pb.RunEvent(
        begun=pb.Begun(
            conversation_id=started.conversation_id,
            run_id=started.run_id,
            question_id=started.question_id,
            message_id=started.message_id,
        )
    )


def events_of(event: RunEvent) -> Iterator[pb.RunEvent]:
    """What a follower gets of an event before the end; a long delta in pieces.

    All but the last of these have the seq before the delta's: who breaks off between them is given it again.
    """
    data = event.data
    match event.kind:
        case "queued":
            yield pb.RunEvent(seq=event.seq, queued=pb.Queued(behind_run_id=data["behind"]))
        case "started":
            counted = present({"prompt_tokens": data["preflight_tokens"]})
            yield pb.RunEvent(
                seq=event.seq, started=pb.Started(model=data["model"], call_id=data["entry_id"], **counted)
            )
        case "delta":
            text, size = data["text"], 0
            for offset, piece in pieces(text):
                size += len(piece)
                seq = event.seq if size == len(text) else event.seq - 1
                yield pb.RunEvent(seq=seq, delta=pb.Delta(offset=data["offset"] + offset, text=piece))
        case "reasoning":
            yield pb.RunEvent(seq=event.seq, reasoning=pb.Reasoning(seconds=data["seconds"]))
        case "stopping":
            mode = pb.STOP_MODE_CUT if data["mode"] == "cut" else pb.STOP_MODE_DRAIN
            yield pb.RunEvent(seq=event.seq, stopping=pb.Stopping(mode=mode))


def ended(seq: int, kind: str, answered: Answered) -> pb.RunEvent:
    """kind: of the log's last event."""
    told = present({"model": answered.model_served or answered.model, "problem": _problem(answered.error)})
    return pb.RunEvent(
        seq=seq,
        ended=pb.Ended(
            status=f"RUN_STATUS_{kind.upper()}",
            conversation_id=answered.conversation_id,
            message_id=answered.message_id,
            **told,
            **figures_of(answered),
        ),
    )


def history(told: Told) -> pb.GetHistoryResponse:
    """As many of the newest messages as any client takes at once."""
    messages = [_message(said) for said in told.messages]
    kept = newest_that_fit([message.ByteSize() for message in messages])
    older = told.older if kept == len(messages) else told.messages[-kept].parent_id
    return pb.GetHistoryResponse(
        conversation_id=told.conversation_id,
        messages=messages[len(messages) - kept :],
        next_page_token=older or "",
        run_ids_under_way=told.under_way,
    )


def rooms(page: RoomPage) -> pb.ListRoomsResponse:
    return pb.ListRoomsResponse(rooms=[_room(room) for room in page.rooms], next_page_token=page.next or "")


def _room(room: Room) -> pb.Room:
    return pb.Room(
        conversation_id=public_id(room),
        title=room.title,
        created_at=time_of(room.created_at),
        last_used_at=time_of(room.last_used_at),
        message_count=room.message_count,
    )


def _message(said: Said) -> pb.Message:
    entry = said.entry
    settled = entry.settlement if entry is not None else None
    fields: dict[str, Any] = {
        "parent_id": said.parent_id,
        "model": said.model,
        "run_id": said.run_id,
        "usage": usage_of(entry),
        "cost": None if settled is None else cost_of(settled.cost),
        "finish_reason": None if settled is None else settled.finish_reason,
        "problem": _problem(said.error),
    }
    return pb.Message(
        message_id=said.id,
        role=f"ROLE_{said.role.upper()}",
        text=said.text,
        status=f"MESSAGE_STATUS_{said.status.upper()}",
        created_at=time_of(said.created_at),
        **present(fields),
    )


def _problem(error: Mapping[str, Any] | None) -> pb.Problem | None:
    if error is None:
        return None
    message = joined(error["message"], error.get("hint"))
    message_ko = joined(error["message_ko"], error.get("hint_ko"))
    return pb.Problem(code=error["code"], message=message, message_ko=message_ko)


def time_of(at: int) -> Timestamp:
    """at: µs since 1970."""
    seconds, micros = divmod(at, 1_000_000)
    return Timestamp(seconds=seconds, nanos=micros * 1000)
