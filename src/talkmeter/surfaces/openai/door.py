"""The door for OpenAI clients: reads a request, has it passed on, writes the answer's bytes as they come.

No router, no middleware, no request object: what this does is done for every call, and for every piece of an answer.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from talkmeter.accounts.entrance import Headers, caller_of
from talkmeter.accounts.keys import check_model
from talkmeter.accounts.principals import Principal
from talkmeter.accounts.tags import tags_of
from talkmeter.conversation.gateway.allowed import check_endpoint
from talkmeter.conversation.gateway.endpoints import Endpoint, find_endpoint
from talkmeter.conversation.gateway.fields import Fields, asked_of, read_json
from talkmeter.conversation.gateway.headers import client_headers, upstream_headers
from talkmeter.conversation.gateway.passage import Passage
from talkmeter.conversation.gateway.problems import problem
from talkmeter.conversation.gateway.values import PassAsk
from talkmeter.conversation.gateway.waiting import client_left
from talkmeter.errors import BadInput, NotFound, TalkmeterError, TooLarge, UpstreamError
from talkmeter.ids import new_id
from talkmeter.metering.asked import Asked
from talkmeter.surfaces.openai.asgi_client import AsgiClient
from talkmeter.surfaces.openai.forms import read_form
from talkmeter.surfaces.openai.services import Client, Services

log = logging.getLogger(__name__)

SURFACE = "openai"
PREFIX = "/v1/"
WHOLE_BYTES = 1 << 20  # answers in one piece up to this are read to their end, so that their head can say the cost
USAGE_STREAMS = ("chat/completions", "completions")
COST_HEADER, CALL_HEADER = b"x-talkmeter-cost", b"x-talkmeter-call-id"
WARNING_HEADER = b"x-talkmeter-budget-warning"

Send = Any
Receive = Any


class OpenAIDoor:
    """ASGI, for paths below /v1/."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        answering = _Answering(scope, send)
        try:
            await self._answer(scope, receive, answering)
        except TalkmeterError as error:
            await answering.refuse(error)
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("gateway_failed", extra={"path": scope["path"][:200]})
            await answering.refuse(_internal())

    async def _answer(self, scope: Any, receive: Receive, answering: "_Answering") -> None:
        headers = dict(scope["headers"])
        principal = self._services.entrance.principal(SURFACE, caller_of(scope.get("client"), headers))
        path, method = scope["path"][len(PREFIX) :], scope["method"]
        if path == "models" or path.startswith("models/"):
            await self._models(path, method, principal, answering)
            return
        endpoint = check_endpoint(find_endpoint(method, path), self._services.requests.options, path)
        ask = await self._ask(scope, receive, headers, endpoint, principal)
        passage = await self._services.gateway.pass_on(ask, answering.client)
        trailer = passage.is_plain_stream and _wants_trailer(headers)
        await answering.passes(passage, self._services.price_of, trailer=trailer)

    async def _ask(
        self, scope: Any, receive: Receive, headers: Headers, endpoint: Endpoint, principal: Principal
    ) -> PassAsk:
        requests = self._services.requests
        path, query = scope["path"][len(PREFIX) :], scope["query_string"]
        earlier = await requests.earlier(path, endpoint, principal)
        provider_id = earlier.opening.provider_id if earlier is not None else None
        late = earlier if self._services.gateway.entry_is_late(earlier) else None
        body: bytes | AsyncIterator[bytes] = b""
        length: int | None = None
        span: tuple[int, int] | None = None
        fields = _NO_FIELDS
        if endpoint.body == "any":
            body, length = await _unread_body(receive, headers, requests.options.body_bytes)
            asked = Asked(endpoint=endpoint.name, model="", billing=endpoint.billing, late=late is not None)
        else:
            whole = body = await _body(receive, requests.options.body_bytes)
            kind = headers.get(b"content-type", b"")
            form: dict[str, str] | None = None
            if endpoint.body == "json" or kind.startswith(b"application/json"):
                _refuse_coded(headers)
                fields = read_json(whole)
            else:
                read = read_form(whole, kind)
                fields, span, form = read.fields, read.span, read.all
            asked = asked_of(endpoint, fields, whole if form is None else b"", len(whole), form)
            if principal.key is not None:
                check_model(principal.key, asked.model)
            if fields.previous_response_id is not None or fields.conversation is not None:
                provider_id = await requests.continued(fields, principal)
        unasked = asked.streamed and endpoint.name in USAGE_STREAMS and not _asks_for_usage(fields)
        return requests.ask(
            surface=SURFACE,
            principal=principal,
            asked=asked,
            fields=fields,
            tags=tags_of(headers.get(b"x-talkmeter-tags")),
            method=scope["method"],
            path=f"{path}?{query.decode('latin-1')}" if query else path,
            headers=upstream_headers(scope["headers"], plain=unasked or (asked.streamed and _wants_trailer(headers))),
            body=body,
            body_length=length,
            usage_unasked=unasked,
            model_span=span,
            provider_id=provider_id,
            late_for=late,
        )

    async def _models(self, path: str, method: str, principal: Principal, answering: "_Answering") -> None:
        if method not in ("GET", "HEAD"):
            raise _wrong_method()
        found = await self._services.models()
        key = principal.key
        if key is not None and key.models is not None:
            from talkmeter.accounts.keys import allows_model

            found = [model for model in found if allows_model(key, model["id"])]
        _, _, name = path.partition("/")
        if not name:
            await answering.says(200, msgspec.json.encode({"object": "list", "data": found}))
            return
        for model in found:
            if model["id"] == name:
                await answering.says(200, msgspec.json.encode(model))
                return
        raise NotFound(
            f"The model “{name:.100}” does not exist here, or this key may not use it.",
            f"“{name:.100}” 모델이 없거나 이 키로 쓸 수 없습니다.",
            code="model_not_found",
            param="model",
        )


