"""The door: `/ask`, `/health`, `/docs` and `/openapi.json`. Reads a request, has talks do it, writes the reply."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

from msgspec import structs

from talkmeter.accounts.entrance import caller_of
from talkmeter.accounts.principals import Principal
from talkmeter.conversation.run_errors import told_again
from talkmeter.conversation.talk_values import Answered, Started, Told
from talkmeter.errors import NotFound, TalkmeterError
from talkmeter.event_stream import EventStream
from talkmeter.metering.rates import rate_headers
from talkmeter.surfaces.ask.answers import Sending, Whole
from talkmeter.surfaces.ask.docs_page import DocsPage
from talkmeter.surfaces.ask.following import FailedRun, events, run_of_prompt
from talkmeter.surfaces.ask.problems import failed, problem
from talkmeter.surfaces.ask.reading import (
    Path,
    limit_of,
    read_ask,
    read_path,
    read_stop,
    resume_after,
    talk_of,
    wants_events,
    wants_korean,
)
from talkmeter.surfaces.ask.replies import conversation_of, conversations_of, reply_of
from talkmeter.surfaces.ask.requests import ClientLeft, Request, other_method, request_id_of
from talkmeter.surfaces.ask.services import DOOR, Services
from talkmeter.surfaces.ask.shapes import AskBody, Deleted, Health, Stopping

log = logging.getLogger(__name__)

UNSENDABLE = ("queued", "streaming")

Handle = Callable[[Request, Path, Principal], Awaitable[Any]]


def is_for_ask(path: str) -> bool:
    """Whether this door answers a path."""
    return path in ("/ask", "/health", "/docs", "/openapi.json") or path.startswith(("/ask/", "/docs/"))


class AskDoor:
    """ASGI, for the paths of is_for_ask."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._talks = services.talks
        self._docs = DocsPage(services.docs)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        began, request_id = time.perf_counter(), request_id_of(scope["headers"])
        korean = wants_korean(dict(scope["headers"]))
        answer = Sending(send, request_id, open_to_all=scope["path"].startswith("/ask"))
        try:
            await (await self._answer(scope, receive))(scope, receive, answer)
        except FailedRun as ended:
            await _failed(ended.answered, request_id, korean=korean)(scope, receive, answer)
        except TalkmeterError as error:
            await _refuse(error, request_id, korean=korean)(scope, receive, answer)
        except ClientLeft:
            pass
        except Exception:
            log.exception("ask_failed", extra={"request_id": request_id})
            if answer.status is not None:
                raise
            await _refuse(_internal(), request_id, korean=korean)(scope, receive, answer)
        finally:
            answer.note(scope, time.perf_counter() - began)

    async def _answer(self, scope: Any, receive: Any) -> Any:
        request = Request(scope, receive, self._services.body_bytes)
        path = request.path
        if path == "/health":
            return other_method(request, ("GET",)) or Whole(Health(status="ok"))
        if not path.startswith("/ask"):
            return other_method(request, ("GET",)) or await self._docs.answer(path, request.headers)
        asked = read_path(request.raw_path)
        methods = self._methods(asked)
        if (other := other_method(request, tuple(methods))) is not None:
            return other
        principal = self._services.entrance.principal(DOOR, caller_of(request.client, request.headers))
        request.about["principal"] = principal.user_id
        if principal.key is not None:
            request.about["key_id"] = principal.key.id
        return await methods["GET" if request.method == "HEAD" else request.method](request, asked, principal)

    def _methods(self, path: Path) -> Mapping[str, Handle]:
        if path.what == "stop":
            return {"POST": self._stop}
        if path.conversation_id is None:
            return {"GET": self._list, "POST": self._ask}
        return {"GET": self._history, "POST": self._ask, "DELETE": self._delete}

    async def _ask(self, request: Request, path: Path, principal: Principal) -> Any:
        body = read_ask(await request.body())
        streamed = wants_events(request.headers) if body.stream is None else body.stream
        seen = resume_after(request.headers, {}) if streamed else None
        if seen is not None and b"idempotency-key" not in request.headers:
            run_id = request.about["run_id"] = await self._asked_before(body, path, principal)
            return self._stream(principal, run_id, seen)
        started = await self._talks.ask(talk_of(body, path.conversation_id, principal, request.headers))
        request.about["run_id"] = started.run_id
        if streamed:
            return self._stream(principal, started.run_id, seen or 0 if started.repeated else 0)
        return await self._whole(request, principal, started)

    async def _asked_before(self, body: AskBody, path: Path, principal: Principal) -> str:
        """Whoever has seen an event of the answer does not ask again: finds the run. Raises NotFound."""
        told = await self._talks.history(principal, path.conversation_id or "")
        run_id = run_of_prompt(told.messages, body.prompt)
        if run_id is None:
            raise NotFound(
                "This question was not asked here, so there is nothing to resume.",
                "이 질문을 한 적이 없어 이어받을 것이 없습니다.",
                code="nothing_to_resume",
                param="Last-Event-ID",
                hint="Leave Last-Event-ID out to ask it.",
                hint_ko="질문하려면 Last-Event-ID를 빼십시오.",
            )
        return run_id

    async def _whole(self, request: Request, principal: Principal, started: Started) -> Whole:
        run_id = started.run_id
        waiting = asyncio.ensure_future(self._talks.result(principal, run_id))
        left = asyncio.ensure_future(request.left())
        try:
            await asyncio.wait({waiting, left}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise ClientLeft
            answered = waiting.result()
        finally:
            waiting.cancel()
            left.cancel()
        if answered.status in ("complete", "stopped"):
            return Whole(reply_of(answered), headers=rate_headers(self._talks.rates(principal, run_id)))
        if started.repeated and answered.status == "interrupted" and answered.error is not None:
            answered = structs.replace(answered, error=told_again(answered.error))
        raise FailedRun(answered)

    def _stream(self, principal: Principal, run_id: str, after: int) -> EventStream:
        pieces = events(self._talks, principal, run_id, after)
        rates = partial(self._talks.rates, principal, run_id)
        return EventStream(
            pieces, until=self._services.entrance.end_of(principal), headers=lambda: rate_headers(rates())
        )

    async def _history(self, request: Request, path: Path, principal: Principal) -> Any:
        conversation_id, query = path.conversation_id or "", request.query
        limit = limit_of(query)
        if not wants_events(request.headers):
            return Whole(
                conversation_of(await self._talks.history(principal, conversation_id, query.get("before"), limit))
            )
        told = await self._talks.history(principal, conversation_id)
        run_id = query.get("run_id") or next(iter(told.under_way), None)
        run_id = run_id or next((said.run_id for said in reversed(told.messages) if said.run_id is not None), None)
        after = resume_after(request.headers, query)
        if run_id is None:
            return Whole(None, 204)
        standing = await self._run_of(principal, told, run_id)
        request.about["run_id"] = run_id
        if (
            after is not None
            and standing.status not in UNSENDABLE
            and not await self._has_more(principal, run_id, after)
        ):
            return Whole(None, 204)  # an EventSource that was told everything connects again until it hears this
        return self._stream(principal, run_id, after or 0)

    async def _run_of(self, principal: Principal, told: Told, run_id: str) -> Answered:
        """Raises NotFound for a run of another conversation, as for none."""
        standing = await self._talks.standing(principal, run_id)
        if standing.room_id != told.room_id:
            raise NotFound(f"There is no run {run_id:.60}.", f"{run_id:.60} 실행이 없습니다.", code="run_not_found")
        return standing

    async def _has_more(self, principal: Principal, run_id: str, after: int) -> bool:
        """Whether there is an event above `after`, of a run that has ended."""
        async with aclosing(self._talks.follow(principal, run_id, after)) as rest:
            return await anext(rest, None) is not None

    async def _list(self, request: Request, _path: Path, principal: Principal) -> Whole:
        page = await self._talks.rooms(principal, request.query.get("cursor"), limit_of(request.query))
        return Whole(conversations_of(page))

    async def _delete(self, _request: Request, path: Path, principal: Principal) -> Whole:
        conversation_id = path.conversation_id or ""
        await self._talks.delete(principal, conversation_id)
        return Whole(Deleted(conversation_id=conversation_id, deleted=True))

    async def _stop(self, request: Request, path: Path, principal: Principal) -> Whole:
        body = read_stop(await request.body())
        told = await self._talks.history(principal, path.conversation_id or "", limit=1)
        runs = told.under_way if body.run_id is None else (body.run_id,)
        if body.run_id is not None:
            await self._run_of(principal, told, body.run_id)
        if len(runs) == 1:
            request.about["run_id"] = runs[0]
        for run_id in reversed(runs):
            await self._talks.stop(principal, run_id, body.mode)
        return Whole(Stopping(stopping=runs))


def _failed(answered: Answered, request_id: str, *, korean: bool) -> Whole:
    status, headers, body = failed(answered, request_id, korean=korean)
    return Whole(body, status, headers)


def _refuse(error: TalkmeterError, request_id: str, *, korean: bool) -> Whole:
    status, headers, body = problem(error, request_id, korean=korean)
    return Whole(body, status, headers)


def _internal() -> TalkmeterError:
    return TalkmeterError(
        "Something went wrong inside Talkmeter.",
        "Talkmeter 내부에서 문제가 생겼습니다.",
        hint="The log has a line with this request id. What was stored before is safe.",
        hint_ko="로그에 이 요청 번호가 적힌 줄이 있습니다. 그 전에 저장된 내용은 안전합니다.",
    )
