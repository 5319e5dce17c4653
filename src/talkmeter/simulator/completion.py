"""One chat completion request, from its bytes to its row on the bill."""

import asyncio
import secrets
import time
from typing import TYPE_CHECKING, NoReturn

import msgspec

from talkmeter import clock
from talkmeter.simulator import asked as reading
from talkmeter.simulator import models, plan
from talkmeter.simulator.answers import answer_text, reasoning_tokens
from talkmeter.simulator.asked import Asked
from talkmeter.simulator.bill import RUNNING, STOPPED, Row
from talkmeter.simulator.charging import NOTHING, Charge, charge
from talkmeter.simulator.counting import prompt_tokens, text_tokens
from talkmeter.simulator.faults import HONEST, Fault, parse_fault
from talkmeter.simulator.models import CONTEXT_WINDOW, SimModel
from talkmeter.simulator.pieces import before_stop, within
from talkmeter.simulator.plan import Answer
from talkmeter.simulator.refusals import Refusal, bad_key, by_status
from talkmeter.simulator.script import Gate
from talkmeter.simulator.shapes import Shapes, seconds
from talkmeter.simulator.wire import BrokenOff, Sent, Wire, reset

if TYPE_CHECKING:
    from aiohttp import web

    from talkmeter.simulator.service import Service

_HEADERS = {"openai-organization": "talkmeter-simulator", "openai-version": "2020-10-01"}
_ENDLESS_TOKENS_PER_SECOND = 2000.0  # an endless stream as fast as possible would starve everybody else


