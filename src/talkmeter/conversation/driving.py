"""Drives one run from its question to its settlement: cuts the window, builds the request, has it metered, finishes."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET, Struct, structs

from talkmeter.clock import now
from talkmeter.completions import CompletionRequest, Provider, Providers
from talkmeter.conversation.callers import Callers
from talkmeter.conversation.changes import ChangeRun, FinishMessage, ForgetRunEvents, SetMessageStatus
from talkmeter.conversation.counting import Counting
from talkmeter.conversation.history import History
from talkmeter.conversation.images import Images
from talkmeter.conversation.requests import chat_body, images_sent, wire_message
from talkmeter.conversation.run_lines import run_line
from talkmeter.conversation.runlog import RunLog
from talkmeter.conversation.settings import Defaults, for_run, resolve
from talkmeter.conversation.store import ConversationStore
from talkmeter.errors import NotFound, StoreError, TalkmeterError
from talkmeter.ids import new_ordered_id
from talkmeter.messages import ALL_MESSAGES, MessageStatus, Room, RoomSettings, Run, RunEvent, StopMode, TokenWindow
from talkmeter.metering.admission import Whose, tags_text
from talkmeter.metering.ledger import Outcome, SettleEntry
from talkmeter.metering.meter import Call, CallContext, Meter

log = logging.getLogger(__name__)

End = Literal["finished", "stopped", "failed", "interrupted"]

ENDS: dict[Outcome, End] = {
    "finished": "finished",
    "stopped": "stopped",
    "interrupted": "interrupted",
    "refused": "failed",
    "failed": "failed",
    "not_sent": "failed",
}
THINKING_SECONDS = 3.0  # how often a silent model is reported as thinking


class LiveRun:
    """A run in this process: its log, its task once it has started, and its call once it has been sent."""

    def __init__(self, run: Run, store: ConversationStore, kept: Sequence[RunEvent] = ()) -> None:
        self.run = run
        self.log = RunLog(run.id, store, kept)
        self.task: asyncio.Task[None] | None = None
        self.call: Call | None = None
        self.stop_mode: StopMode | None = None
        self.sent: Sequence[Any] = ()  # the messages of its request
        self._pieces: list[str] = []

    def stop(self, mode: StopMode) -> None:
        self.stop_mode = mode
        self.log.add("stopping", {"mode": mode})
        if self.call is not None:
            self.call.cut() if mode == "cut" else self.call.drain()

    def interrupt(self) -> None:
        """Shutdown. A run that has not been sent stays queued for the next start."""
        if self.call is not None:
            self.call.cut(shutdown=True)
        elif self.task is not None:
            self.task.cancel()

    def read(self, text: str) -> None:
        """New text of the answer; after a stop it is billed but no longer shown."""
        if self.stop_mode is None:
            self._pieces.append(text)
            self.log.text(text)
        else:
            self.log.hidden(text)

    @property
    def text(self) -> str:
        return "".join(self._pieces)


class Prepared(Struct, frozen=True):
    provider: Provider
    request: CompletionRequest
    context: CallContext
    whose: Whose
    settings: RoomSettings


class Driver:
    def __init__(
        self,
        store: ConversationStore,
        meter: Meter,
        providers: Providers,
        images: Images,
        defaults: Defaults,
        callers: Callers,
        counting: Counting,
    ) -> None:
        self._store = store
        self._history = History(store, counting)
        self._meter = meter
        self._callers = callers
        self._providers = providers
        self._images = images
        self._defaults = defaults

    async def drive(self, live: LiveRun) -> None:
        """From question to settlement. Every way out leaves the run ended, or still queued at a shutdown."""
        try:
            prepared = await self._prepare(live.run)
            live.sent = prepared.request.body["messages"]
            live.call = await self._open(live, prepared)
        except TalkmeterError as error:
            await self._end(live, "failed", error_of(error))
            return
        except Exception:
            log.exception("run %s could not be prepared", live.run.id)
            await self._end(live, "failed", UNEXPECTED)
            return
        await self._read(live, live.call)
        await self._settle(live, live.call)

    async def _prepare(self, run: Run) -> Prepared:
        room = await self._store.room(run.room_id, run.principal)
        if room is None:
            raise NotFound("The room is gone.", "대화방이 없습니다.", code="room_not_found")
        settings = settings_of(run, room, self._defaults)
        whose = self._callers.of_run(run, settings.model or "")
        provider = self._providers.pick(settings.provider_id, settings.model or "")
        sent = (await self._history.cut(run.question_id, settings)).sent
        urls = await self._images.data_urls([item for message in sent for item in images_sent(message)])
        body = chat_body(settings, [wire_message(message, urls) for message in sent])
        return Prepared(
            provider,
            CompletionRequest(new_ordered_id("call"), "chat/completions", body),
            CallContext(
                surface=run.surface,
                principal=run.principal,
                key_id=run.key_id,
                tags=tags_text(run.tags),
                room_id=run.room_id,
                run_id=run.id,
                question_id=run.question_id,
                answer_id=run.answer_id,
                # One by tokens is kept as the messages that it came to: what was sent can be told from that for ever.
                window=len(sent) if isinstance(settings.window, TokenWindow) else settings.window or ALL_MESSAGES,
            ),
            whose,
            settings,
        )

    async def _open(self, live: LiveRun, prepared: Prepared) -> Call:
        run = live.run
        call = await self._meter.open(
            prepared.request,
            prepared.provider,
            prepared.context,
            ChangeRun(
                id=run.id,
                status="running",
                started_at=now(),
                system_prompt=prepared.settings.system_prompt or UNSET,
                first_prompt=prepared.settings.first_prompt or UNSET,
            ),
            SetMessageStatus(run.answer_id, "streaming"),
            whose=prepared.whose,
        )
        if live.stop_mode is not None:
            call.cut()  # stopped while it was being prepared: it need not leave at all
        opening = call.opening
        live.log.add(
            "started",
            {
                "entry_id": opening.id,
                "model": opening.model_requested,
                "preflight_tokens": opening.preflight_tokens,
            },
        )
        return call

    async def _read(self, live: LiveRun, call: Call) -> None:
        thinking = asyncio.get_running_loop().create_task(_report_thinking(live))
        try:
            await call.read(live.read, live.log.hidden)
        finally:
            thinking.cancel()

    async def _settle(self, live: LiveRun, call: Call) -> None:
        settlement = await call.settlement()
        end: End = "stopped" if live.stop_mode and settlement.outcome == "not_sent" else ENDS[settlement.outcome]
        await live.log.close()
        await call.settle(settlement, *finish(live.run, live.text, end, settlement.error if end == "failed" else None))
        self._say_end(live, end, settlement)

    async def _end(self, live: LiveRun, end: End, error: dict[str, Any] | None) -> None:
        """Ends a run that has no open entry."""
        await live.log.close()
        delay = 0.1
        while True:
            try:
                await self._store.commit(*finish(live.run, live.text, end, error))
                break
            except StoreError as trouble:
                log.warning("run %s cannot be ended yet: %s", live.run.id, trouble)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5.0)
        self._say_end(live, end, None)

    async def end_unsent(self, live: LiveRun) -> None:
        """A question that was stopped while it waited its turn."""
        await self._end(live, "stopped", None)

    @staticmethod
    def _say_end(live: LiveRun, end: End, settlement: SettleEntry | None) -> None:
        run = live.run
        ids = {"room_id": run.room_id, "question_id": run.question_id, "answer_id": run.answer_id}
        live.log.add(end, ids)
        opening = live.call.opening if live.call is not None else None
        content = {"messages": live.sent, "answer": live.text}  # shown only where that is switched on
        log.info("run", extra=run_line(run, end, opening, settlement) | content)


def finish(run: Run, text: str, end: End, error: dict[str, Any] | None) -> tuple[Struct, ...]:
    """The changes that end a run, to be committed together with the settlement."""
    status: MessageStatus = "complete" if end == "finished" else end
    at = now()
    return (
        FinishMessage(id=run.answer_id, text=text, status=status, finished_at=at, error=error),
        ChangeRun(id=run.id, status=end, finished_at=at),
        ForgetRunEvents(run.id),
    )


def settings_of(run: Run, room: Room, defaults: Defaults) -> RoomSettings:
    """The room's settings, with what this very run asks for, filled up from the defaults."""
    settings = for_run(room.settings, run.options)
    if run.model is not None:
        settings = structs.replace(settings, model=run.model, provider_id=run.provider_id)
    return resolve(settings, defaults)


def error_of(error: TalkmeterError) -> dict[str, Any]:
    """A message's `error` from one of ours. http_status and details: what a door may answer with."""
    return {
        "code": error.code,
        "message": error.message if not error.hint else f"{error.message} {error.hint}",
        "message_ko": error.message_ko if not error.hint_ko else f"{error.message_ko} {error.hint_ko}",
        "status": None,
        "retry_after": None,
        "http_status": error.status,
        "details": error.details,
    }


UNEXPECTED: dict[str, Any] = {
    "code": "internal_error",
    "message": "Something unexpected went wrong before the question was sent; the log has the details.",
    "message_ko": "질문을 보내기 전에 예상하지 못한 문제가 생겼습니다. 자세한 내용은 로그에 있습니다.",
    "status": None,
    "retry_after": None,
    "http_status": 500,
    "details": {},
}


async def _report_thinking(live: LiveRun) -> None:
    """Tells followers that the model is silent but alive, until its first token."""
    waited = 0.0
    while live.log.length == 0:
        await asyncio.sleep(THINKING_SECONDS)
        waited += THINKING_SECONDS
        if live.log.length == 0 and live.stop_mode is None:
            live.log.add("reasoning", {"seconds": int(waited)})
