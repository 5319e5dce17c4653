"""The gRPC door in this process, and a client of it."""

import pytest

from support.grpc_house import grpc_house


@pytest.fixture
async def house(tmp_path):
    async with grpc_house(tmp_path) as made:
        yield made
        await made.check_books()


@pytest.fixture
def client(house):
    return house.client()
