"""From a question to a run: checks it, keeps it, and sets the answer going. Previews what it would cost."""

import asyncio
from weakref import WeakValueDictionary

from msgspec import UNSET, Struct, UnsetType, structs

from talkmeter.clock import now
from talkmeter.conversation.changes import AddMessage, AddRoom, AddRun, ChangeRoom, LinkAttachments
from talkmeter.conversation.estimate import Estimator
from talkmeter.conversation.rooms import Rooms, message_not_found
from talkmeter.conversation.runs import Runs
from talkmeter.conversation.settings import check, for_run, overlay
from talkmeter.conversation.store import ConversationStore
from talkmeter.conversation.titles import title_of
from talkmeter.conversation.values import Ask, Asked, Preview, PreviewAsk
from talkmeter.errors import BadInput, Conflict, TooLarge
from talkmeter.ids import new_id
from talkmeter.messages import Message, Room, RoomSettings, Run

CLIENT_ID_LIMIT = 64
WITHOUT_A_WORD = ("failed", "interrupted")  # statuses of an answer, where it has no text


class AskLimits(Struct, frozen=True, kw_only=True):
    """Bounds on one question: bytes of its text in UTF-8, and images."""

    text_bytes: int = 800_000
    images: int = 10


class Conversation:
    def __init__(
        self,
        store: ConversationStore,
        rooms: Rooms,
        runs: Runs,
        estimator: Estimator,
        limits: AskLimits | None = None,
    ) -> None:
        self._store = store
        self._rooms = rooms
        self._runs = runs
        self._estimator = estimator
        self._limits = limits or AskLimits()
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def ask(self, ask: Ask) -> Asked:
        """Keeps the question and starts its answer; on return both are on the disk.

        Raises BadInput, NotFound, StoreError or Conflict (`context_too_small`, with what would fit): nothing was kept.
        """
        self._check(ask)
        if ask.room_id is None:
            return await self._ask(ask)
        # One at a time in a room: two that come together follow each other instead of both following its last answer.
        turn = self._turns.setdefault(ask.room_id, asyncio.Lock())
        async with turn:
            return await self._ask(ask)

    async def _ask(self, ask: Ask) -> Asked:
        if (known := await self._known(ask.principal, ask.client_id)) is not None:
            return known
        if ask.room_id is None:
            room = self._new_room(ask)
            parent_id: str | None = None
            changes: list[Struct] = [AddRoom(room)]
        else:
            room = await self._rooms.room(ask.principal, ask.room_id)
            await self._make_way(room, ask)
            follows = ask.parent_id
            if follows is UNSET and ask.past_failures:
                follows = await self._past_failures(room)
            parent_id = await self._parent(room, follows, ask.principal)
            changes = []
            if ask.past_failures and await self.is_open(room):
                room = structs.replace(room, settings=ask.options or RoomSettings())
                changes.append(ChangeRoom(id=room.id, settings=room.settings))
        question = Message(
            id=new_id("msg"),
            room_id=room.id,
            parent_id=parent_id,
            role="user",
            text=ask.text,
            status="complete",
            created_at=now(),
            finished_at=now(),
            attachments=tuple(await self._estimator.attachments(ask.attachment_ids, ask.principal)),
        )
        settings = for_run(room.settings, ask.options)
        await self._estimator.check_fits(settings, question)
        link = LinkAttachments(ask.principal, room.id, question.id, ask.attachment_ids)
        changes += [AddMessage(question), *([link] if ask.attachment_ids else [])]
        run = Run(
            id=new_id("run"),
            room_id=room.id,
            principal=ask.principal,
            question_id=question.id,
            answer_id=new_id("msg"),
            client_id=ask.client_id,
            status="queued",
            created_at=now(),
            surface=ask.surface,
            key_id=ask.key_id,
            tags=ask.tags,
            options=ask.options,
        )
        return await self._start(run, room, settings, changes)

    async def is_open(self, room: Room) -> bool:
        """Whether the next question's options become the room's: nothing has been answered yet, and the settings are
        those of a question that failed without a word. A person's change of them stays.
        """
        options, leaf_id = None, room.leaf_id
        while leaf_id is not None:
            leaf = await self._store.message(leaf_id, room.principal)
            wordless = leaf is not None and leaf.status in WITHOUT_A_WORD and not leaf.text
            run = await self._store.run(leaf.run_id or "", room.principal) if leaf is not None and wordless else None
            if run is None:
                return False
            question = await self._store.message(run.question_id, room.principal)
            options, leaf_id = run.options, None if question is None else question.parent_id
        return room.settings == (options or RoomSettings())

    async def answer_again(
        self,
        *,
        principal: str,
        question_id: str,
        client_id: str,
        surface: str = "web",
        model: str | None = None,
        provider_id: str | None = None,
    ) -> Asked:
        """Another answer to a question: a sibling of the ones there are. model, provider_id: for this answer only."""
        _check_client_id(client_id)
        check(RoomSettings(model=model))
        if (known := await self._known(principal, client_id)) is not None:
            return known
        question = await self._rooms.message(principal, question_id)
        if question.role != "user":
            raise BadInput(
                "Only a question can be answered again.",
                "질문에 대해서만 다시 답변할 수 있습니다.",
                code="not_a_question",
                param="question_id",
            )
        room = await self._rooms.room(principal, question.room_id)
        if provider_id is not None and model is None:
            model = self._estimator.model_of(room.settings)
        settings = (
            room.settings if model is None else structs.replace(room.settings, model=model, provider_id=provider_id)
        )
        await self._estimator.check_fits(settings, question)
        await self._runs.make_way(room.id)
        run = Run(
            id=new_id("run"),
            room_id=room.id,
            principal=principal,
            question_id=question.id,
            answer_id=new_id("msg"),
            client_id=client_id,
            status="queued",
            created_at=now(),
            model=model,
            provider_id=provider_id,
            surface=surface,
        )
        return await self._start(run, room, settings, [])

    async def preview(self, ask: PreviewAsk) -> Preview:
        """What the draft would cost if it were sent now, for each window. Sends and keeps nothing."""
        self._check_length(ask.text)
        settings, parent_id, room_id = ask.room or RoomSettings(), None, ""
        if ask.room_id is not None:
            room = await self._rooms.room(ask.principal, ask.room_id)
            settings = overlay(room.settings, ask.room)
            parent_id = await self._parent(room, ask.parent_id, ask.principal)
            room_id = room.id
        check(settings)
        draft = Message(
            id="draft",
            room_id=room_id,
            parent_id=parent_id,
            role="user",
            text=ask.text,
            status="queued",
            created_at=0,
            attachments=tuple(await self._estimator.attachments(ask.attachment_ids, ask.principal)),
        )
        return await self._estimator.preview(settings, draft)

    def warm_up(self) -> None:
        """Somebody has opened the page: loads the default model's encoding, so that the first keystroke need not."""
        self._estimator.warm_up()

    async def _start(self, run: Run, room: Room, settings: RoomSettings, changes: list[Struct]) -> Asked:
        """settings: what the run will go by."""
        answer = Message(
            id=run.answer_id,
            room_id=room.id,
            parent_id=run.question_id,
            role="assistant",
            text="",
            status="queued" if self._runs.is_running(room.id) else "streaming",
            created_at=now(),
            model=self._estimator.model_of(settings),
            provider_name=self._estimator.provider_name(settings),
            run_id=run.id,
        )
        leaf = ChangeRoom(id=room.id, leaf_id=answer.id, last_used_at=now())
        try:
            await self._store.commit(*changes, AddMessage(answer), AddRun(run), leaf)
        except Conflict:
            if (known := await self._known(run.principal, run.client_id)) is not None:
                return known  # the same question was sent twice at once
            raise
        self._runs.enqueue(run)
        return await self._asked(run.principal, run)

    async def _make_way(self, room: Room, ask: Ask) -> None:
        """What becomes of the answers that are under way in the room. Raises Conflict (`room_busy`)."""
        await self._runs.make_way(room.id)
        under_way = self._runs.under_way(room.id)
        if under_way and ask.multitask == "reject":
            raise Conflict(
                "This conversation is answering another question.",
                "이 대화에서 다른 질문에 답하는 중입니다.",
                code="room_busy",
                param="multitask",
                hint="Wait for its end, or send multitask “enqueue” or “interrupt”.",
                hint_ko="끝날 때까지 기다리거나 multitask를 “enqueue” 또는 “interrupt”로 보내십시오.",
                details={"run_id": under_way[0]},
            )
        if ask.multitask == "interrupt":
            for run_id in reversed(under_way):
                await self._runs.interrupt(ask.principal, run_id)

    async def _known(self, principal: str, client_id: str) -> Asked | None:
        run = await self._store.run_by_client_id(principal, client_id)
        return None if run is None else structs.replace(await self._asked(principal, run), repeated=True)

    async def _asked(self, principal: str, run: Run) -> Asked:
        room = await self._rooms.room(principal, run.room_id)
        question, answer = await self._rooms.message_views(principal, run.question_id, run.answer_id)
        return Asked(room=room, question=question, answer=answer, run_id=run.id)

    async def _parent(self, room: Room, parent_id: str | None | UnsetType, principal: str) -> str | None:
        """The message that the question follows; it must be an answer of this room."""
        if parent_id is UNSET:
            return room.leaf_id
        if parent_id is None:
            return None
        parent = await self._store.message(parent_id, principal)
        if parent is None or parent.room_id != room.id:
            raise message_not_found(parent_id)
        if parent.role == "user":
            raise BadInput(
                "A question follows an answer, not another question.",
                "질문은 다른 질문이 아니라 답변 뒤에 올 수 있습니다.",
                code="parent_is_a_question",
                param="parent_id",
            )
        return parent_id

    async def _past_failures(self, room: Room) -> str | None:
        """The newest answer but for those that failed without a word: who asks again after a refusal asks in its
        place, and the model does not hear everything twice.
        """
        leaf_id = room.leaf_id
        while leaf_id is not None:
            leaf = await self._store.message(leaf_id, room.principal)
            if leaf is None or leaf.status != "failed" or leaf.text or leaf.parent_id is None:
                break
            question = await self._store.message(leaf.parent_id, room.principal)
            leaf_id = None if question is None else question.parent_id
        return leaf_id

    def _check(self, ask: Ask) -> None:
        _check_client_id(ask.client_id)
        if ask.options is not None:
            check(ask.options)
        if not ask.text.strip() and not ask.attachment_ids:
            raise BadInput("The question is empty.", "질문이 비어 있습니다.", code="empty_question", param="text")
        self._check_length(ask.text)
        if len(ask.attachment_ids) > self._limits.images:
            raise BadInput(
                f"{len(ask.attachment_ids)} images; {self._limits.images} are allowed in one question.",
                f"이미지가 {len(ask.attachment_ids)}개입니다. 질문 하나에 {self._limits.images}개까지 됩니다.",
                param="attachment_ids",
            )
        if ask.room_id is not None and ask.room is not None:
            raise BadInput(
                "“room” sets up a new room; this question goes to one that exists.",
                "“room”은 새 대화방을 만들 때만 쓸 수 있습니다.",
                param="room",
                hint="Change the room's settings first.",
                hint_ko="대화방 설정을 먼저 바꾸십시오.",
            )
        if ask.room_id is None and ask.parent_id not in (UNSET, None):
            raise BadInput(
                "A new room has no messages yet.", "새 대화방에는 아직 메시지가 없습니다.", param="parent_id"
            )

    def _check_length(self, text: str) -> None:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > self._limits.text_bytes:
            raise TooLarge(
                f"The question has {size} bytes; {self._limits.text_bytes} are allowed.",
                f"질문이 {size}바이트입니다. {self._limits.text_bytes}바이트까지 보낼 수 있습니다.",
                param="text",
            )

    @staticmethod
    def _new_room(ask: Ask) -> Room:
        settings = ask.room or RoomSettings()
        check(settings)
        at = now()
        return Room(
            id=new_id("room"),
            principal=ask.principal,
            title=title_of(ask.text) or "🖼",
            pinned=False,
            settings=settings,
            leaf_id=None,
            created_at=at,
            last_used_at=at,
            conversation_id=ask.conversation_id,
        )


def _check_client_id(client_id: str) -> None:
    if not 1 <= len(client_id) <= CLIENT_ID_LIMIT:
        raise BadInput(
            f"client_id has 1 to {CLIENT_ID_LIMIT} characters.",
            f"client_id는 1자에서 {CLIENT_ID_LIMIT}자까지입니다.",
            param="client_id",
        )
