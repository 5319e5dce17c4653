"""A run's log as server-sent events: `id` is the event's seq, and the end carries the whole reply."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.talk_values import Answered, Said
from talkmeter.conversation.talks import Talks
from talkmeter.errors import TalkmeterError
from talkmeter.event_stream import END_KINDS, encode_event
from talkmeter.messages import RunEvent
from talkmeter.surfaces.ask.replies import reply_of

ASKED = "asked"  # the first event, without an id: which run this is


class FailedRun(TalkmeterError):
    """An answer that did not come to its end, and of which nothing was told yet: there can still be a status."""

    def __init__(self, answered: Answered) -> None:
        super().__init__("The answer failed.", "답변하지 못했습니다.", code="failed")
        self.answered = answered


async def events(talks: Talks, principal: Principal, run_id: str, after: int) -> AsyncIterator[bytes]:
    """Pieces of an event stream. Raises NotFound and FailedRun at the first step."""
    standing = await talks.standing(principal, run_id)
    first = True
    async for event in talks.follow(principal, run_id, after):
        if first and event.kind == "failed":
            answered = await talks.standing(principal, run_id)
            if answered.entry is None:
                raise FailedRun(answered)
        if first:
            yield asked_event(standing)
            first = False
        if event.kind in END_KINDS:
            yield end_event(event, await talks.standing(principal, run_id))
        else:
            yield encode_event(event.seq, event.kind, event.data)
    if first:
        yield asked_event(standing)


def asked_event(standing: Answered) -> bytes:
    ids = {
        "run_id": standing.run_id,
        "conversation_id": standing.conversation_id,
        "parent_id": standing.message_id,
        "question_id": standing.question_id,
        "model": standing.model,
    }
    return b"event: %s\ndata: %s\n\n" % (ASKED.encode(), msgspec.json.encode(ids))


def end_event(event: RunEvent, answered: Answered) -> bytes:
    data: dict[str, Any] = msgspec.to_builtins(reply_of(answered))
    return encode_event(event.seq, event.kind, {**data, "error": answered.error})


def run_of_prompt(messages: tuple[Said, ...], prompt: str) -> str | None:
    """The newest run of a branch that answers this very question."""
    questions = {said.id for said in messages if said.role == "user" and said.text == prompt}
    found = [said.run_id for said in messages if said.role == "assistant" and said.parent_id in questions]
    return found[-1] if found else None
