"""Reflection by hand, under both names: what there is, and a description of each that a client can work with."""

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from talkmeter.surfaces.grpc.reflection import SERVICES, V1, described_as_v1

NAMES = {"chat.Chat", "talkmeter.v1.Conversations", "grpc.health.v1.Health", *SERVICES}
BOTH = pytest.mark.parametrize("service", SERVICES)


async def answers(client, service, *requests):
    """Of one call, in its order."""
    call = client.channel.stream_stream(
        f"/{service}/ServerReflectionInfo",
        request_serializer=ServerReflectionRequest.SerializeToString,
        response_deserializer=ServerReflectionResponse.FromString,
    )(iter(requests))
    return [answer async for answer in call]


def pool_of(answer):
    """The described files, known to a client that has no others."""
    pool = DescriptorPool()
    files = [FileDescriptorProto.FromString(each) for each in answer.file_descriptor_response.file_descriptor_proto]
    known = {file.name: file for file in files}
    added = set()

    def add(file):
        for name in file.dependency:
            add(known[name])
        if file.name not in added:
            added.add(file.name)
            pool.Add(file)

    for file in files:
        add(file)
    return pool


@BOTH
async def test_it_lists_all_services_itself_included(client, service):
    (answer,) = await answers(client, service, ServerReflectionRequest(list_services=""))
    assert {each.name for each in answer.list_services_response.service} == NAMES


@BOTH
async def test_every_service_is_described_whole(client, service):
    asked = [ServerReflectionRequest(file_containing_symbol=name) for name in sorted(NAMES)]
    for name, answer in zip(sorted(NAMES), await answers(client, service, *asked), strict=True):
        assert not answer.HasField("error_response"), name
        described = pool_of(answer).FindServiceByName(name)
        assert described.methods
        assert all(method.input_type.fields_by_name is not None for method in described.methods)


async def test_a_client_made_from_the_newer_description_is_understood(client):
    """As buf and grpcurl do it: with messages that only the description is known of."""
    asked = ServerReflectionRequest(file_containing_symbol=SERVICES[0])
    (answer,) = await answers(client, SERVICES[0], asked)
    method = pool_of(answer).FindServiceByName(SERVICES[0]).methods_by_name["ServerReflectionInfo"]
    request, reply = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
    call = client.channel.stream_stream(
        f"/{SERVICES[0]}/ServerReflectionInfo",
        request_serializer=request.SerializeToString,
        response_deserializer=reply.FromString,
    )(iter([request(list_services="*"), request(file_by_filename="nothing.proto")]))
    listed, refused = [each async for each in call]
    assert {each.name for each in listed.list_services_response.service} == NAMES
    assert refused.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def test_nothing_of_the_older_name_is_left_in_the_newer_description():
    described = described_as_v1()
    assert described.package == V1
    assert b"v1alpha" not in described.SerializeToString()
