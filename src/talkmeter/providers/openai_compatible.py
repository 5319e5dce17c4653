"""Any server that speaks OpenAI's HTTP API: OpenAI, Ollama, vLLM, llama.cpp, the simulator."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from talkmeter.completions import (
    Answer,
    Chunk,
    CompletionRequest,
    Head,
    UpstreamBroke,
    UpstreamCall,
    UpstreamModel,
)
from talkmeter.errors import UpstreamError
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.decoding import DECODABLE, Decoder, Undecodable, encoding_of
from talkmeter.providers.http.failures import NOT_HTTP
from talkmeter.providers.http.upstreams import Upstream
from talkmeter.providers.refusals import ERROR_BODY_BYTES, HIDDEN

MODEL_LIST_BYTES = 16_000_000
PLAIN = ((b"Accept", b"*/*"), (b"Accept-Encoding", b"identity"))
JSON = (*PLAIN, (b"Content-Type", b"application/json"))


class OpenAICompatible:
    """One configured provider. ready: starts the upstream where that is our task, and says its base URL.

    timeouts: its own, instead of those that all share.
    """

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the protocol's name
        name: str,
        base_url: str,
        key: str | None,
        client: Client,
        ready: Callable[[], Awaitable[str]] | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self.id = id
        self.name = name
        self._base_url = base_url
        self._key = key
        self._client = client
        self._ready = ready
        self._timeouts = timeouts or client.timeouts
        self._upstream: Upstream | None = None

    @property
    def base_url(self) -> str:
        return self._base_url

    def __repr__(self) -> str:
        return f"OpenAICompatible(id={self.id!r}, name={self.name!r}, base_url={self._base_url!r})"

    def exchange(self, call: UpstreamCall) -> Coroutine[Any, Any, Answer]:
        """See completions.Provider. The caller says which encodings it can take; nothing is unpacked."""
        upstream = self._upstream
        if upstream is None or self._ready is not None:
            return self._find_and_exchange(call)
        return upstream.exchange(call, self._timeouts)

    async def _find_and_exchange(self, call: UpstreamCall) -> Answer:
        return await (await self._find()).exchange(call, self._timeouts)

    async def _find(self) -> Upstream:
        if self._ready is not None:
            base_url = await self._ready()
            if base_url != self._base_url:
                self._base_url, self._upstream = base_url, None
        if self._upstream is None:
            self._upstream = self._client.at(self._base_url, self._key)
        return self._upstream

    async def send(self, request: CompletionRequest) -> AsyncGenerator[Head | Chunk, None]:
        """See completions.Provider. Bytes as they came, unless the upstream compressed them unasked."""
        body = msgspec.json.encode(request.body)
        answer = await self.exchange(UpstreamCall(request.call_id, "POST", request.path, JSON, body))
        try:
            yield Head(answer.status, _head_of(answer))
            async for piece in _plain(answer):
                yield Chunk(piece)
        finally:
            answer.close()

    async def models(self) -> list[UpstreamModel]:
        """See completions.Provider. `details["status"]` holds the provider's status where there is one."""
        from talkmeter.providers.model_lists import NoModels, read_models, words_of_error

        answer = await self.exchange(UpstreamCall("", "GET", "models", PLAIN))
        body = await read_body(answer, MODEL_LIST_BYTES)
        if answer.status != 200:
            raise _refused(answer.status, self.hide(words_of_error(body[:ERROR_BODY_BYTES])))
        try:
            return read_models(body)
        except NoModels as error:
            raise _no_models(str(error)) from None

    def hide(self, text: str) -> str:
        """See completions.Provider."""
        return text if self._key is None else text.replace(self._key, HIDDEN.decode())


async def read_body(answer: Answer, most: int) -> bytes:
    """The body, unpacked if need be; no more of it than that."""
    body = bytearray()
    try:
        async for piece in _plain(answer):
            body += piece
            if len(body) > most:
                break
    finally:
        answer.close()
    return bytes(body[:most])


async def _plain(answer: Answer) -> AsyncIterator[bytes]:
    """The body, unpacked if need be."""
    encoding = encoding_of(answer.headers)
    if encoding not in DECODABLE:
        while piece := await answer.read():
            yield piece
        return
    decoder, failure = Decoder(encoding), None
    try:
        while packed := await answer.read():
            for piece in decoder.feed(packed):
                yield piece
        decoder.finish()
    except Undecodable:
        failure = UpstreamBroke("stream", NOT_HTTP)
    if failure is not None:
        raise failure


def _head_of(answer: Answer) -> dict[str, str]:
    """Lower-case names; without what described the body on the wire if it is unpacked."""
    headers = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    if encoding_of(answer.headers) in DECODABLE:
        del headers["content-encoding"]
        headers.pop("content-length", None)
    return headers


def _refused(status: int, words: str) -> UpstreamError:
    said = f": {words}" if words else ""
    details: dict[str, Any] = {"status": status}
    return UpstreamError(
        f"The provider answered {status}{said}",
        f"제공자가 {status}로 답했습니다{said}",
        hint="401 and 403 mean the key is wrong or may not do this; 404 that the base URL lacks /v1."
        if status in (401, 403, 404)
        else None,
        hint_ko="401과 403은 키가 틀렸거나 권한이 없다는 뜻이고, 404는 기본 URL에 /v1이 빠졌다는 뜻일 수 있습니다."
        if status in (401, 403, 404)
        else None,
        code="upstream_refused",
        details=details,
    )


def _no_models(why: str) -> UpstreamError:
    return UpstreamError(
        f"The provider's answer to /models cannot be used: {why}.",
        f"/models에 대한 제공자의 응답을 쓸 수 없습니다: {why}.",
        hint="Does the base URL end in the API's root, such as /v1? Model names can be typed all the same.",
        hint_ko="기본 URL이 /v1 같은 API의 뿌리로 끝납니까? 모델 이름은 직접 입력해도 됩니다.",
        code="upstream_unreadable",
        details={"status": 200},
    )
