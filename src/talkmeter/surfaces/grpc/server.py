"""The gRPC server: services, health, reflection and limits on one event loop, beside whatever else runs there."""

import asyncio
from collections.abc import Mapping, Sequence

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer
from grpc_health.v1.health_pb2_grpc import add_HealthServicer_to_server
from grpc_reflection.v1alpha import reflection

from talkmeter.surfaces.grpc import chat, conversations
from talkmeter.surfaces.grpc.asking import Asking
from talkmeter.surfaces.grpc.channels import CHANNEL_SECONDS, Channels
from talkmeter.surfaces.grpc.messages import chat_pb2, conversations_pb2
from talkmeter.surfaces.grpc.rpc import Answer, answering
from talkmeter.surfaces.grpc.services import Limits, Services

KEEPALIVE_SECONDS = 60  # between pings to a client that is silent; one that does not answer is gone
KEEPALIVE_ANSWER_SECONDS = 20
CLIENTS_PING_SECONDS = 30  # a client may ping as often; who goes on pinging oftener is cut off
FILES = (chat_pb2.DESCRIPTOR, conversations_pb2.DESCRIPTOR)


class GrpcServer:
    """`start` listens; `stop` ends in order: health first, then the calls, then the connections."""

    def __init__(self, services: Services) -> None:
        self._asking = Asking(services.talks)
        self._health = HealthServicer()
        limits = services.limits
        self._server = grpc.aio.server(options=_options(limits), maximum_concurrent_rpcs=limits.calls)
        tables = {
            chat.SERVICE: chat.Chat(self._asking, Channels()).methods(),
            conversations.SERVICE: conversations.Conversations(self._asking).methods(),
        }
        for name, methods in tables.items():
            self._server.add_generic_rpc_handlers((_handlers(services, name, methods),))
        self._names = tuple(tables)
        add_HealthServicer_to_server(self._health, self._server)
        health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
        reflection.enable_server_reflection((*tables, health, reflection.SERVICE_NAME), self._server)

    async def start(self, addresses: Sequence[str], credentials: grpc.ServerCredentials | None = None) -> None:
        """addresses: such as `127.0.0.1:9000` or `[::1]:9000`. credentials: of TLS; None: plain.

        Raises OSError if one of them cannot be listened on.
        """
        try:
            for address in addresses:
                if credentials is None:
                    self._server.add_insecure_port(address)
                else:
                    self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            await self._server.stop(None)
            raise OSError(f"gRPC cannot listen on {', '.join(addresses)}: {error}") from None
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)

    async def stop_accepting(self, grace: float) -> None:
        """Says NOT_SERVING, refuses new calls, and returns once those under way have ended, at the latest after `grace`
        seconds; then they are broken off.
        """
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)

    async def stop(self) -> None:
        """What is still there is broken off, such as those who watch the health. After the runs have ended."""
        await self._asking.end()
        await self._server.stop(None)


def _handlers(services: Services, name: str, methods: Mapping[str, Answer]) -> grpc.GenericRpcHandler:
    """Messages and kinds of the methods as the protos have them."""
    (service,) = (file.services_by_name[short] for file in FILES for short in file.services_by_name
                  if file.services_by_name[short].full_name == name)  # fmt: skip
    made = {}
    for method in service.methods:
        kind = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        made[method.name] = kind(
            answering(services, methods[method.name]),
            request_deserializer=method.input_type._concrete_class.FromString,
            response_serializer=_bytes_of,
        )
    return grpc.method_handlers_generic_handler(name, made)


def _bytes_of(message: Message) -> bytes:
    return message.SerializeToString()


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),  # or another server on the port would go unnoticed
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_concurrent_streams", limits.calls),
        ("grpc.keepalive_time_ms", KEEPALIVE_SECONDS * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_ANSWER_SECONDS * 1000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", CLIENTS_PING_SECONDS * 1000),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.max_connection_idle_ms", CHANNEL_SECONDS * 1000),
    ]
