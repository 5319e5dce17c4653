"""The plain-text dialects: each message is a question of a conversation, and its answer's pieces come as they are made.

One question at a time; the others wait their turn. The answer is made whoever listens: a client that leaves finds it in
the conversation.
"""

import asyncio
import logging
from collections import deque
from typing import Any

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.gateway.passing_on import RETRIED
from talkmeter.conversation.run_errors import status_of
from talkmeter.conversation.talk_values import NEW, Answered, Started, Talk
from talkmeter.errors import StoreError, TalkmeterError, UpstreamError
from talkmeter.surfaces.websocket.dialects import Dialect, Question, delta_frames, end_frame, error_frame, parse
from talkmeter.surfaces.websocket.protocol import SocketClosed
from talkmeter.surfaces.websocket.request_lines import RequestLine
from talkmeter.surfaces.websocket.session import Session
from talkmeter.surfaces.websocket.visitor import DOOR

log = logging.getLogger(__name__)

TRIES = 3  # of a question whose provider fails before the first word
PAUSES = (0.5, 2.0)  # seconds before each further one, unless the provider has asked for others
LONGEST_PAUSE = 10.0
MOST_WAITING = 32  # questions on one socket


class Asking(Session):
    """bare: the dialect of texts that do not say which theirs is."""

    def __init__(self, *args: Any, bare: Dialect) -> None:
        super().__init__(*args)
        self._bare = bare
        self._waiting: deque[str] = deque()
        self._task: asyncio.Task[None] | None = None
        self._following = False

    @property
    def busy(self) -> bool:
        return self._task is not None

    async def on_text(self, text: str) -> None:
        if len(self._waiting) >= MOST_WAITING:
            await self._say(error_frame(_too_many()))
            return
        self._waiting.append(text)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._answer_all(), name="websocket-answers")

    def cut_off(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def on_left(self) -> None:
        """What is being asked is still kept, so that its answer is there later; nobody follows it any more."""
        self._waiting.clear()
        if self._task is not None:
            if self._following:
                self._task.cancel()
            await asyncio.wait([self._task])

    async def _answer_all(self) -> None:
        try:
            while self._waiting:
                await self._answer(self._waiting.popleft())
        except SocketClosed:
            return
        finally:
            self._task = None
        self.calm()

    async def _answer(self, text: str) -> None:
        line = RequestLine(self.visitor.path)
        try:
            await self._ask(parse(text, self._bare), line)
            line.status = 200
        except TalkmeterError as error:
            line.status = error.status
            line.about(error=error.code)
            await self._say(error_frame(error))
        except (SocketClosed, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("websocket_failed")
            line.status = 500
            await self._say(error_frame(_unexpected()))
        finally:
            line.write()

    async def _ask(self, question: Question, line: RequestLine) -> None:
        """To the end of its answer, with another try as long as nobody has seen anything of it."""
        conversation_id = question.conversation_id or NEW
        for attempt in range(TRIES):
            if attempt and self.socket.over:
                raise SocketClosed
            principal = await self.visitor.principal()
            line.by(principal)
            started = await self.services.talks.ask(
                Talk(
                    surface=DOOR,
                    principal=principal,
                    conversation_id=conversation_id,
                    prompt=question.prompt,
                    parent_id=question.parent_id,
                    tags=self.visitor.tags(),
                )
            )
            line.about(run_id=started.run_id)
            said = await self._follow(principal, started)
            answered = await self.services.talks.standing(principal, started.run_id)
            if answered.status in ("complete", "stopped"):
                await self._end_answer(question, started)
                return
            pause = None if said else pause_before(attempt + 1, answered)
            if pause is None:
                raise error_of(answered)
            log.info("asking_again", extra={"run_id": started.run_id, "attempt": attempt + 2})
            conversation_id = started.conversation_id
            await asyncio.sleep(pause)

    async def _follow(self, principal: Principal, started: Started) -> int:
        """How many characters of the answer have been said."""
        if self.socket.over:
            raise SocketClosed
        said = 0
        self._following = True
        try:
            async for event in self.services.talks.follow(principal, started.run_id):
                if event.kind == "delta":
                    fresh = event.data["text"][max(0, said - event.data["offset"]) :]
                    said += len(fresh)
                    for frame in delta_frames(fresh):
                        await self._say(frame)
        finally:
            self._following = False
        return said

    async def _end_answer(self, question: Question, started: Started) -> None:
        frame = end_frame(question.dialect, started.conversation_id, started.message_id)
        if frame is not None:
            await self._say(frame)

    async def _say(self, text: str) -> None:
        await self.socket.say(text)


def pause_before(attempt: int, answered: Answered) -> float | None:
    """Seconds until a question is asked again. attempt: how often it has been. None: it is not, because the last try
    is over, it never left for a provider, or the provider's answer is its answer.
    """
    error = answered.error or {}
    if attempt >= TRIES or answered.status != "failed" or answered.entry is None:
        return None
    if error.get("status") is not None and error["status"] not in RETRIED:
        return None
    wanted = error.get("retry_after")
    pause = PAUSES[attempt - 1] if wanted is None else float(wanted)
    return pause if pause <= LONGEST_PAUSE else None


def error_of(answered: Answered) -> TalkmeterError:
    """What an answer that did not come is told as: the provider's failure, ours, or that the server ends."""
    error = answered.error if answered.status != "interrupted" else None
    if error is not None and (answered.entry is None or "hint" in error):
        told = {name: error.get(name) for name in ("hint", "hint_ko")}
        return TalkmeterError(
            error["message"], error["message_ko"], code=error["code"], status=status_of(error), **told
        )
    if error is not None:
        return UpstreamError(error["message"], error["message_ko"], code=error["code"], status=status_of(error))
    if answered.status == "interrupted":
        return StoreError(
            "Talkmeter is stopping, and the answer was interrupted; what had come of it is kept.",
            "Talkmeter가 종료 중이라 답변이 중단되었습니다. 받은 부분은 저장되어 있습니다.",
            code="interrupted",
        )
    return StoreError(
        f"Talkmeter is stopping; the answer continues after restart, in conversation {answered.conversation_id}.",
        f"Talkmeter가 종료 중입니다. 답변은 다시 시작한 뒤 대화 {answered.conversation_id}에서 이어집니다.",
        code="shutting_down",
    )


def _too_many() -> TalkmeterError:
    return TalkmeterError(
        f"{MOST_WAITING} questions wait on this connection already; this one was not asked.",
        f"이 연결에 이미 질문 {MOST_WAITING}개가 대기 중이므로 이 질문은 보내지 않았습니다.",
        code="too_many_waiting",
        status=429,
        hint="Wait for an answer first.",
        hint_ko="먼저 답변을 기다리십시오.",
    )


def _unexpected() -> TalkmeterError:
    return TalkmeterError(
        "Something went wrong inside Talkmeter.",
        "Talkmeter 내부에서 문제가 생겼습니다.",
        hint="The log has the details.",
        hint_ko="자세한 내용은 로그에 있습니다.",
    )
