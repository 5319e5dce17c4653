"""The simulator behind its HTTP server: what all requests share."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from talkmeter.simulator.bill import Bill
from talkmeter.simulator.call import Call
from talkmeter.simulator.jobs import Endpoint
from talkmeter.simulator.prefixes import PrefixCache
from talkmeter.simulator.refusals import Refusal
from talkmeter.simulator.script import Script

if TYPE_CHECKING:
    from aiohttp import web

    from talkmeter.simulator.files import KeptFile
    from talkmeter.simulator.responses_kept import StoredResponse

BODY_LIMIT = 64 * 1024 * 1024  # bytes; images come as data URLs
_SAVE_EVERY = 0.25  # seconds
_SAVING_SHARE = 20  # bringing a row up to date may take 1/20 of the time


class Service:
    """Bill, script, prompt cache and the requests that run."""

    def __init__(
        self,
        bill: Bill,
        tokens_per_second: float,
        seed: int,
        endpoints: tuple[Endpoint, ...],
        *,
        any_model: bool = False,
    ) -> None:
        self.bill = bill
        self.endpoints = endpoints
        self.any_model = any_model
        self.tokens_per_second = tokens_per_second
        self.seed = seed
        self.script = Script()
        self.prefixes = PrefixCache()
        self.responses: dict[str, StoredResponse] = {}
        self.files: dict[str, KeptFile] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.stopping = False
        self._running: dict[Call, asyncio.Task[Any]] = {}
        self._saver: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()

    async def answer(self, endpoint: Endpoint, request: "web.Request") -> "web.StreamResponse":
        """One request to an endpoint."""
        async with self._on_the_bill(Call(self, endpoint, request)) as call:
            return await call.respond()

    @asynccontextmanager
    async def _on_the_bill(self, call: Call) -> AsyncIterator[Call]:
        task = asyncio.current_task()
        assert task is not None
        self._running[call] = task
        self.bill.start(call.row, call.refresh)
        if self._saver is None or self._saver.done():
            self._saver = asyncio.create_task(self._keep_saving())
        try:
            yield call
        finally:
            if call.background is None:
                self._ended(call)
            else:
                # The work goes on without the request.
                self._running[call] = call.background
                call.background.add_done_callback(lambda _: self._ended(call))

    def _ended(self, call: Call) -> None:
        del self._running[call]
        self.bill.end(call.row)
        self._notify()

    def changed(self, call: Call) -> None:
        """Something worth writing down has happened to a running request."""
        call.refresh()
        self.bill.save(call.row)
        self._notify()

    async def body_of(self, request: "web.Request") -> bytes:
        """The request's body. Raises Refusal 413."""
        from aiohttp import web

        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            message = f"The body of the request is larger than {BODY_LIMIT} bytes."
            raise Refusal(413, message, code="request_too_large") from error

    async def step(self, events: int, request_id: str | None, wait: float) -> list[dict[str, Any]]:
        """Let `events` more events of each gated request go, and return when they are on the wire.

        Waits up to `wait` seconds for such a request to come. Answers for each: its id, how many events
        are on the wire in all, and whether it has ended.
        """
        until = time.monotonic() + wait
        while not (gated := self._gated(request_id)) and (rest := until - time.monotonic()) > 0:
            await self._next_move(rest)
        written = await asyncio.gather(*(call.gate.step(events) for call in gated))
        return [
            {"id": call.row.id, "written": count, "ended": call.gate.ended}
            for call, count in zip(gated, written, strict=True)
        ]

    async def settled(self, wait: float) -> bool:
        """Wait until no request runs, at most `wait` seconds. True if none does."""
        until = time.monotonic() + wait
        while self._running and (rest := until - time.monotonic()) > 0:
            await self._next_move(rest)
        return not self._running

    async def stop(self) -> None:
        """End every running request as `stopped` and write down how far each came."""
        self.stopping = True
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        if self._saver is not None:
            self._saver.cancel()
            tasks.append(self._saver)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _gated(self, request_id: str | None) -> list[Call]:
        return [one for one in self._running if one.gated and request_id in (None, one.row.id)]

    def _notify(self) -> None:
        waiting, self._moved = self._moved, asyncio.Event()
        waiting.set()

    async def _next_move(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._moved.wait(), seconds)
        except TimeoutError:
            return

    async def _keep_saving(self) -> None:
        """Write the state of running requests to the bill's file as long as there are any."""
        pause = _SAVE_EVERY
        while self._running:
            await asyncio.sleep(pause)
            began = time.monotonic()
            for call in list(self._running):
                call.refresh()
                self.bill.save(call.row)
            # Counting a very long text again and again would take the time that writing it needs.
            pause = max(_SAVE_EVERY, _SAVING_SHARE * (time.monotonic() - began))
