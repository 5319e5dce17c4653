"""The gRPC door on a real store and the simulator, over real sockets, in the test's own process."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing

import grpc
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status
from msgspec import structs

from support import books
from support.workspace import workspace
from talkmeter.accounts.entrance import Entrance
from talkmeter.surfaces.grpc.messages import chat_pb2, conversations_pb2
from talkmeter.surfaces.grpc.server import GrpcServer
from talkmeter.surfaces.grpc.services import Limits, Services

DETAILS = "grpc-status-details-bin"
MESSAGES = {
    "chat.Chat/Ask": (chat_pb2.askrequest, chat_pb2.askresponse),
    **{
        f"talkmeter.v1.Conversations/{name}": (
            getattr(conversations_pb2, f"{name}Request"),
            getattr(conversations_pb2, f"{name}Response"),
        )
        for name in ("Ask", "Follow", "GetHistory", "ListRooms", "Stop")
    },
}


class Client:
    """One channel. Methods by name, messages by their fields."""

    def __init__(self, channel):
        self.channel = channel

    def call(self, method, /, metadata=None, timeout=None, **fields):
        request, reply = MESSAGES[method]
        streams = method.endswith(("/Ask", "/Follow"))
        made = (self.channel.unary_stream if streams else self.channel.unary_unary)(
            f"/{method}", request_serializer=request.SerializeToString, response_deserializer=reply.FromString
        )
        return made(request(**fields), metadata=metadata, timeout=timeout)

    def ask(self, prompt, **more):
        return self.call("chat.Chat/Ask", prompt=prompt, **more)

    async def pieces(self, prompt, **more):
        """All responses of an ask that ends well."""
        return [piece async for piece in self.ask(prompt, **more)]

    async def text(self, prompt, **more):
        """What one of the first clients prints."""
        return "".join([piece.response for piece in await self.pieces(prompt, **more)])

    async def events(self, method, /, **more):
        return [reply.event async for reply in self.call(f"talkmeter.v1.Conversations/{method}", **more)]


async def refusal(call):
    """The error that a call ends with."""
    try:
        if hasattr(call, "read"):
            while await call.read() is not grpc.aio.EOF:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the call has ended well")


def details_of(error):
    """The google.rpc details of an error, by their short names."""
    data = dict(error.trailing_metadata())[DETAILS]
    status = Status.FromString(data)
    assert status.code == error.code().value[0]
    found = {}
    for packed in status.details:
        name = packed.TypeName().rpartition(".")[2]
        found[name] = getattr(error_details_pb2, name)()
        packed.Unpack(found[name])
    return found


async def trailers_of(call):
    return dict(await call.trailing_metadata())


class House:
    def __init__(self, desk, server, port):
        self.desk = desk
        self.server = server
        self.port = port
        self._channels = []

    def client(self, *, options=None):
        """On a connection of its own."""
        # Channels to one target with the same arguments would share a connection.
        unshared = [("grpc.use_local_subchannel_pool", 1), *(options or [])]
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.port}", options=unshared)
        self._channels.append(channel)
        return Client(channel)

    def ledger(self):
        """Every ledger entry by its id, as it stands on the disk."""
        with closing(sqlite3.connect(self.desk.folder / "talkmeter.sqlite")) as connection:
            connection.row_factory = sqlite3.Row
            return {row["id"]: row for row in books.rows(connection, "SELECT * FROM ledger_entries")}

    def bill(self):
        return {row.client_request_id: structs.asdict(row) for row in self.desk.simulator.bill.rows}

    async def check_books(self, **allowed):
        """Once nothing runs any more: every call has one settled entry, and it is the bill's."""
        await self.idle()
        assert await self.desk.simulator.settled()
        ledger = self.ledger()
        books.check_billed(ledger, self.bill(), **allowed)
        assert {entry["surface"] for entry in ledger.values()} <= {"grpc"}
        return list(ledger.values())

    async def idle(self):
        async with asyncio.timeout(60):
            while self.desk.runs.running():
                await asyncio.sleep(0.005)

    async def close(self):
        for channel in self._channels:
            await channel.close()


@asynccontextmanager
async def grpc_house(folder, *, limits=None, local=True, meter_limits=None, **options):
    async with workspace(folder, limits=meter_limits, **options) as desk:
        entrance = Entrance(desk.keys, local=lambda: local)
        server = GrpcServer(Services(talks=desk.talks, entrance=entrance, limits=limits or Limits()))
        (port,) = await server.start(["127.0.0.1:0"])
        house = House(desk, server, port)
        try:
            yield house
        finally:
            await house.close()
            refusing = asyncio.create_task(server.stop_accepting(5))
            await desk.runs.close()
            await server.stop()
            await refusing