class Completion:
    """One request while it runs. `refresh` brings its row up to date at any moment."""

    def __init__(self, service: "Service", request: "web.Request") -> None:
        self._service = service
        self._request = request
        self._began = time.monotonic()
        self._sent = Sent()
        self._truth = NOTHING
        self._counted = (0, 0)  # characters of written text, their tokens
        self._ending = "client_left"  # what it means if the client goes now
        self.gate = Gate()
        self.gated = False
        self.row = Row(
            id=f"req_{secrets.token_hex(16)}",
            at=clock.now(),
            client_request_id=request.headers.get("X-Client-Request-Id"),
        )

    def refresh(self) -> None:
        """Work out the row's figures from what is on the wire now."""
        row, sent = self.row, self._sent
        if sent.characters != self._counted[0]:
            self._counted = (sent.characters, text_tokens(sent.text, row.model or ""))
        row.status = sent.status
        row.sent_bytes, row.sent_text, row.usage_sent = sent.bytes, sent.characters, sent.usage
        cost = charge(
            status=sent.status,
            finished=sent.finished,
            usage_sent=sent.usage,
            truth=self._truth,
            written_tokens=self._counted[1],
        )
        row.prompt_tokens, row.cached_tokens, row.completion_tokens, row.reasoning_tokens = cost

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
            outcome = STOPPED if self._service.stopping else self._ending
            if self._service.stopping:
                self._give_up_unread()
            raise
        finally:
            self._close("finished" if self._sent.finished and outcome != "cut" else outcome)
        return response

    def _give_up_unread(self) -> None:
        """Do not wait for a client that does not read."""
        transport = self._request.transport
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()

    def _close(self, outcome: str) -> None:
        self.refresh()
        assert self.row.outcome == RUNNING
        self.row.outcome = outcome
        self.row.ended_at = clock.now()
        self.gate.end()

    async def _answer(self) -> "web.StreamResponse":
        key = self._request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if key.startswith("sk-bad"):
            raise bad_key()
        body = reading.decode(await self._service.body_of(self._request))
        name = reading.model_of(body)
        self.row.model = name[:200]
        self.row.stream = body.get("stream") is True
        model = models.find(name)
        asked = reading.read(body, reasons=model.reasons)
        fault = self._fault(asked, model)
        self.gated = fault.gate
        self._service.changed(self)
        await self._fail_before_headers(fault, name)
        answer = await self._think(asked, fault, key, model)
        return await self._write(asked, answer, fault, model)

    def _fault(self, asked: Asked, model: SimModel) -> Fault:
        """What the request itself asks for, else the script; a fault in the model's name is added."""
        header = self._request.headers.get("X-Simulate")
        chosen = asked.fault
        if chosen is None and header is not None:
            chosen = parse_fault(reading.decode_header(header), "X-Simulate")
        if chosen is None:
            chosen = self._service.script.take(asked.model) or HONEST
        named = model.fault
        if named is not None and chosen.fault is None:
            chosen = msgspec.structs.replace(
                chosen, fault=named.fault, status=named.status, after_bytes=named.after_bytes
            )
        self.row.fault = chosen.fault if chosen.status is None else str(chosen.status)
        return chosen

    async def _fail_before_headers(self, fault: Fault, model: str) -> None:
        if fault.is_any("refuse"):
            reset(self._request.transport)
            raise BrokenOff
        if fault.status is not None:
            raise by_status(fault.status, model, fault.retry_after)
        if fault.is_any("hang-headers"):
            await self._hang()

    async def _hang(self) -> NoReturn:
        """Silence, until the client leaves or the simulator stops: both cancel this task."""
        self._ending = "hung"
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nothing ends a hang but cancellation")

    async def _think(self, asked: Asked, fault: Fault, key: str, model: SimModel) -> Answer:
        """Find the answer and its true price."""
        # Loading an encoding or counting a long prompt would hold everybody else up.
        return await asyncio.to_thread(self._answer_of, asked, fault, key, model)

    def _answer_of(self, asked: Asked, fault: Fault, key: str, model: SimModel) -> Answer:
        prompt = prompt_tokens(asked.body, asked.model)
        if prompt > CONTEXT_WINDOW:
            raise Refusal(
                400,
                f"This model's maximum context length is {CONTEXT_WINDOW} tokens. However, your messages"
                f" resulted in {prompt} tokens. Please reduce the length of the messages.",
                param="messages",
                code="context_length_exceeded",
            )
        cached = self._service.prefixes.cached_tokens(asked.body, asked.model, key, prompt)
        reasoning = reasoning_tokens(asked, self._service.seed) if model.reasons else 0
        if fault.reasoning_tokens is not None:
            reasoning = fault.reasoning_tokens
        text = answer_text(asked, model, self._service.seed) if fault.answer is None else fault.answer
        text = before_stop(text, asked.stop)
        finish_reason = "stop"
        if asked.max_tokens is not None:
            reasoning = min(reasoning, asked.max_tokens)
            shorter = within(text, asked.max_tokens - reasoning, lambda part: text_tokens(part, asked.model))
            finish_reason = "stop" if shorter == text else "length"
            text = shorter
        completion = reasoning + text_tokens(text, asked.model)
        self._truth = Charge(prompt=prompt, cached=cached, completion=completion, reasoning=reasoning)
        return Answer(text, finish_reason, self._truth)

    async def _write(self, asked: Asked, answer: Answer, fault: Fault, model: SimModel) -> "web.StreamResponse":
        from aiohttp import web

        shapes = Shapes(
            completion_id=f"chatcmpl-{secrets.token_hex(12)}",
            model=asked.model,
            service_tier=_tier(asked),
            created=seconds(),
            include_usage=asked.include_usage,
            include_obfuscation=asked.include_obfuscation,
            line_end=b"\r\n" if fault.is_any("crlf") else b"\n",
        )
        self.row.completion_id = shapes.completion_id
        response = web.StreamResponse(headers=self._headers())
        response.content_type = "text/event-stream" if asked.stream else "application/json"
        if asked.stream:
            response.charset = "utf-8"
            response.headers["Cache-Control"] = "no-cache"
        response.enable_chunked_encoding()
        events = (plan.stream if asked.stream else plan.whole)(answer, shapes, fault)
        wire = Wire(self._request, response, fault, self._sent)
        pace = Pace(tokens_per_second(fault, model, self._service.tokens_per_second))
        if asked.stream:
            await wire.open()
        self._service.changed(self)
        for event in events:
            await pace.wait(event.tokens)
            if self.gated:
                await self.gate.wait()
            if not response.prepared:
                await wire.open()
            await wire.send(event)
            self.gate.written()
            if event.then == "hang":
                await self._hang()
        await response.write_eof()
        return response

    def _headers(self) -> dict[str, str]:
        milliseconds = round((time.monotonic() - self._began) * 1000)
        return {**_HEADERS, "x-request-id": self.row.id, "openai-processing-ms": str(milliseconds)}


class Pace:
    """Holds events back so that tokens come at a rate; 0 = no waiting."""

    def __init__(self, tokens_per_second: float) -> None:
        self._rate = tokens_per_second
        self._due = time.monotonic()

    async def wait(self, tokens: float) -> None:
        if self._rate <= 0:
            return
        self._due += tokens / self._rate
        rest = self._due - time.monotonic()
        if rest > 0:
            await asyncio.sleep(rest)


def tokens_per_second(fault: Fault, model: SimModel, usual: float) -> float:
    """The speed: the request's own wish, else the model's, else the simulator's."""
    speed = next(speed for speed in (fault.tokens_per_second, model.tokens_per_second, usual) if speed is not None)
    if fault.is_any("endless"):
        return min(speed, _ENDLESS_TOKENS_PER_SECOND) or _ENDLESS_TOKENS_PER_SECOND
    return speed


def _tier(asked: Asked) -> str:
    """The tier that served: what was asked for where it names one, else the standard one."""
    wanted = asked.body.get("service_tier")
    return wanted if wanted in ("flex", "priority") else "default"
