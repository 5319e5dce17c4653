"""Rooms written straight into a data directory's database, as talking would have left them."""

import asyncio
import random
from functools import cache
from pathlib import Path

from talkmeter.conversation.changes import AddMessage, AddRoom, ChangeRoom
from talkmeter.ids import new_id
from talkmeter.messages import Message, Room, RoomSettings
from talkmeter.metering.cost import Cost, CostLine
from talkmeter.metering.ledger import OpenEntry, SettleEntry
from talkmeter.metering.usage import Usage
from talkmeter.simulator import texts_en, texts_ko
from talkmeter.store.store import Store, open_store

OWNER = "owner"
AT_ONCE = 200  # commits that are waited for together


def rooms(data_dir: Path, count: int, messages: int, size: int, model: str) -> list[str]:
    """Makes `count` rooms of `messages` messages with `size` bytes each; their ids."""
    data_dir.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_rooms(data_dir / "talkmeter.db", count, messages, size, model))


async def _rooms(database: Path, count: int, messages: int, size: int, model: str) -> list[str]:
    store = await open_store(database)
    try:
        return [await _room(store, messages, size, model, random.Random(seed)) for seed in range(count)]
    finally:
        await store.close()


async def _room(store: Store, messages: int, size: int, model: str, chance: random.Random) -> str:
    room = Room(
        id=new_id("room"),
        principal=OWNER,
        title="Seeded",
        pinned=False,
        settings=RoomSettings(model=model),
        leaf_id=None,
        created_at=1,
        last_used_at=1,
    )
    await store.commit(AddRoom(room))
    parent: str | None = None
    for begin in range(0, messages, AT_ONCE):
        changes = []
        for number in range(begin, min(begin + AT_ONCE, messages)):
            message = _message(room, parent, number, text(size, chance))
            changes.append(AddMessage(message))
            if message.role == "assistant":
                opening = an_opening(room_id=room.id, question_id=parent, answer_id=message.id)
                changes += [opening, a_settlement(opening)]
            parent = message.id
        await store.commit(*changes)
    if parent is not None:
        await store.commit(ChangeRoom(id=room.id, leaf_id=parent))
    return room.id


def _message(room: Room, parent: str | None, number: int, content: str) -> Message:
    return Message(
        id=new_id("msg"),
        room_id=room.id,
        parent_id=parent,
        role="assistant" if number % 2 else "user",
        text=content,
        status="complete",
        created_at=number,
        finished_at=number,
        model=room.settings.model if number % 2 else None,
    )


def text(size: int, chance: random.Random) -> str:
    """`size` bytes cut out of real prose, tables, code and formulas, half English, half Korean."""
    language = chance.choice(_languages())
    begin = chance.randrange(len(language) - size)
    return language[begin : begin + size].decode("utf-8", "ignore")


@cache
def _languages() -> tuple[bytes, ...]:
    return tuple(
        "\n\n".join((*texts.sections.values(), *texts.bodies, *texts.prose)).encode()
        for texts in (texts_en.TEXTS, texts_ko.TEXTS)
    )


def an_opening(**ids: str | None) -> OpenEntry:
    """An entry as a call of the page opens it."""
    lines = [{"message_id": "msg_xxxxxxxxxxxxxxxxxxxxxxxxxx", "role": "user", "text": 130, "framing": 4}] * 5
    return OpenEntry(
        id=new_id("call"),
        surface="web",
        principal=OWNER,
        endpoint="chat/completions",
        provider_id="provider",
        provider_name="Provider",
        model_requested="gpt-4o",
        opened_at=1,
        preflight_tokens=670,
        preflight_quality="exact",
        preflight_encoding="o200k_base",
        preflight_lines=str(lines).replace("'", '"'),
        messages_sent=5,
        **ids,
    )


def a_settlement(opening: OpenEntry) -> SettleEntry:
    """Its settlement, as reported."""
    lines = (
        CostLine("input", 670, 2_500_000, 1, "openai/gpt-4o/input", 1_675_000_000),
        CostLine("output", 130, 10_000_000, 1, "openai/gpt-4o/output", 1_300_000_000),
    )
    return SettleEntry(
        id=opening.id,
        outcome="finished",
        provenance="reported",
        usage=Usage(prompt_tokens=670, cached_tokens=0, completion_tokens=130),
        raw_usage='{"prompt_tokens": 670, "completion_tokens": 130, "total_tokens": 800}',
        cost=Cost(2_975_000_000, lines),
        settled_at=2,
        first_byte_at=2,
        model_served="gpt-4o-2024-08-06",
        finish_reason="stop",
        http_status=200,
    )
