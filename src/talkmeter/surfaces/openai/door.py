"""The door for OpenAI clients: reads a request, has it passed on, writes the answer's bytes as they come.

No router, no middleware, no request object: what this does is done for every call, and for every piece of an answer.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
from msgspec import structs

from talkmeter.accounts.entrance import AUTHORIZATION, Caller, caller_of
from talkmeter.accounts.key_errors import UNKNOWN
from talkmeter.accounts.principals import Principal
from talkmeter.conversation.gateway.allowed import check_endpoint, check_model, refuse_unread
from talkmeter.conversation.gateway.endpoints import Endpoint, find_endpoint
from talkmeter.conversation.gateway.fields import Fields, asked_of, read_json
from talkmeter.conversation.gateway.values import PassAsk
from talkmeter.conversation.gateway.waiting import client_left
from talkmeter.errors import BadInput, InvalidKey, NotFound, TalkmeterError, TooLarge
from talkmeter.metering.asked import Asked
from talkmeter.surfaces.openai.answering import Answering
from talkmeter.surfaces.openai.asgi_client import AsgiClient
from talkmeter.surfaces.openai.forms import content_type_of, read_form
from talkmeter.surfaces.openai.heads import PREFIX, Head, KnownHeads, head_of
from talkmeter.surfaces.openai.pages import READABLE, leave
from talkmeter.surfaces.openai.services import Client, Services

log = logging.getLogger(__name__)

SURFACE = "openai"
WHOLE_BYTES = 1 << 20  # answers in one piece up to this are read to their end, so that their head can say the cost
USAGE_STREAMS = ("chat/completions", "completions")

Send = Any
Receive = Any


class OpenAIDoor:
    """ASGI, for paths below /v1/."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._known = KnownHeads()

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        extensions = scope.get("extensions")
        client = extensions.get("talkmeter.client") if extensions else None
        # Of a HEAD only the server itself knows how to leave out the body.
        if client is None or scope["method"] == "HEAD":
            client = AsgiClient(send)
        headers = dict(scope["headers"])
        granted = leave(scope["method"], headers)
        answering = Answering(
            client, scope["method"], scope["path"], granted or (READABLE if b"origin" in headers else ())
        )
        try:
            if granted is not None:
                await answering.nothing()
            else:
                await self._answer(scope, receive, headers, answering)
        except Exception as error:  # noqa: BLE001 - it is told and logged, whatever it was
            await _tell(error, answering, scope["path"])

    def whole(self, data: bytes) -> tuple[Head, bytes] | None:
        """Head and body, if these bytes are a request that `answer` takes."""
        return self._known.whole(data)

    async def answer(self, head: Head, body: bytes, peer: Any, client: Client) -> None:
        """Answers a request that `whole` has found. peer: the client's address and port."""
        answering = Answering(client, head.method, PREFIX + head.path)
        try:
            await self._answer_whole(head, body, peer, answering)
        except Exception as error:  # noqa: BLE001 - it is told and logged, whatever it was
            await _tell(error, answering, head.path)

    async def _answer_whole(self, head: Head, body: bytes, peer: Any, answering: Answering) -> None:
        options = self._services.requests.options
        caller = head.caller(peer)
        try:
            principal = self._services.entrance.principal(SURFACE, caller)
        except InvalidKey:
            principal = await self._principal(caller)
        endpoint = check_endpoint(head.endpoint, options, head.path)
        size = len(body)
        if size > options.body_bytes:
            raise _too_large(options.body_bytes)
        if head.coded:
            raise _coded()
        fields = read_json(body)
        asked = asked_of(endpoint, fields, body, size)
        check_model(principal, asked.model, body)
        provider_id = None
        if fields.previous_response_id is not None or fields.conversation is not None:
            provider_id = await self._services.requests.continued(fields, principal)
        await self._pass_on(self._pass_ask(head, principal, fields, asked, body, provider_id), head, answering)

    async def _principal(self, caller: Caller) -> Principal:
        """As the entrance has it; a key that is not known here may have been made by another process a moment ago."""
        entrance = self._services.entrance
        try:
            return entrance.principal(SURFACE, caller)
        except InvalidKey as error:
            if error.details.get("reason") != UNKNOWN:
                raise
        await entrance.look_again()
        return entrance.principal(SURFACE, caller)

    async def _answer(self, scope: Any, receive: Receive, headers: Mapping[bytes, bytes], answering: Answering) -> None:
        if len(headers) < len(scope["headers"]) and [name for name, _ in scope["headers"]].count(AUTHORIZATION) > 1:
            raise _two_keys()
        principal = await self._principal(caller_of(scope.get("client"), headers))
        path, method = scope["path"][len(PREFIX) :], scope["method"]
        if path == "models" or path.startswith("models/"):
            await self._models(path, method, principal, answering)
            return
        endpoint = check_endpoint(find_endpoint(method, path), self._services.requests.options, path)
        head = head_of(scope)
        await self._pass_on(await self._ask(head, receive, endpoint, principal), head, answering)

    async def _pass_on(self, ask: PassAsk, head: Head, answering: Answering) -> None:
        passage = await self._services.gateway.pass_on(ask, answering.client)
        trailer = head.trailer and passage.is_plain_stream
        await answering.passes(passage, self._services.price_of, trailer=trailer)

    async def _ask(self, head: Head, receive: Receive, endpoint: Endpoint, principal: Principal) -> PassAsk:
        requests, headers = self._services.requests, head.headers
        options = requests.options
        earlier = await requests.earlier(head.path, endpoint, principal)
        provider_id = earlier.opening.provider_id if earlier is not None else None
        late = earlier if self._services.gateway.entry_is_late(earlier) else None
        body: bytes | AsyncIterator[bytes] = b""
        length: int | None = None
        span: tuple[int, int] | None = None
        fields = _NO_FIELDS
        form: dict[str, Any] | None = None
        if endpoint.body == "any":
            refuse_unread(endpoint, principal)
            length = _number(headers.get(b"content-length"))
            if length is None and b"transfer-encoding" not in headers:
                await _body(receive, options.body_bytes)
            elif length is not None and length <= WHOLE_BYTES:
                body, length = await _body(receive, WHOLE_BYTES), None
            else:
                body = _pieces(receive)
            asked = Asked(endpoint=endpoint.name, model="", billing=endpoint.billing, late=late is not None)
        else:
            whole = body = await _body(receive, options.body_bytes)
            kind = content_type_of(head.given) if endpoint.body == "form" else b"application/json"
            if kind.startswith(b"application/json"):
                if head.coded:
                    raise _coded()
                fields = read_json(whole)
            else:
                read = read_form(whole, kind)
                fields, span, form = read.fields, read.span, read.all
            asked = asked_of(endpoint, fields, whole if form is None else b"", len(whole), form)
            check_model(principal, asked.model, asked.body)
            if fields.previous_response_id is not None or fields.conversation is not None:
                provider_id = await requests.continued(fields, principal)
        ask = self._pass_ask(head, principal, fields, asked, body, provider_id)
        return structs.replace(ask, body_length=length, model_span=span, late_for=late)

    def _pass_ask(
        self,
        head: Head,
        principal: Principal,
        fields: Fields,
        asked: Asked,
        body: bytes | AsyncIterator[bytes],
        provider_id: str | None,
    ) -> PassAsk:
        unasked = asked.streamed and asked.endpoint in USAGE_STREAMS and not _asks_for_usage(fields)
        return self._services.requests.ask(
            surface=SURFACE,
            principal=principal,
            asked=asked,
            fields=fields,
            tags=head.tags,
            method=head.method,
            path=head.target,
            headers=head.going_on(plain=unasked or (asked.streamed and head.trailer)),
            body=body,
            usage_unasked=unasked,
            provider_id=provider_id,
        )

    async def _models(self, path: str, method: str, principal: Principal, answering: Answering) -> None:
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


