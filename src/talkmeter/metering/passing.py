"""The way of a call that passes through the gateway: open the entry, send, overhear the answer, settle.

    call = meter.begin(asked, provider, context)
    await call.open(whose)                # the entry is on the disk now, and the worst case reserved
    answer = await call.dispatch(request) # the first byte goes out in here
    while data := await call.read(): …    # bytes as they came
    call.end(…)                           # exactly once; the settlement is on its way to the disk

Nothing is counted beforehand unless somebody needs the figure. Of a call that lasts longer than a moment prompt and
text are kept (keeping.py), so that a process that dies leaves enough to settle it by.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from talkmeter.clock import now
from talkmeter.completions import Answer, Provider, Sink, UpstreamCall, UpstreamNotReached
from talkmeter.errors import BadInput, Conflict, StoreError, UpstreamError
from talkmeter.ids import new_ordered_id
from talkmeter.metering.admission import Admission, Admitted, Whose
from talkmeter.metering.answers import Answers
from talkmeter.metering.asked import Asked, PassingContext, count_asked
from talkmeter.metering.billing import CHARACTERS, NOTHING, TOKENS
from talkmeter.metering.budgets import BudgetBook
from talkmeter.metering.keeping import Keeping, Kept, Seal, is_long
from talkmeter.metering.ledger import (
    CorrectEntry,
    ForgetPartials,
    LedgerEntry,
    LedgerStore,
    OpenEntry,
    SettleEntry,
)
from talkmeter.metering.passing_tap import PassingTap
from talkmeter.metering.pieces import pieces_of
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.reservations import correction, release
from talkmeter.metering.settlement import Ending, EndKind, Figures, decide_figures
from talkmeter.metering.settling import commit_until_done, settle
from talkmeter.metering.tokens import PromptCount, count_texts
from talkmeter.metering.upstream_words import error_of_answer, error_of_refusal, error_of_stream, without_key

log = logging.getLogger(__name__)

REFUSAL_BYTES = 64 << 10  # of a refusal's body that are kept for the ledger
PENDING = ("queued", "in_progress")  # an answer that is made later; asking for it tells what it came to


class PassingMeter:
    """Opens and settles the entries of calls that pass through, and keeps, sealed, what a crash would lose."""

    def __init__(
        self,
        store: LedgerStore,
        prices: PriceBook,
        budgets: BudgetBook | None = None,
        seal: Seal = lambda _entry_id, text: text,
    ) -> None:
        self.store = store
        self.seal = seal
        self.prices = prices
        self.admission = Admission(store, prices, budgets)
        self._live: set[Any] = set()  # PassingCalls, from `watch` to `leave`; who looks at them sees a part of each
        self._keeping = Keeping(store, self._live)
        self.watch, self.leave = self._keeping.watch, self._live.discard
        self._settling: set[asyncio.Task[None]] = set()
        self.answers = Answers(store, self._live)

    def begin(self, asked: Asked, provider: Provider, context: PassingContext, *, attempt: int = 1) -> "PassingCall":
        """A call that has not been opened yet."""
        opening = OpenEntry(
            id=new_ordered_id("call"),
            surface=context.surface,
            principal=context.principal,
            endpoint=asked.endpoint,
            provider_id=provider.id,
            provider_name=provider.name,
            model_requested=asked.model,
            opened_at=now(),
            attempt=attempt,
            max_output_tokens=asked.max_output_tokens,
            key_id=context.key_id,
            end_user=context.end_user,
            tags=context.tags,
            metadata=context.metadata,
            request_bytes=asked.request_bytes,
            billing=asked.billing,
            model_asked=asked.model_asked,
        )
        return PassingCall(self, provider, asked, opening)

    @property
    def under_way(self) -> int:
        return len(self._live)

    def commit(self, change: SettleEntry, *also: Struct) -> None:
        """Begins to commit a settlement; a full or busy disk is waited out."""
        self.store.submit_quietly((change, *also), lambda error: self._not_committed(error, change, also))

    def _not_committed(self, error: BaseException, change: SettleEntry, also: tuple[Struct, ...]) -> None:
        if isinstance(error, Conflict):
            log.error("entry %s was settled already: %s", change.id, error)
            return
        self.settle_later(commit_until_done(self.store, change, *also))

    def correct(self, entry: LedgerEntry, tap: PassingTap) -> None:
        """An answer has told what an earlier call came to: the figures that were missing are filled in, once."""
        opening, usage = entry.opening, tap.usage
        assert usage is not None
        tier = tap.service_tier
        models = tap.model, opening.model_requested
        cost = self.prices.cost(usage, opening.provider_id, models, tier, opening.opened_at, opening.billing, tap.uses)
        assert entry.settlement is not None
        also = correction(opening, entry.settlement, usage, cost)
        change = CorrectEntry(
            id=opening.id,
            provenance="reported",
            usage=usage,
            cost=cost,
            raw_usage=tap.raw_usage,
            model_served=tap.model,
            service_tier=tier,
        )
        self.settle_later(self._correct(change, *also))

    async def _correct(self, change: CorrectEntry, *also: Struct) -> None:
        try:
            await self.store.submit(change, *also)
        except Conflict:  # somebody else was told first
            return
        except StoreError as error:
            log.warning("entry %s keeps its missing figures for now: %s", change.id, error)

    def settle_later(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)

    async def settled(self, seconds: float) -> None:
        """Waits until every settlement that was begun is on its way to the disk, at most so long."""
        if self._settling:
            await asyncio.wait(list(self._settling), timeout=seconds)


class PassingCall:
    """One call. Sent once, read to its end or given up, ended exactly once."""

    # What becomes of it, as it begins: most of this most calls never come to.
    answer: Answer | None = None
    tap: PassingTap | None = None
    settlement: SettleEntry | None = None
    ended = False
    drained = False
    at_shutdown = False  # it was us who ended it
    tells: LedgerEntry | None = None  # an earlier entry whose figures this answer may tell
    _refusal: "_Refusal | None" = None
    _first_byte_at: int | None = None
    _count: PromptCount | None = None
    _counting: "asyncio.Future[PromptCount | None] | None" = None
    _kept: Kept | None = None
    overhear: Callable[[bytes], object]  # takes each piece of the answer's body; there is one once its head is there

    def __init__(self, meter: PassingMeter, provider: Provider, asked: Asked, opening: OpenEntry) -> None:
        self._meter = meter
        self._provider = provider
        self._asked = asked
        self.opening = opening
        self.began = time.monotonic_ns()
        self.on_end: Callable[[], object] | None = None

    async def open(self, whose: Whose) -> Admitted:
        """Commits the open entry with what budgets and limits set aside for it.

        Raises BudgetRefused, RateLimited, StoreError: then nothing was stored and nothing may be sent.
        """
        admitted = await self._meter.admission.admit(self.opening, self._asked, whose)
        self.opening = admitted.opening
        if admitted.count is not None:
            self._count = admitted.count
            self._counting = asyncio.get_running_loop().create_future()
            self._counting.set_result(admitted.count)
        return admitted

    async def dispatch(self, request: UpstreamCall) -> Answer:
        """The answer, its head read. Raises UpstreamError, after which `end` has been done."""
        self._meter.watch(self)
        try:
            answer = await self._provider.exchange(request)
        except UpstreamError as error:
            self.end("not_reached" if isinstance(error, UpstreamNotReached) else "no_headers", error)
            raise
        except BadInput as error:  # it could not be a request, or its client left in the middle of it
            self.end("no_headers" if error.code == "client_left" else "not_reached")
            raise
        except BaseException:
            self.end("no_headers")
            raise
        self.answer = answer
        self._first_byte_at = self._now()
        if answer.status >= 300:
            self._refusal = _Refusal()
            self.overhear = self._refusal.take
            return answer
        kind, coding = answer.header(b"content-type"), answer.header(b"content-encoding")
        self.tap = tap = PassingTap(
            streamed=kind is not None and kind.startswith(b"text/event-stream"),
            encoding="" if coding is None else coding.decode("latin-1").strip().lower(),
            images=self._asked.endpoint.startswith("images/"),
        )
        # A spoken answer or a file is no text with figures in it.
        read = self._asked.billing not in (CHARACTERS, NOTHING) or tap.streamed or self._asked.late
        self.overhear = tap.feed if read else _unheard
        return answer

    async def read(self) -> bytes:
        """The next bytes; empty at the proper end, with which the call is ended. Raises UpstreamError, likewise."""
        assert self.answer is not None
        try:
            data = await self.answer.read()
        except UpstreamError as error:
            self.end("broke", error)
            raise
        if data:
            self.overhear(data)
            if self.answer.ended:
                self.end("complete")
        else:
            self.end("complete")
        return data

    async def stream_to(self, sink: Sink) -> bytes:
        """The rest, as completions.Answer has it: to a sink that overhears; the end is the call's end."""
        assert self.answer is not None
        try:
            data = await self.answer.stream_to(sink)
        except UpstreamError as error:
            self.end("broke", error)
            raise
        except Exception:  # of the sink: neither the provider nor the client has ended it
            self.cut_at_shutdown()
            raise
        if data:
            self.overhear(data)
        self.end("complete")
        return data

    def cut(self, error: UpstreamError | None = None) -> None:
        """Cancels the call upstream; what has come is counted."""
        if self.answer is not None:
            self.answer.close()
        self.end("cut" if self.answer is not None else "no_headers", error, stopped=True)

    def cut_at_shutdown(self) -> None:
        """As cut; it is us who end, not the client who leaves."""
        self.at_shutdown = True
        if self.answer is not None:
            self.answer.close()
        self.end("cut" if self.answer is not None else "no_headers")

    def end(self, kind: EndKind, error: UpstreamError | None = None, *, stopped: bool = False) -> None:
        """Settles. Only the first word on how it ended counts; the error is told where it is written down."""
        if error is not None:
            error.details["call_id"] = self.opening.id
        if self.ended:
            return
        self.ended = True
        self._meter.leave(self)
        if self.on_end is not None:
            self.on_end()
            self.on_end = None  # else each call and its passage would hold each other until the collector comes
        tap = self.tap
        if tap is not None:
            if kind == "complete":
                tap.finish()
            else:
                tap.read()
        ending = self._ending(kind, error)
        if tap is not None and tap.usage is None and self._needs_count(ending, tap):
            self._meter.answers.note(self.opening, tap.upstream_id)
            self._meter.settle_later(self._settle_counting(ending, stopped=stopped))
        else:
            self._settle(ending, None, 0, stopped=stopped)

    def _ending(self, kind: EndKind, error: UpstreamError | None) -> Ending:
        answer = self.answer
        said: dict[str, Any] | None = error_of_stream(error) if error is not None else None
        status = None
        if answer is not None:
            status = answer.status
            if self._refusal is not None:
                kind = "refused"
                headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
                said = error_of_refusal(status, headers, self._refusal.data)
            elif self.tap is not None and self.tap.error is not None:
                said = error_of_answer(self.tap.error, self._provider.hide)
        return Ending(kind=kind, error=said, http_status=status, first_byte_at=self._first_byte_at)

    def _needs_count(self, ending: Ending, tap: PassingTap) -> bool:
        """Whether tokens that nobody has reported must be counted, and can be."""
        if self._asked.billing != TOKENS or tap.incomplete:
            return False
        return ending.kind in ("complete", "broke", "cut") and tap.finish_reason not in PENDING

    async def _settle_counting(self, ending: Ending, *, stopped: bool) -> None:
        await self.count()
        tap = self.tap
        assert tap is not None
        texts = tap.texts
        completion = await asyncio.to_thread(count_texts, texts, self._asked.model) if texts else 0
        self._settle(ending, self._count, completion, stopped=stopped)

    def _settle(self, ending: Ending, count: PromptCount | None, completion: int, *, stopped: bool) -> None:
        change = settle(
            self.opening,
            self._meter.prices,
            ending,
            self.tap,
            completion_tokens=completion,
            at=self._now(),
            stopped=stopped,
            figures=self._figures(ending, count, completion),
        )
        change = without_key(change, self._provider.hide)
        self.settlement = change
        self._meter.answers.note(self.opening, change.upstream_id, change)
        also: tuple[Struct, ...] = release(self.opening, change)
        if self._kept is not None and self._kept.stored:
            also = (*also, ForgetPartials(change.id))
        self._meter.commit(change, *also)
        if self.tells is not None and self.tap is not None and self.tap.usage is not None:
            self._meter.correct(self.tells, self.tap)

    def _figures(self, ending: Ending, count: PromptCount | None, completion: int) -> Figures:
        billing, tap = self._asked.billing, self.tap
        if tap is not None and tap.usage is not None and billing != NOTHING:  # nearly always
            return Figures(tap.usage, "drained" if self.drained else "reported")
        ran = ending.kind in ("complete", "broke", "cut")
        if billing == NOTHING and ran:
            return Figures(None, "counted")
        if billing not in (TOKENS, NOTHING) and ran:
            return pieces_of(self._asked, tap, complete=ending.kind == "complete")
        return decide_figures(
            ending,
            tap,
            prompt_tokens=count.total if count else None,
            completion_tokens=completion,
            quality=count.quality if count else "exact",
            drained=self.drained,
        )

    async def count(self) -> None:
        """Counts the prompt, once; whoever asks meanwhile waits for the figure."""
        if self._counting is None:
            self._counting = asyncio.ensure_future(asyncio.to_thread(count_asked, self._asked))
        self._count = await asyncio.shield(self._counting)

    async def count_if_long(self) -> None:
        if is_long(self._asked):
            await self.count()

    def to_keep(self) -> list[Struct]:
        """What a process that dies now would lose."""
        texts = self.tap.new_texts() if self.tap is not None and self._asked.billing == TOKENS else []
        if self._kept is None:
            self._kept = Kept(self.opening.id, self._asked, self._meter.seal)
        return self._kept.changes(self._count, texts)

    def keep_again(self) -> None:
        """What `to_keep` gave the last time was perhaps not written: it gives everything the next time."""
        if self._kept is not None:
            self._kept.begin_again()
        if self.tap is not None:
            self.tap.texts_anew()

    def _now(self) -> int:
        return self.opening.opened_at + (time.monotonic_ns() - self.began) // 1000


class _Refusal:
    """data: the beginning of a refusal's body."""

    data = b""

    def take(self, data: bytes) -> None:
        self.data += data[: REFUSAL_BYTES - len(self.data)]


def _unheard(_data: bytes) -> None:
    """What an answer is made of that says no figures."""
