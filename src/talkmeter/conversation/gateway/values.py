"""What the gateway is asked, and what it gives back."""

from collections.abc import AsyncIterable
from typing import Any, Literal, Protocol

from msgspec import Struct

from talkmeter.accounts.routes import Way
from talkmeter.completions import Provider
from talkmeter.metering.admission import Whose
from talkmeter.metering.asked import Asked, PassingContext
from talkmeter.metering.ledger import LedgerEntry

Disconnect = Literal["drain", "cut"]


class PassAsk(Struct, frozen=True, kw_only=True):
    """One request of another program.

    path: below the provider's base URL, with its query. headers: those that go on. body: bytes as they came.
    usage_unasked: a stream whose usage only we want to see; stream_options: as the client gave them.
    model_span: where in a multipart body the model's name stands. provider_id: where it must go, whatever the model.
    late_for: the entry whose figures this answer may tell. disconnect: what happens when the client leaves.
    """

    context: PassingContext
    whose: Whose
    asked: Asked
    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | AsyncIterable[bytes] = b""
    body_length: int | None = None
    usage_unasked: bool = False
    stream_options: Any = None
    model_span: tuple[int, int] | None = None
    provider_id: str | None = None
    late_for: LedgerEntry | None = None
    disconnect: Disconnect = "drain"


class GatewayLimits(Struct, frozen=True, kw_only=True):
    """Bounds on what goes on without a client, and on waiting before a retry.

    drain_calls: so many at once. drain_seconds: each. drain_picodollars: worst cases of all at once.
    """

    drain_calls: int = 200
    drain_seconds: float = 120.0
    drain_picodollars: int = 20 * 10**12
    retry_after_seconds: float = 10.0


class Providers(Protocol):
    """The providers that are switched on now."""

    def pick(self, provider_id: str | None, model: str) -> Provider: ...


class Ways(Protocol):
    """Where calls for a model's name go."""

    def way(self, model: str) -> Way: ...
