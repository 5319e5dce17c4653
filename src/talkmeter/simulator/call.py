"""One request, from its bytes to its row on the bill."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from talkmeter import clock
from talkmeter.simulator import checks, forms, models, plan
from talkmeter.simulator.bill import RUNNING, STOPPED, Row
from talkmeter.simulator.charging import NOTHING, charge
from talkmeter.simulator.counting import text_tokens
from talkmeter.simulator.dialect import Event
from talkmeter.simulator.faults import HONEST, Fault, parse_fault
from talkmeter.simulator.jobs import Endpoint, Incoming, Job, Made, Upload
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.pace import Pace, tokens_per_second
from talkmeter.simulator.refusals import Refusal, bad_key, by_status
from talkmeter.simulator.script import Gate
from talkmeter.simulator.wire import BrokenOff, Sent, Wire, reset

if TYPE_CHECKING:
    from aiohttp import web

    from talkmeter.simulator.service import Service

_HEADERS = {"openai-organization": "talkmeter-simulator", "openai-version": "2020-10-01"}


class Call:
    """One request while it runs. `refresh` brings its row up to date at any moment."""

    def __init__(self, service: "Service", endpoint: Endpoint, request: "web.Request") -> None:
        self.service = service
        self._endpoint = endpoint
        self._request = request
        self._began = time.monotonic()
        self._sent = Sent()
        self._work = self._sent  # whose progress is charged
        self._truth, self._draws = NOTHING, False
        self._counted = (0, 0)  # characters of written text, their tokens
        self._ending = "client_left"  # what it means if the client goes now
        self._fault, self._model = HONEST, SimModel(models.DEFAULT)
        self.background: asyncio.Task[None] | None = None
        self.gate = Gate()
        self.gated = False
        key = self._key()
        self.row = Row(
            id=f"req_{secrets.token_hex(16)}",
            at=clock.now(),
            client_request_id=request.headers.get("X-Client-Request-Id"),
            method=endpoint.method,
            endpoint=endpoint.path,
            key=key[-4:] or None,
            project=request.headers.get("OpenAI-Project"),
        )

    def refresh(self) -> None:
        """Work out the row's figures from what is on the wire now."""
        row, sent, work = self.row, self._sent, self._work
        if work.characters != self._counted[0]:
            tokens = sum(text_tokens(text, row.model or "") for text in work.texts)
            self._counted = (work.characters, tokens)
        row.status = sent.status
        row.sent_bytes, row.sent_text, row.usage_sent = sent.bytes, sent.characters, work.usage
        row.charge(
            charge(
                status=work.status,
                finished=work.finished,
                usage_sent=work.usage,
                truth=self._truth,
                written_tokens=self._counted[1],
                draws=self._draws,
            )._replace(images=work.images if work.status == 200 else 0)
        )

    async def respond(self) -> "web.StreamResponse":
        """Answer, whatever happens on the way, and close the row."""
        from aiohttp import web

        outcome = "error"
        try:
            response = await self._answer()
        except Refusal as refusal:
            self._sent.status = refusal.status
            response = web.json_response(
                refusal.body(), status=refusal.status, headers={**self._headers(), **refusal.headers}
            )
        except BrokenOff:
            outcome = "cut" if self._sent.status else "refused"
            response = web.Response()
        except ConnectionError:
            outcome = self._ending
            raise
        except asyncio.CancelledError:
            outcome = STOPPED if self.service.stopping else self._ending
            if self.service.stopping:
                self._give_up_unread()
            raise
        finally:
            if self.background is None:
                self.close("finished" if self._sent.finished and outcome != "cut" else outcome)
        return response

    def close(self, outcome: str) -> None:
        self.refresh()
        assert self.row.outcome == RUNNING
        self.row.outcome = outcome
        self.row.ended_at = clock.now()
        self.gate.end()

    def _key(self) -> str:
        return self._request.headers.get("Authorization", "").removeprefix("Bearer ").strip()

    def _give_up_unread(self) -> None:
        """Do not wait for a client that does not read."""
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()

    async def _answer(self) -> "web.StreamResponse":
        if self._key().startswith("sk-bad"):
            raise bad_key()
        incoming = await self._read()
        model = self._find_model(incoming)
        self._model = model or self._model
        job = self._endpoint.job(incoming, model)
        self.row.stream = job.stream
        for name in ("user", "safety_identifier"):
            value = incoming.body.get(name)
            setattr(self.row, name, value[:200] if isinstance(value, str) else None)
        for name, value in job.describe().items():
            setattr(self.row, name, value)
        self._fault = fault = self._chosen_fault(job, model)
        self.gated = fault.gate
        self.service.changed(self)
        await self._fail_before_headers(fault)
        # Loading an encoding or counting a long prompt would hold everybody else up.
        made = await asyncio.to_thread(job.make, fault)
        self.row.completion_id, self.row.service_tier, self.row.served_model = made.id, made.tier, made.model
        self._truth, self._draws = made.truth, made.dialect.draws
        made.dialect.line_end = b"\r\n" if fault.is_any("crlf") else b"\n"
        if made.work is not None:
            self._work = made.work
        if made.begin is not None:
            made.begin(self)
        return await self._write(job, made, fault)

    async def _read(self) -> Incoming:
        request, endpoint = self._request, self._endpoint
        raw = await self.service.body_of(request)
        body: dict[str, Any] = {}
        files: dict[str, list[Upload]] = {}
        kind = request.headers.get("Content-Type", "")
        if endpoint.form and not (endpoint.json_too and kind.startswith("application/json")):
            body, files = forms.read(raw, kind)
        elif endpoint.method == "POST" and (raw or endpoint.kind):
            body = checks.decode(raw)
        query = dict(request.query)
        return Incoming(
            self.service, body, files, dict(request.match_info), query, self._key(), str(request.url.origin())
        )

    def _find_model(self, incoming: Incoming) -> SimModel | None:
        kind = self._endpoint.kind
        if kind is None:
            return None
        name = checks.model_of(incoming.body, self._endpoint.default_model)
        incoming.body["model"] = name
        self.row.model = name[:200]
        self.row.stream = incoming.body.get("stream") is True
        return models.find(name, any_model=self.service.any_model).of_kind(kind)

    def _chosen_fault(self, job: Job, model: SimModel | None) -> Fault:
        """What the request itself asks for, else the script; a fault in the model's name is added."""
        header = self._request.headers.get("X-Simulate")
        chosen = job.wish
        if chosen is None and header is not None:
            chosen = parse_fault(checks.decode_header(header), "X-Simulate")
        if chosen is None:
            chosen = self.service.script.take(job.name or None, self._endpoint.path) or HONEST
        named = None if model is None else model.fault
        if named is not None and chosen.fault is None:
            chosen = msgspec.structs.replace(
                chosen, fault=named.fault, status=named.status, after_bytes=named.after_bytes
            )
        self.row.fault = chosen.fault if chosen.status is None else str(chosen.status)
        return chosen

    async def _fail_before_headers(self, fault: Fault) -> None:
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.is_any("refuse"):
            reset(self._request.transport)
            raise BrokenOff
        if fault.status is not None:
            raise by_status(fault.status, self.row.model or "this endpoint", fault.retry_after)
        if fault.is_any("hang-headers"):
            await self._hang()

    async def _hang(self) -> NoReturn:
        """Silence, until the client leaves or the simulator stops: both cancel this task."""
        self._ending = "hung"
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing ends a hang but cancellation")

    async def _write(self, job: Job, made: Made, fault: Fault) -> "web.StreamResponse":
        from aiohttp import web

        response = web.StreamResponse(headers=self._headers())
        response.content_type = "text/event-stream" if job.stream else made.dialect.media_type
        if job.stream:
            response.charset = "utf-8"
            response.headers["Cache-Control"] = "no-cache"
        response.enable_chunked_encoding()
        wire = Wire(self._request, response, fault, self._sent)
        if job.stream:
            await wire.open()
        self.service.changed(self)
        if made.follow is not None:
            events = made.follow
        else:
            planned = (plan.stream if job.stream else plan.whole)(made.dialect, made.truth, fault)
            events = self.paced(planned, gated=made.begin is None and fault.gate)
        async for event in events:
            if not response.prepared:
                await wire.open()
            await wire.send(event)
            if made.begin is None:
                self.gate.written()
            if event.then == "hang":
                await self._hang()
        await wire.close()
        return response

    async def paced(self, events: Iterator[Event], *, gated: bool) -> AsyncIterator[Event]:
        """The events, each when it is due and the gate lets it through."""
        pace = Pace(tokens_per_second(self._fault, self._model, self.service.tokens_per_second))
        for event in events:
            await pace.wait(event.tokens)
            if gated:
                await self.gate.wait()
            yield event

    def _headers(self) -> dict[str, str]:
        milliseconds = round((time.monotonic() - self._began) * 1000)
        own = {**_HEADERS, "x-request-id": self.row.id, "openai-processing-ms": str(milliseconds)}
        return {**own, **(self._fault.headers or {})}
