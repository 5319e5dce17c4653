"""Any server that speaks OpenAI's HTTP API: OpenAI, Ollama, vLLM, llama.cpp, the simulator."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from talkmeter.completions import (
    Chunk,
    CompletionRequest,
    Head,
    UpstreamModel,
    UpstreamSilent,
)
from talkmeter.errors import UpstreamError
from talkmeter.providers.client import Client, HeaderClock

if TYPE_CHECKING:
    import aiohttp

ERROR_BODY_BYTES = 262_144  # of an error's body; the rest is not read
MODEL_LIST_BYTES = 16_000_000
HIDDEN = "***"


class OpenAICompatible:
    """One configured provider. ready: starts the upstream where that is our task, and says its base URL."""

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the protocol's name
        name: str,
        base_url: str,
        key: str | None,
        client: Client,
        ready: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self._id = id
        self._name = name
        self._base_url = base_url
        self._key = key
        self._client = client
        self._ready = ready

    @property
    def id(self) -> str:
        return self._id

    @property
    def name(self) -> str:
        return self._name

    def __repr__(self) -> str:
        return f"OpenAICompatible(id={self._id!r}, name={self._name!r}, base_url={self._base_url!r})"

    async def send(self, request: CompletionRequest) -> AsyncGenerator[Head | Chunk, None]:
        """See completions.Provider. Bytes as they came, unless the upstream compressed them unasked."""
        headers = {"Content-Type": "application/json", "X-Client-Request-Id": request.call_id}
        body = msgspec.json.encode(request.body)
        async with self._call("POST", request.path, headers, body) as answer:
            yield Head(answer.status, _head_of(answer))
            if answer.status >= 400:
                async for piece in self._error_body(answer):
                    yield Chunk(piece)
                return
            while piece := await self._read(answer):
                yield Chunk(piece)

    async def models(self) -> list[UpstreamModel]:
        """See completions.Provider. `details["status"]` holds the provider's status where there is one."""
        from talkmeter.providers.model_lists import NoModels, read_models, words_of_error

        async with self._call("GET", "models", {}, None) as answer:
            status = answer.status
            body = b"".join([piece async for piece in self._limited(answer, MODEL_LIST_BYTES)])
        if status != 200:
            raise _refused(status, self.hide(words_of_error(body[:ERROR_BODY_BYTES])))
        try:
            return read_models(body)
        except NoModels as error:
            raise _no_models(str(error)) from None

    @asynccontextmanager
    async def _call(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> "AsyncIterator[aiohttp.ClientResponse]":
        """The answer, its head read. Leaving early closes the connection at once; a read-out one is kept."""
        if self._ready is not None:
            self._base_url = await self._ready()
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        from talkmeter.providers.watching import ConnectionWatch

        answer = await self._open(method, f"{self._base_url}/{path}", headers, body)
        watch = ConnectionWatch(answer)
        try:
            yield answer
        finally:
            watch.stop()
            answer.close()

    async def _open(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None
    ) -> "aiohttp.ClientResponse":
        import aiohttp

        from talkmeter.providers.failures import before_head

        clock = HeaderClock(self._client.timeouts.headers)
        failure: UpstreamError
        try:
            async with clock.limit:
                return await self._client.session().request(
                    method, url, headers=headers, data=body, allow_redirects=False, trace_request_ctx=clock
                )
        except aiohttp.ClientError as error:
            failure = before_head(error, self._base_url)
        except TimeoutError:
            failure = UpstreamSilent("headers", clock.seconds)
        except (OSError, ValueError) as error:
            failure = before_head(error, self._base_url)
        # Raised out here so that aiohttp's error, which carries the request's headers, is not its context.
        raise failure

    async def _read(self, answer: "aiohttp.ClientResponse") -> bytes:
        """The next bytes of the body, as soon as there are any; empty at its end."""
        import aiohttp

        from talkmeter.providers.failures import in_body

        seconds = self._client.timeouts.silence
        failure: UpstreamError
        try:
            async with asyncio.timeout(seconds):
                data = await answer.content.readany()
            if data or (late := answer.content.exception()) is None:
                return data
            raise late
        except TimeoutError:
            failure = UpstreamSilent("stream", seconds)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if left := _unread(answer):
                return left  # the next call raises
            failure = in_body(error)
        raise failure

    async def _limited(self, answer: "aiohttp.ClientResponse", limit: int) -> AsyncIterator[bytes]:
        while limit > 0 and (piece := await self._read(answer)):
            yield piece[:limit]
            limit -= len(piece)

    async def _error_body(self, answer: "aiohttp.ClientResponse") -> AsyncIterator[bytes]:
        """In one piece, so that a key which the upstream quotes cannot hide across two."""
        body = bytearray()
        failure: UpstreamError | None = None
        try:
            async for piece in self._limited(answer, ERROR_BODY_BYTES):
                body += piece
        except UpstreamError as error:
            failure = error
        if body:
            yield self._hide(bytes(body))
        if failure is not None:
            raise failure

    def _hide(self, data: bytes) -> bytes:
        return data if self._key is None else data.replace(self._key.encode(), HIDDEN.encode())

    def hide(self, text: str) -> str:
        """See completions.Provider."""
        return text if self._key is None else text.replace(self._key, HIDDEN)


def _unread(answer: "aiohttp.ClientResponse") -> bytes:
    """What had arrived before the connection broke and was not taken yet.

    aiohttp raises at once and would drop it; it was generated and is billed. There is no public way to it.
    """
    return answer.content._read_nowait(-1)  # noqa: SLF001


def _head_of(answer: "aiohttp.ClientResponse") -> dict[str, str]:
    """Lower-case names; without what described the body on the wire if it has been decompressed."""
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if headers.get("content-encoding", "identity") != "identity":
        headers.pop("content-encoding")
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
