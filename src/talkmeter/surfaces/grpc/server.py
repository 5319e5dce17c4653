"""The gRPC server: services, health, reflection and limits on one event loop, beside whatever else runs there."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health, health_pb2
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server

from talkmeter.surfaces.grpc import chat, conversations, reflection
from talkmeter.surfaces.grpc.asking import Asking
from talkmeter.surfaces.grpc.channels import CHANNEL_SECONDS, Channels
from talkmeter.surfaces.grpc.messages import chat_pb2, conversations_pb2
from talkmeter.surfaces.grpc.rpc import Answer, Context, Handler, Unread, answering
from talkmeter.surfaces.grpc.services import Limits, Services

KEEPALIVE_SECONDS = 60  # between pings to a client that is silent; one that does not answer is gone
KEEPALIVE_ANSWER_SECONDS = 20
CLIENTS_PING_SECONDS = 30  # a client may ping as often; who goes on pinging oftener is cut off
LAST_ANSWERS_SECONDS = 3  # for calls that are being answered once all runs have ended
FILES = (chat_pb2.DESCRIPTOR, conversations_pb2.DESCRIPTOR)


_UNARY = grpc.unary_unary_rpc_method_handler


class GrpcServer:
    """`start` listens; `stop` ends in order: health first, then the calls, then the connections."""

    def __init__(self, services: Services) -> None:
        self._answering: set[asyncio.Task[Any]] = set()
        self._asking = Asking(services.talks)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]  # the stubs know no aio
        limits = services.limits
        self._server = grpc.aio.server(options=_options(limits), maximum_concurrent_rpcs=limits.calls)
        tables = {
            chat.SERVICE: chat.Chat(self._asking, Channels()).methods(),
            conversations.SERVICE: conversations.Conversations(self._asking).methods(),
        }
        for name, methods in tables.items():
            self._server.add_generic_rpc_handlers((self._handlers(services, name, methods),))
        self._names = tuple(tables)
        add_HealthServicer_to_server(self._health, self._server)
        self._server.add_generic_rpc_handlers(reflection.handlers((*tables, health.SERVICE_NAME)))

    async def start(
        self, addresses: Sequence[str], credentials: Callable[[], grpc.ServerCredentials] | None = None
    ) -> list[int]:
        """The ports. addresses: such as `127.0.0.1:9000` or `[::1]:9000`. credentials: makes those of TLS, for each
        address its own; None: plain.

        Raises OSError if one of them cannot be listened on.
        """
        try:
            if credentials is None:
                ports = [self._server.add_insecure_port(address) for address in addresses]
            else:
                ports = [self._server.add_secure_port(address, credentials()) for address in addresses]
        except RuntimeError as error:
            await self._server.start()  # or it would not let go of those that it has
            await self._server.stop(None)
            raise OSError(f"gRPC cannot listen on {', '.join(addresses)}: {error}") from None
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        return ports

    async def stop_accepting(self, grace: float) -> None:
        """Says NOT_SERVING, refuses new calls, and returns once those under way have ended.

        grace: how many seconds the runs have. Their ends are still to be told after that: it is `stop` that breaks off
        what is left then. Without it, that happens a little later.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace + 2 * LAST_ANSWERS_SECONDS)

    async def stop(self) -> None:
        """After the runs have ended: gives the last answers a moment. What is still there then is broken off, such as
        those who watch the health.
        """
        if self._answering:
            await asyncio.wait(self._answering, timeout=LAST_ANSWERS_SECONDS)
        await self._asking.end()
        await self._server.stop(None)

    def _handlers(self, services: Services, name: str, methods: Mapping[str, Answer]) -> Any:
        """Messages and kinds of the methods as the protos have them."""
        made = {}
        for method in _service(name).methods:
            kind = grpc.unary_stream_rpc_method_handler if method.server_streaming else _UNARY
            made[method.name] = kind(
                self._counted(answering(services, f"/{name}/{method.name}", methods[method.name])),
                request_deserializer=GetMessageClass(method.input_type).FromString,
                response_serializer=_bytes_of,
            )
        return grpc.method_handlers_generic_handler(name, made)

    def _counted(self, handler: Handler) -> Handler:
        async def counted(request: Any, context: Context) -> Message | None:
            task = asyncio.current_task()
            assert task is not None
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
            try:
                return await handler(request, context)
            except Unread:
                self._answering.discard(task)  # nobody waits for its end, which comes when the client reads or goes
                context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
                context.set_details("What was written to this call was not read in time.")
                return None

        return counted


def _service(name: str) -> ServiceDescriptor:
    for file in FILES:
        for service in file.services_by_name.values():
            if service.full_name == name:
                return service
    raise LookupError(name)


def _bytes_of(message: Message) -> bytes:
    return message.SerializeToString()


def _options(limits: Limits) -> list[tuple[str, int]]:
    """Times go by what is said at the top; pings are answered, and asked, on connections without a call, too."""
    return [
        ("grpc.so_reuseport", 0),  # or another server on the port would go unnoticed
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_concurrent_streams", limits.calls),
        ("grpc.keepalive_time_ms", round(KEEPALIVE_SECONDS * 1000)),
        ("grpc.keepalive_timeout_ms", round(KEEPALIVE_ANSWER_SECONDS * 1000)),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", round(CLIENTS_PING_SECONDS * 1000)),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_connection_idle_ms", CHANNEL_SECONDS * 1000),
    ]
