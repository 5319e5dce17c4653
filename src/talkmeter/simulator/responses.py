"""The Responses API: create, look up, follow, cancel, delete, count."""

import asyncio
import secrets
from typing import Any

from talkmeter.simulator import checks, responses_asked
from talkmeter.simulator.charging import NOTHING
from talkmeter.simulator.dialect import Dialect
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.plain import ObjectDialect, PlainJob, query_integer
from talkmeter.simulator.refusals import Refusal
from talkmeter.simulator.responses_kept import StoredResponse
from talkmeter.simulator.responses_shapes import ResponseDialect
from talkmeter.simulator.thinking import check_context, think


class ResponseJob(Job):
    """POST /v1/responses"""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        context = _context(self)
        self._given = len(responses_asked.items_of(self.body))
        self._items = [*context, *responses_asked.items_of(self.body)]
        self._asked = responses_asked.read(self.body, context, reasons=self.model.reasons)
        self._background = checks.boolean(self.body, "background")
        self._store = checks.boolean(self.body, "store", default=True)
        if self._background and not self._store:
            raise Refusal(400, "Background responses have to be stored: set 'store' to true.", param="background")

    def make(self, fault: Fault) -> Made:
        request = self._asked
        prompt = _count(self.body, self._items, self.name)
        check_context(prompt, "input")
        chat = {**request.body, "messages": request.messages}
        cached = self.service.prefixes.cached_tokens(chat, self.name, self.key, prompt)
        cached = min(cached, prompt // 128 * 128)
        thought = think(request, self.model, fault, self.service.seed, prompt=prompt, cached=cached)
        tier, served = self.served_tier(fault), self.served_model(fault)
        dialect = ResponseDialect(
            {name: value for name, value in self.body.items() if name != "simulate"},
            thought.spoken[0],
            response_id=f"resp_{secrets.token_hex(24)}",
            model=served,
            tier=tier,
            reasons=self.model.reasons,
            obfuscates=request.include_obfuscation,
        )
        stored = StoredResponse(dialect, thought.truth, fault, self._items, self._given)
        if self._store:
            self.service.responses[dialect.id] = stored
        made = Made(dialect, thought.truth, dialect.id, tier, served)
        if not self._background:
            return made
        shown = made if self.stream else made._replace(dialect=ObjectDialect(dialect.object_("queued")))
        follow = stored.follow(-1) if self.stream else None
        return shown._replace(work=stored.work, begin=stored.begin, follow=follow)


class LookUp(PlainJob):
    """GET /v1/responses/{id}"""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        self._stored = stored_of(incoming)
        self.stream = incoming.query.get("stream") == "true"
        self._after = query_integer(incoming.query, "starting_after", -1, least=-1)

    def make(self, fault: Fault) -> Made:
        if self.stream:
            return self.free(Dialect())._replace(follow=self._stored.follow(self._after))
        return self.answer(self._stored.object_())


class Cancel(PlainJob):
    """POST /v1/responses/{id}/cancel"""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        self._stored = stored_of(incoming)
        if not self._stored.in_background:
            raise Refusal(400, "Only responses that were created with 'background' set to true can be cancelled.")
        self._loop = asyncio.get_running_loop()

    def make(self, fault: Fault) -> Made:
        asyncio.run_coroutine_threadsafe(self._stored.cancel(), self._loop).result(timeout=10)
        return self.answer(self._stored.object_())


class Delete(PlainJob):
    """DELETE /v1/responses/{id}"""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        self._id = stored_of(incoming).dialect.id

    def make(self, fault: Fault) -> Made:
        self.service.responses.pop(self._id, None)
        return self.answer({"id": self._id, "object": "response.deleted", "deleted": True})


class InputItems(PlainJob):
    """GET /v1/responses/{id}/input_items"""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        self._stored = stored_of(incoming)

    def make(self, fault: Fault) -> Made:
        return self.listed(self._stored.input)


class InputTokens(Job):
    """POST /v1/responses/input_tokens: the exact count, free of charge."""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        self._items = [*_context(self), *responses_asked.items_of(self.body)]

    def make(self, fault: Fault) -> Made:
        counted = {"object": "response.input_tokens", "input_tokens": _count(self.body, self._items, self.name)}
        return Made(ObjectDialect(counted), NOTHING)


def stored_of(incoming: Incoming) -> StoredResponse:
    return _stored(incoming.service.responses, incoming.params["id"], None)


def _stored(kept: dict[str, StoredResponse], response_id: str, param: str | None) -> StoredResponse:
    if (stored := kept.get(response_id)) is None:
        status, code = (404, None) if param is None else (400, "previous_response_not_found")
        raise Refusal(status, f"Response with id '{response_id[:200]}' not found.", param=param, code=code)
    return stored


def _context(job: Job) -> list[responses_asked.Item]:
    earlier = checks.text(job.body, "previous_response_id")
    return _stored(job.service.responses, earlier, "previous_response_id").context if earlier else []


def _count(body: dict[str, Any], items: list[responses_asked.Item], model: str) -> int:
    from talkmeter.metering.tokens import count_responses_prompt

    # Reasoning of earlier turns is not sent to the model again.
    sent = [item for item in items if item.get("type") != "reasoning"]
    plain = {name: value for name, value in body.items() if name not in ("previous_response_id", "conversation")}
    return count_responses_prompt({**plain, "input": sent}, model).total