class _Answering:
    """Writes one answer; remembers whether it has begun."""

    def __init__(self, scope: Any, send: Send) -> None:
        extensions = scope.get("extensions")
        client = extensions.get("talkmeter.client") if extensions else None
        # Of a HEAD only the server itself knows how to leave out the body.
        self.client: Client = client if client is not None and scope["method"] != "HEAD" else AsgiClient(send)
        self._begun = False

    async def passes(self, passage: Passage, price_of: Any, *, trailer: bool) -> None:
        """Forwards the answer. The client's leaving is the passage's business: reading goes on or is cut there."""
        client = self.client
        if client.gone:
            passage.client_left()
        client.on_gone = passage.client_left
        try:
            await self._forward(passage, price_of, trailer=trailer)
        except UpstreamError as error:
            if not self._begun:
                raise
            log.info("answer_broke_off", extra={"entry_id": passage.entry_id, "code": error.code})
            client.abort()
        except asyncio.CancelledError:
            passage.call.cut_at_shutdown()
            raise
        finally:
            client.on_gone = None
            if not passage.ended:
                passage.cut()

    async def _forward(self, passage: Passage, price_of: Any, *, trailer: bool) -> None:
        client = self.client
        extra = [(CALL_HEADER, passage.entry_id.encode())]
        admitted = passage.admitted
        if admitted is not None and (admitted.headers or admitted.warnings):
            extra += admitted.headers
            extra += [(WARNING_HEADER, warning.encode("ascii", "replace")) for warning in admitted.warnings]
        body = b""
        if passage.is_json:
            body = await _beginning(passage)
            cost = _cost(passage, price_of)
            if cost is not None:
                extra.append((COST_HEADER, cost))
        self._begun = True
        await client.start(passage.status, client_headers(passage.headers, extra))
        while not passage.ended:
            if body:
                await client.write(body)
            else:
                client.flush()  # so that the client sees that there is an answer, before its first byte
            body = await passage.read()
        if trailer:
            body += _trailer(passage, price_of)
        await client.finish(body)

    async def says(self, status: int, body: bytes) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", new_id("req").encode()),
            (b"x-content-type-options", b"nosniff"),
        ]
        await self._say(status, headers, body)

    async def refuse(self, error: TalkmeterError) -> None:
        """Our own error; an answer that has begun cannot be changed any more and is broken off."""
        if self._begun:
            self.client.abort()
            return
        status, headers, body = problem(error)
        headers.append((b"x-request-id", new_id("req").encode()))
        await self._say(status, headers, body)

    async def _say(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self._begun = True
        await self.client.start(status, headers)
        await self.client.finish(body)


async def _beginning(passage: Passage) -> bytes:
    """All of an answer in one piece, or as much as is kept back for the sake of its cost."""
    piece = await passage.read()
    if passage.ended:
        return piece
    pieces, size = [piece], len(piece)
    while not passage.ended and size < WHOLE_BYTES:
        pieces.append(await passage.read())
        size += len(pieces[-1])
    return b"".join(pieces)


def _cost(passage: Passage, price_of: Any) -> bytes | None:
    """US dollars, exactly; None while it is being counted, or if it has no price."""
    settled = passage.call.settlement
    if settled is None or settled.cost.picodollars is None:
        return None
    text: str = price_of(settled.cost.picodollars)
    return text.encode()


def _trailer(passage: Passage, price_of: Any) -> bytes:
    """A comment, which every reader of events passes over."""
    cost = _cost(passage, price_of)
    return b": talkmeter call=%b cost=%b\n\n" % (passage.entry_id.encode(), cost or b"unknown")


async def _unread_body(
    receive: Receive, headers: Headers, limit: int
) -> tuple[bytes | AsyncIterator[bytes], int | None]:
    """A body that goes on as it comes, and its length if that is stated. A small one is read: it can be sent again."""
    length = _number(headers.get(b"content-length"))
    if length is None and b"transfer-encoding" not in headers:
        await _body(receive, limit)
        return b"", None
    if length is not None and length <= WHOLE_BYTES:
        return await _body(receive, WHOLE_BYTES), None
    return _pieces(receive), length


async def _body(receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge; BadInput if the client leaves before its end."""
    message = await receive()
    body: bytes = message.get("body", b"")
    pieces = [body]
    size = len(body)
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            raise client_left()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > limit:
            break
    if size > limit:
        raise TooLarge(
            f"The body is larger than {limit:,} bytes.",
            f"본문이 {limit:,}바이트보다 큽니다.",
            code="body_too_large",
            hint="The setting gateway_body_bytes raises the limit.",
            hint_ko="설정 gateway_body_bytes로 늘릴 수 있습니다.",
        )
    return body if len(pieces) == 1 else b"".join(pieces)


async def _pieces(receive: Receive) -> AsyncIterator[bytes]:
    """The body as it comes, for uploads that need no reading."""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise client_left()
        more = message.get("more_body", False)
        if data := message.get("body", b""):
            yield data


def _number(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() and len(value) < 16 else None


def _refuse_coded(headers: Headers) -> None:
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise BadInput(
            "A compressed body cannot be read here.",
            "압축된 본문은 읽을 수 없습니다.",
            code="unsupported_encoding",
            status=415,
            param="Content-Encoding",
            hint="Send it as it is.",
            hint_ko="압축하지 않고 보내십시오.",
        )


def _wants_trailer(headers: Headers) -> bool:
    return headers.get(COST_HEADER) == b"trailer"


def _asks_for_usage(fields: Fields) -> bool:
    options = fields.stream_options
    return isinstance(options, dict) and options.get("include_usage") is True


def _wrong_method() -> TalkmeterError:
    return TalkmeterError(
        "Use GET here.",
        "여기서는 GET을 쓰십시오.",
        code="wrong_method",
        status=405,
        details={"allow": "GET, HEAD"},
    )


def _internal() -> TalkmeterError:
    return TalkmeterError(
        "Something went wrong inside Talkmeter.",
        "Talkmeter 내부에서 문제가 생겼습니다.",
        hint="The log has the details.",
        hint_ko="자세한 내용은 로그에 있습니다.",
    )


_NO_FIELDS = Fields()
