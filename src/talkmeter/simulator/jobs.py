"""What an endpoint makes of a request: a job, and from it an answer with its true price."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from talkmeter.simulator import checks
from talkmeter.simulator.asked import wish
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.dialect import Dialect, Event
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.models import SimModel

if TYPE_CHECKING:
    from talkmeter.simulator.service import Service
    from talkmeter.simulator.wire import Sent


class Upload(NamedTuple):
    """A file of a form."""

    name: str
    media_type: str
    data: bytes


class Incoming(NamedTuple):
    """A request that has been read. params: of its path; query: of its URL. key: without `Bearer`.

    origin: of URLs that lead here.
    """

    service: "Service"
    body: dict[str, Any]
    files: dict[str, list[Upload]]
    params: dict[str, str]
    query: dict[str, str]
    key: str
    origin: str


class Made(NamedTuple):
    """An answer to be written.

    id: of the completion. tier, model: what the response says served it. follow: its events, where they come
    from somebody else's work. work: whose progress is charged instead of what this request has on the wire.
    begin: starts work that goes on without this request.
    """

    dialect: Dialect
    truth: Charge
    id: str | None = None
    tier: str | None = None
    model: str | None = None
    follow: AsyncIterator[Event] | None = None
    work: "Sent | None" = None
    begin: "Callable[[Any], None] | None" = None


class Job:
    """A valid request. The constructor refuses what OpenAI refuses; `make` finds the answer, in a thread."""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        self.service = incoming.service
        self.body, self.key = incoming.body, incoming.key
        self._sim = model
        self.name = checks.text(self.body, "model")
        self.stream = self.body.get("stream") is True
        self.wish = wish(self.body)

    @property
    def model(self) -> SimModel:
        assert self._sim is not None, "this endpoint has no models"
        return self._sim

    def make(self, fault: Fault) -> Made:
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """What else its row says."""
        return {}

    def served_model(self, fault: Fault) -> str:
        return fault.served_model or self.name

    def served_tier(self, fault: Fault) -> str:
        """The tier that serves: what was asked for where it names one, else the standard one."""
        if fault.served_tier is not None:
            return fault.served_tier
        wanted = self.body.get("service_tier")
        return wanted if wanted in ("flex", "priority") else "default"


class Endpoint(NamedTuple):
    """kind: of the models that serve it, None where the request names none. form: multipart; json_too: JSON as well."""

    method: str
    path: str
    job: type[Job]
    kind: str | None = None
    default_model: str | None = None
    form: bool = False
    json_too: bool = False
