"""POST /v1/chat/completions."""

import secrets

from talkmeter.simulator import asked
from talkmeter.simulator.counting import prompt_tokens
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.shapes import ChatDialect
from talkmeter.simulator.thinking import check_context, think


class ChatJob(Job):
    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        self._asked = asked.read(self.body, reasons=self.model.reasons)

    def make(self, fault: Fault) -> Made:
        request = self._asked
        prompt = prompt_tokens(request.body, self.name)
        check_context(prompt)
        cached = self.service.prefixes.cached_tokens(request.body, self.name, self.key, prompt)
        thought = think(request, self.model, fault, self.service.seed, prompt=prompt, cached=cached)
        completion_id = f"chatcmpl-{secrets.token_hex(12)}"
        tier, served = self.served_tier(fault), self.served_model(fault)
        dialect = ChatDialect(
            thought.spoken,
            completion_id=completion_id,
            model=served,
            service_tier=tier,
            include_usage=request.include_usage,
            include_obfuscation=request.include_obfuscation,
            logprobs=request.body.get("logprobs") is True,
        )
        return Made(dialect, thought.truth, completion_id, tier, served)
