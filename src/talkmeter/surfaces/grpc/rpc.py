"""One call: who makes it, what is written to its client, and how it ends. Thin I/O around grpc.aio's context."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from grpc_status import rpc_status

from talkmeter.accounts.principals import Principal
from talkmeter.accounts.tags import tags_of
from talkmeter.clock import now
from talkmeter.errors import InvalidKey, TalkmeterError
from talkmeter.ids import new_id
from talkmeter.surfaces.grpc.entering import DOOR, Metadata, caller_of, metadata_of
from talkmeter.surfaces.grpc.services import Services
from talkmeter.surfaces.grpc.statuses import Code, status_of
from talkmeter.surfaces.grpc.trailers import Pairs, ids

log = logging.getLogger(__name__)

LATE_SECONDS = 0.5
CUT = "The answer ends with this call, as its key wants it (disconnect: cut); what had come is kept."
CUT_KO = "키의 설정(disconnect: cut)에 따라 답변도 이 호출과 함께 끝납니다. 그때까지의 내용은 보관됩니다."

Context = grpc.aio.ServicerContext[Any, Any]


class Failed(Exception):
    """The call ends with this status, and with these trailing metadata beside its details."""

    def __init__(self, status: Status, trailers: Pairs = ()) -> None:
        super().__init__(status.message)
        self.status = status
        self.trailers = trailers


class Unread(Exception):
    """The client has left what was written to it unread for too long."""


class Rpc:
    """principal: who calls. peer: the connection. deadline: whether the client has set one. cuts: set by a service
    whose answer ends with the call, whatever ends that.
    """

    def __init__(
        self, services: Services, context: Context, principal: Principal, metadata: Metadata, about: dict[str, str]
    ) -> None:
        self.principal = principal
        self.peer = context.peer()
        self.deadline = context.time_remaining() is not None
        self.cuts = False
        self._services = services
        self._context = context
        self._metadata = metadata
        self._about = about

    @property
    def tags(self) -> tuple[str, ...]:
        """Raises BadInput."""
        said = self._metadata.get("x-talkmeter-tags")
        return tags_of(None if said is None else said.encode())

    @property
    def is_late(self) -> bool:
        """Whether the client's deadline has passed: by its own clock that is a little before ours."""
        return self.deadline and self._context.time_remaining() < LATE_SECONDS

    async def begin(self, conversation_id: str, run_id: str, message_id: str) -> None:
        """Sends the initial metadata, before the first message."""
        self._about["run_id"] = run_id
        await self._in_time(self._context.send_initial_metadata(ids(conversation_id, run_id, message_id)))

    async def write(self, reply: Message) -> None:
        """Waits while the client does not read. Raises Unread."""
        await self._in_time(self._context.write(reply))

    def trail(self, metadata: Pairs) -> None:
        """The trailing metadata of a call that ends well."""
        self._context.set_trailing_metadata(metadata)

    async def _in_time(self, writing: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._services.limits.write_seconds) as limit:
                await writing
        except TimeoutError:
            if limit.expired():
                raise Unread from None
            raise


# Gives the one reply, or writes as many as it likes and gives None.
Answer = Callable[[Rpc, Any], Awaitable[Message | None]]
Handler = Callable[[Any, Context], Awaitable[Message | None]]


def answering(services: Services, path: str, answer: Answer) -> Handler:
    """A handler for grpc.aio. Raises Unread, after which no status can be sent either, until the client reads.

    path: of the method, for the log.
    """

    async def handler(request: Any, context: Context) -> Message | None:
        began, code, about = time.monotonic(), Code.CANCELLED, {"path": path}
        try:
            reply = await _answer(services, context, answer, request, about)
            code = Code.OK
            return reply
        except Unread:
            code = Code.RESOURCE_EXHAUSTED
            raise
        except (Failed, TalkmeterError) as error:
            said, trailers = _ending(error)
            code = said.code
            await context.abort(said.code, said.details, trailers)
        except Exception:
            log.exception("grpc_failed")
            said, trailers = _ending(_internal())
            code = said.code
            await context.abort(said.code, said.details, trailers)
        finally:
            _note(code, time.monotonic() - began, about)

    return handler


async def _answer(
    services: Services, context: Context, answer: Answer, request: Any, about: dict[str, str]
) -> Message | None:
    """about: gets what is known of the caller, for the log."""
    metadata = metadata_of(context.invocation_metadata() or ())
    principal = services.entrance.principal(DOOR, caller_of(context.peer(), metadata))
    about["principal"] = principal.user_id
    if principal.key is not None:
        about["key_id"] = principal.key.id
    rpc = Rpc(services, context, principal, metadata, about)
    async with _while_allowed(services, rpc):
        return await answer(rpc, request)


def _ending(error: Failed | TalkmeterError) -> tuple[grpc.Status, Any]:
    """The status of an error, and all trailing metadata: its details and what stands beside them."""
    status, trailers = (error.status, error.trailers) if isinstance(error, Failed) else (status_of(error, now()), ())
    said = rpc_status.to_status(status)
    return said, (*trailers, *said.trailing_metadata)


def _note(code: grpc.StatusCode, seconds: float, about: Mapping[str, str]) -> None:
    log.log(
        logging.ERROR if code is Code.INTERNAL else logging.INFO,
        "request",
        extra={
            "request_id": new_id("req"),
            "surface": DOOR,
            **about,
            "grpc_status": code.name,
            "milliseconds": round(seconds * 1000, 1),
        },
    )


@asynccontextmanager
async def _while_allowed(services: Services, rpc: Rpc) -> AsyncIterator[None]:
    """Breaks off once the key is revoked, or the server's longest time for a call is over."""
    loop, gone = asyncio.get_running_loop(), services.entrance.end_of(rpc.principal)
    inside = True

    def leave(_: object) -> None:
        if inside:
            limit.reschedule(loop.time())

    try:
        async with asyncio.timeout(services.limits.answer_seconds) as limit:
            if gone is not None:
                gone.add_done_callback(leave)
            try:
                yield
            finally:
                inside = False
                if gone is not None:
                    gone.remove_done_callback(leave)
    except TimeoutError:
        if not limit.expired():
            raise
        if gone is not None and gone.done():
            raise _revoked(cut=rpc.cuts) from None
        raise _too_long(services.limits.answer_seconds, cut=rpc.cuts) from None


def _revoked(*, cut: bool) -> InvalidKey:
    return InvalidKey(
        "This key has just been revoked, or its user disabled.",
        "이 키가 방금 폐기되었거나 사용자가 비활성화되었습니다.",
        hint=CUT if cut else "An answer that had begun is finished and kept.",
        hint_ko=CUT_KO if cut else "이미 시작된 답변은 끝까지 작성되어 보관됩니다.",
        details={"reason": "revoked"},
    )


def _too_long(seconds: float, *, cut: bool) -> TalkmeterError:
    return TalkmeterError(
        f"One call may take {seconds:g} seconds here.",
        f"호출 하나는 {seconds:g}초까지만 이어질 수 있습니다.",
        code="call_too_long",
        status=504,
        hint=CUT if cut else "The answer goes on; Follow has the rest.",
        hint_ko=CUT_KO if cut else "답변은 계속됩니다. 나머지는 Follow로 받으십시오.",
    )


def _internal() -> TalkmeterError:
    return TalkmeterError(
        "Something went wrong inside Talkmeter.",
        "Talkmeter 내부에서 문제가 생겼습니다.",
        hint="The log has the details.",
        hint_ko="자세한 내용은 로그에 있습니다.",
    )
