"""The one facade of the conversation doors: ask, follow, history, stop. (docs/decisions/0016)

    started = await talks.ask(Talk(surface="ask", principal=…, conversation_id="new", prompt="Hello"))
    async for event in talks.follow(principal, started.run_id): …      # leaving changes nothing
    answered = await talks.result(principal, started.run_id)           # text, usage, cost, provenance, error

A room belongs to its principal's user: nobody else's id opens it, and it looks the same as one that is not there.
"""

from collections.abc import AsyncGenerator, Sequence
from hashlib import sha256
from typing import Any

from msgspec import UNSET, UnsetType

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.asking import Conversation
from talkmeter.conversation.callers import Callers
from talkmeter.conversation.conversation_ids import (
    check_conversation_id,
    conversation_not_found,
    is_new,
    public_id,
)
from talkmeter.conversation.known_models import KnownModels
from talkmeter.conversation.rooms import Rooms, bounded
from talkmeter.conversation.run_errors import INTERRUPTED
from talkmeter.conversation.runs import Runs, run_not_found
from talkmeter.conversation.settings import Defaults, for_run, resolve
from talkmeter.conversation.store import ConversationStore, RoomPage
from talkmeter.conversation.talk_values import Answered, Said, Started, Talk, Told
from talkmeter.conversation.values import Ask, Asked, MessageView
from talkmeter.errors import BadInput, Conflict, NotFound
from talkmeter.ids import new_id
from talkmeter.messages import Message, Room, RoomSettings, RunEvent, StopMode
from talkmeter.metering.budget_store import RateStanding

LONGEST_KEY = 255  # characters of an idempotency key
TRIES = 5  # a room may be made or deleted by somebody else in the very moment, but not so often
_END = 1 << 62  # after all events
_IN_THE_MAKING = ("queued", "streaming")


class Talks:
    def __init__(
        self,
        store: ConversationStore,
        conversation: Conversation,
        rooms: Rooms,
        runs: Runs,
        callers: Callers,
        defaults: Defaults,
        models: KnownModels,
    ) -> None:
        self._store = store
        self._conversation = conversation
        self._rooms = rooms
        self._runs = runs
        self._callers = callers
        self._defaults = defaults
        self._models = models

    async def ask(self, talk: Talk) -> Started:
        """Keeps the question and starts its answer; on return both are on the disk.

        Raises BadInput, NotFound (`message_not_found`), Forbidden (`model_not_allowed`), InvalidKey, StoreError, or
        Conflict (`room_busy`, `context_too_small`, `idempotency_key_reused`): nothing was kept. What budgets and rate
        limits refuse ends the run as failed: the error is in its result.
        """
        client_id = _client_id(talk)
        wanted = None if is_new(talk.conversation_id) else check_conversation_id(talk.conversation_id)
        for tries_left in reversed(range(TRIES)):
            try:
                return await self._ask(talk, wanted, client_id)
            except (Conflict, NotFound) as error:
                if error.code not in ("room_exists", "room_not_found", "room_gone") or not tries_left:
                    raise
        raise AssertionError  # the last try has returned or raised

    async def _ask(self, talk: Talk, wanted: str | None, client_id: str) -> Started:
        user_id, key = talk.principal.user_id, talk.principal.key
        room = None if wanted is None else await self._find(user_id, wanted)
        begun = room is not None and not (key is not None and await self._conversation.is_open(room))
        settings = for_run(room.settings if room is not None and begun else RoomSettings(), talk.options)
        self._callers.check(talk.principal, resolve(settings, self._defaults).model or "")
        asked = await self._conversation.ask(
            Ask(
                surface=talk.surface,
                principal=user_id,
                client_id=client_id,
                text=talk.prompt,
                room_id=None if room is None else room.id,
                parent_id=_parent(talk.parent_id),
                room=talk.options if room is None else None,
                conversation_id=wanted if room is None else None,
                options=talk.options,
                past_failures=True,
                multitask=talk.multitask,
                key_id=None if key is None else key.id,
                tags=talk.tags,
            )
        )
        if talk.idempotency_key is not None:
            _check_same(talk, wanted, asked)
        return _started(asked)

    def follow(self, principal: Principal, run_id: str, after: int = 0) -> AsyncGenerator[RunEvent, None]:
        """A run's events with a seq above `after`: queued, started, reasoning, delta {"offset", "text"}, stopping, and
        one of the ends finished, stopped, failed, interrupted; or restarting, when the server stops while the run
        waits: it goes on after the next start. Raises NotFound (`run_not_found`) at the first step.
        """
        return self._runs.follow(principal.user_id, run_id, after)

    async def result(self, principal: Principal, run_id: str) -> Answered:
        """How a run ended, waiting for it. Raises NotFound (`run_not_found`, also if its room is deleted meanwhile)."""
        async for _ in self._runs.follow(principal.user_id, run_id, _END):
            pass
        return await self.standing(principal, run_id)

    async def standing(self, principal: Principal, run_id: str) -> Answered:
        """As result, without waiting: as the run stands on the disk. Raises NotFound (`run_not_found`)."""
        run = await self._store.run(run_id, principal.user_id)
        room = None if run is None else await self._store.room(run.room_id, principal.user_id)
        if run is None or room is None:
            raise run_not_found(run_id)
        view = await self._rooms.message_view(principal.user_id, run.answer_id)
        message = view.message
        return Answered(
            run_id=run.id,
            conversation_id=public_id(room),
            room_id=room.id,
            question_id=run.question_id,
            message_id=message.id,
            status=message.status,
            text=message.text,
            model=message.model,
            provider_name=message.provider_name,
            created_at=message.created_at,
            finished_at=message.finished_at,
            error=await self._models.told(_error(message), message.model, principal),
            entry=view.entry,
        )

    def rates(self, principal: Principal, run_id: str) -> Sequence[RateStanding]:
        """How the asker's rate limits stood when the question was sent; empty if none applied, or it is long ago."""
        return self._runs.rates(principal.user_id, run_id)

    async def stop(self, principal: Principal, run_id: str, mode: StopMode = "drain") -> None:
        """Asks a run to end; its log says when it has. Raises NotFound (`run_not_found`), BadInput."""
        await self._runs.stop(principal.user_id, run_id, mode)

    async def history(
        self, principal: Principal, conversation_id: str, before: str | None = None, limit: int = 200
    ) -> Told:
        """The newest messages of the shown branch, or those before a cursor. Raises NotFound."""
        room = await self.room(principal, conversation_id)
        if before is None:
            view = await self._rooms.view(principal.user_id, room.id, bounded(limit))
            room, views, older = view.room, view.messages, view.older
        else:
            page = await self._rooms.older(principal.user_id, room.id, before, bounded(limit))
            views, older = page.messages, page.older
        messages = tuple(_said(view) for view in views)
        return Told(
            conversation_id=public_id(room),
            room_id=room.id,
            title=room.title,
            settings=room.settings,
            created_at=room.created_at,
            last_used_at=room.last_used_at,
            messages=messages,
            older=older,
            under_way=_under_way(messages, self._runs.under_way(room.id)),
        )

    async def rooms(self, principal: Principal, cursor: str | None = None, limit: int = 200) -> RoomPage:
        """The principal's conversations: pinned ones, then by last use. conversation_ids.public_id names each."""
        return await self._rooms.page(principal.user_id, cursor, bounded(limit))

    async def room(self, principal: Principal, conversation_id: str) -> Room:
        """Raises NotFound (`conversation_not_found`), for another's as for none at all; BadInput for what is no id."""
        wanted = None if is_new(conversation_id) else check_conversation_id(conversation_id)
        room = None if wanted is None else await self._find(principal.user_id, wanted)
        if room is None:
            raise conversation_not_found(conversation_id)
        return room

    async def delete(self, principal: Principal, conversation_id: str) -> None:
        """Forgets a conversation: what is under way is cut and settled first; ledger entries stay. Raises NotFound."""
        room = await self.room(principal, conversation_id)
        await self._rooms.delete(principal.user_id, room.id)

    async def _find(self, user_id: str, conversation_id: str) -> Room | None:
        """A client may name a conversation as it likes, even like a room's id: the id counts first."""
        room = await self._store.room(conversation_id, user_id)
        return room or await self._store.named_room(conversation_id, user_id)


