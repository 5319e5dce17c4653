"""Where the server listens, and what it lets go of if it cannot."""

import socket

import grpc
import pytest

from support.grpc_house import grpc_house
from talkmeter.surfaces.grpc.server import GrpcServer
from talkmeter.surfaces.grpc.services import Limits, Services


async def test_all_addresses_or_none(house):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            free = found.getsockname()[1]
        server = GrpcServer(Services(talks=house.desk.talks, entrance=None, limits=Limits()))
        with pytest.raises(OSError, match=str(taken)):
            await server.start([f"127.0.0.1:{free}", f"127.0.0.1:{taken}"])
        with socket.socket() as again:
            again.bind(("127.0.0.1", free))


async def test_more_calls_than_allowed_are_refused(tmp_path):
    async with grpc_house(tmp_path, limits=Limits(calls=1)) as house:
        house.desk.simulator.script({"gate": True})
        call = house.client().ask("say: one")
        await call.initial_metadata()
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await house.client().ask("say: two").read()
        assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await house.desk.simulator.step(1000)
        while await call.read() is not grpc.aio.EOF:
            pass
