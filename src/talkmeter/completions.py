"""What is asked of a provider, and what a provider must be able to do."""

from collections.abc import AsyncGenerator, AsyncIterable, Container, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from talkmeter.errors import UpstreamError


class CompletionRequest(Struct, frozen=True):
    """The very request that goes upstream.

    path: below the provider's base URL (`chat/completions`). body: its JSON object, complete.
    call_id: travels as `X-Client-Request-Id`, so that both sides can name the call.
    """

    call_id: str
    path: str
    body: dict[str, Any]

    @property
    def model(self) -> str:
        return str(self.body["model"])


class Head(Struct, frozen=True):
    """The upstream's status line and headers (lower-case names); the first thing a call yields."""

    status: int
    headers: Mapping[str, str]


class Chunk(Struct, frozen=True):
    """Body bytes as they came, of any size."""

    data: bytes


class UpstreamCall(Struct, frozen=True):
    """The very request that goes upstream, as bytes.

    call_id: travels as `X-Client-Request-Id`; empty: without. path: below the provider's base URL, query included.
    headers: without host, authorization and what frames the body or speaks of the connection; the provider adds those.
    body: one piece, or a stream of them, sent in chunks unless body_length states how many bytes it has.
    """

    call_id: str
    method: str
    path: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes | AsyncIterable[bytes] = b""
    body_length: int | None = None


class Sink(Protocol):
    """Where an answer's bytes go as they come."""

    def take(self, data: bytes) -> bool:
        """False: no more for now, until `room` has returned."""
        ...

    async def room(self) -> None: ...


class Answer(Protocol):
    """What came back, its head read. Whoever has one closes it."""

    @property
    def status(self) -> int: ...

    @property
    def reason(self) -> bytes: ...

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """As they came: order, case and duplicates, those of the connection included."""
        ...

    @property
    def ended(self) -> bool:
        """The body is complete and has been handed out, or was empty: there is nothing left to wait for."""
        ...

    def header(self, name: bytes) -> bytes | None:
        """The first value under this lower-case name."""
        ...

    def header_lines(self, without: frozenset[bytes]) -> bytes:
        """The headers as lines, but for those with these lower-case names; see `header_lines` below."""
        ...

    async def read(self) -> bytes:
        """All that has arrived, at least one byte, as soon as there is any; empty at the body's proper end.

        Raises UpstreamSilent or UpstreamBroke, after everything that had arrived was handed out.
        """
        ...

    async def stream_to(self, sink: Sink) -> bytes:
        """Gives the rest to `sink` as it comes; returns what came last, with the body's proper end. Raises as `read`.

        Nobody is woken for a piece: who waits here wakes at the end, or while the sink has no room.
        """
        ...

    def close(self) -> None:
        """Cancels the call upstream unless its answer has been received whole."""
        ...


def header_lines(headers: Iterable[tuple[bytes, bytes]], without: Container[bytes] = ()) -> bytes:
    """A line for each, but for lower-case names in `without`. Raises ValueError for one that could be taken for two."""
    kept = [pair for pair in headers if pair[0].lower() not in without] if without else list(headers)
    lines = b"".join([b"%b: %b\r\n" % pair for pair in kept])
    # One look at the whole: the line ends are those that we have written, and no more.
    if not lines.count(b"\n") == lines.count(b"\r") == len(kept) or b"\0" in lines:
        raise ValueError("a header holds a line break")
    return lines


class UpstreamNotReached(UpstreamError):
    """No connection came about: nothing was sent, nothing can be billed."""

    code = "upstream_not_reached"