def _client_id(talk: Talk) -> str:
    """Unique to a surface. Digested: a client's key may be longer than an id, and holds what it likes."""
    key = talk.idempotency_key
    if key is None:
        return new_id(talk.surface)
    if not 1 <= len(key) <= LONGEST_KEY:
        raise BadInput(
            f"An idempotency key has 1 to {LONGEST_KEY} characters.",
            f"멱등 키는 1자에서 {LONGEST_KEY}자까지입니다.",
            code="bad_idempotency_key",
            param="Idempotency-Key",
        )
    return f"{talk.surface}_{sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:48]}"


def _parent(parent_id: str | UnsetType) -> str | UnsetType:
    return UNSET if parent_id is UNSET or is_new(parent_id) else parent_id


def _check_same(talk: Talk, wanted: str | None, asked: Asked) -> None:
    """Raises BadInput where the key of another question was used again."""
    same_room = wanted in (None, asked.room.id, public_id(asked.room))
    if same_room and _as_stored(asked.question.message.text) == _as_stored(talk.prompt):
        return
    raise BadInput(
        "This idempotency key was used for another question.",
        "이 멱등 키는 다른 질문에 이미 쓰였습니다.",
        code="idempotency_key_reused",
        status=422,
        param="Idempotency-Key",
        hint="Make a new key for each question; repeat one only to repeat the very same request.",
        hint_ko="질문마다 새 키를 만들고, 같은 요청을 다시 보낼 때만 같은 키를 쓰십시오.",
    )


def _as_stored(text: str) -> str:
    """Without what a database cannot hold: NUL and lone surrogates."""
    return text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _started(asked: Asked) -> Started:
    return Started(
        run_id=asked.run_id,
        conversation_id=public_id(asked.room),
        room_id=asked.room.id,
        question_id=asked.question.message.id,
        message_id=asked.answer.message.id,
        model=asked.answer.message.model,
        repeated=asked.repeated,
    )


def _under_way(messages: Sequence[Said], running: Sequence[str]) -> tuple[str, ...]:
    """The runs in the making, as the messages have it that are told: a run is stored a moment before it begins, and
    again a moment before it is known to have ended. Of others, and of their order, `running` knows.
    """
    made = {said.run_id: said.status in _IN_THE_MAKING for said in messages if said.run_id is not None}
    begun = [run_id for run_id in running if made.get(run_id, True)]
    return (*begun, *(run_id for run_id, is_made in made.items() if is_made and run_id not in running))


def _error(message: Message) -> dict[str, Any] | None:
    """Why there is no more of an answer. Of an interrupted one nothing is kept but that it was."""
    return {**INTERRUPTED} if message.status == "interrupted" else message.error


def _said(view: MessageView) -> Said:
    message = view.message
    return Said(
        id=message.id,
        parent_id=message.parent_id,
        role=message.role,
        text=message.text,
        status=message.status,
        created_at=message.created_at,
        model=message.model,
        run_id=message.run_id,
        error=_error(message),
        entry=view.entry if message.role == "assistant" else None,
    )
