"""What conversation gives, as the door's shapes. Pure."""

from talkmeter.clock import SECOND
from talkmeter.conversation.conversation_ids import public_id
from talkmeter.conversation.store import RoomPage
from talkmeter.conversation.talk_values import Answered, Said, Told
from talkmeter.metering.cost import Cost, plain_dollars
from talkmeter.metering.ledger import LedgerEntry, Provenance
from talkmeter.metering.usage import Usage
from talkmeter.surfaces.ask.shapes import (
    Choice,
    CompletionDetails,
    Conversation,
    Conversations,
    Entry,
    Listed,
    Price,
    PromptDetails,
    Reply,
    TokenUsage,
)


def reply_of(answered: Answered) -> Reply:
    return Reply(
        message=answered.text,
        conversation_id=answered.conversation_id,
        parent_id=answered.message_id,
        id=answered.message_id,
        object="text_completion",
        created=answered.created_at // SECOND,
        model=answered.model_served or answered.model,
        choices=(Choice(text=answered.text, finish_reason=_finish_reason(answered)),),
        usage=usage_of(answered.usage),
        cost=price_of(answered.cost, answered.provenance),
        run_id=answered.run_id,
        question_id=answered.question_id,
        status=answered.status,
        entry_id=None if answered.entry is None else answered.entry.opening.id,
    )


def usage_of(usage: Usage | None) -> TokenUsage | None:
    if usage is None:
        return None
    known = usage.prompt_tokens is not None and usage.completion_tokens is not None
    return TokenUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=(usage.prompt_tokens or 0) + (usage.completion_tokens or 0) if known else None,
        prompt_tokens_details=PromptDetails(cached_tokens=usage.cached_tokens),
        completion_tokens_details=CompletionDetails(reasoning_tokens=usage.reasoning_tokens),
    )


def price_of(cost: Cost | None, provenance: Provenance | None) -> Price | None:
    if cost is None:
        return None
    exact = cost.picodollars
    return Price(
        usd=None if exact is None else plain_dollars(exact),
        picodollars=None if exact is None else str(exact),
        provenance=provenance,
        unpriced=tuple(cost.unpriced),
    )


def conversation_of(told: Told) -> Conversation:
    return Conversation(
        conversation_id=told.conversation_id,
        room_id=told.room_id,
        title=told.title,
        created_at=told.created_at,
        last_used_at=told.last_used_at,
        messages=tuple(_entry(said) for said in told.messages),
        older=told.older,
        under_way=told.under_way,
    )


def conversations_of(page: RoomPage) -> Conversations:
    return Conversations(
        conversations=tuple(
            Listed(
                conversation_id=public_id(room),
                room_id=room.id,
                title=room.title,
                created_at=room.created_at,
                last_used_at=room.last_used_at,
                message_count=room.message_count,
            )
            for room in page.rooms
        ),
        next=page.next,
        total=page.total,
    )


def _entry(said: Said) -> Entry:
    usage, cost, provenance = _figures(said.entry)
    return Entry(
        id=said.id,
        parent_id=said.parent_id,
        role=said.role,
        text=said.text,
        status=said.status,
        created_at=said.created_at,
        model=said.model,
        run_id=said.run_id,
        usage=usage_of(usage),
        cost=price_of(cost, provenance),
        error=said.error,
    )


def _figures(entry: LedgerEntry | None) -> tuple[Usage | None, Cost | None, Provenance | None]:
    settled = None if entry is None else entry.settlement
    return (None, None, None) if settled is None else (settled.usage, settled.cost, settled.provenance)


def _finish_reason(answered: Answered) -> str | None:
    """The provider's word; ours where the answer was ended before it."""
    if answered.status in ("stopped", "interrupted"):
        return answered.status
    return answered.finish_reason