Phase = Literal["headers", "first_token", "silence", "total"]
_TIMED_OUT: dict[Phase, tuple[str, str]] = {
    "headers": (
        "The provider was silent for {} s before its answer began (time-out: headers).",
        "제공자가 응답을 시작하기 전에 {}초 동안 아무것도 보내지 않았습니다(제한 시간: 헤더).",
    ),
    "first_token": (
        "The provider was silent for {} s between the head of its answer and the first token (time-out: first token).",
        "제공자가 응답 헤더를 보낸 뒤 {}초 동안 첫 토큰을 보내지 않았습니다(제한 시간: 첫 토큰).",
    ),
    "silence": (
        "The provider was silent for {} s in the middle of its answer (time-out: silence).",
        "제공자가 응답하는 도중에 {}초 동안 아무것도 보내지 않았습니다(제한 시간: 침묵).",
    ),
    "total": (
        "The provider's answer was not finished after {} s (time-out: total).",
        "제공자의 응답이 {}초가 지나도 끝나지 않았습니다(제한 시간: 전체).",
    ),
}


class UpstreamSilent(UpstreamError):
    """A time-out after the request was sent; `details["phase"]` says it to programs."""

    code = "upstream_silent"

    def __init__(self, phase: Phase, seconds: float) -> None:
        words, words_ko = _TIMED_OUT[phase]
        super().__init__(
            words.format(f"{seconds:g}"),
            words_ko.format(f"{seconds:g}"),
            hint="Try again; for slow models raise this time-out at the provider or in the settings file.",
            hint_ko="다시 시도하거나, 느린 모델이라면 제공자나 설정에서 이 제한 시간을 늘리십시오.",
            details={"phase": phase},
        )
        self.phase = phase


class UpstreamBroke(UpstreamError):
    """The connection ended before the answer did. `phase` is "headers" or "stream"."""

    code = "upstream_broke"

    def __init__(self, phase: str, reason: str) -> None:
        where = "before an answer came" if phase == "headers" else "in the middle of the answer"
        where_ko = "응답이 오기 전에" if phase == "headers" else "응답 도중에"
        hint, hint_ko = "Try again.", "다시 시도하십시오."
        if phase != "headers":
            hint = "Ask again; what had arrived is kept and counted."
            hint_ko = "다시 요청하십시오. 도착한 내용은 보관되고 집계되었습니다."
        super().__init__(
            f"The connection to the provider broke {where} ({reason}).",
            f"{where_ko} 제공자와의 연결이 끊어졌습니다.",
            hint=hint,
            hint_ko=hint_ko,
        )
        self.phase = phase


class UpstreamModel(Struct, frozen=True):
    """One model as a provider lists it."""

    id: str
    context_window: int | None = None


class Provider(Protocol):
    """An upstream we call. One instance per configured provider; safe for concurrent calls."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...

    def send(self, request: CompletionRequest) -> AsyncGenerator[Head | Chunk, None]:
        """Yields one Head, then Chunks until the body has ended as HTTP says it should.

        Raises UpstreamNotReached, UpstreamSilent or UpstreamBroke. Closing the generator cancels the call upstream.
        Error statuses are not raised: they are Heads like any other, with the error body as chunks.
        """
        ...

    async def exchange(self, call: UpstreamCall) -> Answer:
        """Sends the request and returns once the answer's head is there; bodies are bytes as they came.

        Raises UpstreamNotReached (nothing was sent), UpstreamSilent or UpstreamBroke (it may be billed), and BadInput
        for what cannot be a request. Being cancelled cancels the call upstream. In errors (status 400 and above) the
        provider's key is hidden, so their body may be shorter than it came; their Content-Length says so.
        """
        ...

    def hide(self, text: str) -> str:
        """The text without this provider's key, should the upstream have quoted it."""
        ...

    async def models(self) -> list[UpstreamModel]:
        """Asks `/models`. Raises UpstreamError with the provider's own words."""
        ...


class Providers(Protocol):
    """The providers that are switched on now."""

    def pick(self, provider_id: str | None, model: str) -> Provider:
        """The provider for a model: the named one, else the first that lists it, else the first. Raises NotFound."""
        ...

    def context_window(self, provider_id: str, model: str) -> int | None:
        """Tokens that the provider itself says the model takes, as far as it has been asked; None: not known."""
        ...
