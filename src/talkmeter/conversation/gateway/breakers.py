"""Circuit breakers: a provider that keeps failing is left alone for a while, where there is another to go to. Pure."""

from collections.abc import Callable

from msgspec import Struct

FAILURES = 5  # in a row
OPEN_SECONDS = 30.0


class _State(Struct):
    failures: int = 0
    open_until: float = 0.0


class Breakers:
    """One breaker for each provider. monotonic: seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._states: dict[str, _State] = {}

    def is_open(self, provider_id: str) -> bool:
        """Whether it should be left alone now. Once its time is over one call may try, and decides."""
        state = self._states.get(provider_id)
        return state is not None and state.open_until > self._monotonic()

    def succeeded(self, provider_id: str) -> None:
        if provider_id in self._states:
            del self._states[provider_id]

    def failed(self, provider_id: str) -> None:
        """It could not be reached, was silent, broke off before its head, or answered 5xx."""
        state = self._states.setdefault(provider_id, _State())
        state.failures += 1
        if state.failures >= FAILURES:
            state.open_until = self._monotonic() + OPEN_SECONDS

    def open_until(self, provider_id: str) -> float:
        state = self._states.get(provider_id)
        return state.open_until if state is not None else 0.0
