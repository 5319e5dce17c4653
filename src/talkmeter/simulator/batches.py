"""/v1/batches: every line of a file is a request of its own on the bill, at the price of a batch."""

import secrets
from typing import TYPE_CHECKING, Any

import msgspec

from talkmeter import clock
from talkmeter.simulator import checks, models, plan
from talkmeter.simulator.bill import Row
from talkmeter.simulator.charging import NOTHING, Charge, charge
from talkmeter.simulator.dialect import Event
from talkmeter.simulator.faults import HONEST, Fault
from talkmeter.simulator.files import file_of, keep
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.plain import ObjectDialect, PlainJob
from talkmeter.simulator.refusals import Refusal
from talkmeter.simulator.shapes import seconds
from talkmeter.simulator.wire import Sent

if TYPE_CHECKING:
    from talkmeter.simulator.call import Call

_ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings", "/v1/moderations")
_DAY = 86_400  # seconds
Batch = dict[str, Any]


class CreateBatch(Job):
    """POST /v1/batches. It is completed at once; with a gate it waits until it is cancelled."""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        self._endpoint = checks.choice(self.body, "endpoint", _ENDPOINTS)
        if self._endpoint is None:
            raise checks.missing("endpoint")
        if checks.choice(self.body, "completion_window", ("24h",)) is None:
            raise checks.missing("completion_window")
        self._file_id = str(checks.required(self.body, "input_file_id"))
        self._file = file_of(self.service.files, self._file_id, "input_file_id")
        self._incoming = incoming
        self._rows: list[Row] = []

    def make(self, fault: Fault) -> Made:
        batch = _new(self._endpoint or "", self._file_id, self.body.get("metadata"))
        if not fault.gate:
            self._run(batch)
        self.service.batches[batch["id"]] = batch
        return Made(ObjectDialect(batch), NOTHING, batch["id"], work=Sent(), begin=self._write_down)

    def _run(self, batch: Batch) -> None:
        done: list[bytes] = []
        failed: list[bytes] = []
        for number, line in enumerate(self._file.data.splitlines()):
            status, body, custom_id = self._answer(line, number)
            response = {"status_code": status, "request_id": self._rows[-1].id, "body": body}
            shown = {"id": f"batch_req_{secrets.token_hex(12)}", "custom_id": custom_id, "response": response}
            (done if status == 200 else failed).append(msgspec.json.encode({**shown, "error": None}))
        now = seconds()
        for name, lines in (("output_file_id", done), ("error_file_id", failed)):
            if lines:
                kept = keep(
                    self.service.files, f"{batch['id']}_{name[:-8]}.jsonl", "batch_output", b"\n".join(lines) + b"\n"
                )
                batch[name] = kept.object_["id"]
        batch["request_counts"] = {"total": len(self._rows), "completed": len(done), "failed": len(failed)}
        batch["usage"] = _usage(self._rows)
        batch["model"] = next((row.model for row in self._rows if row.model), None)
        batch |= dict.fromkeys(("in_progress_at", "finalizing_at", "completed_at"), now)
        batch["status"] = "completed"

    def _answer(self, line: bytes, number: int) -> tuple[int, Any, str | None]:
        """One line: status, body and custom id of its answer; its row is added."""
        row = Row(id=f"req_{secrets.token_hex(16)}", at=clock.now(), endpoint=self._endpoint or "", batch=True)
        self._rows.append(row)
        custom_id = None
        try:
            request = checks.decode(line)
            custom_id = request.get("custom_id")
            if request.get("url") != self._endpoint or not isinstance(request.get("body"), dict):
                raise Refusal(400, f"Line {number + 1} needs a body and the batch's endpoint as its url.", param="url")
            event, made = self._made(request["body"], row)
        except Refusal as refusal:
            row.status, row.outcome = refusal.status, "error"
            return refusal.status, refusal.body(), custom_id
        finally:
            row.ended_at = clock.now()
        row.status, row.outcome, row.usage_sent = 200, "finished", event.usage
        row.completion_id, row.served_model, row.service_tier = made.id, made.model, made.tier
        row.sent_text = len(event.text)
        row.charge(charge(status=200, finished=True, usage_sent=event.usage, truth=made.truth, written_tokens=0))
        return 200, msgspec.json.decode(event.data), custom_id

    def _made(self, body: dict[str, Any], row: Row) -> tuple[Event, Made]:
        endpoint = next(one for one in self.service.endpoints if one.path == self._endpoint)
        assert endpoint.kind is not None, "a batch is for models"
        if body.get("stream") or body.get("background"):
            raise Refusal(400, "Requests of a batch are neither streamed nor in the background.", param="stream")
        body["model"] = row.model = checks.model_of(body, endpoint.default_model)
        model = models.find(body["model"], any_model=self.service.any_model).of_kind(endpoint.kind)
        job = endpoint.job(self._incoming._replace(body=body, files={}), model)
        made = job.make(job.wish or HONEST)
        events = plan.whole(made.dialect, made.truth, msgspec.structs.replace(job.wish or HONEST, fault=None))
        return next(event for event in events if event.last), made

    def _write_down(self, call: "Call") -> None:
        for row in self._rows:
            row.key, row.project = call.row.key, call.row.project
            self.service.bill.add(row)


class ListBatches(PlainJob):
    """GET /v1/batches"""

    def make(self, fault: Fault) -> Made:
        return self.listed(list(self.service.batches.values()))


class ShowBatch(PlainJob):
    """GET /v1/batches/{id}"""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        found = self.service.batches.get(self.params["id"])
        if found is None:
            raise Refusal(404, f"No batch found with id '{self.params['id'][:200]}'.")
        self.batch = found

    def make(self, fault: Fault) -> Made:
        return self.answer(self.batch)


class CancelBatch(ShowBatch):
    """POST /v1/batches/{id}/cancel"""

    def make(self, fault: Fault) -> Made:
        if self.batch["status"] not in ("validating", "in_progress"):
            raise Refusal(409, f"Cannot cancel a batch with status '{self.batch['status']}'.")
        self.batch |= {"status": "cancelled", "cancelling_at": seconds(), "cancelled_at": seconds()}
        return self.answer(self.batch)


def _new(endpoint: str, file_id: str, metadata: Any) -> Batch:
    now = seconds()
    never = (
        "in_progress_at",
        "finalizing_at",
        "completed_at",
        "failed_at",
        "expired_at",
        "cancelling_at",
        "cancelled_at",
    )
    return {
        "id": f"batch_{secrets.token_hex(12)}",
        "object": "batch",
        "endpoint": endpoint,
        "model": None,
        "errors": None,
        "input_file_id": file_id,
        "completion_window": "24h",
        "status": "validating",
        "output_file_id": None,
        "error_file_id": None,
        "created_at": now,
        "expires_at": now + _DAY,
        **dict.fromkeys(never),
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": metadata,
    }


def _usage(rows: list[Row]) -> dict[str, Any]:
    total = Charge(*(sum(getattr(row, name) for row in rows) for name in Charge._fields))
    return {
        "input_tokens": total.prompt_tokens,
        "input_tokens_details": {"cached_tokens": total.cached_tokens},
        "output_tokens": total.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": total.reasoning_tokens},
        "total_tokens": total.prompt_tokens + total.completion_tokens,
    }
