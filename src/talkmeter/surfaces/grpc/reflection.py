"""Reflection under both of its names: `grpc.reflection.v1`, which clients ask first, and `grpc.reflection.v1alpha`.

They are one protocol, byte for byte. Its package has the older one only; the newer one's description is made from that.
"""

from collections.abc import Sequence
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection, reflection_pb2

V1, V1ALPHA = "grpc.reflection.v1", "grpc.reflection.v1alpha"
FILE = "grpc/reflection/v1/reflection.proto"
SERVICES = (f"{V1}.ServerReflection", f"{V1ALPHA}.ServerReflection")


def handlers(names: Sequence[str]) -> tuple[Any, ...]:
    """names: of all services but these."""
    _know_v1()
    servicer = reflection.aio.ReflectionServicer((*names, *SERVICES))  # type: ignore[attr-defined]  # no aio in the stubs
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return tuple(grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": handler}) for name in SERVICES)


def described_as_v1() -> FileDescriptorProto:
    """The older version's file under the newer one's names. Pure."""
    file = FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = FILE, V1
    file.ClearField("options")
    fields = [field for message in file.message_type for field in message.field]
    for field in [field for field in fields if field.type_name]:
        field.type_name = _renamed(field.type_name)
    for method in [method for service in file.service for method in service.method]:
        method.input_type, method.output_type = _renamed(method.input_type), _renamed(method.output_type)
    return file


def _renamed(name: str) -> str:
    return name.replace(f".{V1ALPHA}.", f".{V1}.")


def _know_v1() -> None:
    """What the servicer looks names up in is this process's own pool."""
    pool = descriptor_pool.Default()
    try:
        pool.FindFileByName(FILE)
    except KeyError:
        pool.AddSerializedFile(described_as_v1().SerializeToString())
