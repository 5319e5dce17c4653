"""Values for the store's tests: complete ones by default, each field changeable."""

from talkmeter.ids import new_id
from talkmeter.messages import Attachment, Message, Room, RoomSettings, Run
from talkmeter.metering.cost import Cost, CostLine
from talkmeter.metering.ledger import OpenEntry, SettleEntry
from talkmeter.metering.usage import Usage

ME = "owner"
PRICED = Cost(1_234, (CostLine("input", 41, 20, 1, "own/x", 820), CostLine("output", 9, 46, 1, "own/y", 414)))
UNPRICED = Cost(None, (), ("gpt-9: input has no price",))


def a_room(**given):
    fields = {
        "id": new_id("room"),
        "principal": ME,
        "title": "비용 questions",
        "pinned": False,
        "settings": RoomSettings(),
        "leaf_id": None,
        "created_at": 1_000,
        "last_used_at": 1_000,
    }
    return Room(**fields | given)


def a_message(room, parent=None, **given):
    fields = {
        "id": new_id("msg"),
        "room_id": room.id,
        "parent_id": None if parent is None else parent.id,
        "role": "assistant" if parent is not None and parent.role == "user" else "user",
        "text": "안녕하세요 👋 hello",
        "status": "complete",
        "created_at": 2_000,
    }
    return Message(**fields | given)


def a_run(question, answer, **given):
    fields = {
        "id": new_id("run"),
        "room_id": question.room_id,
        "principal": ME,
        "question_id": question.id,
        "answer_id": answer.id,
        "client_id": new_id("client"),
        "status": "queued",
        "created_at": 3_000,
    }
    return Run(**fields | given)


def an_attachment(**given):
    fields = {
        "id": new_id("file"),
        "room_id": None,
        "message_id": None,
        "principal": ME,
        "name": "../고양이.png",
        "mime": "image/png",
        "bytes": 12_345,
        "width": 640,
        "height": 480,
        "sha256": "ab" * 32,
        "file": new_id("blob"),
        "created_at": 4_000,
    }
    return Attachment(**fields | given)


def an_opening(**given):
    fields = {
        "id": new_id("call"),
        "surface": "web",
        "principal": ME,
        "endpoint": "chat/completions",
        "provider_id": "provider_1",
        "provider_name": "OpenAI",
        "model_requested": "gpt-4o",
        "opened_at": 5_000,
        "preflight_tokens": 41,
        "preflight_quality": "exact",
        "preflight_encoding": "o200k_base",
        "preflight_lines": '[{"tokens":41}]',
        "messages_sent": 4,
    }
    return OpenEntry(**fields | given)


def a_settlement(opening, **given):
    fields = {
        "id": opening.id,
        "outcome": "finished",
        "provenance": "reported",
        "usage": Usage(prompt_tokens=41, cached_tokens=0, completion_tokens=9),
        "raw_usage": '{"prompt_tokens": 41, "completion_tokens": 9}',
        "cost": PRICED,
        "settled_at": 6_000,
    }
    return SettleEntry(**fields | given)
