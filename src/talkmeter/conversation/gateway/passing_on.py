"""Passes requests on: finds the way, opens an entry for each attempt, and goes to the next target before a first byte.

Every attempt is a call of its own with an entry of its own. Once a byte of an answer has gone to the client there is
no other attempt.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterable, Sequence

from msgspec import structs

from talkmeter.accounts.routes import RouteTarget, Way
from talkmeter.completions import Answer, Provider, UpstreamCall
from talkmeter.conversation.gateway.breakers import Breakers
from talkmeter.conversation.gateway.passage import Passage
from talkmeter.conversation.gateway.splicing import form_with_model, with_model, with_usage_asked
from talkmeter.conversation.gateway.values import GatewayLimits, PassAsk, Providers, Ways
from talkmeter.conversation.gateway.waiting import Leaver, Waiting, client_left
from talkmeter.errors import StoreError, TalkmeterError, UpstreamError
from talkmeter.metering.admission import Admitted
from talkmeter.metering.asked import Asked
from talkmeter.metering.ledger import LedgerEntry
from talkmeter.metering.passing import PassingCall, PassingMeter

log = logging.getLogger(__name__)

RETRIED = frozenset({408, 409, 429, 500, 502, 503, 504, 520, 522, 524, 529})
BROKEN_FROM = 500  # statuses that count against a provider
REFUSED_FROM = 300  # statuses with which an answer says at once what it is
RESPONSES = "responses"
REFUSAL_BYTES = 256 << 10
LONGEST_PAUSE = 8.0
CUT_SECONDS = 2.0
RESTART_SECONDS = 5  # after which a client may find the server again


class Gateway:
    """monotonic: seconds."""

    def __init__(
        self, meter: PassingMeter, providers: Providers, ways: Ways, limits: GatewayLimits | None = None
    ) -> None:
        self._meter = meter
        self._providers = providers
        self._ways = ways
        self._limits = limits or GatewayLimits()
        self._breakers = Breakers(time.monotonic)
        self._passages: set[Passage] = set()
        self._draining: dict[Passage, int] = {}
        self._held: set[PassingCall] = set()  # answers of which no client has heard yet, as another may follow
        self._closing = False

    async def pass_on(self, ask: PassAsk, client: Leaver) -> Passage:
        """The answer to a request, its head read. client: who may leave meanwhile.

        Raises UpstreamError if no target could be reached; StoreError if the entry cannot be kept, NotFound if there
        is no provider, BadInput (`client_left`): then nothing has been sent, or it has been settled.
        """
        if self._closing:
            raise _closing()
        limits = self._limits
        seconds = limits.drain_seconds if len(self._draining) < limits.drain_calls else 0
        waiting = Waiting(ask.disconnect, seconds)
        client.on_gone = waiting.client_left
        try:
            way = self._ways.way(ask.asked.model)
            if len(way.targets) > 1 or way.retries or ask.provider_id is not None:
                return await self._first_answer(ask, way, waiting)
            target = way.targets[0]
            provider = self._providers.pick(target.provider_id, target.model or ask.asked.model)
            passage, _ = await self._attempt(ask, provider, target, 1, waiting, last=True, others=False)
            assert passage is not None  # the last attempt gives one, or raises
            return passage
        except asyncio.CancelledError:
            if waiting.gave_up():
                raise client_left() from None
            raise
        finally:
            client.on_gone = None
            waiting.end()

    async def _first_answer(self, ask: PassAsk, way: Way, waiting: Waiting) -> Passage:
        """One attempt after the other. A target that asked to be left alone for a while is, for so long."""
        rounds = 1 + (way.retries if isinstance(ask.body, bytes) else 0)
        targets = way.targets if isinstance(ask.body, bytes) else way.targets[:1]
        if ask.provider_id is not None:
            targets = _pinned(targets, ask.provider_id)
        plan = [target for _ in range(rounds) for target in targets]
        ready: dict[RouteTarget, float] = {}  # monotonic seconds from when on it may be tried again
        for attempt, target in enumerate(plan, 1):
            at = ready.get(target, 0.0)
            if at == math.inf:
                continue
            rest = [other for other in plan[attempt:] if ready.get(other, 0.0) < math.inf]
            provider = self._providers.pick(target.provider_id, target.model or ask.asked.model)
            if rest and self._breakers.is_open(provider.id) and self._other_way(rest, ask, provider):
                continue
            if at:
                waiting.for_answer(None)
                await asyncio.sleep(at - time.monotonic())
                waiting.over()
            if self._closing:
                raise _closing()
            others = any(other != target for other in rest)
            passage, pause = await self._attempt(ask, provider, target, attempt, waiting, last=not rest, others=others)
            if passage is not None:
                return passage
            ready[target] = time.monotonic() + pause
        raise AssertionError  # the last attempt returns or raises

    def _other_way(self, rest: list[RouteTarget], ask: PassAsk, provider: Provider) -> bool:
        """Whether a target that is still to come is another provider whose breaker is closed."""
        others = [self._providers.pick(target.provider_id, target.model or ask.asked.model) for target in rest]
        return any(other.id != provider.id and not self._breakers.is_open(other.id) for other in others)

    async def _attempt(
        self,
        ask: PassAsk,
        provider: Provider,
        target: RouteTarget,
        attempt: int,
        waiting: Waiting,
        *,
        last: bool,
        others: bool,
    ) -> tuple[Passage | None, float]:
        """A passage, or None and the seconds to wait before the same target is tried again.

        others: whether there is another target to go to if this one wants to be left alone for long. Unless this is
        the last attempt a passage is given only once the first piece of its body is there: so long another can follow.
        """
        asked, request_body = self._request(ask, target)
        call = self._meter.begin(asked, provider, ask.context, attempt=attempt)
        call.tells = ask.late_for
        admitted = await call.open(ask.whose)
        request = UpstreamCall(call.opening.id, ask.method, ask.path, ask.headers, request_body, ask.body_length)
        try:
            waiting.for_answer(call)
            answer = await call.dispatch(request)
            first = b"" if last or answer.status >= REFUSED_FROM else await self._read_held(call)
            waiting.over()
        except asyncio.CancelledError:
            call.cut_at_shutdown()
            raise
        except UpstreamError as error:
            self._breakers.failed(provider.id)
            waiting.over()
            if last:
                raise
            log.info("attempt_failed", extra={"entry_id": call.opening.id, "code": error.code})
            return None, _pause(attempt)
        if answer.status >= BROKEN_FROM:
            self._breakers.failed(provider.id)
        else:
            self._breakers.succeeded(provider.id)
        if answer.status in RETRIED and not last:
            wait = self._retry_after(answer, attempt)
            if wait < math.inf or others:
                await self._read_refusal(call)
                return None, wait
        return self._passage(ask, call, answer, admitted, first), 0.0

    def _passage(self, ask: PassAsk, call: PassingCall, answer: Answer, admitted: Admitted, first: bytes) -> Passage:
        passage = Passage(self, call, answer, ask.disconnect, usage_unasked=ask.usage_unasked, first=first)
        passage.admitted = admitted
        if not call.ended:
            self._passages.add(passage)
            call.on_end = lambda: self._over(passage)
        return passage

    def _request(self, ask: PassAsk, target: RouteTarget) -> tuple[Asked, bytes | AsyncIterable[bytes]]:
        """What is asked of this target: the client's bytes, unless another model or its usage must be asked for."""
        asked, body = ask.asked, ask.body
        if not isinstance(body, bytes):
            return asked, body
        if target.model is not None and target.model != asked.model:
            if ask.model_span is not None:
                body = form_with_model(body, *ask.model_span, target.model)
            else:
                body = with_model(body, target.model)
            asked = structs.replace(asked, model=target.model, model_asked=asked.model, request_bytes=len(body))
        if ask.usage_unasked:
            body = with_usage_asked(body, ask.stream_options)
        return asked, body

    def _retry_after(self, answer: Answer, attempt: int) -> float:
        """Seconds to wait; infinite if the provider wants to be left alone for longer than a client should wait."""
        said = answer.header(b"retry-after")
        if said is None:
            return _pause(attempt)
        try:
            seconds = float(said)
        except ValueError:
            return math.inf
        return seconds if 0 <= seconds <= self._limits.retry_after_seconds else math.inf

    async def _read_refusal(self, call: PassingCall) -> None:
        read = 0
        try:
            while not call.ended and read < REFUSAL_BYTES:
                read += len(await self._read_held(call))
        except UpstreamError:
            return
        if not call.ended:
            call.cut()

    async def _read_held(self, call: PassingCall) -> bytes:
        self._held.add(call)
        try:
            return await call.read()
        finally:
            self._held.discard(call)

    # --- clients that leave

    def may_drain(self, passage: Passage) -> bool:
        """Whether one more answer may be read on for the bill; if so it is, for as long as the limits allow."""
        worst = passage.call.opening.worst_case_picodollars or 0
        limits = self._limits
        if len(self._draining) >= limits.drain_calls or sum(self._draining.values()) + worst > limits.drain_picodollars:
            return False
        self._draining[passage] = worst
        passage.limit = asyncio.get_running_loop().call_later(limits.drain_seconds, passage.cut)
        return True

    def _over(self, passage: Passage) -> None:
        """However it ended: read, broken off, or cut."""
        self._passages.discard(passage)
        if passage.limit is not None:
            passage.limit.cancel()
            passage.limit = None
        self._draining.pop(passage, None)
        if passage.over is not None:
            passage.over.set()

    async def until_ended(self, answer_id: str) -> None:
        """Waits until an answer that is under way here has ended: only then can another go on from it."""
        for passage in list(self._passages):
            if passage.call.opening.endpoint == RESPONSES and passage.answer_id == answer_id and not passage.ended:
                passage.over = passage.over or asyncio.Event()
                await passage.over.wait()

    # --- the end

    async def close(self, grace: float) -> None:
        """Nothing new; what is under way gets `grace` seconds, then is cut and settled."""
        self._closing = True
        until = time.monotonic() + grace
        while self._meter.under_way and time.monotonic() < until:  # noqa: ASYNC110 - the last of many, once
            await asyncio.sleep(0.02)
        for call in [*self._held, *(passage.call for passage in self._passages)]:
            call.cut_at_shutdown()
        await self._meter.settled(CUT_SECONDS)

    def entry_is_late(self, entry: LedgerEntry | None) -> bool:
        """Whether an entry still waits for figures that a later answer may tell."""
        settled = entry.settlement if entry is not None else None
        return settled is not None and settled.provenance in ("unknown", "counted", "estimated")


def _pinned(targets: Sequence[RouteTarget], provider_id: str) -> tuple[RouteTarget, ...]:
    """The one target that goes to this provider, by the name that the route has for the model there."""
    fitting = [target for target in targets if target.provider_id in (provider_id, None)]
    return (RouteTarget(provider_id, fitting[0].model if fitting else None),)


def _pause(attempt: int) -> float:
    return min(LONGEST_PAUSE, 0.25 * 2.0 ** min(attempt, 8)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret


def _closing() -> TalkmeterError:
    return StoreError(
        "Talkmeter is shutting down and takes no new requests.",
        "Talkmeter가 종료 중이라 새 요청을 받지 않습니다.",
        code="shutting_down",
        details={"retry_after": RESTART_SECONDS},
        hint="Try again in a moment.",
        hint_ko="잠시 뒤에 다시 시도하십시오.",
    )