async def _tell(error: Exception, answering: Answering, path: str) -> None:
    """Whatever goes wrong is told to the client, as far as it can be."""
    if not isinstance(error, TalkmeterError):
        log.error("gateway_failed", exc_info=error, extra={"path": path[:200]})
        error = _internal()
    await answering.refuse(error)


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
        raise _too_large(limit)
    return body if len(pieces) == 1 else b"".join(pieces)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than {limit:,} bytes.",
        f"본문이 {limit:,}바이트보다 큽니다.",
        code="body_too_large",
        hint="The setting gateway_body_bytes raises the limit.",
        hint_ko="설정 gateway_body_bytes로 늘릴 수 있습니다.",
    )


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


def _coded() -> BadInput:
    return BadInput(
        "A compressed body cannot be read here.",
        "압축된 본문은 읽을 수 없습니다.",
        code="unsupported_encoding",
        status=415,
        param="Content-Encoding",
        hint="Send it as it is.",
        hint_ko="압축하지 않고 보내십시오.",
    )


def _asks_for_usage(fields: Fields) -> bool:
    options = fields.stream_options
    return isinstance(options, dict) and options.get("include_usage") is True


def _two_keys() -> BadInput:
    return BadInput(
        "The request has more than one Authorization header.",
        "요청에 Authorization 헤더가 둘 이상 있습니다.",
        code="two_authorizations",
        param="Authorization",
        hint="Send one, with the key that is to pay.",
        hint_ko="비용을 부담할 키로 하나만 보내십시오.",
    )


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
