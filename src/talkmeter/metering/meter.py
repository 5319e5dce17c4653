"""The way of one call: count, open the entry, send, read, settle. The only code that reaches a provider.

    call = await meter.open(request, provider, context)   # the entry is on the disk now
    await call.read(on_text, on_hidden)                    # the first byte goes out in here
    await call.settle(*also)                               # exactly once, together with `also`, in one transaction

Whatever happens between open and settle, even SIGKILL, the entry is there and says so.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs

from talkmeter.clock import now
from talkmeter.completions import (
    CompletionRequest,
    Head,
    Provider,
    UpstreamBroke,
    UpstreamNotReached,
    UpstreamSilent,
)
from talkmeter.errors import Conflict
from talkmeter.metering.admission import Whose, take_rates
from talkmeter.metering.bounds import bounds_of, output_asked
from talkmeter.metering.budget_store import RatesTaken, RateStanding, Reserve
from talkmeter.metering.budgets import BudgetBook
from talkmeter.metering.ledger import LedgerStore, OpenEntry, SettleEntry
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.reservations import release, reservations_text
from talkmeter.metering.settlement import Ending, EndKind
from talkmeter.metering.settling import commit_until_done, settle
from talkmeter.metering.sse import EventTooLarge
from talkmeter.metering.tap import AnswerTooLong, StreamUnreadable, Tap
from talkmeter.metering.tokens import PromptCount, count_completion, count_prompt
from talkmeter.metering.upstream_words import (
    error_of_answer,
    error_of_refusal,
    error_of_stream,
    unreadable,
    without_key,
)
from talkmeter.metering.worst_case import WorstCase

log = logging.getLogger(__name__)

ERROR_BODY_LIMIT = 64 << 10  # bytes of a refusal that are read; the rest says nothing new


class CallContext(Struct, frozen=True, kw_only=True):
    """Whose call this is and what it answers; goes onto the ledger entry as it is. tags: JSON text."""

    surface: str
    principal: str
    key_id: str | None = None
    tags: str | None = None
    room_id: str | None = None
    run_id: str | None = None
    question_id: str | None = None
    answer_id: str | None = None
    window: int | None = None
    attempt: int = 1


class MeterLimits(Struct, frozen=True, kw_only=True):
    """Bounds on one answer: bytes of one event, characters of text, seconds from the first byte to the last."""

    event_bytes: int = 4 << 20
    answer_characters: int = 8 << 20
    total_seconds: float = 3600.0


class Meter:
    """budgets: None if there are none to keep."""

    def __init__(
        self,
        store: LedgerStore,
        prices: PriceBook,
        limits: MeterLimits | None = None,
        budgets: BudgetBook | None = None,
    ) -> None:
        self._store = store
        self._prices = prices
        self._limits = limits or MeterLimits()
        self._budgets = budgets

    async def open(
        self,
        request: CompletionRequest,
        provider: Provider,
        context: CallContext,
        *also: Struct,
        whose: Whose | None = None,
    ) -> "Call":
        """Counts the request and commits its open entry, with what budgets set aside for it and together with `also`.

        whose: None: the principal's alone. Nothing has been sent yet.
        Raises BudgetRefused, RateLimited, StoreError: then nothing was stored and nothing may be sent.
        """
        whose = whose or Whose(user_id=context.principal)
        count, request_bytes = await asyncio.to_thread(_measure, request)
        opened_at, began = now(), time.monotonic_ns()
        limits = self._prices.limits(provider.id, request.model, opened_at)
        bounds = bounds_of(request.path, request.body, request_bytes=request_bytes, count=count, limits=limits)
        worst = self._prices.worst_case(bounds, provider.id, request.model, opened_at)
        opening = self._opening(request, provider, context, count, opened_at, worst)
        reserve = self._reserve(opening, worst, whose)
        rates = take_rates(whose.rates, count.total + (opening.max_output_tokens or 0), opened_at)
        call = Call(self._store, self._prices, self._limits, provider, request, opening, began)
        if reserve is None and rates is None:
            await self._store.commit(opening, *also)
        else:
            call.opening = opening = structs.replace(opening, reservations=reservations_text(reserve, rates))
            aside = [change for change in (reserve, rates) if change is not None]
            given = await self._commit_within_limits(*aside, opening, *also)
            call.rates = [rate for one in given if isinstance(one, RatesTaken) for rate in one.rates]
        return call

    def _reserve(self, opening: OpenEntry, worst: WorstCase, whose: Whose) -> Reserve | None:
        if self._budgets is None:
            return None
        budgets = self._budgets.applicable(
            user_id=whose.user_id,
            key_id=whose.key_id,
            room_id=opening.room_id,
            tags=whose.tags,
            provider_id=opening.provider_id,
        )
        return self._budgets.reservation(budgets, worst, opening.opened_at, entry_id=opening.id)

    async def _commit_within_limits(self, *changes: Struct) -> tuple[Any, ...]:
        try:
            return await self._store.commit(*changes)
        except Conflict as conflict:
            refusal = self._budgets.refusal(conflict) if self._budgets else None
            raise refusal or conflict from None

    def _opening(
        self,
        request: CompletionRequest,
        provider: Provider,
        context: CallContext,
        count: PromptCount,
        opened_at: int,
        worst: WorstCase,
    ) -> OpenEntry:
        return OpenEntry(
            id=request.call_id,
            endpoint=request.path,
            provider_id=provider.id,
            provider_name=provider.name,
            model_requested=request.model,
            opened_at=opened_at,
            preflight_tokens=count.total,
            preflight_quality=count.quality,
            preflight_encoding=count.encoding,
            preflight_lines=msgspec.json.encode(count.lines).decode(),
            messages_sent=len(request.body["messages"]),
            max_output_tokens=output_asked(request.body),
            worst_case_picodollars=worst.picodollars,
            **msgspec.structs.asdict(context),
        )


class Call:
    """One call under way. `read` once, then `settle` once. began: the monotonic clock (ns) when it was opened.

    rates: how the rate limits stood once it was let in; empty if none applied.
    """

    def __init__(
        self,
        store: LedgerStore,
        prices: PriceBook,
        limits: MeterLimits,
        provider: Provider,
        request: CompletionRequest,
        opening: OpenEntry,
        began: int,
    ) -> None:
        self._store = store
        self._prices = prices
        self._limits = limits
        self._provider = provider
        self._request = request
        self.opening = opening
        self.rates: Sequence[RateStanding] = ()
        self._began = began
        self._tap: Tap | None = None
        self._refusal = bytearray()
        self._head: Head | None = None
        self._first_byte_at: int | None = None
        self._ending: Ending | None = None
        self._reading: asyncio.Task[Any] | None = None
        self._stop: Literal["drain", "cut", "shutdown"] | None = None
        self._stopped = False  # by the person: that stands, also where a shutdown ends the reading for the bill

    def drain(self) -> None:
        """The person has read enough: read on for the bill only."""
        self._stop = self._stop or "drain"
        self._stopped = True

    def cut(self, *, shutdown: bool = False) -> None:
        """Cancel the call upstream. shutdown: it is us who end, not the person who stops."""
        self._stop = "shutdown" if shutdown else "cut"
        self._stopped = self._stopped or not shutdown
        if self._reading is not None and self._ending is None:
            self._reading.cancel()

    async def read(self, on_text: Callable[[str], None], on_hidden: Callable[[str], None] | None = None) -> None:
        """Sends the request and reads the answer to its end, giving new text to `on_text` as it comes.

        on_hidden: gets what is generated and billed besides the text.
        Never raises for what an upstream does: how it ended is in the settlement.
        """
        self._reading = asyncio.current_task()
        try:
            if self._stop in ("cut", "shutdown"):
                self._ending = Ending(kind="not_reached")
            else:
                self._ending = await self._read(on_text, on_hidden or _nowhere)
        except asyncio.CancelledError:
            if self._stop not in ("cut", "shutdown") or self._reading is None:
                raise
            self._reading.uncancel()
            self._ending = self._broken("cut", None)
        except Exception:
            # A mistake of ours must not leave the entry open: it ends as a stream that could not be read.
            log.exception("call %s: reading failed", self.opening.id)
            self._ending = self._broken("broke", unreadable("stream_unreadable", 0))

    async def _read(self, on_text: Callable[[str], None], on_hidden: Callable[[str], None]) -> Ending:
        try:
            async with asyncio.timeout(self._limits.total_seconds):
                return await self._stream(on_text, on_hidden)
        except TimeoutError:
            return self._broken("broke", error_of_stream(UpstreamSilent("total", self._limits.total_seconds)))
        except UpstreamNotReached as error:
            return self._end("not_reached", error_of_stream(error))
        except (UpstreamSilent, UpstreamBroke) as error:
            return self._broken("broke", error_of_stream(error))
        except EventTooLarge as error:
            return self._broken("broke", unreadable("event_too_large", error.limit))
        except AnswerTooLong:
            return self._broken("broke", unreadable("answer_too_long", self._limits.answer_characters))
        except StreamUnreadable:
            return self._broken("broke", unreadable("stream_unreadable", 0))

    async def _stream(self, on_text: Callable[[str], None], on_hidden: Callable[[str], None]) -> Ending:
        async with aclosing(self._provider.send(self._request)) as parts:
            async for part in parts:
                if isinstance(part, Head):
                    self._start(part)
                    continue
                if self._tap is None:
                    self._refusal += part.data[: ERROR_BODY_LIMIT - len(self._refusal)]
                    continue
                text = self._tap.feed(part.data)
                if text:
                    on_text(text)
                if hidden := self._tap.new_hidden():
                    on_hidden(hidden)
        if self._tap is None:
            return self._broken("broke", None)
        if text := self._tap.finish():
            on_text(text)
        if self._tap.ended_early:
            spoken = self._tap.text or "event-stream" in self._content_type
            return self._broken("broke", unreadable("ended_early" if spoken else "not_an_answer", 0))
        return self._end("complete", self._tap.error and error_of_answer(self._tap.error, self._provider.hide))

    def _start(self, head: Head) -> None:
        self._head = head
        self._first_byte_at = self._now()
        if head.status == 200:
            self._tap = Tap(
                streamed="json" not in self._content_type,
                max_event_bytes=self._limits.event_bytes,
                max_text=self._limits.answer_characters,
            )

    @property
    def _content_type(self) -> str:
        return self._head.headers.get("content-type", "").lower() if self._head else ""

    def _broken(self, kind: Literal["broke", "cut"], error: dict[str, Any] | None) -> Ending:
        """An end before the answer's own: what it means depends on how far the upstream had come."""
        if self._head is None:
            return self._end("no_headers", error)
        if self._tap is None:
            refusal = error_of_refusal(self._head.status, self._head.headers, bytes(self._refusal))
            return self._end("refused", refusal)
        return self._end(kind, error)

    def _end(self, kind: EndKind, error: dict[str, Any] | None = None) -> Ending:
        status = self._head.status if self._head else None
        return Ending(kind=kind, error=error, http_status=status, first_byte_at=self._first_byte_at)

    async def settlement(self) -> SettleEntry:
        """What the entry will say; counts what the provider did not report."""
        ending = self._ending or self._end("no_headers")
        billed = self._tap.text + self._tap.hidden if self._tap else ""
        missing = bool(billed) and self._tap is not None and self._tap.usage is None
        completion = await asyncio.to_thread(count_completion, billed, self._request.model) if missing else None
        change = settle(
            self.opening,
            self._prices,
            ending,
            self._tap,
            completion_tokens=completion.tokens if completion else 0,
            at=self._now(),
            drained=self._stop == "drain",
            stopped=self._stopped,
        )
        return without_key(change, self._provider.hide)

    def _now(self) -> int:
        """µs since 1970 by a clock that nobody sets while the call runs: it cannot end before it began."""
        return self.opening.opened_at + (time.monotonic_ns() - self._began) // 1000

    async def settle(self, change: SettleEntry, *also: Struct) -> None:
        """Commits the settlement, what budgets release and `also` in one transaction; a full disk is waited out."""
        await commit_until_done(self._store, change, *release(self.opening, change), *also)


def _measure(request: CompletionRequest) -> tuple[PromptCount, int]:
    """Its tokens, and its length where the count is an estimate: it is needed then to bound what it can cost."""
    count = count_prompt(request.body, request.model)
    return count, 0 if count.quality == "exact" else len(msgspec.json.encode(request.body))


def _nowhere(_text: str) -> None:
    """For those who do not keep it."""
